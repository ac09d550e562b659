"""fspd in folders of its own, with a fault at its N-th call: the driver's side of fault.c, and a tiny client."""
import contextlib
import ctypes
import itertools
import json
import mmap
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

from history import Consumer, files_in

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from messages import report  # noqa: E402  pylint: disable=wrong-import-position

# As in fault.c.
CALLS = ("open", "write", "sync", "rename", "unlink", "truncate", "close", "send", "read", "malloc")
PLACES = ("elsewhere", "staging", "inbox", "ledger", "log", "net")
MODES = ("count", "kill-before", "kill-after", "kill-within", "fail")
HEAD = struct.Struct("=6I4Q4I256s16s")
ENTRY = struct.Struct("=BB14s48s")
TRACE_ROOM = 16384
KILLING_CALLS = tuple(c for c in CALLS if c not in ("read", "malloc"))
SETPRIV = shutil.which("setpriv")
PATIENCE = 20  # seconds after which fspd counts as hung


class Dead(Exception):
    """fspd is no more."""


class Hung(Exception):
    """fspd neither answers nor ends."""


def build_preload(folder):
    """Compiles fault.c; the library's path."""
    library = Path(folder) / "fault.so"
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu17", "-O1", "-g", "-shared", "-fPIC", "-o", str(library),
                    str(HERE / "fault.c"), "-ldl"], check=True)
    return library


def scratch_base():
    """Where the houses stand: in memory where that can be, for what counts here is the order of calls."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Entry:
    """One call as the preload saw it."""

    def __init__(self, data):
        call, place, thread, name = ENTRY.unpack(data)
        self.call, self.place = CALLS[call], PLACES[place]
        self.thread = thread.split(b"\0")[0].decode("latin-1")
        self.name = name.split(b"\0")[0].decode("latin-1").rsplit("/", 1)[-1]

    @property
    def kind(self):
        """What is alike for a sweep: the call and the sort of file."""
        if self.place in ("staging", "inbox"):
            return self.call, self.place, self.name[-4:] if "." in self.name else "folder"
        return self.call, self.place, self.name

    def __str__(self):
        return f"{self.call} of {self.place}/{self.name} by {self.thread}"


class Fault:
    """The map shared with the preload."""

    def __init__(self, path, root):
        self.path, self.root = Path(path), str(root).encode()
        size = HEAD.size + ENTRY.size * (TRACE_ROOM + 1)
        with open(self.path, "wb") as file:
            file.truncate(size)
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)
        self.disarm()

    def arm(self, mode, at=0, error=0, ever=False, calls=KILLING_CALLS, places=PLACES[1:], linger_us=0, malloc_at=0,
            thread=""):
        """Counts from here on; at the call number at (1 …) mode happens."""
        def mask(names, all_names):
            return sum(1 << all_names.index(n) for n in names)
        self.map[:HEAD.size] = HEAD.pack(MODES.index(mode), error, ever, mask(calls, CALLS), mask(places, PLACES),
                                         linger_us, at, malloc_at, 0, 0, 0, 0, 0, 0, self.root, thread.encode())

    def disarm(self):
        self.arm("count")

    def lift(self):
        """The cause goes away; what was counted stays."""
        self.map[:4] = struct.pack("=I", 0)

    def field(self, index):
        return HEAD.unpack(self.map[:HEAD.size])[index]

    count = property(lambda self: self.field(8))
    mallocs = property(lambda self: self.field(9))
    hits = property(lambda self: self.field(10))
    written_again = property(lambda self: self.field(12))

    @property
    def hit(self):
        return Entry(self.map[HEAD.size:HEAD.size + ENTRY.size])

    def trace(self):
        """The calls that counted, in order; number 1 first."""
        first = HEAD.size + ENTRY.size
        return [Entry(self.map[first + i * ENTRY.size:first + (i + 1) * ENTRY.size])
                for i in range(min(self.count, TRACE_ROOM))]


class Greedy(threading.Thread):
    """A site server that takes each file the moment it appears."""

    MOVED_TO = 0x80
    HEADER = struct.Struct("=iIII")

    def __init__(self, inbox, consumer):
        super().__init__(daemon=True)
        libc = ctypes.CDLL(None, use_errno=True)
        self.inbox, self.consumer = Path(inbox), consumer
        self.events = libc.inotify_init1(os.O_CLOEXEC)
        self.end, self.ender = os.pipe()
        if self.events < 0 or libc.inotify_add_watch(self.events, os.fsencode(self.inbox), self.MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self.start()

    def take(self, path):
        with contextlib.suppress(FileNotFoundError):
            self.consumer.took(path.name, path.read_bytes())
            path.unlink()

    def run(self):
        for path in self.inbox.glob("*.SMX"):
            self.take(path)
        while True:
            ready, _, _ = select.select([self.events, self.end], [], [])
            if self.events not in ready:
                return
            data = os.read(self.events, 65536)
            while data:
                size = self.HEADER.unpack_from(data)[3]
                name = data[self.HEADER.size:self.HEADER.size + size].rstrip(b"\0").decode("latin-1")
                data = data[self.HEADER.size + size:]
                if name.endswith(".SMX"):
                    self.take(self.inbox / name)

    def stop(self):
        os.write(self.ender, b"x")
        self.join()
        for fd in (self.events, self.end, self.ender):
            os.close(fd)


class House:
    """One fspd with its folders."""

    numbers = itertools.count()

    def __init__(self, binaries, preload, root, settings=None):
        self.bin, self.preload = Path(binaries), preload
        self.root = Path(root)
        self.inbox, self.staging, self.ledger, self.log = (self.root / n for n in
                                                           ("inbox", "staging", "ledger", "log"))
        for path in (self.inbox, self.staging / "corrupt", self.ledger, self.log):
            path.mkdir(parents=True, exist_ok=True)
        number = (os.getpid() << 3) + next(self.numbers) % 8
        self.address = (f"127.{64 + (number >> 16) % 128}.{number >> 8 & 255}.{number & 255}", 8080)
        self.socket = str(self.root / "control.sock")
        self.fault = Fault(self.root / "map", self.root)
        self.process = None
        self.configure(settings or {})

    def configure(self, settings):
        keys = {"site.code": "PS1", "listener.address": self.address[0], "listener.port": self.address[1],
                "listener.client_rate": 0, "staging.directory": self.staging, "staging.min_free": "0%",
                "forwarder.inbox": self.inbox, "forwarder.throttle_messages": 0, "forwarder.rename": "no",
                "ledger.file": self.ledger / "ledger.db", "log.directory": self.log, "admin.socket": self.socket,
                "admin.port": "off"}
        keys.update(settings)
        lines = []
        for key, value in sorted(keys.items()):
            section, name = key.split(".")
            if f"[{section}]" not in lines:
                lines.append(f"[{section}]")
            lines.append(f"{name} = {value}")
        (self.root / "fspd.ini").write_text("\n".join(lines) + "\n", encoding="ascii")

    # -- life ----------------------------------------------------------------

    def start(self, faulty=False):
        """Returns when it serves; Dead when it ended instead."""
        notify = str(self.root / "notify.sock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify)
        environment = {"NOTIFY_SOCKET": notify, "PATH": "/usr/bin:/bin"}
        if faulty:
            environment.update(LD_PRELOAD=str(self.preload), FSP_FAULT_MAP=str(self.fault.path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(self.root / "out", "ab") as out:
            ready.bind(notify)
            command = [str(self.bin / "fspd"), "-c", str(self.root / "fspd.ini")]
            if SETPRIV:  # no daemon outlives a sweep that is interrupted
                command = [SETPRIV, "--pdeathsig", "KILL"] + command
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            with self.watched() as ended:
                while True:
                    found, _, _ = select.select([ready, ended], [], [], PATIENCE)
                    if ready in found and b"READY=1" in ready.recv(4096):
                        return
                    if ready not in found and ended in found:
                        self.process.wait()
                        raise Dead
                    if not found:
                        raise Hung("it does not get ready")

    @contextlib.contextmanager
    def watched(self):
        """A descriptor that is readable when the process has ended."""
        pidfd = os.pidfd_open(self.process.pid)
        try:
            yield pidfd
        finally:
            os.close(pidfd)

    def gone(self):
        """The connection is lost: so fspd must be at its end.  Its exit code."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Hung("it neither answers nor ends") from None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.gone()

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def end(self):
        """For good."""
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    # -- speaking to it ------------------------------------------------------

    def order(self, name, seconds=PATIENCE, **more):
        """The answer to an order; Dead when fspd is."""
        data = b""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(seconds)
            try:
                control.connect(self.socket)
                control.sendall(json.dumps({"order": name} | more).encode() + b"\n")
                while not data.endswith(b"\n"):
                    piece = control.recv(65536)
                    if not piece:
                        break
                    data += piece
            except socket.timeout:
                raise Hung(f"no answer to {name}") from None
            except OSError:
                pass
        if data.endswith(b"\n"):
            try:
                return json.loads(data)
            except ValueError:
                raise Hung(f"{name} is answered with {data[:200]!r}") from None
        if self.running():
            time.sleep(0.02)
        if not self.running():
            raise Dead
        return {"error": "no answer"}

    def forward(self):
        return self.order("forward")

    def status(self):
        return self.order("status")

    def post(self, client, *contents, seconds=PATIENCE):
        """All at once, each on a connection of its own; the statuses, None where none came."""
        sockets, statuses = [], []
        for content in contents:
            client.sending(content)
            connection = socket.socket()
            connection.settimeout(seconds)
            sockets.append(connection)
            with contextlib.suppress(OSError):
                connection.connect(self.address)
                connection.sendall(b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nHost: f\r\nContent-Length: %d\r\n"
                                   b"Connection: close\r\n\r\n" % len(content) + content)
        for content, connection in zip(contents, sockets):
            statuses.append(self.answer(connection))
            client.answered(content, statuses[-1])
            connection.close()
        return statuses

    @staticmethod
    def answer(connection):
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                piece = connection.recv(4096)
                if not piece:
                    return None
                data += piece
        except socket.timeout:
            raise Hung("a client gets no answer") from None
        except OSError:
            return None
        return int(data.split(b" ", 2)[1])

    def call(self):
        """The call that went wrong."""
        return str(self.fault.hit) if self.fault.hits else "never reached"

    # -- what it leaves --------------------------------------------------------

    def log_text(self):
        path = self.log / "fspmgr.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def quarantine(self):
        return files_in(self.staging / "corrupt")

    def leftovers(self):
        """Files that must not be there when all is sent."""
        return sorted([f"inbox/{p.name}" for p in self.inbox.glob("*.tmp")]
                      + [f"staging/{p.name}" for p in self.staging.iterdir() if p.is_file()])

    def snapshot(self):
        """All files and attributes; the folders stay the same ones, for an inbox has an identity."""
        folders = (self.inbox, self.staging, self.staging / "corrupt", self.ledger)
        return {folder: ({p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()},
                         {name: os.getxattr(folder, name) for name in os.listxattr(folder)}) for folder in folders}

    def restore(self, snapshot):
        for folder, (files, attributes) in snapshot.items():
            for name in set(os.listxattr(folder)) - set(attributes):
                os.removexattr(folder, name)
            for name, value in attributes.items():
                os.setxattr(folder, name, value)
            for path in folder.iterdir():
                if path.is_file() and path.name not in files:
                    path.unlink()
            for name, content in files.items():
                (folder / name).write_bytes(content)
                (folder / name).chmod(0o640)
        for path in self.log.iterdir():
            path.unlink()

    def empty(self):
        self.restore({folder: ({}, {}) for folder in (self.inbox, self.staging, self.staging / "corrupt", self.ledger)})


def message(padding=0):
    """One that no other is like."""
    return report(declaration="", padding=padding).encode()


class Site:
    """The consumer of a case: takes files never, late (when told) or at once."""

    def __init__(self, house, mode):
        self.house, self.mode, self.consumer = house, mode, Consumer()
        self.thread = Greedy(house.inbox, self.consumer) if mode == "at-once" else None

    def late(self):
        if self.mode == "late":
            self.consumer.take_all(self.house.inbox)

    def stop(self):
        """All that it was told of is taken first."""
        if self.thread:
            self.thread.stop()
        self.thread = None

    def arrived(self):
        """What came so far, while nothing more comes: [(name, bytes)]."""
        end = time.monotonic() + PATIENCE
        while self.thread and any(self.house.inbox.glob("*.SMX")):
            if time.monotonic() > end:
                raise Hung("the consumer has stopped taking files")
            time.sleep(0.0005)
        return self.consumer.files + files_in(self.house.inbox)
