#!/usr/bin/env python3
"""Runs the fuzz targets, two at a time, and says how many inputs each tried.

    run.py BUILD [--time 20s] [--seed N] [TARGET...]

What is found new goes to BUILD/corpus/TARGET, a crasher to BUILD/crash-TARGET-HASH: once mended
it belongs into tests/fuzz/corpus/TARGET."""
import argparse
import concurrent.futures
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DONE = re.compile(rb"Done (\d+) runs in (\d+) second")
LARGEST = {"message": 16384, "expat": 16384, "memory": 16384, "head": 40000, "gate": 40000, "rebuild": 4096, "name": 64}
WORDS = {"gate": "head", "memory": "message"}  # whose dictionary
SLOW = {"rebuild": 10}  # seconds that one input may take; 2 for others


def seconds(text):
    match = re.fullmatch(r"(\d+)([smh]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"no time: {text}")
    return int(match.group(1)) * {"s": 1, "m": 60, "h": 3600}[match.group(2) or "m"]


def run(build, name, time, seed):
    corpus = build / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    command = [build / f"fuzz_{name}", f"-max_total_time={time}", f"-max_len={LARGEST.get(name, 8192)}", "-print_final_stats=1",
               f"-timeout={SLOW.get(name, 2)}", "-rss_limit_mb=2048", f"-artifact_prefix={build}/crash-{name}-",
               f"-seed={seed}", corpus, HERE / "corpus" / name]
    words = HERE / f"{WORDS.get(name, name)}.dict"
    if words.exists():
        command.insert(1, f"-dict={words}")
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    (build / f"{name}.log").write_bytes(done.stdout)
    match = DONE.search(done.stdout)
    return name, done.returncode, int(match.group(1)) if match else 0, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--time", type=seconds, default=60, help="for each target: 20s, 5m, 1h (a bare number is minutes)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="begins the same row of inputs each time; 0: another each time")
    parser.add_argument("targets", nargs="*")
    arguments = parser.parse_intermixed_args()
    build = arguments.build.resolve()
    known = sorted(p.stem.removeprefix("fuzz_") for p in HERE.glob("fuzz_*.c"))
    unknown = set(arguments.targets) - set(known)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    total, failed = 0, []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        work = [pool.submit(run, build, name, arguments.time, arguments.seed) for name in arguments.targets or known]
        for future in concurrent.futures.as_completed(work):
            name, code, runs, output = future.result()
            print(f"{name:10} {runs:>12,} inputs{'' if code == 0 else '  FAILED'}", flush=True)
            total += runs
            if code != 0:
                failed.append(name)
                sys.stdout.buffer.write(output[-6000:] + b"\n")
    print(f"{'all':10} {total:>12,} inputs, {len(failed)} with a finding")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
