#!/usr/bin/python3
"""Instructions a message of each step, counted by valgrind, against the stored bounds.

What others do on the machine does not show in them, so a step that got dearer
does.  They hold for one compiler and its libraries; elsewhere this is skipped.
"""
import argparse
import concurrent.futures
import json
import os
import platform
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BOUNDS = os.path.join(HERE, "instructions.json")
SKIPPED = 77
ALLOWED = 1.10
# A step is run so many times and twice as many: the difference has no start in it.
COUNTS = {"commit": 1280}
COUNT = 256


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--micro", default=os.path.join(HERE, "../../.build/release/tests/bench/micro"))
    parser.add_argument("--update", action="store_true", help="store what is counted as the new bounds")
    return parser.parse_args()


def describe(micro):
    """What the counts depend on."""
    versions = subprocess.run([micro, "--versions"], stdout=subprocess.PIPE, check=True, text=True).stdout
    about = dict(line.split(" ", 1) for line in versions.splitlines())
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        about["machine"] = platform.machine() + (" avx2" if re.search(r"^flags.*\bavx2\b", file.read(), re.M) else "")
    return about


def count(micro, step, times):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", micro, "--op", step,
                           "--count", str(times)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"valgrind: exit {done.returncode}: {done.stderr}")
    return int(found.group(1))


def count_step(micro, step):
    times = COUNTS.get(step, COUNT)
    return round((count(micro, step, 2 * times) - count(micro, step, times)) / times)


def count_all(micro):
    steps = subprocess.run([micro, "--list"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(steps, pool.map(lambda step: count_step(micro, step), steps)))


def compare(bounds, counts):
    """Also when a step is not in the bounds, or not counted any more."""
    faults = 0
    for step in sorted(bounds.keys() | counts.keys()):
        stored, counted = bounds.get(step), counts.get(step)
        wrong = stored is None or counted is None or counted > stored * ALLOWED
        faults += wrong
        share = f"{100 * counted / stored:4.0f} %" if stored and counted else "     ?"
        print(f"{step:18} {counted or 0:8,} of {stored or 0:8,}  {share}{'  TOO MANY' if wrong else ''}")
    if faults:
        print("if that is meant: tests/bench/instructions.py --update")
    return faults


def main():
    options = parse_arguments()
    if not shutil.which("valgrind"):
        print("skipped: no valgrind here")
        return SKIPPED
    about = describe(options.micro)
    if options.update:
        with open(BOUNDS, "w", encoding="utf-8") as file:
            json.dump({"for": about, "instructions": count_all(options.micro)}, file, indent=1)
            file.write("\n")
        return 0
    with open(BOUNDS, encoding="utf-8") as file:
        stored = json.load(file)
    differing = [f"{key} {about.get(key)}, not {value}" for key, value in stored["for"].items()
                 if about.get(key) != value]
    if differing:
        print(f"skipped: the bounds are for others: {'; '.join(differing)}")
        return SKIPPED
    return 1 if compare(stored["instructions"], count_all(options.micro)) else 0


if __name__ == "__main__":
    sys.exit(main())
