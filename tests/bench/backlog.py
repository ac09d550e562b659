#!/usr/bin/python3
"""A week without the inbox: how intake, memory and starts fare with a million messages staged, and that all arrive.

Bursts of equal size come in, each after the files of the one before are made.
The rate of the first ones is set against that of the last ones.  Then the
daemon is killed and started again, stopped and started again, the inbox comes
back, and every message must arrive once.
"""
import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from fsp import NAME, Fsp, binaries, wait_until  # noqa: E402
from messages import body, digest  # noqa: E402

ENDS = 4                     # so many bursts at either end are compared
BYTES_A_MESSAGE = 10 * 1024  # staged file, body in the ledger, and room to work
HOURS = 3600
STARTS = ("start_after_kill", "start_after_stop")  # each takes one message more


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--bursts", type=int, default=40)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--tools", default=ROOT / ".build/release/tests/bench", type=Path,
                        help="the folder of load (target bench-tools)")
    parser.add_argument("--work", default="/var/tmp", help="a folder on a disk")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


class Backlog:
    def __init__(self, options, folder):
        self.options = options
        self.fsp = Fsp(folder, {
            "listener": {"client_rate": "0", "connections_per_client": "4096"},
            "staging": {"max_size": "1024G", "max_messages": "100000000"},
            "forwarder": {"interval": "24h", "throttle_messages": "0"}})
        self.figures = {"messages": options.messages, "bursts": []}
        self.fsp.inbox.rmdir()

    def memory_mb(self):
        status = Path(f"/proc/{self.fsp.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024

    def received(self):
        """How many wait for their files."""
        db = sqlite3.connect(f"file:{self.fsp.ledger}?mode=ro", uri=True, timeout=20)
        try:
            return db.execute("SELECT count(*) FROM message WHERE delivery = 0 AND delivery <> 3").fetchone()[0]
        finally:
            db.close()

    def burst(self, count):
        command = [self.options.tools / "load", "--url", self.fsp.url, "--connections", self.options.connections,
                   "--messages", count, "--pid", self.fsp.process.pid, "--json"]
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=True)
        result = json.loads(done.stdout)
        assert result["messages"] == count, result
        wait_until(lambda: self.received() == 0, HOURS, "files of a burst", pause=0.2)
        os.sync()
        keys = ("messages_per_second", "p99_ms", "server_cpu_us_per_message")
        self.figures["bursts"].append({key: result[key] for key in keys} | {"memory_mb": self.memory_mb()})
        print(json.dumps(self.figures["bursts"][-1]), flush=True)

    def fill(self):
        self.fsp.start()
        count = self.options.messages // self.options.bursts
        for _ in range(self.options.bursts):
            self.burst(count)
        ends = [[b["messages_per_second"] for b in part]
                for part in (self.figures["bursts"][:ENDS], self.figures["bursts"][-ENDS:])]
        self.figures["rate_empty"], self.figures["rate_full"] = map(statistics.median, ends)
        self.figures["rate_ratio"] = self.figures["rate_full"] / self.figures["rate_empty"]
        self.figures["memory_mb"] = self.memory_mb()

    def start_again(self, name):
        """Seconds from the start until a message is taken."""
        began = time.monotonic()
        self.fsp.start(first_run=False, seconds=600)
        self.fsp.accept(body())
        self.figures[name] = time.monotonic() - began

    def deliver(self):
        self.fsp.inbox.mkdir()
        began = time.monotonic()
        self.fsp.ctl("forward", timeout=90)  # gives up waiting after a minute; the run goes on
        wait_until(lambda: self.fsp.status()["staged"] == 0, HOURS, "an empty staging", pause=0.5)
        self.figures["forward_seconds"] = time.monotonic() - began
        self.figures["memory_mb_at_the_end"] = self.memory_mb()
        self.fsp.stop()

    def check(self):
        count = len(os.listdir(self.fsp.inbox))
        digests = set()
        for entry in os.scandir(self.fsp.inbox):
            assert NAME.match(entry.name), entry.name
            with open(entry.path, "rb") as file:
                digests.add(digest(file.read()))
        db = sqlite3.connect(f"file:{self.fsp.ledger}?mode=ro", uri=True)
        rows = {key for (key,) in db.execute("SELECT digest FROM message WHERE delivery = 3")}
        db.close()
        expected = self.options.bursts * (self.options.messages // self.options.bursts) + len(STARTS)
        assert len(rows) == expected, f"{len(rows)} rows of {expected} messages"
        assert count == expected and digests == rows, f"{count} files, {len(digests)} different, of {expected}"
        self.figures["arrived_once"] = count


def report(figures):
    print(f"""
| | |
|---|---:|
| messages staged, inbox away | {figures['messages']:,} |
| intake with an empty staging, messages/s | {figures['rate_empty']:,.0f} |
| intake with all of them staged, messages/s | {figures['rate_full']:,.0f} |
| ratio | {figures['rate_ratio']:.2f} |
| largest memory while they came, MB | {figures['memory_mb']:.1f} |
| from a start after a kill to the first message taken, s | {figures['start_after_kill']:.2f} |
| from a start after an orderly stop, s | {figures['start_after_stop']:.2f} |
| all in the inbox after, s | {figures['forward_seconds']:.0f} |
| of these arrived once | {figures['arrived_once']:,} |""")


def main():
    options = parse_arguments()
    if binaries() is None or not (options.tools / "load").exists():
        print("not built: fspd, and load (target bench-tools)", file=sys.stderr)
        return 77
    if shutil.disk_usage(options.work).free < 2 * options.messages * BYTES_A_MESSAGE:
        print(f"{options.work} has too little space", file=sys.stderr)
        return 77
    folder = Path(tempfile.mkdtemp(prefix="fsp-backlog-", dir=options.work))
    backlog = Backlog(options, folder)
    try:
        backlog.fill()
        backlog.fsp.kill()
        backlog.start_again(STARTS[0])
        backlog.fsp.stop()
        backlog.start_again(STARTS[1])
        backlog.deliver()
        backlog.check()
        report(backlog.figures)
        if options.json:
            Path(options.json).write_text(json.dumps(backlog.figures, indent=1))
    finally:
        if backlog.fsp.running():
            backlog.fsp.kill()
        subprocess.run(["nice", "-n", "19", "rm", "-rf", str(folder)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
