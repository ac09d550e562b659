"""The servers the benchmark sets side by side.

Each one is started in a fresh folder, says where it listens, and can tell
how many of the messages it accepted it really holds.
"""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Where ./dev bench unpacks the packages of those that are not installed.
UNPACKED = os.path.join(ROOT, ".build/peers/root")
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


def query(path, sql):
    """The one row that it gives."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as database:
        return database.execute(sql).fetchone()


def find_program(name):
    """The installed one, else the one unpacked for the benchmark; None when there is neither."""
    folders = [os.environ["PATH"], "/usr/sbin", f"{UNPACKED}/usr/sbin", f"{UNPACKED}/usr/bin"]
    return shutil.which(name, path=":".join(folders))


def environment():
    """For programs of packages that are not installed: their libraries were unpacked beside them."""
    libraries = glob.glob(f"{UNPACKED}/usr/lib/*-linux-gnu*") + glob.glob(f"{UNPACKED}/lib/*-linux-gnu*")
    return os.environ | ({"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {})


def port_is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Peer:
    name = ""
    program = ""  # what must be there
    makes_files = True
    answers_first = False  # and makes them afterwards
    load_options = []
    burst_factor = 1  # so many times the messages, where others take much longer or shorter for them

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        os.makedirs(folder, exist_ok=True)

    @classmethod
    def find(cls):
        """The program's path; None when it is not there."""
        return find_program(cls.program)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def spawn(self, *command, env=None):
        with open(self.path("output.txt"), "wb") as output:
            # Of its own group: lighttpd ends all of its group with its workers.
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env,
                                            process_group=0)

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

    def expect_files(self, folder, accepted):
        found = count_files(self.path(folder), ".xml")
        if found != accepted:
            raise BenchError(f"{self.name} answered {accepted} and holds {found}")

    def start(self):
        """Returns the URL to send to."""
        raise NotImplementedError

    def settle(self, accepted, refused=0):
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
    proxy_temp_path {folder}/unused;
    fastcgi_temp_path {folder}/unused;
    uwsgi_temp_path {folder}/unused;
    scgi_temp_path {folder}/unused;
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
    program = "nginx"
    load_options = ["--put"]

    def start(self):
        port = free_port()
        os.mkdir(self.path("files"))
        conf = self.write("nginx.conf", NGINX_CONF.format(
            user="user root;" if os.geteuid() == 0 else "", files=20000, folder=self.folder, port=port))
        self.spawn(self.find(), "-e", self.path("error.log"), "-p", self.folder, "-c", conf, env=environment())
        self.wait_start(lambda: port_is_open(port))
        return f"http://127.0.0.1:{port}"

    def settle(self, accepted, refused=0):
        self.expect_files("files", accepted)


LIGHTTPD_CONF = """\
server.document-root = "{folder}/files"
server.bind = "127.0.0.1"
server.port = {port}
server.modules = ( "mod_webdav" )
server.upload-dirs = ( "{folder}/body" )
server.errorlog = "{folder}/error.log"
server.max-fds = 20000
server.max-connections = 9000
server.max-worker = {workers}
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 75
server.listen-backlog = 4096
webdav.activate = "enable"
webdav.is-readonly = "disable"
"""


class Lighttpd(Peer):
    """A file a message by WebDAV PUT, without a database of locks: no fsync, no XML."""
    name = "lighttpd"
    program = "lighttpd"
    load_options = ["--put"]

    @classmethod
    def modules(cls):
        found = [f for f in ("/usr/lib/lighttpd", f"{UNPACKED}/usr/lib/lighttpd")
                 if os.path.exists(f"{f}/mod_webdav.so")]
        return found[0] if found else None

    @classmethod
    def find(cls):
        return super().find() if cls.modules() else None

    def start(self):
        port = free_port()
        for name in ("files", "body"):
            os.mkdir(self.path(name))
        conf = self.write("lighttpd.conf", LIGHTTPD_CONF.format(folder=self.folder, port=port,
                                                                workers=os.cpu_count()))
        self.spawn(self.find(), "-D", "-f", conf, "-m", self.modules(), env=environment())
        self.wait_start(lambda: port_is_open(port))
        return f"http://127.0.0.1:{port}"

    def settle(self, accepted, refused=0):
        self.expect_files("files", accepted)


class Ceiling(Peer):
    """libmicrohttpd answering, nothing else."""
    name = "ceiling"
    program = "mhd_ceiling"
    tools = ""
    makes_files = False
    burst_factor = 4

    @classmethod
    def find(cls):
        return shutil.which(cls.program, path=cls.tools)

    def serve(self, *arguments):
        self.spawn(self.find(), *arguments)
        self.wait_start(lambda: self.output().startswith("http://") and self.output().endswith("\n"))
        return self.output().strip()

    def start(self):
        return self.serve()


class Naive(Ceiling):
    """The same with a file and an fsync for each request, one after the other."""
    name = "naive"
    makes_files = True
    burst_factor = 0.1

    def start(self):
        os.mkdir(self.path("files"))
        return self.serve(self.path("files"))

    def settle(self, accepted, refused=0):
        self.expect_files("files", accepted)


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
max_size = 1024G
max_messages = 100000000
network_share = 100%
min_free = 0%
[forwarder]
inbox = {folder}/inbox
interval = 24h
throttle_messages = 0
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
    program = "fspd"
    answers_first = True
    bin_folder = ""

    def __init__(self, folder):
        super().__init__(folder)
        self.inbox, self.staging, self.ledger = map(self.path, ("inbox", "staging", "ledger.db"))
        self.log_mark = 0
        for name in ("inbox", "log", "staging"):
            os.mkdir(self.path(name))
        self.write("fspd.ini", FSPD_INI.format(folder=self.folder))

    @classmethod
    def find(cls):
        return shutil.which(cls.program, path=cls.bin_folder)

    def log(self):
        """fspmgr.log since the last start."""
        try:
            with open(self.path("log/fspmgr.log"), "rb") as log:
                log.seek(self.log_mark)
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def start(self):
        """May be stopped and started again."""
        self.log_mark = len(self.log().encode()) + self.log_mark
        self.spawn(self.find(), "-c", self.path("fspd.ini"))
        self.wait_start(lambda: self.listening() is not None)
        return self.listening()

    def listening(self):
        found = re.search(r"Listening for state messages on (http://\S+)", self.log())
        # The first run would otherwise take some of the burst away to the inbox.
        return found.group(1) if found and "Successfully copied" in self.log() else None

    def control(self, *arguments):
        return subprocess.run([os.path.join(self.bin_folder, "fspctl"), "-c", self.path("fspd.ini"), *arguments],
                              stdout=subprocess.PIPE, check=False, timeout=90)

    def status(self):
        done = self.control("status", "--json")
        if done.returncode not in (0, 1):
            raise BenchError(f"fspctl status: exit {done.returncode}")
        return json.loads(done.stdout)

    def settle(self, accepted, refused=0):
        status = self.status()
        if status["received"] != accepted or status["duplicates"] != 0 or status["refused"] != refused:
            raise BenchError(f"fspd answered 200 to {accepted}, its status says {status}")
        self.wait_staged(accepted)

    def wait_staged(self, count):
        wait_until("staging of all messages", STAGING_SECONDS, lambda: self.status()["staged"] == count
                   and self.waiting() == 0, pause=0.1)
        found = count_files(self.staging, ".SMX")
        if found != count:
            raise BenchError(f"fspd says that {count} are staged, and there are {found} files")

    def query(self, sql):
        return query(self.ledger, sql)

    def waiting(self):
        """How many are received and no files yet."""
        return self.query("SELECT count(*) FROM message WHERE delivery = 0 AND delivery <> 3")[0]


PEERS = {peer.name: peer for peer in (Fspd, Nginx, Lighttpd, Naive, Ceiling)}
