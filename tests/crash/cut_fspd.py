"""fspd on a disk whose power is cut: the daemon, its clients, and the question what has become of each message."""
import functools
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

from cut_disk import PLACE, die_with

ROOT = Path(__file__).resolve().parents[2]
DISK = PLACE / "disk"
LOG = PLACE / "log" / "fspmgr.log"
PATIENCE = 20  # seconds, for what takes milliseconds

_LISTENING = re.compile(rb"Listening for state messages on http://127\.0\.0\.1:(\d+)")
_RUN_OVER = re.compile(rb"Successfully copied (\d+) out of (\d+) file\(s\)")
_TOKEN = re.compile(rb"<Mark>([0-9a-z]+)</Mark>")
_NAME = re.compile(r"^\d{8}T\d{9}Z-[0-9A-F]{4}-[0-9A-F]{8}\.SMX$", re.IGNORECASE)
FORWARDED = 3  # enum delivery


def binary():
    """The fspd to test: FSP_BIN's, else of the newest build."""
    if os.environ.get("FSP_BIN"):
        return Path(os.environ["FSP_BIN"]) / "fspd"
    built = list(ROOT.glob(".build/*/src/fspd"))
    if not built:
        raise SystemExit("no fspd: build first, or set FSP_BIN to its folder")
    return max(built, key=lambda path: path.stat().st_mtime)


def message(token, size):
    """A state message that can be told from all others, of about so many bytes."""
    noise = random.Random(token).randbytes(size // 2).hex()  # nothing that packs well
    return (f"<Report><ReportHeader><Identification><Machine><ClientID>GUID:{token}</ClientID>"
            f"<ClientVersion>5.00.9096.1000</ClientVersion><NetBIOSName>PC</NetBIOSName><Mark>{token}</Mark></Machine>"
            "</Identification></ReportHeader><ReportBody>"
            '<StateMessage MessageTime="20240115093012.000000+000" SerialNumber="1">'
            '<Topic ID="T" Type="800" IDType="0"/><State ID="100" Criticality="0"/></StateMessage></ReportBody>'
            f"<Filler>{noise}</Filler></Report>").encode()


class Fspd:
    """The daemon; staging and ledger on DISK, all else beside it."""

    def __init__(self, inbox=DISK / "inbox", program=None, rename=True):
        self.program, self.inbox, self.process = program or binary(), inbox, None
        LOG.parent.mkdir(exist_ok=True)
        self.config = PLACE / "fspd.ini"
        self.config.write_text(
            f"[site]\ncode = PS1\n[listener]\naddress = 127.0.0.1\nport = 0\nclient_rate = 0\n"
            f"connections_per_client = 1000\n[staging]\ndirectory = {DISK}/staging\nmin_free = 0%\n"
            f"[forwarder]\ninbox = {inbox}\nthrottle_messages = 0\nrename = {'yes' if rename else 'no'}\n[ledger]\nfile = {DISK}/lib/ledger.db\n"
            f"[log]\ndirectory = {LOG.parent}\nmax_size = 1G\n[admin]\nsocket = {PLACE}/control.sock\nport = off\n",
            encoding="ascii")

    def start(self):
        """Until it listens and the run that each start makes is over."""
        for path in LOG.parent.iterdir():
            path.unlink()
        self.process = subprocess.Popen([self.program, "-c", self.config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=functools.partial(die_with, os.getpid()))
        self.port = int(self._await(_LISTENING, 1).group(1))
        self._await(_RUN_OVER, 1)
        return self

    def _await(self, pattern, count):
        end = time.monotonic() + PATIENCE
        while True:
            said = self.log()
            found = list(pattern.finditer(said))
            if len(found) >= count:
                return found[count - 1]
            if self.process.poll() is not None:
                raise AssertionError(f"fspd ended with {self.process.returncode}")
            if time.monotonic() > end:
                raise AssertionError(f"fspd did not say {pattern.pattern.decode()} within {PATIENCE} s")
            time.sleep(0.0005)

    def log(self):
        return LOG.read_bytes() if LOG.exists() else b""

    def forward(self, wait=True):
        """Asks for a run; waiting is only for one who knows that none is going on."""
        before = len(_RUN_OVER.findall(self.log()))
        self.process.send_signal(signal.SIGUSR1)
        if wait:
            self._await(_RUN_OVER, before + 1)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=PATIENCE)

    def stop(self):
        self.process.terminate()
        if self.process.wait(timeout=PATIENCE) != 0:
            raise AssertionError(f"fspd ended with {self.process.returncode} after SIGTERM")


class Journal:
    """What the clients know, wherever fspd's disk is: what they sent, and what was answered 200 at which position."""

    def __init__(self, position=lambda: 0):
        self.sent, self.acked, self.position = {}, {}, position

    def post(self, connection, token, size):
        """True when it was acknowledged."""
        body = self.sent[token] = message(token, size)
        connection.sendall(b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nHost: fsp\r\nContent-Length: %d\r\n\r\n%s"
                           % (len(body), body))
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(4096)
            if not more:
                return False
            head += more
        if not head.startswith(b"HTTP/1.1 200 "):
            return False
        self.acked[token] = self.position()
        return True


class Clients:
    """Clients that post without a pause, each on one connection, until the daemon is gone or they have sent all."""

    def __init__(self, journal, port, count, prefix, each=1 << 30):
        self.journal, self.port, self.prefix, self.each = journal, port, prefix, each
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for i in range(self.each):
                    token = f"{self.prefix}c{number}m{i}"
                    if not self.journal.post(connection, token, 200 + hash_of(token) % 6000):
                        return
        except OSError:
            return  # the daemon is gone; what it had in hand was not acknowledged

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                raise AssertionError("a client hangs: fspd neither answers nor closes")


def hash_of(text):
    return random.Random(text).getrandbits(30)


def inbox_files(folder):
    """{name: bytes} of what the site server would take."""
    return {entry.name: Path(entry).read_bytes() for entry in os.scandir(folder) if entry.name.endswith(".SMX")}


def judge(journal, owed, files, strict=True):
    """files: [(name, bytes)] that arrived, ever.  Every fault found, as text."""
    faults, seen, names = [], {}, set()
    for name, data in files:
        if not _NAME.match(name) or name in names:
            faults.append(f"name: {name} is used twice or is none of ours")
        names.add(name)
        found = _TOKEN.search(data)
        token = found and found.group(1).decode()
        if journal.sent.get(token) != data:
            faults.append(f"torn: {name} ({len(data)} bytes) is not what a client sent")
            continue
        if token in seen:
            faults.append(f"double: {token} as {seen[token]} and {name}")
        seen[token] = name
    if strict:
        faults += [f"lost: {token} was acknowledged and is not in the inbox" for token in owed if token not in seen]
    return faults


def judge_store(inbox):
    """After a start and its run, with the daemon dead: is everything in order and at an end?"""
    faults = []
    faults += [f"left: {entry.name} in the inbox" for entry in os.scandir(inbox) if entry.name.endswith(".tmp")]
    for folder in (DISK / "staging", DISK / "staging" / "corrupt"):
        faults += [f"left: {entry.name} in {folder}" for entry in os.scandir(folder) if entry.is_file()]
    faults += [f"ledger: {entry.name}" for entry in os.scandir(DISK / "lib") if "damaged" in entry.name]
    db = sqlite3.connect(f"file:{DISK}/lib/ledger.db?mode=ro", uri=True)
    try:
        check = db.execute("PRAGMA integrity_check").fetchone()[0]
        if check != "ok":
            faults.append(f"ledger: {check}")
        for delivery, reason, count in db.execute(
                "SELECT delivery, reason, count(*) FROM message WHERE delivery <> ? GROUP BY 1, 2", (FORWARDED,)):
            faults.append(f"left: {count} row(s) in state {delivery}: {reason}")
    except sqlite3.Error as e:
        faults.append(f"ledger: {e}")
    finally:
        db.close()
    return faults
