"""The real daemon in folders of its own, and clients that speak to it byte by byte."""
import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PATH = "/SMS_FSP/.sms_fsp"
ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"^\d{8}T\d{9}Z-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{8}\.SMX$")
LISTENING = re.compile(rb"Listening for state messages on (http://\S+:(\d+)(/\S*))")
SANITIZER = re.compile(rb"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
COPIED = re.compile(rb"Successfully copied (\d+) out of (\d+) file\(s\)")


def binaries():
    """The folder with fspd and fspctl: FSP_BIN, else the newest build."""
    if os.environ.get("FSP_BIN"):
        return Path(os.environ["FSP_BIN"])
    built = [p for p in ROOT.glob(".build/*/src") if (p / "fspd").exists()]
    return max(built, key=lambda p: (p / "fspd").stat().st_mtime, default=None)


def wait_until(question, seconds=10, what="the condition", pause=0.02):
    """Gives the first true answer; fails when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(pause)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return self.headers.get(name.lower())

    def reason_line(self):
        """The one-line text/plain reason that every refusal carries."""
        assert (self.header("content-type") or "").split(";")[0].strip() == "text/plain", self
        text = self.body.decode("utf-8")
        line = text[:-1] if text.endswith("\n") else text
        assert line.strip() and "\n" not in line and "\r" not in line.rstrip("\r"), self
        return line

    def __repr__(self):
        return f"<Reply {self.status} {self.headers} {self.body[:200]!r}>"


class Connection:
    """One TCP connection to the listener; replies are read one at a time."""

    def __init__(self, address, timeout=15, source=None):
        self.socket = socket.create_connection(address, timeout=timeout,
                                               source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """True when the peer took it; a peer that has closed already is no fault here."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.pending += data
        return bool(data)

    def reply(self, head_only=False):
        """The next reply, None when the peer closed instead; socket.timeout when it says nothing."""
        while b"\r\n\r\n" not in self.pending:
            if not self._more():
                return None
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.strip().lower()] = value.strip()
        if status < 200 or head_only:
            return Reply(status, headers, b"")
        length = int(headers.get("content-length", 0))
        while len(self.pending) < length:
            if not self._more():
                raise AssertionError(f"closed within the body of {lines[0]}")
        content, self.pending = self.pending[:length], self.pending[length:]
        return Reply(status, headers, content)

    def closed(self, seconds=10):
        """Does the peer close within this time (whatever it still says)?"""
        self.socket.settimeout(seconds)
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                if not self._more():
                    return True
        except socket.timeout:
            pass
        return False

    def post(self, content, **kw):
        self.send(request(content, **kw))
        return self.reply()


def request(content=b"", method="POST", path=PATH, version="1.1", headers=(), host="fsp.example.com", length=True,
            chunks=None):
    """The bytes of a request; chunks (a list) sends them instead of content, chunked."""
    lines = [f"{method} {path} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{n}: {v}" for n, v in (headers.items() if isinstance(headers, dict) else headers)]
    if chunks is not None:
        lines.append("Transfer-Encoding: chunked")
        content = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
    elif length:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


class Result:
    """What a program said."""

    def __init__(self, done):
        self.returncode, self.raw = done.returncode, done.stdout
        self.stdout, self.stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def table(self):
        """The rows of CSV output, by column."""
        return list(csv.DictReader(io.StringIO(self.raw.decode(), newline="")))

    def __repr__(self):
        return f"<Result {self.returncode} stdout={self.stdout[:2000]!r} stderr={self.stderr[:2000]!r}>"


class Fsp:
    """A daemon with its own configuration, staging, ledger, inbox, logs and control socket."""

    def __init__(self, folder, settings=None, env=None):
        self.folder = Path(folder)
        self.bin = binaries()
        self.inbox = self.folder / "inbox"
        self.staging = self.folder / "staging"
        self.ledger = self.folder / "ledger" / "ledger.db"
        self.log = self.folder / "log"
        self.config = self.folder / "fspd.ini"
        self.env = dict(env or {})
        self.output = self.folder / "fspd.out"
        self.process, self.port = None, None
        self._log_mark = 0
        for path in (self.inbox, self.staging, self.ledger.parent, self.log):
            path.mkdir(parents=True, exist_ok=True)
        self.settings = {
            "site": {"code": "PS1"},
            "listener": {"address": "127.0.0.1", "port": "0"},
            "staging": {"directory": self.staging, "min_free": "0%"},
            "forwarder": {"inbox": self.inbox},
            "ledger": {"file": self.ledger},
            "log": {"directory": self.log},
            "admin": {"socket": self.folder / "control.sock", "port": "off"},
        }
        self.configure(settings or {})

    # -- configuration ---------------------------------------------------

    def configure(self, settings):
        """Lays these keys over the ones in force and writes the file; None removes a key."""
        for section, keys in settings.items():
            self.settings.setdefault(section, {}).update(keys)
        text = ""
        for section, keys in self.settings.items():
            text += f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items() if v is not None)
        self.config.write_text(text)

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID")}
        # A sanitizer's finding must never look like an exit code of the contract.
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        env.setdefault("TSAN_OPTIONS", "exitcode=99")
        env.update({k: str(v) for k, v in self.env.items()})
        return env

    # -- life --------------------------------------------------------------

    def run(self, *args, timeout=20):
        """fspd with these arguments, to its end."""
        return Result(subprocess.run([self.bin / "fspd", *map(str, args)], env=self.environment(), timeout=timeout,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     check=False))

    def spawn(self, command=None, **kw):
        """Starts the daemon and waits for nothing."""
        path = self.log / "fspmgr.log"
        self._log_mark = path.stat().st_size if path.exists() else 0
        command = command or [str(self.bin / "fspd"), "-c", str(self.config)]
        if shutil.which("setpriv"):  # no daemon outlives an interrupted test run
            command = ["setpriv", "--pdeathsig", "KILL"] + command
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen(command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, **kw)
        return self

    def start(self, first_run=True, seconds=15, **kw):
        """Starts the daemon and waits until it listens (and has done the run that a start does)."""
        self.spawn(**kw)
        self.wait_ready(first_run, seconds)
        return self

    def wait_ready(self, first_run=True, seconds=15):
        def alive():
            assert self.process.poll() is None, \
                f"fspd ended with {self.process.returncode}: {self.output.read_bytes()[-3000:]!r}"
            return True
        match = wait_until(lambda: alive() and LISTENING.search(self.since_start()), seconds, "listening")
        self.url, self.port = match.group(1).decode(), int(match.group(2))
        wait_until(lambda: alive() and Path(self.settings["admin"]["socket"]).exists(), seconds, "the control socket")
        if first_run:
            wait_until(lambda: alive() and COPIED.search(self.since_start()), seconds, "the first run")

    def since_start(self):
        """fspmgr.log as written since the last start."""
        path = self.log / "fspmgr.log"
        data = path.read_bytes() if path.exists() else b""
        return data[self._log_mark:] if len(data) >= self._log_mark else data

    def stop(self, seconds=20):
        """SIGTERM; an orderly stop ends with 0 within 20 s."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=seconds + 10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"not stopped {seconds + 10} s after SIGTERM") from None
        took = time.monotonic() - began
        assert code == 0, f"exit code {code} after SIGTERM: {self.output.read_bytes()[-3000:]!r}"
        assert took < seconds, f"stopping took {took:.1f} s"
        return took

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=20)

    def end(self, failed=False):
        """At the end of a test that went well: stops in order, and no sanitizer found anything."""
        if failed or self.process is None:
            return
        if self.running():
            self.stop()
        assert self.process.returncode in (0, -signal.SIGKILL), f"fspd ended with {self.process.returncode}"
        said = self.output.read_bytes()
        assert not SANITIZER.search(said), said[-6000:].decode("utf-8", "replace")

    def restart(self, **kw):
        self.stop()
        return self.start(**kw)

    def signal(self, number):
        self.process.send_signal(number)

    def running(self):
        return self.process is not None and self.process.poll() is None

    # -- speaking to it ------------------------------------------------------

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def connect(self, **kw):
        return Connection(self.address, **kw)

    def post(self, content, timeout=15, source=None, **kw):
        """One request on a connection of its own."""
        with self.connect(timeout=timeout, source=source) as connection:
            return connection.post(content, **kw)

    def accept(self, *contents, **kw):
        """Posts each on one connection; each must be taken."""
        with self.connect() as connection:
            for content in contents:
                reply = connection.post(content, **kw)
                assert reply is not None and reply.status == 200, f"not taken: {reply}"
                assert reply.body == b"", reply

    def raw(self, data, seconds=10):
        """Sends bytes as they are; all replies until the peer closes or stays silent, and whether it closed."""
        replies = []
        with self.connect(timeout=seconds) as connection:
            connection.send(data)
            try:
                while True:
                    reply = connection.reply()
                    if reply is None:
                        return replies, True
                    replies.append(reply)
            except socket.timeout:
                return replies, False

    def ctl(self, *args, timeout=70, config=True):
        command = [str(self.bin / "fspctl")] + (["-c", str(self.config)] if config else [])
        return Result(subprocess.run(command + [str(a) for a in args], env=self.environment(), timeout=timeout,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     check=False))

    def status(self):
        result = self.ctl("status", "--json")
        assert result.returncode == 0 or result.stdout.startswith("{"), result
        return result.json

    def rows(self, *args):
        """The message viewer's rows, newest first."""
        result = self.ctl("messages", "--json", "--limit", "0", *args)
        assert result.returncode == 0, result
        return result.json

    def forward(self):
        """Orders a run; (X, Y, exit code)."""
        result = self.ctl("forward")
        match = COPIED.search(result.raw)
        assert match, result
        return int(match.group(1)), int(match.group(2)), result.returncode

    # -- what it leaves --------------------------------------------------------

    def delivered(self):
        """Every whole file in the inbox, by name."""
        return self._files(self.inbox)

    def staged(self):
        """One without bytes is being written."""
        return {name: content for name, content in self._files(self.staging).items() if content}

    @staticmethod
    def _files(folder):
        files = {}
        for path in folder.rglob("*.SMX"):
            if "corrupt" not in path.parts:
                with contextlib.suppress(FileNotFoundError):
                    files[path.name] = path.read_bytes()
        return dict(sorted(files.items()))

    def log_bytes(self, name="fspmgr"):
        path = self.log / f"{name}.log"
        return path.read_bytes() if path.exists() else b""

    def log_lines(self, name="fspmgr"):
        return self.log_bytes(name).decode("utf-8", "replace").split("\r\n")[:-1]

    def expect_delivered(self, *contents):
        """After one run the inbox holds exactly these, once each, in this order."""
        copied, tried, code = self.forward()
        assert (copied, tried, code) == (len(contents), len(contents), 0)
        assert list(self.delivered().values()) == list(contents)

    def evidence(self):
        """What a failing test wants to show."""
        parts = [("configuration", self.config), ("standard output and error", self.output)]
        parts += [(p.name, p) for p in sorted(self.log.glob("*"))]
        for title, path in parts:
            if path.is_file():
                yield f"fspd: {title} ({path})", path.read_bytes()[-6000:].decode("utf-8", "replace")
