#!/usr/bin/env python3
"""Every header opens with a comment that names it and says, as a public one, what it owns and who may call it."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPENING = re.compile(r"/\*.*?\*/", re.S)
# What a line of the opening begins with, or what a sentence there does.
TOLD = ("Owns", "Threads")


def faults_of(path):
    name = path.relative_to(ROOT)
    opening = OPENING.match(path.read_text())
    if not opening:
        yield f"{name}: opens with no comment"
        return
    if ROOT / "include" not in path.parents:
        return
    if not opening.group().startswith(f"/* {path.stem}: "):
        yield f"{name}: opens with another name"
    for word in TOLD:
        if not re.search(rf"^ \* {word}\b|\. +{word}: ", opening.group(), re.M):
            yield f"{name}: does not say: {word}"


def main():
    paths = sorted(p for folder in ("include", "src") for p in (ROOT / folder).rglob("*.h"))
    faults = [fault for path in paths for fault in faults_of(path)]
    print("\n".join(faults) or f"{len(paths)} headers say what they are")
    return 1 if faults or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
