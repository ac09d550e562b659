#!/usr/bin/env python3
"""Plays the committed inputs to targets that count the lines that run, and prints what they reach.

    coverage.py BUILD [--at-least 95] [--show FILE]

The files are those that read strangers' bytes: fewer lines of one reached than asked for is a fault."""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = ("http/gate.c", "http/head.c", "message/decode.c", "message/multipart.c", "message/parse.c", "message/reader.c",
         "message/report.c", "message/facts.c", "message/scan.c")


def play(build):
    """The targets, and one profile of all that they ran."""
    targets, profiles = [], []
    for source in sorted(HERE.glob("fuzz_*.c")):
        target, profile = build / source.stem, build / f"{source.stem}.profraw"
        subprocess.run([target, HERE / "corpus" / source.stem.removeprefix("fuzz_")], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "LLVM_PROFILE_FILE": str(profile)})
        targets.append(target)
        profiles.append(profile)
    merged = build / "all.profdata"
    subprocess.run(["llvm-profdata", "merge", "-sparse", "-o", merged, *profiles], check=True)
    return targets, merged


def cov(command, targets, merged, *files):
    others = [word for target in targets[1:] for word in ("-object", target)]
    return subprocess.run(["llvm-cov", *command, targets[0], *others, f"-instr-profile={merged}", *files], check=True,
                          stdout=subprocess.PIPE).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--at-least", type=float, default=95, help="percent of each file's lines")
    parser.add_argument("--show", help="a file's lines, with how often each ran")
    arguments = parser.parse_args()
    targets, merged = play(arguments.build.resolve())
    if arguments.show:
        sys.stdout.buffer.write(cov(["show"], targets, merged, ROOT / "src" / arguments.show))
        return 0
    files = [str(ROOT / "src" / name) for name in FILES]
    export = json.loads(cov(["export", "-summary-only"], targets, merged, *files))
    lines = {entry["filename"]: entry["summary"]["lines"] for entry in export["data"][0]["files"]}
    print(f"{'file':22} {'lines':>6} {'run':>6} {'percent':>8}")
    low = 0
    for name, path in zip(FILES, files):
        found = lines[path]
        low += found["percent"] < arguments.at_least
        print(f"{name:22} {found['count']:>6} {found['covered']:>6} {found['percent']:>8.1f}"
              f"{'' if found['percent'] >= arguments.at_least else f'  NOT {arguments.at_least:g}'}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
