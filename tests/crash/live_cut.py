#!/usr/bin/python3
"""Live power cuts: fspd under load, and at a random moment the file system below it is shut down without a flush.

The client's journal of 200s is elsewhere.  After each cut the disk is mounted anew (the file system replays its log),
fspd starts and forwards, and every message that was ever acknowledged must have arrived exactly once, whole.

  --inbox same  the inbox lies on the disk that is cut; nobody deletes there.  (A deletion could be undone by the cut
                just like our rename: what the site server took and what it did not is then not for us to know.)
  --inbox renamed  the same, and staged files are renamed into it; in the others they are copied.
  --inbox far   the inbox is on a file system of its own, which keeps what it was told, and the site server takes each
                file as soon as it sees it.

    live_cut.py [--rounds N] [--kind ext4|xfs] [--inbox same|renamed|far] [--seed N]
"""
import argparse
import itertools
import os
import random
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
import cut_disk  # noqa: E402
from cut_disk import PLACE  # noqa: E402
from cut_fspd import DISK, Clients, Fspd, Journal, inbox_files, judge, judge_store  # noqa: E402

LIFE = 20  # cuts until a disk is made anew: the first start is cut too, and the disk stays small
FAR = PLACE / "far"


class Consumer(threading.Thread):
    """The site server: takes what is there in name order and deletes it."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.taken, self.stopped = folder, [], threading.Event()
        self.start()

    def run(self):
        while not self.stopped.is_set():
            if not self.take():
                time.sleep(0.001)

    def take(self):
        names = sorted(name for name in os.listdir(self.folder) if name.endswith(".SMX"))
        for name in names:
            path = Path(self.folder) / name
            self.taken.append((name, path.read_bytes()))
            path.unlink()
        return names

    def close(self):
        self.stopped.set()
        self.join()
        self.take()


class Disk:
    """One disk through several cuts."""

    def __init__(self, kind, place, serial, rng):
        self.kind, self.rng, self.serial, self.journal = kind, rng, serial, Journal()
        image = PLACE / "image"
        cut_disk.make_image(kind, image)
        self.loop = cut_disk.Loop(image)
        DISK.mkdir(exist_ok=True)
        FAR.mkdir(exist_ok=True)
        cut_disk.mount_disk(kind, self.loop, DISK)
        for name in ("lib", "staging", "inbox"):
            (DISK / name).mkdir()
        os.sync()
        self.consumer = Consumer(FAR) if place == "far" else None
        self.fspd = Fspd(FAR if place == "far" else DISK / "inbox", rename=place == "renamed")

    def arrived(self):
        return list(self.consumer.taken) if self.consumer else list(inbox_files(DISK / "inbox").items())

    def load(self, number):
        """Clients at work, runs ordered at random; the power goes within them."""
        clients = Clients(self.journal, self.fspd.port, self.rng.choice((1, 2, 4, 8)), f"d{self.serial}r{number}")
        end = time.monotonic() + self.rng.expovariate(1 / 0.03) + 0.001
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, self.rng.uniform(0.002, 0.02)))
            if self.rng.random() < 0.7:
                self.fspd.forward(wait=False)
        return clients

    def round(self, number):
        """Start, load, cut, repair, start, look.  The faults."""
        try:
            self.fspd.start()
            # Once in a while the cut falls into the recovery of the cut before.
            clients = self.load(number) if self.rng.random() < 0.9 else None
            self.power_off()
            if clients:
                clients.join()
            self.power_on()
            self.fspd.start()
            self.fspd.kill()
        except AssertionError as e:
            return [f"daemon: {e}"]
        return self.look()

    def power_off(self):
        """The processor first, the disk a few microseconds later.  The other way round fspd would live on while the
        shutdown is under way, and until that is over fdatasync reports success for what is then gone."""
        self.fspd.process.kill()
        cut_disk.cut(DISK)
        self.fspd.kill()

    def power_on(self):
        cut_disk.unmount(DISK)
        self.loop.forget()
        cut_disk.mount_disk(self.kind, self.loop, DISK)

    def look(self):
        faults = judge_store(self.fspd.inbox)
        if self.consumer:
            end = time.monotonic() + 5
            while any(name.endswith(".SMX") for name in os.listdir(FAR)) and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(0.002)  # it may have the last file in hand
        return judge(self.journal, self.journal.acked, self.arrived()) + faults

    def close(self):
        if self.fspd.process and self.fspd.process.poll() is None:
            self.fspd.kill()
        if self.consumer:
            self.consumer.close()
        cut_disk.unmount(DISK)
        self.loop.close()


def run_one(kind, place, rounds, seed):
    """(messages acknowledged, faults)."""
    rng, acked, disk = random.Random(seed), 0, None
    try:
        for number in range(rounds):
            if number % LIFE == 0:
                if disk:
                    disk.close()
                disk = Disk(kind, place, number, rng)
            before = len(disk.journal.acked)
            faults = disk.round(number)
            acked += len(disk.journal.acked) - before
            if faults:
                print(disk.fspd.log().decode(errors="replace"), flush=True)
                return acked, number + 1, [f"{kind}, round {number}: {fault}" for fault in faults]
        return acked, rounds, []
    finally:
        if disk:
            disk.close()


def there_are(kinds):
    """Those that this machine can make, the first in any case."""
    found = kinds[:1]
    for kind in kinds[1:]:
        try:
            cut_disk.need(kind)
            found.append(kind)
        except cut_disk.Unable as e:
            print(f"without {kind}: {e}", flush=True)
    return found


def run():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--kind", choices=("ext4", "xfs"))
    parser.add_argument("--inbox", choices=("same", "renamed", "far"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", action="store_true", help="end at the first fault")
    arguments = parser.parse_args()
    kinds = [arguments.kind] if arguments.kind else there_are(["ext4", "xfs"])
    places = [arguments.inbox] if arguments.inbox else ["same", "renamed", "far"]
    for kind in kinds:
        cut_disk.need(kind)
    cut_disk.enter()
    cases = list(itertools.product(kinds, places))
    failed = False
    for kind, place in cases:
        began = time.monotonic()
        acked, rounds, faults = run_one(kind, place, -(-arguments.rounds // len(cases)), arguments.seed)
        took = time.monotonic() - began
        print(f"{kind}, inbox {place}: {rounds} cuts, {rounds / took:.1f} a second, {acked} messages acknowledged, "
              f"{len(faults)} faults", flush=True)
        for fault in faults[:20]:
            print(f"  {fault}")
        failed = failed or bool(faults)
        if failed and arguments.first:
            break
    return 1 if failed else 0


if __name__ == "__main__":
    cut_disk.main(run)
