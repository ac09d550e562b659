#!/usr/bin/env python3
"""Seeded bugs: each is built into fspd and must be caught by a rig; one that survives is a hole in the rigs.

A mutant is a few replacements in the sources.  Only the files that it changes are compiled, against a build that is
there already.  What needs more than a kill, a failing call or a damaged ledger to show is marked so, and is for
other rigs to catch: they take MUTANTS and build() from here.
"""
import argparse
import collections
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# needs: the rig that catches it: kill or fault (here), power or damage (elsewhere); arguments: for the rig.
Mutant = collections.namedtuple("Mutant", "name needs arguments edits")

PLAIN = ("--scenarios", "plain")
RENAMED = ("--scenarios", "renamed")
CALLS = ("--only", "calls")
FLUSH_AT_COPY = ("forward/forward.c",
                 "int flushed = batch->ready > 0 ? pass->inbox->kind->flush(pass->inbox) : 0;", "int flushed = 0;")

MARK_COPIED = """        if (r == 0)
                r = delivery_mark_copied(pass->ledger, batch->seqs, batch->ready, pass->inbox_id,
                                         &batch->shipment);
"""
COPIED_AFTER_RENAME = (
    ("forward/forward.c", MARK_COPIED, ""),
    ("forward/forward.c", "        int settled = published",
     "        if (published)\n                r = delivery_mark_copied(pass->ledger, batch->seqs, published, "
     "pass->inbox_id, &batch->shipment);\n        int settled = published"))
CHARGE = "        throttle_charge(pass->throttle, batch->ready, clock_monotonic_ms());\n"
SETTLE = "        int settled = published > 0 ? pass->inbox->kind->settle(pass->inbox) : 0;\n"

MUTANTS = (
    # --- the answer
    Mutant("ack-before-commit", "kill", PLAIN, (
        ("ledger/writer.c", """        if (r == 0)
                r = ledger_run_simple(ledger, STATEMENT_COMMIT);
        if (r < 0 &&""", "        if (r < 0 &&"),
        ("ledger/writer.c", """        answer(batch, r);
        if (r == 0) {""", """        answer(batch, r);
        if (r == 0)
                r = ledger_run_simple(ledger, STATEMENT_COMMIT);
        if (r == 0) {"""))),
    Mutant("commit-unchecked", "fault", CALLS, (
        ("ledger/writer.c", "r = ledger_run_simple(ledger, STATEMENT_COMMIT);",
         "(void)ledger_run_simple(ledger, STATEMENT_COMMIT);"),)),
    Mutant("synchronous-normal", "power", (), (
        ("ledger/schema.c", "PRAGMA synchronous = FULL;", "PRAGMA synchronous = NORMAL;"),)),
    Mutant("connection-kept-after-fault", "fault", CALLS, (
        ("ledger/writer.c", """        else
                go_offline(ledger, r);
        answer""", "        answer"),)),
    Mutant("offline-for-ever", "fault", CALLS, (
        ("ledger/writer.c", "atomic_compare_exchange_strong(&ledger->fault, &before, 0)", "before == 0"),)),
    Mutant("duplicates-taken", "kill", PLAIN, (
        ("ledger/intake.c", "return result == SQLITE_ROW ? name_is_sound(&intake->name) :", "return result == SQLITE_ROW ? 0 :"),)),
    # --- staging
    Mutant("staged-before-written", "kill", PLAIN, (
        ("staging/stager.c", "                r = stage_one(stager, &stager->rows[i]);\n                if (r == -E",
         "                r = delivery_mark_staged(stager->ledger, &stager->rows[i].name.seq, 1);\n"
         "                r = r == 0 ? stage_one(stager, &stager->rows[i]) : r;\n                if (r == -E"),)),
    Mutant("staged-without-sync", "power", (), (
        ("staging/settler.c", "syncfs(settler->folder_fd) < 0", "settler->folder_fd < 0"),)),
    Mutant("descriptor-left-open", "fault", CALLS, (
        ("base/fsutil.c", """        if (r < 0)
                (void)unlinkat(folder, name, 0); /* what is left""", """        if (r < 0)
                fd = -1;
        if (r < 0)
                (void)unlinkat(folder, name, 0); /* what is left"""),)),
    Mutant("staged-file-swept", "kill", PLAIN, (
        ("staging/rebuild.c", """        case DELIVERY_STAGED:
        case DELIVERY_COPIED:
                return 0;
""", """        case DELIVERY_COPIED:
                return 0;
        case DELIVERY_STAGED:
"""),)),
    Mutant("leftover-sent-again", "kill", PLAIN, (
        ("staging/rebuild.c", "        if (!settled->is_known)\n                return import_add",
         "        if (!settled->is_known || settled->delivery == DELIVERY_FORWARDED)\n                return import_add"),)),
    Mutant("quarantine-without-mark", "kill", ("--scenarios", "poison"), (
        ("staging/quarantine.c", "int r = delivery_mark_quarantined(quarantine->ledger, row->name.seq, reason);",
         "int r = 0;"),)),
    # --- forwarding
    Mutant("inbox-write-unchecked", "fault", CALLS, (
        ("forward/inbox_folder.c", "        int r = fsutil_write_all(fd, data, size);",
         "        int r = 0;\n        (void)fsutil_write_all(fd, data, size);"),
        ("forward/inbox_folder.c", "if (r == 0 && st.st_size != (off_t)size)", "if (r < 0)"))),
    Mutant("copied-after-rename", "kill", PLAIN, COPIED_AFTER_RENAME),
    Mutant("copied-after-staged-renamed", "kill", RENAMED, COPIED_AFTER_RENAME),
    Mutant("staged-removed-before-copied", "kill", PLAIN, (
        ("forward/forward.c", MARK_COPIED, """        for (size_t i = 0; i < batch->ready; i++) {
                char file[NAME_SIZE];
                (void)unlinkat(pass->quarantine.staging_fd, name_format_file(&batch->rows[i].name, NAME_SUFFIX, file), 0);
        }
""" + MARK_COPIED),)),
    Mutant("staged-file-left-to-be-renamed", "kill", RENAMED, (
        ("forward/inbox_rename.c", "        return renameat2(renaming->staging_fd, staged_name(temporary, file),",
         "        return linkat(renaming->staging_fd, staged_name(temporary, file),"),
        ("forward/inbox_rename.c", "final, RENAME_NOREPLACE) < 0", "final, 0) < 0"))),
    Mutant("staged-renames-not-synced", "power", (), (
        ("forward/inbox_rename.c", "        return folder->kind->settle(folder);", "        return folder ? 0 : -EBADF;"),)),
    Mutant("copies-not-flushed", "power", (), (
        ("forward/inbox_folder.c", "return syncfs(folder->fd) < 0 ? -errno : 0;", "return folder->fd < 0 ? -EBADF : 0;"),)),
    Mutant("copied-before-flush", "power", (), (
        FLUSH_AT_COPY,
        ("forward/forward.c", CHARGE,
         CHARGE + "        if ((r = pass->inbox->kind->flush(pass->inbox)) < 0)\n                return r;\n"))),
    Mutant("rename-before-flush", "power", (), (
        FLUSH_AT_COPY,
        ("forward/forward.c", SETTLE,
         "        r = r < 0 ? r : pass->inbox->kind->flush(pass->inbox);\n" + SETTLE))),
    Mutant("folder-not-synced", "power", (), (
        ("forward/inbox_folder.c", "if (fsync(folder->fd) == 0 ||", "if (folder->fd >= 0 ||"),)),
    Mutant("forwarded-before-folder-synced", "power", (), (
        ("forward/forward.c", SETTLE, "        int settled = 0;\n"),
        ("forward/forward.c", "        int r = delivery_await(&batch->marking);\n",
         "        int r = delivery_await(&batch->marking);\n"
         "        (void)pass->inbox->kind->settle(pass->inbox);\n"))),
    Mutant("throttle-not-charged", "kill", ("--scenarios", "throttled"), (
        ("ledger/delivery.c", "bool copies = mark->statement == STATEMENT_MARK_COPIED;",
         "bool copies = mark->statement == STATEMENT_COUNT;"),)),
    # --- recovery
    Mutant("tmp-rule-inverted", "kill", PLAIN, (
        ("forward/recover.c", "if (there == 0) {", "if (there != 0) {"),)),
    Mutant("staged-rule-inverted", "kill", RENAMED, (
        ("forward/inbox_rename.c", "        return errno == ENOENT ? 0 : -errno;", "        return errno == ENOENT ? 1 : -errno;"),)),
    Mutant("recovered-renames-not-synced", "power", (), (
        ("forward/recover.c", "recovery->inbox && recovery->done_count ? recovery->inbox->kind->settle",
         "recovery->inbox && recovery->id < 0 ? recovery->inbox->kind->settle"),)),
    Mutant("any-inbox-will-do", "kill", ("--scenarios", "moved"), (
        ("forward/inbox.c", "        return strcmp(inbox->identity, identity) == 0 ||", "        return true ||"),)),
    Mutant("seal-not-checked", "damage", ("-k", "state_that_nobody_wrote"), (
        ("ledger/query.c", "if (!sqlite3_column_int(query->pending, 6)) {", "if (false) {"),
        ("ledger/damage.c", "AND seal IS NOT seal(", "AND seal IS NULL AND seal IS NOT seal("))),
)


class Stale(Exception):
    """The sources have changed, so that the mutant does not fit any more."""


def mutate(mutant, folder):
    """Writes the changed files; [(source, mutated copy)]."""
    changed = {}
    for name, old, new in mutant.edits:
        text = changed.get(name) or (ROOT / "src" / name).read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise Stale(f"{mutant.name}: {name} has {text.count(old)} places like: {old}")
        changed[name] = text.replace(old, new)
    for name, text in changed.items():
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")
        yield ROOT / "src" / name, copy


def build(mutant, build_folder, folder):
    """Builds the mutant's fspd into folder.  An object before the library takes the place of the library's own."""
    build_folder, folder = Path(build_folder), Path(folder)
    commands = {entry["file"]: entry["command"]
                for entry in json.loads((build_folder / "compile_commands.json").read_text(encoding="utf-8"))}
    objects = []
    for source, copy in mutate(mutant, folder):
        words = [w for w in shlex.split(commands[str(source)]) if w != "-Werror"]
        words[words.index("-c") + 1] = str(copy)
        objects.append(str(copy) + ".o")
        words[words.index("-o") + 1] = objects[-1]
        subprocess.run(words + ["-w", "-iquote", str(source.parent)], cwd=build_folder, check=True)
    said = subprocess.run(["ninja", "-t", "commands", "src/fspd"], cwd=build_folder, check=True, stdout=subprocess.PIPE)
    link = said.stdout.decode().splitlines()[-1].replace(": && ", "").replace(" && :", "")
    words = shlex.split(link)
    words[words.index("-o") + 1] = str(folder / "fspd")
    words[words.index("src/libfsp.a"):words.index("src/libfsp.a")] = objects
    subprocess.run(words, cwd=build_folder, check=True)
    shutil.copy(build_folder / "src" / "fspctl", folder)
    return folder


def is_caught(mutant, binaries, seconds):
    """(did the rig find a fault, the end of what it said)."""
    if mutant.needs == "damage":
        command = [sys.executable, "-B", "-m", "pytest", "-q", str(ROOT / "tests/e2e/test_damage.py"), *mutant.arguments]
    else:
        rig = HERE / f"{mutant.needs}_sweep.py"
        command = [sys.executable, "-B", str(rig), "--fast", "--stop-early", "--bin", str(binaries), *mutant.arguments]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False,
                              env={**os.environ, "FSP_BIN": str(binaries)})
    except subprocess.TimeoutExpired:
        return False, "the rig came to no end"
    said = done.stdout.decode("utf-8", "replace")
    lines = said.splitlines()
    if mutant.needs == "damage":
        return done.returncode == 1 and "1 failed" in lines[-1], lines[-1]
    at = next((i for i, line in enumerate(lines) if line.startswith("FAULT") or "without any " in line), None)
    if at is None:
        return False, " ".join(lines[-2:])
    return done.returncode == 1, f"{lines[at][:160]} {lines[at + 1].strip()[:160]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="these mutants only")
    parser.add_argument("--build", default=ROOT / ".build" / "release", help="a Ninja build of the sources")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--fit", action="store_true", help="only see that each still fits the sources")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fsp-mutant-") as folder:
        for mutant in MUTANTS:
            list(mutate(mutant, Path(folder)))
    if options.fit:
        print(f"{len(MUTANTS)} mutants fit the sources")
        return 0
    survivors = []
    for mutant in MUTANTS:
        if options.names and mutant.name not in options.names:
            continue
        if options.list or mutant.needs == "power":
            print(f"{mutant.name}: needs {mutant.needs}", flush=True)
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fsp-mutant-") as folder:
            caught, how = is_caught(mutant, build(mutant, options.build, folder), 300)
        print(f"{mutant.name}: {'caught' if caught else 'SURVIVED'} in {time.monotonic() - began:.0f} s: {how}",
              flush=True)
        if not caught:
            survivors.append(mutant.name)
    print(f"survivors: {' '.join(survivors)}" if survivors else "no mutant survives")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
