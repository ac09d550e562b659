"""From staging to the inbox: against tools that copy folders, and as work grows."""
import contextlib
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import time

import peers
from intake import turned
from measure import Shot, discard_ledger, process_cpu, resident_mb, say
from peers import BenchError

RUN_SECONDS = 3600
CONNECTIONS = 64
FILL_CHUNK = 50000
FEW = 10000               # so few files go out in no time: more than once
MANY = 100000             # so many are not made twice
ROWS_AT_ONCE = 500000
FILE_SIZE = 4096


def make_files(folder, count):
    """As staged ones: same size, same kind of names, no two alike."""
    text = (random.Random(1).randbytes(FILE_SIZE // 8).hex() * 4).encode()
    os.mkdir(folder)
    for number in range(count):
        name = f"20260115T{number // 1000 % 1000000:06d}{number % 1000:03d}Z-0001-{number:08X}.SMX"
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"%016X" % number + text[16:])
    os.sync()


def fill(rig, peer, url, count):
    """Sends until so many are taken; what is refused while files are made is sent again."""
    taken = 0
    while taken < count:
        shot = Shot(CONNECTIONS, min(FILL_CHUNK, count - taken))
        got = rig.send(peer, url, shot, tolerant=True)["messages"]
        if got == 0:
            raise BenchError(f"{peer.name} takes nothing more after {taken} messages")
        taken += got
    return taken


def forward(peer, count):
    """Seconds from the order until all are in the inbox for certain, and CPU seconds."""
    os.makedirs(peer.inbox, exist_ok=True)
    before, cpu = peers.count_files(peer.inbox, ".SMX"), process_cpu(peer.process.pid)
    os.sync()
    begin = time.monotonic()
    peer.control("forward")  # gives up waiting after a minute; the run goes on
    peers.wait_until("an empty staging", RUN_SECONDS, lambda: peer.status()["staged"] == 0)
    seconds, cpu = time.monotonic() - begin, process_cpu(peer.process.pid) - cpu
    found = peers.count_files(peer.inbox, ".SMX") - before
    if found != count:
        raise BenchError(f"{count} were staged, {found} came into the inbox")
    return seconds, cpu


def forward_by_fspd(rig, count, _):
    peer = peers.PEERS["fspd"](rig.folder("forward-fspd"))
    try:
        fill(rig, peer, peer.start(), count)
        peer.wait_staged(count)
        return forward(peer, count)
    finally:
        peer.stop()


def forward_by_tool(rig, count, source, command):
    target = rig.folder(f"forward-{command[0]}")
    os.makedirs(target)
    os.sync()
    program = peers.find_program(command[0])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run([program, *command[1:], f"{source}/.", f"{target}/"], check=True, env=peers.environment())
    subprocess.run(["sync", "-f", target], check=True)
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = peers.count_files(target, ".SMX")
    if found != count:
        raise BenchError(f"{command[0]} copied {found} of {count}")
    return seconds, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


FORWARDERS = {
    "fspd": forward_by_fspd,
    "rsync": lambda rig, count, source: forward_by_tool(rig, count, source, ["rsync", "-a"]),
    "cp": lambda rig, count, source: forward_by_tool(rig, count, source, ["cp", "-r"]),
}


def forward_files(options):
    return sum(options.forward) * (1 + 4 * options.rounds)


def growth_files(options):
    bursts = 2 * options.rounds * options.messages * (len(options.growth) + 1)
    return 1.8 * sum(options.growth) + bursts + options.rows / 6


def measure_forward(rig, options):
    """All from a folder to a folder on the same disk, on it for certain at the end."""
    names = [name for name in FORWARDERS if name == "fspd" or peers.find_program(name)]
    sizes = []
    for count in options.forward:
        source = rig.folder("source")
        make_files(source, count)
        size = {"files": count, "peers": {name: [] for name in names}}
        for turn in range(options.rounds):
            for name in turned(names, turn):
                seconds, cpu = FORWARDERS[name](rig, count, source)
                say(f"round {turn + 1} of {options.rounds}: {count:,} files by {name}: {count / seconds:,.0f} files/s")
                size["peers"][name].append({"seconds": seconds, "files_per_second": count / seconds,
                                            "cpu_us": cpu * 1e6 / count})
        sizes.append(size)
    return {"sizes": sizes}


def add_rows(ledger, count):
    """So many forwarded messages, made in SQL after the pattern of the last one, counted for the viewer, and
    no duplicates to look for."""
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -262144")
        last, = db.execute("SELECT max(seq) FROM message").fetchone()
        changed = {"message": {"seq": ":base + i", "delivery": "3", "digest": "randomblob(16)", "seal": "0",
                               "copied_ms": "received_ms", "forwarded_ms": "received_ms"},
                   "state": {"id": "(:base + i) * 1024"}}
        chosen = {"message": "seq = :last", "state": "id = :last * 1024"}
        for done in range(0, count, ROWS_AT_ONCE):
            values = {"base": last + done, "last": last, "count": min(ROWS_AT_ONCE, count - done)}
            for table, expressions in changed.items():
                columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
                db.execute(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) "
                           f"INSERT INTO {table}({','.join(columns)}) SELECT "
                           f"{','.join(expressions.get(column, column) for column in columns)} "
                           f"FROM n, {table} WHERE {chosen[table]}", values)
            db.commit()
        db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES('rolled_seq', :seq), ('seen_seq', :seq)",
                   {"seq": last + count})
        db.commit()


class Growth:
    """One daemon whose inbox is away and whose staging grows, and empty ones to compare with, burst by burst."""

    def __init__(self, rig, options):
        self.rig, self.options = rig, options
        self.peer = peers.PEERS["fspd"](rig.folder("growth"))
        self.staged = self.rows = 0
        os.rmdir(self.peer.inbox)
        self.url = self.peer.start()

    def grow(self, staged):
        fill(self.rig, self.peer, self.url, staged - self.staged)
        self.staged = max(self.staged, staged)
        self.peer.wait_staged(self.staged)

    def forward(self):
        seconds, _ = forward(self.peer, self.staged)
        os.rename(self.peer.inbox, self.rig.folder("inbox"))  # nothing is deleted, and the inbox is away
        files, self.staged = self.staged, 0
        self.rows += files
        return {"files": files, "us_per_file": seconds * 1e6 / files}

    def restart(self):
        """Seconds until it listens; its memory then."""
        self.peer.stop()
        begin = time.monotonic()
        self.url = self.peer.start()
        return {"start_seconds": time.monotonic() - begin, "resident_mb": resident_mb(self.peer.process.pid)}

    def burst(self):
        result = self.rig.send(self.peer, self.url, Shot(CONNECTIONS, self.options.messages))
        self.staged += result["messages"]
        peers.wait_until("files of a burst", RUN_SECONDS, lambda: self.peer.waiting() == 0, pause=0.1)
        os.sync()
        return result["messages_per_second"]

    def empty_burst(self):
        return self.rig.measure("fspd", Shot(CONNECTIONS, self.options.messages))["messages_per_second"]

    def intake(self):
        full, empty = [], []
        for turn in range(self.options.rounds):
            for rates, burst in turned([(full, self.burst), (empty, self.empty_burst)], turn):
                rates.append(burst())
        ratio = statistics.median(a / b for a, b in zip(full, empty))
        return {"full": full, "empty": empty, "ratio": ratio}

    def point(self, **more):
        point = {"staged": self.staged, "rows": self.rows + self.staged} | more | self.restart() | self.intake()
        point["peak_mb"] = resident_mb(self.peer.process.pid, "VmHWM")
        say(f"  {point['staged']:,} staged, {point['rows']:,} rows: intake {point['ratio']:.2f} of an empty one's, "
            f"start {point['start_seconds']:.2f} s, {point['peak_mb']:.0f} MB")
        return point

    def add_rows(self, rows):
        self.peer.stop()
        more = max(0, rows - self.rows - self.staged)
        say(f"  making {more:,} rows")
        add_rows(self.peer.ledger, more)
        self.rows += more
        os.sync()
        self.url = self.peer.start()


def measure_growth(rig, options):
    """Forwarding and intake at each size; the last one also with that many rows in the ledger."""
    points, forwards = [], []
    growth = Growth(rig, options)
    try:
        for staged in options.growth:
            if staged < MANY:
                for _ in range(options.rounds if staged <= FEW else 1):
                    growth.grow(staged)
                    forwards.append(growth.forward())
            growth.grow(staged)
            points.append(growth.point())
            if staged == options.growth[-1] and options.rows:
                growth.add_rows(options.rows)
                points.append(growth.point())
            forwards.append(growth.forward())
            say(f"  forwarding {forwards[-1]['files']:,}: {forwards[-1]['us_per_file']:.0f} µs a file")
    finally:
        growth.peer.stop()
    discard_ledger(growth.peer.folder)
    return {"points": points, "forwards": forwards}
