"""Load attacks on a daemon of its own, on loopback, while honest clients work; says what they felt.

Each attacker has an address of its own in 127.0.0.0/8, honest clients have others.  All is bounded:
so many seconds, so many connections.  The bounds that must hold stand in BOUNDS."""
import contextlib
import errno
import itertools
import multiprocessing
import os
import re
import resource
import selectors
import socket
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from fsp import Connection, Fsp, request, wait_until  # noqa: E402
from messages import body  # noqa: E402

BOUNDS = {"answered": 0.999, "p99_ms": 250, "rss_mb": 64, "log_mb_a_minute": 1.05, "descriptors": 0}
GOOD = body(padding=200)
NUMBERS = itertools.count()
DECLARED = 60000
LINGER_RST = struct.pack("ii", 1, 0)
HEAD = request(length=False, headers={"Content-Length": DECLARED})
CHUNKED = request(length=False, headers={"Transfer-Encoding": "chunked"})
DRIP = 0.5  # seconds between two drops of a slow sender


def fresh():
    """A request with a good message that was never sent before."""
    return request(GOOD + f"<!-- {next(NUMBERS)} -->".encode("utf-16-le"))


def stranger(number):
    """The address of attacker number; honest clients are in 127.1.0.0/16."""
    return f"127.{2 + number // 65000 % 200}.{number // 250 % 250 + 1}.{number % 250 + 1}"


class Crowd:
    """Connections that are held: opened again when closed, spoken on now and then."""

    def __init__(self, address, count, opening=b"", drop=b"", read=False, half=False, first=0):
        self.address, self.count, self.first, self.opening, self.drop, self.read, self.half = address, count, first, opening, drop, read, half
        self.selector = selectors.DefaultSelector()
        self.open = {}
        self.next = 0

    def connect(self, number):
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError):
            sock.bind((stranger(self.first + number), 0))
            if sock.connect_ex(self.address) in (0, errno.EINPROGRESS):
                self.selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, number)
                self.open[number] = [sock, self.opening, time.monotonic()]
                return
        sock.close()

    def end(self, number):
        sock = self.open.pop(number)[0]
        self.selector.unregister(sock)
        sock.close()

    def speak(self, number, entry, writable):
        sock, rest, _ = entry
        if rest and writable:
            sent = sock.send(rest[:16384])
            entry[1] = rest[sent:]
            if not entry[1]:
                self.selector.modify(sock, selectors.EVENT_READ if not self.read else 0 or selectors.EVENT_READ, number)
                if self.half:
                    sock.shutdown(socket.SHUT_WR)
        elif writable and not rest:
            self.selector.modify(sock, selectors.EVENT_READ, number)

    def drip(self, now):
        for number, entry in list(self.open.items()):
            if self.drop and not entry[1] and now - entry[2] > DRIP:
                entry[2] = now
                try:
                    entry[0].send(self.drop)
                except BlockingIOError:
                    pass
                except OSError:
                    self.end(number)

    def run(self, until):
        while time.monotonic() < until:
            for number in range(self.count):
                if number not in self.open:
                    self.connect(number)
            for key, events in self.selector.select(0.1):
                number = key.data
                try:
                    self.speak(number, self.open[number], events & selectors.EVENT_WRITE)
                    if events & selectors.EVENT_READ and not self.read and not key.fileobj.recv(4096):
                        self.end(number)
                except BlockingIOError:
                    pass
                except OSError:
                    self.end(number)
            self.drip(time.monotonic())


def held(**kw):
    return lambda address, count, until: Crowd(address, count, **kw).run(until)


def slow_read(address, count, until):
    """Asks for hundreds of answers and reads none."""
    Crowd(address, min(count, 500), opening=request(method="GET", length=False) * 400, read=True).run(until)


def kept_beside_large(address, count, until):
    """Half of them keep a connection after a request, the others send large bodies that do not end."""
    kept = Crowd(address, count // 2, opening=request(method="GET", length=False))
    large = Crowd(address, count - count // 2, opening=HEAD + b"<" * (DECLARED - 100), drop=b"a", first=count // 2)
    other = threading.Thread(target=kept.run, args=(until,))
    other.start()
    large.run(until)
    other.join()


def churn(reset=False, opening=b""):
    def attack(address, count, until):
        number = 0
        while time.monotonic() < until:
            number += 1
            with contextlib.suppress(OSError), socket.socket() as sock:
                sock.settimeout(1)
                sock.bind((stranger(number % count), 0))
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
                sock.connect(address)
                if opening:
                    sock.send(opening)
    return attack


def flood(data, sources=1, batch=16):
    """Full speed on kept connections: a batch is sent, its answers are read and thrown away."""
    def attack(address, count, until):
        number = 0
        while time.monotonic() < until:
            number += 1
            with contextlib.suppress(OSError), socket.socket() as sock:
                sock.settimeout(2)
                sock.bind((stranger(number % (sources or count)), 0))
                sock.connect(address)
                while time.monotonic() < until:
                    sock.sendall(b"".join(data() for _ in range(batch)) if callable(data) else data * batch)
                    seen = 0
                    while seen < batch:
                        got = sock.recv(65536)
                        if not got:
                            raise ConnectionResetError
                        seen += got.count(b"HTTP/1.1 ")
                    if sources == 0:
                        break
    return attack


ATTACKS = {
    "none": lambda address, count, until: time.sleep(max(0, until - time.monotonic())),
    "idle crowd": held(),
    "slow heads": held(opening=b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nX: ", drop=b"a"),
    "large heads": held(opening=b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nX: " + b"a" * 30000, drop=b"a"),
    "slow bodies": held(opening=HEAD + b"<", drop=b"a"),
    "large bodies that do not end": held(opening=HEAD + b"<" * (DECLARED - 100), drop=b"a"),
    "large heads and bodies": held(opening=request(length=False, headers={"X": "a" * 30000, "Content-Length": DECLARED})
                                   + b"<" * (DECLARED - 100), drop=b"a"),
    "kept connections beside large bodies": kept_beside_large,
    "kept connections with large bodies": held(opening=request(method="GET", length=False) + HEAD + b"<" * (DECLARED - 100), drop=b"a"),
    "kept connections with large heads": held(opening=request(method="GET", length=False),
                                              drop=b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nX: " + b"a" * 30000),
    "heads of many fields": held(opening=request(length=False, headers={f"{n}": "" for n in range(200)} | {"Content-Length": DECLARED})
                                 + b"<", drop=b"a"),
    "slow chunks": held(opening=CHUNKED + b"1\r\n<\r\n", drop=b"1\r\na\r\n"),
    "chunk lines that do not end": held(opening=CHUNKED + b"1;" + b"a" * 30000, drop=b"a"),
    "kept connections with chunk lines that do not end": held(opening=request(method="GET", length=False) + CHUNKED + b"1;" + b"a" * 30000,
                                                              drop=b"a"),
    "trailers that do not end": held(opening=CHUNKED + b"1\r\n<\r\n0\r\nX: " + b"a" * 30000, drop=b"a"),
    "kept connections with heads that do not end": held(opening=request(method="GET", length=False)
                                                        + b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nX: " + b"a" * 30000, drop=b"a"),
    "slow reading": slow_read,
    "half-closed": held(opening=b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\n", half=True),
    "churn": churn(),
    "resets": churn(True, HEAD + b"<Report>"),
    "flood of bad XML": flood(request(b"<Report>" + b"<a>" * 20 + b"x" * 1000)),
    "flood of another path": flood(request(b"", path="/other"), batch=1),
    "flood of doubtful heads": flood(request(b"x", headers={"Transfer-Encoding": "chunked"}), batch=1),
    "flood over the rate": flood(fresh),
    "flood from many addresses": flood(request(b"<a>"), sources=0, batch=1),
    "pipelining": flood(request(method="GET", length=False), batch=200),
}

# Those that make it hold the most memory; and nearly as many attackers as listener.connections by default.
MEMORY_ATTACKS = [name for name in ATTACKS if "large" in name or "many fields" in name]
MOST_ATTACKERS = 4000
COMING = 40  # seconds that a crowd has to come, on a slow machine


def honest(address, seconds, results):
    """Twenty clients, a message every 25 ms by the clock, each on a new connection.  An answer's time counts from
    when its message was due: who waits for one answer does not ask less often, so no stall is hidden."""
    times, lost, lock = [], [], threading.Lock()
    began = time.monotonic()
    turns = itertools.count()

    def client():
        while True:
            with lock:
                turn = next(turns)
            due = began + turn * 0.025
            if due > began + seconds:
                return
            time.sleep(max(0, due - time.monotonic()))
            fault = None
            try:
                with Connection(address, timeout=5, source=f"127.1.0.{turn % 20 + 1}") as connection:
                    reply = connection.post(body())
                if reply is None or reply.status != 200:
                    fault = str(reply.status if reply else "closed")
            except OSError as error:
                fault = type(error).__name__
            with lock:
                times.append((time.monotonic() - due) * 1000)
                if fault:
                    lost.append(fault)

    clients = [threading.Thread(target=client) for _ in range(20)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    times.sort()
    results.put({"sent": len(times), "taken": len(times) - len(lost), "lost": lost[:5], "p50_ms": round(times[len(times) // 2], 1),
                 "p99_ms": round(times[int(len(times) * 0.99)], 1), "max_ms": round(times[-1], 1)})


def read_status(pid, key):
    return int(re.search(rf"{key}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def cpu_seconds(pid):
    """Of all its threads, by the scheduler's own count."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def log_bytes(fsp):
    return sum(p.stat().st_size for p in fsp.log.iterdir())


class Peak(threading.Thread):
    """The most memory and descriptors while it runs."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.over, self.rss_kb, self.fds = pid, threading.Event(), 0, 0

    def run(self):
        while not self.over.wait(0.1):
            self.rss_kb = max(self.rss_kb, read_status(self.pid, "VmRSS"))
            self.fds = max(self.fds, descriptors(self.pid))


def attacker(attack, address, count, until):
    os.nice(10)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 100)), hard))
    attack(address, count, until)


def play(folder, name, seconds, attackers, settings=None, crowd=0):
    """One attack on a new daemon; what was measured.  The honest clients begin when it holds more than so many descriptors."""
    fsp = Fsp(folder, {"log": {"max_size": "1G"}, **(settings or {})}).start()
    pid = fsp.process.pid
    try:
        fsp.accept(body())
        wait_until(lambda: fsp.status()["staged"] >= 1, 10)
        time_to_rest(pid)
        first_fds, first_log, cpu = descriptors(pid), log_bytes(fsp), cpu_seconds(pid)
        before, peak, results = fsp.status(), Peak(pid), multiprocessing.Queue()
        peak.start()
        until = time.monotonic() + seconds + (COMING if crowd else 0)
        bad = multiprocessing.Process(target=attacker, args=(ATTACKS[name], fsp.address, attackers, until))
        good = multiprocessing.Process(target=honest, args=(fsp.address, seconds, results))
        bad.start()
        if crowd:
            wait_until(lambda: peak.fds > crowd, COMING, f"{crowd} attackers")
        good.start()
        measured = results.get(timeout=seconds + 60)
        bad.join(timeout=0 if crowd else 30)
        bad.kill()
        good.join()
        cpu = cpu_seconds(pid) - cpu
        after = fsp.status()
        refused = after["refused"] - before["refused"]
        written = log_bytes(fsp) - first_log
        left = []  # a file that is just made is open for a moment

        def back():
            left[:] = [descriptors(pid) - first_fds]
            return left[0] <= 0
        wait_until(back, 30, "descriptors as before")
        peak.over.set()
        measured |= {"attack": name, "refused": refused, "rss_mb": round(peak.rss_kb / 1024, 1), "most_descriptors": peak.fds,
                     "descriptors": left[0], "cpu_s": round(cpu, 2),
                     "log_mb_a_minute": round(written / 1e6 * 60 / max(60, seconds), 2)}
        fsp.end()
        return measured
    finally:
        if fsp.running():
            fsp.kill()


def time_to_rest(pid):
    """Until what a start opens for a moment is closed again."""
    last = [descriptors(pid), time.monotonic()]

    def calm():
        now = descriptors(pid)
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return time.monotonic() - last[1] > 0.5
    wait_until(calm, 10, "rest")
