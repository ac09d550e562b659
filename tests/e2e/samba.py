"""A Samba of a test's own: unprivileged, on a loopback port, everything below one folder."""
import collections
import getpass
import os
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import closing, suppress

from fsp import wait_until

SHARE, PATH, PASSWORD = "SMS_P01", "inboxes/auth/statesys.box/incoming", "Secret=1 x"


def free_port():
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def have_samba(folder):
    return all(shutil.which(p) for p in ("smbd", "smbpasswd")) and folder is not None \
        and (folder / "fspd-smb").exists()


class Samba:
    def __init__(self, folder, disk=None, **options):
        """disk: what is shared; options: more lines of the share's section."""
        self.folder, self.disk = folder, disk or folder / "disk"
        self.options = {"read only": "no", **{k.replace("_", " "): v for k, v in options.items()}}
        self.port, self.user, self.process = free_port(), getpass.getuser(), None
        for name in ("private", "lock", "state", "cache", "pid", "rpc", "log"):
            (folder / name).mkdir(parents=True)
        self.inbox = self.disk / PATH
        self.inbox.mkdir(parents=True)
        self.conf = folder / "smb.conf"
        self.settings = {}
        self.configure()
        self.credentials = folder / "share.cred"
        self.write_credentials()
        subprocess.run(["smbpasswd", "-c", self.conf, "-s", "-a", self.user], check=True, capture_output=True,
                       input=f"{PASSWORD}\n{PASSWORD}\n".encode())

    def configure(self, **settings):
        """Lays these lines over [global]."""
        self.settings.update({k.replace("_", " "): v for k, v in settings.items()})
        lines = ["[global]", "server role = standalone server", f"smb ports = {self.port}",
                 "interfaces = 127.0.0.1/8", "bind interfaces only = yes", "disable netbios = yes",
                 "load printers = no", "map to guest = never", f"guest account = {self.user}",
                 "server min protocol = SMB2_10", "case sensitive = yes", "log level = 1",
                 f"log file = {self.folder}/log/smbd", f"passdb backend = smbpasswd:{self.folder}/private/smbpasswd"]
        lines += [f"{key} = {self.folder}/{name}" for key, name in
                  (("private dir", "private"), ("lock directory", "lock"), ("state directory", "state"),
                   ("cache directory", "cache"), ("pid directory", "pid"), ("ncalrpc dir", "rpc"))]
        lines += [f"{k} = {v}" for k, v in self.settings.items()]
        lines += [f"[{SHARE}]", f"path = {self.disk}"] + [f"{k} = {v}" for k, v in self.options.items()]
        self.conf.write_text("\n".join(lines) + "\n")

    def write_credentials(self, password=PASSWORD, mode=0o600):
        self.credentials.write_text(f"username={self.user}\npassword={password}\ndomain=WORKGROUP\n")
        self.credentials.chmod(mode)

    def address(self, share=SHARE, path=PATH, host="127.0.0.1", port=None):
        return f"smb://{host}:{port or self.port}/{share}/{path}"

    def settings_of_fspd(self, **more):
        return {"inbox": self.address(), "credentials": self.credentials, **more}

    def start(self):
        command = ["smbd", "--foreground", "--no-process-group", "-s", str(self.conf)]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL"] + command
        # A session of its own, so that a signal reaches the process of each connection.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(self.answers, 20, "smbd")
        return self

    def answers(self):
        assert self.process.poll() is None, f"smbd ended: {(self.folder / 'log' / 'smbd').read_text()[-2000:]}"
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), 1)):
            return True
        return False

    def signal(self, number):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(20)

    def files(self):
        return sorted(os.listdir(self.inbox))


class Wire:
    """A proxy before a Samba that counts the requests, by SMB2 command."""
    COMMANDS = {5: "create", 6: "close", 7: "flush", 9: "write", 14: "list", 16: "query", 17: "set"}

    def __init__(self, samba):
        self.target, self.count, self.sockets = ("127.0.0.1", samba.port), collections.Counter(), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(self.target)
                self.sockets += [client, server]
                for way in ((client, server, self.see), (server, client, None)):
                    way[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self.pump, args=way, daemon=True).start()

    def pump(self, source, sink, see):
        pending = b""
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
                pending = see(pending + data) if see else b""
            sink.shutdown(socket.SHUT_WR)

    def see(self, data):
        """Counts the whole frames in it; what is left."""
        while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[1:4], "big"):
            size = int.from_bytes(data[1:4], "big")
            frame, data = data[4:4 + size], data[4 + size:]
            while frame[:4] == b"\xfeSMB":
                command, following = int.from_bytes(frame[12:14], "little"), int.from_bytes(frame[20:24], "little")
                self.count[self.COMMANDS.get(command, "other")] += 1
                frame = frame[following:] if following else b""
        return data

    def end(self):
        for one in (self.listener, *self.sockets):
            one.close()
