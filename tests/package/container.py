"""A Debian that is booted for the test: its root is made once and kept; what a test writes goes with it."""
import hashlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = os.environ.get("DEBIAN_SUITE", "bookworm")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "fspd"
# Beside what the package itself asks for.
TOOLS = ("systemd-sysv", "dbus", "procps", "curl", "python3", "python3-pytest", "bash-completion", "sqlite3")
BOOT_SECONDS = 60
ENVIRONMENT = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
               "LANG=C.UTF-8", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive")


class NotHere(Exception):
    """Why no container can be had on this machine."""


def wait_until(question, seconds, what):
    """Gives the first true answer; fails when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.05)


def depends(package):
    """The first alternative of each dependency."""
    text = subprocess.run(["dpkg-deb", "-f", package, "Depends"], check=True, capture_output=True, text=True).stdout
    return [re.match(r"\s*([a-z0-9.+-]+)", part).group(1) for part in text.split(",")]


def cached_root(package):
    wanted = sorted(set(TOOLS) | set(depends(package)))
    mark = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:12]
    root = CACHE / f"package-root-{SUITE}-{mark}"
    if root.exists():
        return root
    CACHE.mkdir(parents=True, exist_ok=True)
    part = root.with_suffix(".part")
    subprocess.run(["rm", "-rf", "--one-file-system", part], check=True)
    settings = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    settings = [s for s in settings.splitlines() if re.match(r"Acquire::(http|https|Check|Retries|ForceIP)", s)]
    conf = CACHE / "apt.conf"
    conf.write_text("\n".join(settings) + "\n")
    mirror = [os.environ["DEBIAN_MIRROR"]] if os.environ.get("DEBIAN_MIRROR") else []
    made = subprocess.run(["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
                           f"--aptopt={conf}", "--include=" + ",".join(wanted), SUITE, part, *mirror],
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise AssertionError(f"no Debian root: {made.stderr[-2000:]}")
    part.rename(root)
    return root


class Container:
    def __init__(self, folder, package):
        if os.geteuid() != 0:
            raise NotHere("needs root")
        for tool in ("mmdebstrap", "systemd-nspawn", "nsenter"):
            if not shutil.which(tool):
                raise NotHere(f"needs {tool}")
        self.folder, self.share, self.root = folder, folder / "share", folder / "root"
        self.process = None
        self._mount(cached_root(package))

    def _mount(self, lower):
        for name in ("upper", "share", "root"):
            (self.folder / name).mkdir()
        upper = self.folder / "upper"
        steps = [["mount", "-t", "tmpfs", "-o", "size=2G", "tmpfs", upper],
                 ["mkdir", upper / "up", upper / "work"],
                 ["mount", "-t", "overlay", "-o",
                  f"lowerdir={lower},upperdir={upper}/up,workdir={upper}/work", "overlay", self.root]]
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise NotHere(f"cannot mount here: {done.stderr.strip()}")

    def boot(self):
        self.log = (self.folder / "console.log").open("wb")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--private-network", "--quiet",
             # Older than Landlock, its own filter lets it through only when told so.
             "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
             "--console=pipe", "-D", self.root, f"--bind={self.share}:/share", f"--bind-ro={ROOT}:/src"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            self.leader = self._find_leader()
            if self.leader and self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running":
                return self
            time.sleep(0.1)
        said = (self.folder / "console.log").read_text(errors="replace")[-1500:]
        raise NotHere(f"systemd-nspawn does not boot here: {said or 'no word'}")

    def _find_leader(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text().split():
            if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return pid
        return None

    def _command(self, words):
        return ["nsenter", "-t", self.leader, "-a", *ENVIRONMENT, *map(str, words)]

    def run(self, *words, check=True, seconds=120, stdin=None):
        """A command inside; a failing one fails the test, with what it said."""
        done = subprocess.run(self._command(words), capture_output=True, text=True, check=False, timeout=seconds,
                              input=stdin)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def sh(self, script, check=True, seconds=120):
        """What a shell script says on standard output."""
        return self.run("sh", "-euc", script, check=check, seconds=seconds).stdout

    def start(self, *words):
        return subprocess.Popen(self._command(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def path(self, inside):
        """Where a file of its disk is seen from outside; /run and /tmp are its own."""
        return self.root / inside.lstrip("/")

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()  # nspawn has it shut down
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for place in (self.root, self.folder / "upper"):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)
