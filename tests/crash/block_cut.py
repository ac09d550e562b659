#!/usr/bin/python3
"""Block-level power cuts: every state that a power cut could have left the disk in.

fspd works through a script on a disk that records each write and flush.  Of each acknowledgement it is noted how long
that record was.  A crash state is: all writes before some flush, and of those after it all, none, the first few, or
some by chance, whole or in pieces of 4 KB.  From each such disk the file system is mounted, fspd started, its first
run awaited; then all that had been acknowledged by that moment must be in the inbox (which is on that disk too),
exactly once and whole, and the ledger be sound and at an end.

The script is recorded in generations: the second begins with a crash state of the first, so the recovery itself is
recorded and cut as well.  In every other line of them staged files are copied, in the others renamed into the inbox.

    block_cut.py [--states N] [--kind ext4|xfs] [--seed N] [--workers N] [--keep FOLDER]
"""
import argparse
import collections
import contextlib
import hashlib
import mmap
import os
import pickle
import random
import re
import shutil
import socket
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
import cut_disk  # noqa: E402
from cut_disk import FLUSH, PLACE, Loop, Recorder  # noqa: E402
from cut_fspd import DISK, Clients, Fspd, Journal, inbox_files, judge, judge_store  # noqa: E402

PIECE = 4096
LONG = 4  # each so-manieth record has more messages, and is the last of its line
PROGRESS = 1000  # states of a worker between two lines on a long run
STATES_A_RECORD = 250  # a new record (other timing, other order of writes) after so many states of one

# device: the loop's number; base: the disk before; entries: what was written; sent: all messages ever;
# owed: acknowledged, at which position; rename: the way into the inbox
Record = collections.namedtuple("Record", "kind device base entries sent owed rename")
# The writes before the flush, the chosen ones of those after it, and the position up to which 200s count.
State = collections.namedtuple("State", "flush pending position how")


# --- the record -----------------------------------------------------------------------------------------------------

class Script:
    """What fspd lives through: intake, runs within it, kills, orderly stops, and work on a log of commits that is
    written over in place (there a commit makes no other change to the file system durable by the way)."""

    def __init__(self, record, rng, generation, rename):
        self.journal, self.rng, self.prefix, self.count = record, rng, f"g{generation}", 0
        self.fspd = Fspd(rename=rename)

    def burst(self, clients, each):
        self.count += 1
        crowd = Clients(self.journal, self.fspd.port, clients, f"{self.prefix}b{self.count}", each)
        while any(thread.is_alive() for thread in crowd.threads):
            self.fspd.forward(wait=False)
            time.sleep(self.rng.uniform(0.001, 0.02))
        crowd.join()
        self.fspd.forward()

    def singles(self, count):
        """One by one, each forwarded in peace."""
        with socket.create_connection(("127.0.0.1", self.fspd.port), timeout=20) as connection:
            for _ in range(count):
                self.count += 1
                if not self.journal.post(connection, f"{self.prefix}s{self.count}", self.rng.randrange(200, 6000)):
                    raise AssertionError("a message was not acknowledged")
                if self.rng.random() < 0.8:
                    self.fspd.forward()

    def run_long(self):
        """Enough for the log of commits to be carried into the ledger while messages come."""
        self.fspd.start()
        before = ledger = os.stat(DISK / "lib" / "ledger.db").st_size
        while ledger == before and self.count < 30:
            self.burst(4, 20)
            ledger = os.stat(DISK / "lib" / "ledger.db").st_size
        self.singles(2)
        self.burst(4, 5)
        self.fspd.kill()

    def run(self):
        self.fspd.start()
        self.singles(1)
        self.burst(3, 8)
        self.fspd.kill()
        self.fspd.start()
        self.singles(4)
        self.burst(2, 3)
        self.fspd.kill()
        self.fspd.start()
        self.singles(2)
        self.fspd.stop()
        self.fspd.start()
        self.burst(2, 4)
        self.singles(2)
        self.fspd.kill()

    def close(self):
        if self.fspd.process and self.fspd.process.poll() is None:
            self.fspd.kill()


def make_first(kind, device):
    """An empty disk with its folders, as bytes."""
    image = PLACE / "first"
    cut_disk.make_image(kind, image)
    loop = Loop(image, device)
    DISK.mkdir(exist_ok=True)
    cut_disk.mount_disk(kind, loop, DISK)
    for name in ("lib", "staging", "inbox"):
        (DISK / name).mkdir()
    cut_disk.unmount(DISK)
    loop.close()
    base = Sparse.read(image)
    image.unlink()
    return base


def record(kind, device, base, sent, owed, generation, rng, rename):
    """Runs the script on this disk."""
    image = PLACE / "recorded"
    base.write(image)
    recorder = Recorder(image, PLACE / "fuse", device)
    journal = Journal(lambda: recorder.position)
    journal.sent.update(sent)
    DISK.mkdir(exist_ok=True)
    script = Script(journal, rng, generation, rename)
    cut_disk.mount_disk(kind, recorder.loop, DISK)
    try:
        (script.run_long if generation % LONG == LONG - 1 else script.run)()
        count = recorder.position
    finally:
        script.close()
        cut_disk.cut(DISK)
        cut_disk.unmount(DISK)
        recorder.close()
    entries = recorder.entries()[:count]
    image.unlink()
    recorder.log_path.unlink()
    owed = {**dict.fromkeys(owed, 0), **journal.acked}
    return Record(kind, device, base, entries, dict(journal.sent), owed, rename)


# --- the states -----------------------------------------------------------------------------------------------------

def windows(entries):
    """[(flush, end)]: the writes from one flush to the next."""
    flushes = [-1] + [i for i, (offset, _) in enumerate(entries) if offset == FLUSH] + [len(entries)]
    return list(zip(flushes, flushes[1:]))


def pieces(entry):
    offset, data = entry
    return [(offset + at, data[at:at + PIECE]) for at in range(0, len(data), PIECE)]


def pick(entries, flush, end, rng, how):
    """One state of a window."""
    writes = entries[flush + 1:end]
    if how == "none":
        return State(flush, [], end, how)
    if how == "all":
        return State(flush, writes, end, how)
    if how == "prefix":
        count = rng.randrange(1, len(writes))
        return State(flush, writes[:count], flush + 1 + count, how)
    parts = writes if how == "subset" else [piece for write in writes for piece in pieces(write)]
    odds = rng.choice((0.1, 0.5, 0.9))
    return State(flush, [part for part in parts if rng.random() < odds], end, how)


def states_of(entries, count, rng):
    """So many different states: of each window none and all, then by chance, more of those with many writes."""
    found = windows(entries)
    plan = [(window, how) for window in found for how in ("none", "all")]
    if len(plan) > count // 2:
        plan = rng.sample(plan, count // 2)
    wide = [window for window in found if window[1] - window[0] > 2]
    weights = [min(end - flush, 40) for flush, end in wide]
    while wide and len(plan) < count:
        plan.append((rng.choices(wide, weights)[0], rng.choice(("prefix", "subset", "subset", "torn"))))
    return [pick(entries, flush, end, rng, how) for (flush, end), how in sorted(plan, key=lambda step: step[0])]


# --- a disk in memory -------------------------------------------------------------------------------------------------

class Sparse:
    """A disk's bytes, most of which are zero."""

    CHUNK = 65536

    def __init__(self, size):
        self.size, self.chunks = size, {}

    @classmethod
    def read(cls, path):
        with open(path, "rb") as file:
            disk = cls(os.fstat(file.fileno()).st_size)
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
                for at in range(0, disk.size, cls.CHUNK):
                    chunk = data[at:at + cls.CHUNK]
                    if chunk.strip(b"\0"):
                        disk.chunks[at] = bytearray(chunk)
        return disk

    def copy(self):
        other = Sparse(self.size)
        other.chunks = {at: bytearray(chunk) for at, chunk in self.chunks.items()}
        return other

    def put(self, offset, data):
        done = 0
        while done < len(data):
            at = (offset + done) // self.CHUNK * self.CHUNK
            inner = offset + done - at
            part = data[done:done + self.CHUNK - inner]
            chunk = self.chunks.get(at)
            if chunk is None:
                chunk = self.chunks[at] = bytearray(min(self.CHUNK, self.size - at))
            chunk[inner:inner + len(part)] = part
            done += len(part)

    def write(self, path):
        """As a file, over what was there."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, 0)
            os.ftruncate(fd, self.size)
            for at, chunk in self.chunks.items():
                os.pwrite(fd, chunk, at)
        finally:
            os.close(fd)


# --- trying a state ---------------------------------------------------------------------------------------------------

class Bench:
    """A disk to try states on; each is set up, booted and judged."""

    def __init__(self, record_):
        self.record, self.durable, self.applied = record_, record_.base.copy(), 0
        self.image = PLACE / "tried"
        self.durable.write(self.image)
        self.loop = Loop(self.image, record_.device)
        DISK.mkdir(exist_ok=True)
        self.fspd = Fspd(rename=record_.rename)

    def set_up(self, state):
        """States come in the order of their flushes."""
        for offset, data in self.record.entries[self.applied:state.flush + 1]:
            if offset != FLUSH:
                self.durable.put(offset, data)
        self.applied = state.flush + 1
        self.durable.write(self.image)
        fd = os.open(self.image, os.O_WRONLY)
        try:
            for offset, data in state.pending:
                os.pwrite(fd, data, offset)
        finally:
            os.close(fd)
        self.loop.forget()

    def attempt(self, state):
        """The faults."""
        self.set_up(state)
        owed = [token for token, position in self.record.owed.items() if position <= state.position]
        try:
            cut_disk.mount_disk(self.record.kind, self.loop, DISK)
        except OSError as e:
            return [f"disk: {e}"]
        try:
            self.fspd.start()
            self.fspd.kill()
            journal = Journal()
            journal.sent = self.record.sent
            return judge(journal, owed, list(inbox_files(DISK / "inbox").items())) + judge_store(DISK / "inbox")
        except AssertionError as e:
            return [f"daemon: {e}"]
        finally:
            if self.fspd.process.poll() is None:
                self.fspd.kill()
            with contextlib.suppress(OSError):
                cut_disk.cut(DISK)  # nobody needs what is still to be written
            cut_disk.unmount(DISK)

    def close(self):
        self.loop.close()


def keep(folder, bench, record_, state, seed, faults):
    """What it takes to look into a fault: the disk before the start, the log and the messages."""
    folder = Path(folder) / f"{record_.kind}-{seed}-{state.position}-{state.how}-{len(state.pending)}"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(bench.fspd.config, folder)
    (folder / "fspmgr.log").write_bytes(bench.fspd.log())
    (folder / "faults").write_text("\n".join(faults) + "\n", encoding="utf-8")
    bench.set_up(state)
    shutil.copy(bench.image, folder / "disk")


_RENAMED = re.compile(rb"[1-9]\d* are renamed now")


def try_record(record_, count, rng, seed, folder, first_fault_only):
    """(Counter by kind of state, [faults], [states whose recovery had to rename])."""
    tried, found, unfinished = collections.Counter(), [], []
    bench = Bench(record_)
    try:
        for state in states_of(record_.entries, count, rng):
            faults = bench.attempt(state)
            tried[state.how] += 1
            if _RENAMED.search(bench.fspd.log()):
                unfinished.append(state)
            if not faults:
                continue
            found.append(f"{record_.kind}, record {seed}, flush {state.flush}, position {state.position}, "
                         f"{state.how} ({len(state.pending)} writes): " + "; ".join(faults[:5]))
            if folder:
                keep(folder, bench, record_, state, seed, faults)
            if first_fault_only or len(found) >= 20:
                break
    finally:
        bench.close()
    return tried, found, unfinished


def work(kind, states, seed, folder, first_fault_only, worker):
    """One worker's share, on disks and records of its own.  An inbox on xfs is known by its device's number among
    others, so states are tried on the same loop device that they were recorded on."""
    cut_disk.enter()
    with cut_disk.own_device() as device:
        total, found, measure = collections.Counter(), [], collections.Counter()
        first = make_first(kind, device)
        base, sent, owed, generation = first, {}, [], 0
        while total.total() < states and not (found and (first_fault_only or len(found) >= 20)):
            name = f"{seed}.{worker}.{generation}"
            rng = random.Random(hashlib.sha256(name.encode()).digest())
            rename = (worker + generation // LONG) % 2 == 1
            made = record(kind, device, base, sent, owed, generation, rng, rename)
            # A few are always to begin with a crash.
            share = min(states - total.total(), STATES_A_RECORD, max(states // 2, 1))
            tried, faults, unfinished = try_record(made, share, rng, name, folder, first_fault_only)
            total += tried
            found += faults
            if total.total() < states and total.total() // PROGRESS > (total.total() - share) // PROGRESS:
                print(f"… worker {worker}: {total.total():,} of {states:,} states, {len(found)} at fault", flush=True)
            measure += collections.Counter(writes=len(made.entries), flushes=len(windows(made.entries)) - 1,
                                           acknowledged=len(made.owed))
            generation += 1
            base, sent, owed = (first, {}, []) if generation % LONG == 0 else crash_of(made, unfinished, rng)
    return total, found, measure


def crash_of(made, unfinished, rng):
    """A disk after a crash in the midst of this record, for the next generation to begin with: rather one that
    leaves something half-done."""
    flush, end = rng.choice(windows(made.entries)[10:])
    state = pick(made.entries, flush, end, rng, "subset")
    if unfinished and rng.random() < 0.75:
        state = rng.choice(unfinished)
    disk = made.base.copy()
    for offset, data in made.entries[:state.flush + 1] + state.pending:
        if offset != FLUSH:
            disk.put(offset, data)
    return disk, made.sent, [token for token, at in made.owed.items() if at <= state.position]


def spawn(arguments, kind, worker, states):
    """A worker in a process of its own; its result comes through a pipe."""
    read, write = os.pipe()
    parent, pid = os.getpid(), os.fork()
    if pid:
        os.close(write)
        return pid, read
    os.close(read)
    cut_disk.die_with(parent)
    try:
        result = work(kind, states, arguments.seed, arguments.keep, arguments.first, worker)
    except cut_disk.Unable as e:
        result = str(e)
    with os.fdopen(write, "wb") as pipe:
        pickle.dump(result, pipe)
    os._exit(0)


def collect(pid, read):
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    if not data:
        raise SystemExit("a worker died: see above")
    result = pickle.loads(data)
    if isinstance(result, str):
        raise cut_disk.Unable(result)
    return result


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--states", type=int, default=2000)
    parser.add_argument("--kind", choices=("ext4", "xfs"), default="ext4")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--keep", metavar="FOLDER", help="where to put what it takes to look into a fault")
    parser.add_argument("--first", action="store_true", help="end at the first fault")
    arguments = parser.parse_args()
    cut_disk.need(arguments.kind)
    began = time.monotonic()
    share = -(-arguments.states // arguments.workers)
    workers = [spawn(arguments, arguments.kind, worker, share) for worker in range(arguments.workers)]
    results = [collect(*worker) for worker in workers]
    took = time.monotonic() - began
    tried = sum((result[0] for result in results), collections.Counter())
    found = [fault for result in results for fault in result[1]]
    measure = sum((result[2] for result in results), collections.Counter())
    print(f"{arguments.kind}: {tried.total()} states ({', '.join(f'{n} {how}' for how, n in sorted(tried.items()))}), "
          f"{tried.total() / took:.1f} a second, of {measure['writes']} recorded writes and {measure['flushes']} "
          f"flushes with {measure['acknowledged']} messages acknowledged: {len(found)} at fault", flush=True)
    for fault in found[:20]:
        print(f"  {fault}")
    return 1 if found else 0


if __name__ == "__main__":
    cut_disk.main(run)
