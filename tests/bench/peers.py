"""The servers the benchmark sets side by side.

Each one is started in a fresh folder, says where it listens, and can tell
how many of the messages it accepted it really holds.
"""
import json
import os
import re
import signal
import socket
import subprocess
import time

START_SECONDS = 20
STOP_SECONDS = 30
STAGING_SECONDS = 300


class BenchError(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, seconds, question, pause=0.05):
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def count_files(folder, suffix):
    with os.scandir(folder) as entries:
        return sum(1 for entry in entries if entry.name.endswith(suffix))


class Peer:
    name = ""
    load_options = []
    burst_factor = 1  # a server that stores nothing needs more messages for the same seconds

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        os.makedirs(folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def spawn(self, *command):
        with open(self.path("output.txt"), "wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def output(self):
        with open(self.path("output.txt"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_start(self, question):
        def started():
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended at once: {self.output()}")
            return question()
        wait_until(f"start of {self.name}", START_SECONDS, started)

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise BenchError(f"{self.name} did not stop") from None

    def start(self):
        """Returns the URL to send to."""
        raise NotImplementedError

    def settle(self, accepted):
        """Returns when all that was accepted is in files; BenchError when some is missing."""


NGINX_CONF = """\
{user}
worker_processes auto;
worker_rlimit_nofile {files};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_requests 100000000;
    keepalive_timeout 75s;
    tcp_nodelay on;
    client_max_body_size 64k;
    client_body_buffer_size 16k;
    client_body_temp_path {folder}/body 1 2;
    server {{
        listen 127.0.0.1:{port} backlog=4096 reuseport;
        root {folder}/files;
        location / {{ dav_methods PUT; dav_access user:rw; }}
    }}
}}
"""


class Nginx(Peer):
    """A file a message by DAV PUT: no fsync, no XML, no database.

    The settings are the fastest of those tried: reuseport and folders within
    the body folder give the most messages and the shortest tail.
    """
    name = "nginx"
    load_options = ["--put"]

    def start(self):
        port = free_port()
        files = self.path("files")
        os.mkdir(files)
        conf = self.write("nginx.conf", NGINX_CONF.format(
            user="user root;" if os.geteuid() == 0 else "", files=20000, folder=self.folder, port=port))
        self.spawn("nginx", "-e", self.path("error.log"), "-p", self.folder, "-c", conf)

        def listening():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        self.wait_start(listening)
        return f"http://127.0.0.1:{port}"

    def settle(self, accepted):
        found = count_files(self.path("files"), ".xml")
        if found != accepted:
            raise BenchError(f"nginx answered {accepted} and holds {found}")


class Ceiling(Peer):
    """libmicrohttpd answering, nothing else."""
    name = "ceiling"
    burst_factor = 4
    program = "mhd_ceiling"

    def start(self):
        self.spawn(self.program)
        self.wait_start(lambda: self.output().endswith("/\n"))
        return self.output().strip()


FSPD_INI = """\
[site]
code = BCH
[listener]
address = 127.0.0.1
port = 0
connections = 20000
connections_per_client = 20000
client_rate = 0
[staging]
directory = {folder}/staging
max_messages = 10000000
min_free = 0%
[forwarder]
inbox = {folder}/inbox
interval = 1h
[ledger]
file = {folder}/ledger.db
[log]
directory = {folder}/log
level = info
[admin]
socket = {folder}/control.sock
port = 0
"""


class Fspd(Peer):
    """Checked, durable in the ledger before the answer, a file afterwards."""
    name = "fspd"
    bin_folder = ""

    def start(self):
        for name in ("inbox", "log", "staging"):
            os.mkdir(self.path(name))
        self.write("fspd.ini", FSPD_INI.format(folder=self.folder))
        self.spawn(os.path.join(self.bin_folder, "fspd"), "-c", self.path("fspd.ini"))
        self.wait_start(lambda: self.listening() is not None)
        return self.listening()

    def listening(self):
        try:
            with open(self.path("log/fspmgr.log"), encoding="utf-8", errors="replace") as log:
                text = log.read()
        except FileNotFoundError:
            return None
        found = re.search(r"Listening for state messages on (http://\S+)", text)
        # The first run would otherwise take some of the burst away to the inbox.
        return found.group(1) if found and "Successfully copied 0 out of 0" in text else None

    def status(self):
        done = subprocess.run([os.path.join(self.bin_folder, "fspctl"), "-c", self.path("fspd.ini"),
                               "status", "--json"], stdout=subprocess.PIPE, check=False, timeout=60)
        if done.returncode not in (0, 1):
            raise BenchError(f"fspctl status: exit {done.returncode}")
        return json.loads(done.stdout)

    def settle(self, accepted):
        status = self.status()
        if status["received"] != accepted or status["duplicates"] != 0 or status["refused"] != 0:
            raise BenchError(f"fspd answered 200 to {accepted}, its status says {status}")
        wait_until("staging of all messages", STAGING_SECONDS,
                   lambda: count_files(self.path("staging"), ".SMX") >= accepted, pause=0.1)
        wait_until("status of all staged", STAGING_SECONDS,
                   lambda: self.status()["staged"] == accepted, pause=0.1)


PEERS = {peer.name: peer for peer in (Fspd, Nginx, Ceiling)}
