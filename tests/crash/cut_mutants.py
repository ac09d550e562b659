#!/usr/bin/python3
"""Seeded bugs that no kill of the process can show, since the kernel still has what was never flushed: each is built
into a copy of the sources, and the power cuts must find it.

    cut_mutants.py [--only WORD] [--rigs block,live] [--build FOLDER]

A mutant is caught when one of the rigs finds a fault; the table says what each of them did.
"""
import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
import cut_disk  # noqa: E402
from cut_fspd import ROOT  # noqa: E402

HERE = Path(__file__).resolve().parent

Mutant = collections.namedtuple("Mutant", "name edits")
Edit = collections.namedtuple("Edit", "file old new")

_FLUSH = "int flushed = batch->ready > 0 ? pass->inbox->kind->flush(pass->inbox) : 0;"
_CHARGE = "        throttle_charge(pass->throttle, batch->ready, clock_monotonic_ms());\n"
_SETTLE = "        int settled = published > 0 ? pass->inbox->kind->settle(pass->inbox) : 0;\n"
MUTANTS = [
    Mutant("the ledger is not synced at a commit", [
        Edit("ledger/schema.c", "PRAGMA synchronous = FULL;", "PRAGMA synchronous = NORMAL;")]),
    Mutant("the answer before the commit", [
        Edit("ledger/writer.c", "                r = ledger_run_simple(ledger, STATEMENT_COMMIT);\n",
             "                return 0;\n"),
        Edit("ledger/writer.c", "        answer(batch, r);\n        if (r == 0) {\n",
             "        answer(batch, r);\n        if (r == 0)\n"
             "                r = ledger_run_simple(ledger, STATEMENT_COMMIT);\n        if (r == 0) {\n")]),
    Mutant("staged files are not synced", [
        Edit("staging/stager.c", "if (r == 0 && staged > 0 && syncfs(stager->folder_fd) < 0)",
             "if (r == 0 && staged > 0 && stager->folder_fd < 0)")]),
    Mutant("copies are not flushed", [
        Edit("forward/inbox_folder.c", "return folder->local && syncfs(folder->fd) < 0 ? -errno : 0;",
             "return folder->fd < 0 ? -EBADF : 0;")]),
    Mutant("copied before the flush", [
        Edit("forward/forward.c", _FLUSH, "int flushed = 0;"),
        Edit("forward/forward.c", _CHARGE,
             _CHARGE + "        if ((r = pass->inbox->kind->flush(pass->inbox)) < 0)\n                return r;\n")]),
    Mutant("the inbox folder is not synced after the renames", [
        Edit("forward/inbox_folder.c", "if (fsync(folder_of(inbox)->fd) == 0 ||", "if (folder_of(inbox)->fd >= 0 ||")]),
    Mutant("forwarded before the inbox folder is synced", [
        Edit("forward/forward.c", _SETTLE, "        int settled = 0;\n"),
        Edit("forward/forward.c", "        remove_staged(pass, batch->rows, published);\n",
             "        remove_staged(pass, batch->rows, published);\n"
             "        (void)pass->inbox->kind->settle(pass->inbox);\n")]),
    Mutant("what a recovery renames is not synced", [
        Edit("forward/recover.c", "recovery->inbox && recovery->published_count ? recovery->inbox->kind->settle",
             "recovery->inbox && recovery->id < 0 ? recovery->inbox->kind->settle")]),
]


class Sources:
    """A copy of the sources with a build of its own; one mutant at a time."""

    def __init__(self, folder):
        self.folder, self.build = Path(folder), Path(folder) / "build"
        for name in ("src", "include", "docs", "conf", "systemd"):
            shutil.copytree(ROOT / name, self.folder / name, dirs_exist_ok=True)
        shutil.copy(ROOT / "CMakeLists.txt", self.folder)
        self._run("cmake", "-G", "Ninja", "-S", self.folder, "-B", self.build, "-DBUILD_TESTING=OFF",
                  "-DCMAKE_BUILD_TYPE=Debug")
        self.make()

    @staticmethod
    def _run(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")

    def make(self):
        self._run("cmake", "--build", self.build, "--target", "fspd")

    def apply(self, mutant):
        """The sources as they were, by file."""
        kept = {}
        for edit in mutant.edits:
            path = self.folder / "src" / edit.file
            text = path.read_text(encoding="utf-8")
            kept.setdefault(path, text)
            if text.count(edit.old) != 1:
                raise SystemExit(f"{mutant.name}: {edit.file} has {text.count(edit.old)} times: {edit.old}")
            path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
        self.make()
        return kept

    @staticmethod
    def restore(kept):
        for path, text in kept.items():
            path.write_text(text, encoding="utf-8")


RIGS = {"block": ["block_cut.py", "--states", "2000", "--first"], "live": ["live_cut.py", "--rounds", "200", "--first"]}


def attempt(rig, build):
    """(caught, what the rig said)."""
    script, *rest = RIGS[rig]
    done = subprocess.run([sys.executable, "-B", HERE / script, *rest], capture_output=True, text=True, check=False,
                          env={**os.environ, "FSP_BIN": str(build / "src")}, timeout=900)
    if done.returncode == cut_disk.SKIP:
        raise cut_disk.Unable(done.stdout.strip())
    lines = [line for line in done.stdout.splitlines() if re.match(r"(ext4|xfs)[,:]|  ", line)]
    if done.returncode not in (0, 1):
        raise SystemExit(f"{script} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode == 1, lines


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="mutants with this in their name")
    parser.add_argument("--rigs", default="block,live")
    parser.add_argument("--build", help="a folder to build in and to keep")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise cut_disk.Unable("needs root to mount")
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="cut-mutants-") as own:
        sources = Sources(arguments.build or own)
        for mutant in MUTANTS:
            if arguments.only not in mutant.name:
                continue
            kept = sources.apply(mutant)
            caught_by = []
            for rig in arguments.rigs.split(","):
                began = time.monotonic()
                caught, lines = attempt(rig, sources.build)
                caught_by += [rig] if caught else []
                print(f"  {rig}, {time.monotonic() - began:.0f} s: {'; '.join(line.strip() for line in lines[:4])[:600]}")
            sources.restore(kept)
            print(f"{mutant.name}: " + (f"caught by {' and '.join(caught_by)}" if caught_by else "SURVIVES"), flush=True)
            survivors += not caught_by
    print(f"{survivors} mutants survive")
    return 1 if survivors else 0


if __name__ == "__main__":
    cut_disk.main(run)
