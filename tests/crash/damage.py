#!/usr/bin/python3
"""Damages the ledger of a dead daemon in every way a disk or a person may, and looks what becomes of the messages.

A scene is a daemon that died, killed or in order, with messages in all states:
taken by the site server, lying in the inbox, half-way copied, staged, received
without a file as yet.  A damage flips bits of the ledger's files, cuts them or
removes them.  Then the daemon starts again, forwards, and the site server takes
all there is.  Allowed is that:

- fspd starts, or ends with 70 and then starts; never a signal, never for ever;
- each acknowledged message has arrived once, or is quarantined, and has a reason;
- lost may be only what nobody can read any more: no file in staging or inbox,
  and its row or its body not to be had from the damaged files by SQLite itself;
- nothing arrives twice, and nothing that is not, byte for byte, what was sent.
"""
import argparse
import collections
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from fsp import COPIED, SANITIZER, Fsp, binaries, wait_until  # noqa: E402
from messages import body, digest  # noqa: E402

STARTS = 4          # one, and three more after an exit with 70
SETTLE_S = 10       # from a start until nothing is open any more
DAMAGES_A_SCENE = 25
MARK = re.compile(r"<Mark>(\w+)</Mark>")
PARTS = ("", "-wal", "-shm")
INTERNAL = 70


class Scene:
    """A dead daemon's folders, as they are put back before each damage, and what is true of its messages."""

    def __init__(self, folder, chance):
        self.kind = chance.choice(["half-way", "half-way", "killed", "killed", "stopped"])
        self.fsp = Fsp(folder, {"listener": {"client_rate": "0"}, "log": {"level": "warning"}})
        self.sent, self.acknowledged, self.taken = {}, set(), collections.Counter()
        counts = [chance.randint(2, 6) for _ in range(3)]
        # The last ones stay staged: the throttle lets no more of them out.
        self.configure(throttle_messages=sum(counts), level="info")
        half = counts[0] + counts[1] + chance.randint(1, counts[2])
        self.start(half if self.kind == "half-way" else None)
        self.post(counts[0])
        self.forward()
        self.take()
        self.post(counts[1])
        self.forward()
        self.post(chance.randint(2, 6) + (counts[2] if self.kind == "half-way" else 0))
        self.die(chance)
        if chance.random() < 0.5:
            self.take()
        self.save = Path(f"{folder}-saved")
        shutil.rmtree(self.save, ignore_errors=True)
        for part in ("staging", "ledger", "inbox"):
            shutil.copytree(self.fsp.folder / part, self.save / part)
        self.rows, self.bodies = self.read_truth()

    def configure(self, **keys):
        self.fsp.configure({"forwarder": {"throttle_messages": keys["throttle_messages"]},
                            "log": {"level": keys["level"]}})

    def start(self, kill_at):
        command = [str(self.fsp.bin / "fspd"), "-c", str(self.fsp.config)]
        if kill_at:  # the forwarder alone uses this call: from .tmp to .SMX
            command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e",
                       f"inject=renameat2:signal=KILL:when={kill_at}"] + command
        self.fsp.start(command=command)

    def post(self, count):
        with self.fsp.connect() as connection:
            for _ in range(count):
                self.post_one(connection)

    def post_one(self, connection):
        content = body(padding=random.choice([0, 200, 3000]))
        self.sent[digest(content)] = content
        reply = connection.post(content)
        if reply is not None and reply.status == 200:
            self.acknowledged.add(digest(content))
        return reply is not None

    def forward(self):
        self.fsp.ctl("forward")

    def take(self):
        for name, content in self.fsp.delivered().items():
            self.taken[digest(content)] += 1
            (self.fsp.inbox / name).unlink()

    def die(self, chance):
        process = self.fsp.process
        if self.kind == "stopped":
            self.fsp.stop()
        elif self.kind == "killed":
            time.sleep(chance.choice([0, 0, 0.01, 0.05]))
            self.fsp.kill()
        else:
            pid = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
            over = threading.Event()
            late = threading.Thread(target=self.post_until, args=(over,))
            late.start()
            os.kill(pid, signal.SIGUSR1)
            process.wait(20)
            over.set()
            late.join()

    def post_until(self, over):
        try:
            with self.fsp.connect(timeout=5) as connection:
                while not over.is_set() and self.post_one(connection):
                    time.sleep(0.002)
        except (OSError, socket.timeout):
            pass

    def read_truth(self):
        """{digest: (seq, delivery, name)} and {seq: packed body} of the sound ledger."""
        with tempfile.TemporaryDirectory() as copy:
            for part in PARTS:
                if Path(f"{self.save}/ledger/ledger.db{part}").exists():
                    shutil.copy(f"{self.save}/ledger/ledger.db{part}", copy)
            db = sqlite3.connect(f"{copy}/ledger.db")
            rows = {d: (seq, delivery) for seq, delivery, d in db.execute("SELECT seq, delivery, digest FROM message")}
            bodies = dict(db.execute("SELECT seq, data FROM body"))
            db.close()
        return rows, bodies

    def restore(self):
        """All as it was; the inbox stays the same folder, for its identity."""
        for part in ("staging", "ledger", "inbox", "log"):
            place = self.fsp.folder / part
            for path in place.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            if part != "log":
                shutil.copytree(self.save / part, place, dirs_exist_ok=True)
        self.fsp.output.write_bytes(b"")
        self.configure(throttle_messages=0, level="info")

    def has_file(self, key):
        names = [p for part in ("staging", "inbox") for p in (self.save / part).rglob("*") if p.is_file()]
        return any(digest(p.read_bytes()) == key for p in names)


def flip(chance, path):
    size = path.stat().st_size
    places = [(chance.randrange(size), chance.randrange(8)) for _ in range(chance.randint(1, 8))] if size else []
    with open(path, "r+b") as file:
        for at, bit in places:
            file.seek(at)
            value = file.read(1)[0] ^ (1 << bit)
            file.seek(at)
            file.write(bytes([value]))
    return f"bits {places} of {path.name} flipped"


def cut(chance, path):
    size = chance.randint(0, max(path.stat().st_size - 1, 0))
    if chance.random() < 0.3:  # where a file system would cut
        size -= size % 4096
    os.truncate(path, size)
    return f"{path.name} cut to {size}"


def remove(_, path):
    path.unlink()
    return f"{path.name} removed"


def damage(chance, ledger):
    """Does something to the ledger's files; says what."""
    files = [p for p in (Path(f"{ledger}{part}") for part in PARTS) if p.exists()]
    db, wal = files[0], [p for p in files if p.name.endswith("-wal")]
    kind = chance.choice(["flip"] * 5 + ["cut"] * 3 + ["remove"] * 2)
    if kind == "flip":
        chosen = chance.choice([[db], wal or [db], [db] + wal])
        return "; ".join(flip(chance, p) for p in chosen)
    if kind == "cut":
        return cut(chance, chance.choice([db] + wal))
    chosen = chance.choice([[db], wal or [db], [db] + wal, files[-1:], files, files[1:] or [db]])
    return "; ".join(remove(chance, p) for p in chosen)


def still_readable(scene):
    """The digests that SQLite can still find, row and body, in what is left; beside the daemon, on a copy."""
    found = set()
    with tempfile.TemporaryDirectory() as copy:
        for part in PARTS:
            if Path(f"{scene.fsp.ledger}{part}").exists():
                shutil.copy(f"{scene.fsp.ledger}{part}", copy)
        if not Path(f"{copy}/ledger.db").exists():
            return found
        for key, (seq, _) in scene.rows.items():
            db = sqlite3.connect(f"{copy}/ledger.db")
            try:
                rows = db.execute("SELECT digest FROM message NOT INDEXED WHERE seq = ?", (seq,)).fetchall()
                bodies = db.execute("SELECT data FROM body WHERE seq = ?", (seq,)).fetchall()
                if rows == [(key,)] and bodies == [(scene.bodies[seq],)]:
                    found.add(key)
            except (sqlite3.Error, OverflowError, UnicodeDecodeError):  # the last: of a damaged name in its words
                pass
            finally:
                db.close()
    return found


def open_rows(ledger):
    """How many messages are still on their way; None when that cannot be read now."""
    try:
        db = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=1)
        try:
            return db.execute("SELECT count(*) FROM message WHERE delivery < 3").fetchone()[0]
        finally:
            db.close()
    except (sqlite3.Error, UnicodeDecodeError):
        return None


def settle(fsp):
    """Waits until a started daemon has nothing open any more, or ends.  "settled", "stuck" or its exit code."""
    end, ring = time.monotonic() + SETTLE_S, 0
    while time.monotonic() < end:
        code = fsp.process.poll()
        if code is not None:
            return code
        if COPIED.search(fsp.since_start()):
            if open_rows(fsp.ledger) == 0:
                return "settled"
            if time.monotonic() > ring:
                fsp.signal(signal.SIGUSR1)
                ring = time.monotonic() + 0.2
        time.sleep(0.01)
    return "stuck"


def recover(fsp):
    """Starts until all is settled; faults in words."""
    for _ in range(STARTS):
        fsp.spawn()
        result = settle(fsp)
        if result == "settled":
            fsp.stop()
            return []
        if result == "stuck":
            fsp.kill()
            return [f"nothing moves any more: {open_rows(fsp.ledger)} message(s) open"]
        if result != INTERNAL:
            return [f"fspd ended with {result}"]
    return [f"fspd ends again and again, {STARTS} times"]


def quarantined(ledger):
    db = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        return dict(db.execute("SELECT digest, reason FROM message WHERE delivery = 4"))
    finally:
        db.close()


def judge(scene, readable):
    """Faults in words, and (arrived, quarantined, lost) of those acknowledged."""
    taken = collections.Counter(scene.taken)
    for name, content in scene.fsp.delivered().items():
        taken[digest(content)] += 1
        (scene.fsp.inbox / name).unlink()
    faults = [f"{key.hex()}: not what was sent" for key in taken if key not in scene.sent]
    faults += [f"{key.hex()}: {count} times; it was {scene.rows.get(key)}" for key, count in taken.items() if count > 1]
    reasons = quarantined(scene.fsp.ledger)
    faults += [f"{key.hex()}: quarantined without a reason" for key, reason in reasons.items() if not reason]
    missing = [key for key in scene.acknowledged if not taken[key] and key not in reasons]
    for key in missing:
        if scene.has_file(key):
            faults.append(f"{key.hex()}: lost, and had a file; it was {scene.rows.get(key)}")
        elif key in readable:
            faults.append(f"{key.hex()}: lost, and could be read; it was {scene.rows.get(key)}")
    held = sum(1 for key in scene.acknowledged if not taken[key] and key in reasons)
    return faults, (len(scene.acknowledged) - held - len(missing), held, len(missing))


def keep(scene, folder, number, what, faults):
    """For the one who looks for the reason."""
    place = Path(folder) / str(number)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    shutil.copytree(scene.save, place / "before")
    for part in ("staging", "ledger", "inbox", "log"):
        shutil.copytree(scene.fsp.folder / part, place / "after" / part)
    shutil.copy(scene.fsp.config, place)
    (place / "faults").write_text(f"{scene.kind}: {what}\n" + "\n".join(faults) + "\n")


def one_damage(scene, number, seed, options):
    scene.restore()
    what = damage(random.Random(f"{seed}-{number}"), scene.fsp.ledger)
    readable = still_readable(scene)
    faults = recover(scene.fsp)
    counts = (0, 0, 0)
    if not faults:
        faults, counts = judge(scene, readable)
    if SANITIZER.search(scene.fsp.output.read_bytes()):
        faults.append("a sanitizer found something")
    if faults and options.keep:
        keep(scene, options.keep, number, what, faults)
    return number, scene.kind, what, faults, counts


def work(number, seed, options, todo, results):
    folder = Path(tempfile.mkdtemp(prefix="fsp-damage-", dir=options.work))
    scene = None
    try:
        for round_number, damage_number in enumerate(iter(todo.get, None)):
            if round_number % DAMAGES_A_SCENE == 0:
                scene = Scene(folder / str(round_number), random.Random(f"{seed}-{number}-{round_number}"))
            results.put(one_damage(scene, damage_number, seed, options))
    except BaseException as error:  # whatever it is, the parent must hear of it
        results.put((-1, scene.kind if scene else "no scene", "the rig itself", [repr(error)], (0, 0, 0)))
        raise
    finally:
        if scene and scene.fsp.running():
            scene.fsp.kill()
        shutil.rmtree(folder, ignore_errors=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--damages", type=int, default=400)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(1 << 32)), help="repeats the choices")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp",
                        help="a folder; in memory it is quick, and no power is cut here")
    parser.add_argument("--keep", metavar="FOLDER", help="keep before and after of each fault there")
    return parser.parse_args()


def run_all(options):
    todo, results = multiprocessing.Queue(), multiprocessing.Queue()
    for number in range(options.damages):
        todo.put(number)
    workers = [multiprocessing.Process(target=work, args=(n, options.seed, options, todo, results))
               for n in range(options.workers)]
    for worker in workers:
        todo.put(None)
        worker.start()
    got = []
    while len(got) < options.damages:
        got.append(results.get(timeout=120))
        number, kind, what, faults, _ = got[-1]
        if faults:
            print(f"damage {number} of a scene {kind}: {what}", *faults, sep="\n    ", flush=True)
        if number < 0:
            break
    for worker in workers:
        if got[-1][0] < 0:
            worker.terminate()
        worker.join()
    return got


def main():
    options = parse_arguments()
    if not shutil.which("strace") or binaries() is None:
        print("needs strace and a built fspd", file=sys.stderr)
        return 77
    began = time.monotonic()
    got = run_all(options)
    arrived, held, lost = (sum(counts[i] for *_, counts in got) for i in range(3))
    faulty = sum(1 for *_, faults, _ in got if faults)
    print(f"seed {options.seed}: {len(got)} damages, {faulty} with faults; of those acknowledged {arrived} arrived "
          f"once, {held} were quarantined, {lost} were only in what was destroyed; {time.monotonic() - began:.0f} s")
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
