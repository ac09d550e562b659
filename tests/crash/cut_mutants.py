#!/usr/bin/python3
"""Those of the mutants that no kill of the process can show, since the kernel still has what was never flushed: the
power cuts must find them.

    cut_mutants.py [NAME ...] [--rigs block,live] [--build FOLDER]

A mutant is caught when one of the rigs finds a fault; the table says what each of them did.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
import cut_disk  # noqa: E402
import mutants  # noqa: E402

HERE = Path(__file__).resolve().parent

RIGS = {"block": ["block_cut.py", "--states", "2000", "--first"], "live": ["live_cut.py", "--rounds", "200", "--first"]}


def attempt(rig, binaries):
    """(caught, what the rig said)."""
    script, *rest = RIGS[rig]
    done = subprocess.run([sys.executable, "-B", HERE / script, *rest], capture_output=True, text=True, check=False,
                          env={**os.environ, "FSP_BIN": str(binaries)}, timeout=900)
    if done.returncode == cut_disk.SKIP:
        raise cut_disk.Unable(done.stdout.strip())
    lines = [line for line in done.stdout.splitlines() if re.match(r"(ext4|xfs)[,:]|  ", line)]
    if done.returncode not in (0, 1):
        raise SystemExit(f"{script} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode == 1, lines


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="these mutants only")
    parser.add_argument("--rigs", default="block,live")
    parser.add_argument("--build", default=mutants.ROOT / ".build" / "release", help="a Ninja build of the sources")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise cut_disk.Unable("needs root to mount")
    survivors = 0
    for mutant in mutants.MUTANTS:
        if mutant.needs != "power" or (arguments.names and mutant.name not in arguments.names):
            continue
        with tempfile.TemporaryDirectory(prefix="fsp-mutant-") as folder:
            mutants.build(mutant, arguments.build, folder)
            caught_by = []
            for rig in arguments.rigs.split(","):
                began = time.monotonic()
                caught, lines = attempt(rig, folder)
                caught_by += [rig] if caught else []
                said = "; ".join(line.strip() for line in lines[:4])[:600]
                print(f"  {rig}, {time.monotonic() - began:.0f} s: {said}")
        print(f"{mutant.name}: " + (f"caught by {' and '.join(caught_by)}" if caught_by else "SURVIVES"), flush=True)
        survivors += not caught_by
    print(f"{survivors} mutants survive")
    return 1 if survivors else 0


if __name__ == "__main__":
    cut_disk.main(run)
