#!/usr/bin/env python3
"""The libraries that the programs are linked with are those that docs/SECURITY.md lists."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("fspd", "fspctl")
# Not of the product: the compiler's, where a sanitizer is built in.
RUNTIME = re.compile(r"lib(asan|ubsan|tsan|m|gcc_s|pthread|dl|rt)\.so|ld-linux")
ROW = re.compile(r"^\| `(lib\S+\.so\.\d+)` \|.*\| (fspd|fspctl|both) \|", re.M)


def linked(program):
    said = subprocess.run(["readelf", "-d", program], stdout=subprocess.PIPE, check=True).stdout.decode()
    return {name for name in re.findall(r"NEEDED\).*\[(.+)\]", said) if not RUNTIME.match(name)}


def main():
    folder = os.environ.get("FSP_BIN")
    if not folder or not shutil.which("readelf"):
        print("no FSP_BIN, or no readelf")
        return 77
    listed = {p: set() for p in PROGRAMS}
    for name, user in ROW.findall((ROOT / "docs" / "SECURITY.md").read_text()):
        for program in PROGRAMS if user == "both" else (user,):
            listed[program].add(name)
    faults = []
    for program in PROGRAMS:
        needed = linked(Path(folder) / program)
        faults += [f"docs/SECURITY.md lacks {name} of {program}" for name in sorted(needed - listed[program])]
        faults += [f"docs/SECURITY.md lists {name}, which {program} is not linked with" for name in sorted(listed[program] - needed)]
    print("\n".join(faults) or "the libraries listed are those linked")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
