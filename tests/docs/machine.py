"""A machine of its own to run a document's commands on: namespaces in which everything written is in memory."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NEEDS = ("unshare", "nsenter", "setpriv", "systemd-sysusers", "ip", "cmake")


def build_folder():
    """The build under test: FSP_BIN is its src folder."""
    return Path(os.environ["FSP_BIN"]).parent if os.environ.get("FSP_BIN") else ROOT / ".build" / "release"


def why_not():
    """What keeps this host from making such a machine; None when nothing does."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [tool for tool in NEEDS if not shutil.which(tool, path=path)]
    if missing:
        return f"needs {', '.join(missing)}"
    if os.geteuid() != 0:
        return "needs root for namespaces and mounts"
    trial = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c",
                            "mount --make-rprivate / && mount -t tmpfs tmpfs /srv && cd /srv && mkdir u w && "
                            "mount -t overlay -o lowerdir=/etc,upperdir=/srv/u,workdir=/srv/w overlay /etc"],
                           capture_output=True, text=True, check=False, timeout=60)
    return None if trial.returncode == 0 else f"no namespaces with overlays here: {trial.stderr.strip()}"


class Machine:
    def __init__(self):
        self.memory = tempfile.mkdtemp(prefix="fsp-docs-", dir="/tmp")  # no overlay lies over it
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
             str(HERE / "machine.sh"), self.memory, str(ROOT), str(build_folder())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.kill()
            raise AssertionError(f"the machine was not made: {self.process.stderr.read()}")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.pid = int(children[0])

    def run(self, command, folder=ROOT, timeout=120):
        """(exit status, standard output and error as they came)."""
        environment = {"PATH": f"{HERE}/shims:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       "HOME": "/root", "USER": "root", "LANG": "C.UTF-8", "TZ": "UTC"}
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-m", "-n", "-p", "bash", "-c",
                               f'cd "$0" && {command}', str(folder)],
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, check=False)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def close(self):
        """Ends the first process of the machine, and all others with it."""
        self.process.kill()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        self.process.stderr.close()
        os.rmdir(self.memory)
