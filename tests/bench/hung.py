#!/usr/bin/python3
"""Does an inbox that hangs delay a client?  The p99 of intake with a healthy and with a hung inbox, in turns.

The inbox is a FUSE file system (bindfs).  In a hung round its server is stopped
by SIGSTOP and a run is ordered, which hangs; in a healthy one a run is ordered
as well.  After each round the server goes on and all is sent.
"""
import argparse
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from fsp import Fsp, binaries, wait_until  # noqa: E402

KINDS = ("healthy", "hung")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="of each kind")
    parser.add_argument("--messages", type=int, default=5000, help="in a round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--tools", default=ROOT / ".build/release/tests/bench", type=Path,
                        help="the folder of load (target bench-tools)")
    parser.add_argument("--work", default="/var/tmp", help="a folder on a disk")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


class Rig:
    def __init__(self, options, folder):
        self.options, self.disk, inbox = options, folder / "disk", folder / "fuse"
        self.inbox = inbox
        for path in (self.disk, inbox):
            path.mkdir()
        self.server = subprocess.Popen(["bindfs", "-f", self.disk, inbox], stderr=subprocess.DEVNULL)
        wait_until(inbox.is_mount, what="the mount")
        self.fsp = Fsp(folder / "fsp", {
            "listener": {"client_rate": "0", "connections_per_client": "4096"},
            "forwarder": {"inbox": inbox, "interval": "24h", "throttle_messages": "0"}})
        self.total = 0

    def load(self):
        command = [self.options.tools / "load", "--url", self.fsp.url, "--connections", self.options.connections,
                   "--messages", self.options.messages, "--json"]
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=True)
        result = json.loads(done.stdout)
        assert result["messages"] == self.options.messages, result
        self.total += self.options.messages
        return result["p99_ms"]

    def round(self, kind):
        if kind == "hung":
            self.server.send_signal(signal.SIGSTOP)
        try:
            self.fsp.signal(signal.SIGUSR1)
            p99_ms = self.load()
        finally:
            self.server.send_signal(signal.SIGCONT)
        wait_until(lambda: self.fsp.ctl("forward") and self.fsp.status()["staged"] == 0, 600, "an empty staging")
        return p99_ms

    def stop_hung(self):
        """Seconds that a stop takes while the inbox hangs; then all must arrive once."""
        self.load()
        self.server.send_signal(signal.SIGSTOP)
        self.fsp.signal(signal.SIGUSR1)
        wait_until(lambda: self.fsp.status()["next_run"] is None, what="a run on its way into the hung folder")
        try:
            seconds = self.fsp.stop()
        finally:
            self.server.send_signal(signal.SIGCONT)
        self.fsp.start(seconds=600)
        wait_until(lambda: self.fsp.ctl("forward") and self.fsp.status()["staged"] == 0, 600, "an empty staging")
        self.fsp.stop()
        arrived = len(list(self.disk.glob("*.SMX")))
        assert arrived == self.total, f"{arrived} files of {self.total} messages"
        return seconds

    def end(self):
        self.server.send_signal(signal.SIGCONT)
        if self.fsp.running():
            self.fsp.kill()
        subprocess.run(["umount", "-l", self.inbox], check=False)
        self.server.terminate()
        self.server.wait(10)


def measure(rig, rounds):
    figures = {kind: [] for kind in KINDS}
    rig.fsp.start()
    rig.round("healthy")  # to warm up
    for number in range(rounds):
        for kind in KINDS if number % 2 else KINDS[::-1]:
            figures[kind].append(rig.round(kind))
            print(f"{kind}: p99 {figures[kind][-1]:.2f} ms", flush=True)
    return figures | {"stop_seconds": rig.stop_hung(), "arrived_once": rig.total}


def main():
    options = parse_arguments()
    if binaries() is None or not (options.tools / "load").exists() or not shutil.which("bindfs"):
        print("needs bindfs, and fspd and load (target bench-tools) built", file=sys.stderr)
        return 77
    folder = Path(tempfile.mkdtemp(prefix="fsp-hung-", dir=options.work))
    rig = Rig(options, folder)
    try:
        figures = measure(rig, options.rounds)
    finally:
        rig.end()
        shutil.rmtree(folder, ignore_errors=True)
    for kind in KINDS:
        print(f"{kind}: p99 {statistics.median(figures[kind]):.2f} ms (median of {len(figures[kind])} rounds)")
    print(f"stopped within {figures['stop_seconds']:.1f} s while it hung; {figures['arrived_once']} arrived once")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
