"""Several daemons behind a real HAProxy, set up by conf/examples/haproxy.cfg itself, and clients of it."""
import hashlib
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from fsp import NAME, ROOT, Connection, wait_until
from messages import body

EXAMPLES = ROOT / "conf" / "examples"
LOGGED = re.compile(r" ([\d.]+:\d+) \[[^]]*\] clients fspd/(\S+) \S+ (\d+) ")


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def free_port():
    """One that a node finds free again after its end: no connection from here is ever given it."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(first // 2, first)
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) != 0:
                return port


def substitute(pattern, replacement, text):
    text, count = re.subn(pattern, replacement, text, flags=re.M)
    assert count, f"{pattern} is not in the example"
    return text


class HAProxy:
    """nodes: the address and the health port of each; what HAProxy logs is kept."""

    def __init__(self, folder, nodes):
        folder.mkdir()
        self.address = ("127.0.0.1", free_port())
        self.log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.log.bind(("127.0.0.1", 0))
        self.log.settimeout(0.2)
        self.config, self.stats, self.output = folder / "haproxy.cfg", folder / "stats", folder / "out"
        text = (EXAMPLES / "haproxy.cfg").read_text()
        text = substitute(r"^ +(user|group|chroot) .*\n", "", text)
        text = substitute(r"^ +bind \[::\]:80 v6only\n", "", text)
        text = substitute(r"bind 0\.0\.0\.0:80", "bind {}:{}".format(*self.address), text)
        text = substitute(r"log /dev/log", "log {}:{}".format(*self.log.getsockname()), text)
        text = substitute(r"maxconn 8000", "maxconn 400", text)  # file descriptors
        text = substitute(r"stats socket \S+", f"stats socket {self.stats}", text)
        text = substitute(r"check port 8580", "check", text)
        for number, (port, health) in enumerate(nodes, 1):
            text = substitute(rf"server fsp0{number} 10\.1\.0\.2{number}:80$",
                              f"server fsp0{number} 127.0.0.1:{port} port {health}", text)
        self.config.write_text(text)
        self.answered = {}  # the client's address with its port: the server and the status of the last answer
        self.ended = False
        self.reader = threading.Thread(target=self.read_log, daemon=True)

    def read_log(self):
        while not self.ended:
            try:
                line = self.log.recv(65536).decode("latin-1")
            except socket.timeout:
                continue
            match = LOGGED.search(line)
            if match:
                self.answered[match.group(1)] = (match.group(2), int(match.group(3)))

    def start(self):
        self.reader.start()
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen([program("haproxy"), "-db", "-f", self.config],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until(self.stats.exists, 10, "HAProxy's socket")
        return self

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.ended = True
        self.reader.join(5)
        self.log.close()

    def ask(self, order):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(self.stats))
            one.sendall(order.encode() + b"\n")
            return b"".join(iter(lambda: one.recv(65536), b"")).decode()

    def up(self):
        """The servers that get messages."""
        rows = [line.split(",") for line in self.ask("show stat").splitlines() if line.startswith("fspd,fsp0")]
        return {row[1] for row in rows if row[17].startswith("UP")}


class Sent:
    def __init__(self, digest, client, began):
        self.digest, self.client, self.began, self.ended, self.status = digest, client, began, None, None


class Load:
    """So many clients at a time, each message from another address, over a connection of its own."""

    def __init__(self, address, clients=8, pause=0.02):
        self.address, self.pause, self.sent, self.ended = address, pause, [], False
        self.threads = [threading.Thread(target=self.send, args=(random.Random(n),), daemon=True)
                        for n in range(clients)]

    def send(self, chance):
        while not self.ended:
            content = body(padding=chance.choice([0, 500, 9000]))
            source = f"127.{chance.randrange(1, 250)}.{chance.randrange(1, 250)}.{chance.randrange(1, 250)}"
            with Connection(self.address, timeout=40, source=source) as connection:
                client = "{}:{}".format(*connection.socket.getsockname())
                one = Sent(hashlib.sha256(content).digest(), client, time.monotonic())
                self.sent.append(one)
                reply = connection.post(content)
                one.status, one.ended = reply.status if reply else 0, time.monotonic()
            time.sleep(self.pause)  # the rate of the load, not a wait

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        for thread in self.threads:
            thread.join(60)

    def taken(self):
        return [one for one in list(self.sent) if one.status == 200]


class SiteServer:
    """Takes what lies in the inbox, at any moment; no name may come twice."""

    def __init__(self, inbox):
        self.inbox, self.names, self.digests, self.wrong = inbox, set(), [], []

    def take(self):
        for path in sorted(self.inbox.glob("*.SMX")):
            if not NAME.match(path.name) or path.name in self.names:
                self.wrong.append(path.name)
            self.names.add(path.name)
            self.digests.append(hashlib.sha256(path.read_bytes()).digest())
            path.unlink()
