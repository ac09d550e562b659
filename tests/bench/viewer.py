#!/usr/bin/python3
"""The state message viewer on a large ledger: every page, report and listing, memory, and what readers cost intake.

The ledger's rows are made in SQL; the daemon then counts its clients as it
would have done while they came.  Each question is asked several times, and
the median and the worst answer time are shown, the start of fspctl included,
and what it took of the CPU, which others at work disturb less.
Intake is measured in bursts, in turn without a reader and with one that
fetches the overview again and again.
"""
import argparse
import http.client
import json
import math
import os
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from fsp import Fsp, binaries, wait_until  # noqa: E402
from web import ADMIN, Reader  # noqa: E402

DAY_MS = 86400 * 1000
DAYS = 30
BEHIND = 1000          # so many messages the daemon lets lie
LIMIT_MS, LIMIT_MB, LIMIT_FALL = 200, 64, 10
STATES = [100] * 3 + [101, 301, 308, 313, 315, 500] + [400] * 6 + [401, 601, 602, 700, 700, 700]
PARAMS = '["http://mp.example.com/CCM_Client/ccmsetup.cab", "0x80072ee%d"]'
DETAILS = '<ClientDeploymentMessage ErrorCode="0"><Client Baseline="1" Platform="2" Langs=""/></ClientDeploymentMessage>'
RARE_STATE, RARE_EVERY = 333, 50000
RARE_TOPIC = 4711


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--clients", type=int, default=100000)
    parser.add_argument("--times", type=int, default=7, help="each question is asked so often")
    parser.add_argument("--bursts", type=int, default=5, help="so many with a reader, and as many without")
    parser.add_argument("--burst", type=int, default=30000, help="messages a burst; 0: intake is not measured")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--period", type=float, default=5, help="seconds between two looks of the reader, as the page does")
    parser.add_argument("--tools", default=ROOT / ".build/release/tests/bench", type=Path,
                        help="the folder of load (target bench-tools)")
    parser.add_argument("--work", default="/var/tmp", help="a folder on a disk")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def client_id(number):
    return f"GUID:{number:08X}-2222-3333-4444-555555555555"


class Ledger:
    """So many messages of so many clients in the last thirty days, the oldest first, all forwarded."""

    def __init__(self, options):
        self.options = options
        self.now = int(time.time() * 1000)
        self.start = self.now - DAYS * DAY_MS

    def arrived(self, seq):
        return self.start + (self.now - self.start) * seq // self.options.messages

    def messages(self):
        dice = random.Random(1)
        for seq in range(1, self.options.messages + 1):
            number = dice.randrange(self.options.clients)
            at = self.arrived(seq)
            named = client_id(number) if number % 10 else None  # one in ten has no ClientID yet
            yield (seq, at, 1, at, 3, os.urandom(16), 4000, "10.0.0.1", named, f"PC{number:06d}", "5.00.9096.1000",
                   at, at, at, None, 1, None, 0)

    def states(self):
        dice = random.Random(2)
        for seq in range(1, self.options.messages + 1):
            topic = dice.choice((800, 800, 800, 1000, 1001))
            state = dice.choice(STATES) if topic == 800 else dice.choice((1, 1, 2))
            if seq % RARE_EVERY == 0:
                topic, state = 800, RARE_STATE
            if seq == 7:
                topic, state = RARE_TOPIC, 1
            failed = topic != 800 or 300 <= state < 400
            yield (seq * 1024, topic, "{0D94311F-CB7B-4E73-94B1-75878081111C}", state,
                   self.arrived(seq) - dice.randrange(7200000), "1", PARAMS % dice.randrange(10) if failed else "[]", DETAILS)

    def fill(self, path):
        db = sqlite3.connect(path)
        db.execute("PRAGMA synchronous=OFF")
        with db:
            db.executemany(f"INSERT INTO message VALUES({','.join('?' * 18)})", self.messages())
            db.executemany(f"INSERT INTO state VALUES({','.join('?' * 8)})", self.states())
        db.close()


def questions(options):
    """What is asked: paths of the page and of the API, arguments of fspctl."""
    one, none = f"PC{options.clients // 2:06d}", "NO-SUCH-PC"
    begins, part = one[:-1] + "*", f"*{options.clients // 2 + 1}*"
    filters = {
        "": {}, "one client": {"client": one}, "its ID": {"client": client_id(options.clients // 2 + 1)},
        "ten clients": {"client": begins}, "part of a name": {"client": part}, "no client": {"client": none},
        "common topic": {"topic": 800}, "rare topic": {"topic": RARE_TOPIC}, "no topic": {"topic": 9},
        "common state": {"state": 400}, "rare state": {"state": RARE_STATE}, "no state": {"state": 999},
        "class": {"class": "deploy-failed"}, "class of few": {"class": "unknown"},
        "class of a client": {"class": "deployed", "client": one},
        "last hour": {"since": "1h"}, "one old hour": {"since": "481h", "until": "480h"}, "old": {"until": "4w"},
        "quarantined": {"delivery": "quarantined"}, "forwarded": {"delivery": "forwarded"},
    }
    pages = ["/", "/?range=30d", "/messages", "/clients", "/reports", "/healthz", "/metrics", "/api/v1/status",
             "/api/v1/hours", "/api/v1/clients", f"/clients?client={quote(part)}", "/clients?class=deploy-failed",
             f"/clients?client={one}", f"/client?key={quote(client_id(options.clients // 2 + 1))}"]
    pages += [f"/messages?q={quote(q)}" for q in ("state:failed since:2h", f"machine:{begins}", "class:unknown", one)]
    reports = ["client-deployment-status", "client-deployment-success", "client-deployment-failure",
               "client-assignment-status", "client-assignment-success", "client-assignment-failure",
               "problems-summary", "problems-detail"]
    pages += [p for r in reports for p in (f"/reports/{r}", f"/api/v1/reports/{r}?limit=100")]
    pages += ["/api/v1/messages?" + "&".join(f"{k}={quote(str(v))}" for k, v in f.items()) for f in filters.values()]
    commands = [["messages", *(a for k, v in f.items() for a in (f"--{k}", str(v)))] for f in filters.values()]
    commands += [["clients"], ["clients", "--class", "deploy-failed"], ["clients", "--since", "1h"], ["status"]]
    commands += [["report", r] for r in reports] + [["report", "problems-summary", "--since", "1d"]]
    return pages, commands


class Measurement:
    def __init__(self, options, folder):
        self.options = options
        # Files come and go in memory: the disk is the ledger's alone, and what was made there is gone in no time.
        self.staging = Path(tempfile.mkdtemp(prefix="fspd-viewer-", dir="/dev/shm"))
        self.fsp = Fsp(folder, {
            **ADMIN, "listener": {"client_rate": "0", "connections_per_client": "4096"},
            "policy": {"deduplicate": "1h"}, "staging": {"directory": self.staging, "min_free": "0%"},
            "forwarder": {"interval": "24h"}})
        self.figures = {"messages": options.messages, "clients": options.clients, "answers": []}
        self.web = None

    def memory_mb(self, key):
        status = Path(f"/proc/{self.fsp.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith(key))) / 1024

    def uncounted(self):
        db = sqlite3.connect(f"file:{self.fsp.ledger}?mode=ro", uri=True, timeout=20)
        try:
            rolled = db.execute("SELECT value FROM meta WHERE key = 'rolled_seq'").fetchone()
            return db.execute("SELECT max(seq) FROM message").fetchone()[0] - (rolled[0] if rolled else 0)
        finally:
            db.close()

    def make(self):
        self.fsp.start()
        self.fsp.stop()
        Ledger(self.options).fill(self.fsp.ledger)
        self.fsp.start()
        self.web = Reader(self.fsp)
        began = time.monotonic()
        wait_until(lambda: self.uncounted() < BEHIND, 3600, "the clients counted", pause=0.5)
        self.figures["counted_a_second"] = self.options.messages / (time.monotonic() - began)
        self.figures["memory_mb_counting"] = self.memory_mb("VmHWM")
        self.figures["ledger_mb"] = self.fsp.ledger.stat().st_size / 1e6
        print(f"{self.figures['ledger_mb']:.0f} MB, {self.figures['counted_a_second']:.0f} messages/s counted", flush=True)

    def cpu_ms(self):
        """What the daemon and all that was called have computed: of use where others are at work too."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        tasks = Path(f"/proc/{self.fsp.process.pid}/task").glob("*/schedstat")
        return (children.ru_utime + children.ru_stime) * 1000 + sum(int(t.read_text().split()[0]) for t in tasks) / 1e6

    def time_one(self, name, ask):
        times, cpu = [], []
        for _ in range(self.options.times):
            before, began = self.cpu_ms(), time.monotonic()
            ask()
            times.append((time.monotonic() - began) * 1000)
            cpu.append(self.cpu_ms() - before)
        row = {"question": name, "median_ms": statistics.median(times), "worst_ms": max(times),
               "cpu_ms": statistics.median(cpu)}
        self.figures["answers"].append(row)
        print(f"{row['median_ms']:8.1f} {row['worst_ms']:8.1f} {row['cpu_ms']:8.1f}  {name}", flush=True)

    def ask_all(self):
        pages, commands = questions(self.options)
        for path in pages:
            self.time_one(path, lambda path=path: self.web.get(path))
        for arguments in commands:
            self.time_one("fspctl " + " ".join(arguments), lambda arguments=arguments: self.fsp.ctl(*arguments))
        self.figures["memory_mb"] = self.memory_mb("VmHWM")

    def burst(self):
        command = [self.options.tools / "load", "--url", self.fsp.url, "--connections", self.options.connections,
                   "--messages", self.options.burst, "--pid", self.fsp.process.pid, "--json"]
        result = json.loads(subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=True).stdout)
        assert result["messages"] == self.options.burst, result
        return result["messages_per_second"]

    def burst_with_reader(self):
        done, looks = threading.Event(), []

        def look():
            while True:
                began = time.monotonic()
                took = self.web.ask("/").status == 200 and (time.monotonic() - began) * 1000
                looks.append(took or math.inf)
                if done.wait(self.options.period):
                    return
        thread = threading.Thread(target=look)
        thread.start()
        try:
            return self.burst(), looks
        finally:
            done.set()
            thread.join()

    def settle(self):
        """Nothing of one burst falls into the next."""
        wait_until(lambda: not any(e.name.endswith(".tmp") for e in os.scandir(self.staging)), 600, "the files made", pause=0.2)
        wait_until(lambda: self.uncounted() < BEHIND, 3600, "the clients counted", pause=0.2)
        os.sync()

    def measure_intake(self):
        alone, read, looks = [], [], []
        self.burst()  # the first one warms up
        for number in range(self.options.bursts):
            for reader in ((False, True), (True, False))[number % 2]:
                self.settle()
                if reader:
                    rate, seen = self.burst_with_reader()
                    read.append(rate)
                    looks += seen
                else:
                    alone.append(self.burst())
            print(f"{alone[-1]:8.0f} {read[-1]:8.0f}  messages/s without, with a reader", flush=True)
        self.figures |= {"intake": statistics.median(alone), "intake_with_reader": statistics.median(read),
                         "looks_in_bursts": len(looks), "worst_look_ms": max(looks),
                         "memory_mb_after_bursts": self.memory_mb("VmHWM")}

    def run(self):
        try:
            self.make()
            self.ask_all()
            if self.options.burst:
                self.measure_intake()
            self.fsp.stop()
        finally:
            self.fsp.kill()
            shutil.rmtree(self.staging, ignore_errors=True)


def report(figures):
    rows = figures["answers"]
    slow = sorted(rows, key=lambda row: -row["cpu_ms"])
    print(f"\n{figures['messages']:,} messages of {figures['clients']:,} clients, ledger {figures['ledger_mb']:.0f} MB\n")
    print("| the dearest questions | median ms | worst ms | CPU ms |\n|---|---:|---:|---:|")
    for row in slow[:15]:
        print(f"| `{row['question']}` | {row['median_ms']:.0f} | {row['worst_ms']:.0f} | {row['cpu_ms']:.0f} |")
    print(f"| all {len(rows)}: median | {statistics.median(r['median_ms'] for r in rows):.0f} |"
          f" | {statistics.median(r['cpu_ms'] for r in rows):.0f} |")
    print("\n| | | limit |\n|---|---:|---:|")
    print(f"| slowest median, ms | {max(r['median_ms'] for r in rows):.0f} | {LIMIT_MS} |")
    print(f"| memory of fspd while it counted them all, MB | {figures['memory_mb_counting']:.1f} | {LIMIT_MB} |")
    print(f"| memory of fspd after all questions, MB | {figures['memory_mb']:.1f} | {LIMIT_MB} |")
    if "intake" in figures:
        fall = (1 - figures["intake_with_reader"] / figures["intake"]) * 100
        print(f"| memory after the bursts, MB | {figures['memory_mb_after_bursts']:.1f} | {LIMIT_MB} |")
        print(f"| intake, messages/s | {figures['intake']:,.0f} | |")
        print(f"| intake with a reader, messages/s | {figures['intake_with_reader']:,.0f} | |")
        print(f"| fall, % | {fall:.1f} | {LIMIT_FALL} |")
        print(f"| slowest overview during a burst, ms | {figures['worst_look_ms']:.0f} | |")
    print(f"| clients counted, messages/s while idle | {figures['counted_a_second']:,.0f} | |")


def main():
    options = parse_arguments()
    if binaries() is None or (options.burst and not (options.tools / "load").exists()):
        sys.exit("build first: cmake --build --preset release --target all bench-tools")
    folder = Path(tempfile.mkdtemp(prefix="fspd-viewer-", dir=options.work))
    measurement = Measurement(options, folder)
    try:
        measurement.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report(measurement.figures)
    if options.json:
        Path(options.json).write_text(json.dumps(measurement.figures, indent=1))


if __name__ == "__main__":
    main()
