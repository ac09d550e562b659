"""What one burst against one server took, and what else the machine did meanwhile."""
import fcntl
import glob
import json
import os
import platform
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from peers import BenchError
from rungs import SERVERS

TICK = os.sysconf("SC_CLK_TCK")
QUIET_TRIES = 5
LOAD_SECONDS = 1800
# So many client addresses where each request has a connection of its own, else the ports of one run out.
SOURCES = 200
FILE_BYTES = 4608  # a staged file with its inode and its share of the folder
FORGET_SECONDS = 330   # ext4 looks at deleted inodes for so long before it takes them again
REMOVERS = 4
GET_FLAGS, SET_FLAGS, TOPDIR = 0x80086601, 0x40086602, 0x20000  # linux/fs.h


def say(text):
    print(text, file=sys.stderr, flush=True)


def file_system_of(folder):
    folder = os.path.realpath(folder)
    best = ("", "unknown")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, point, kind = line.split()[:3]
            inside = os.path.commonpath([folder, point]) == point
            if inside and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def spread_folders(folder):
    """Each folder made in this one gets block groups of its own.

    ext4 would put them side by side, and where many files were deleted lately
    it makes new ones slowly for minutes: one server's deletes would be the
    next one's burden.  Where the file system has no such flag it stays as it is.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags, = struct.unpack("l", fcntl.ioctl(handle, GET_FLAGS, struct.pack("l", 0)))
        fcntl.ioctl(handle, SET_FLAGS, struct.pack("l", flags | TOPDIR))
    except OSError:
        pass
    finally:
        os.close(handle)


def discard_ledger(folder):
    """Few files and most of the room; all others stay, since many deletes take long."""
    for path in glob.glob(os.path.join(glob.escape(folder), "ledger.db*")):
        os.unlink(path)


def remove(*folders):
    """Several at once: a delete waits for the journal more than for a CPU."""
    with ThreadPoolExecutor(REMOVERS) as removers:
        list(removers.map(lambda folder: subprocess.run(["rm", "-rf", "--", folder], check=True), folders))


def forget_deleted():
    """Until ext4 takes deleted inodes again without looking at each: at once where their tables are no longer cached."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as caches:
            caches.write("1\n")
    except OSError:
        say(f"waiting {FORGET_SECONDS} s until the file system has forgotten it; as root it would forget at once")
        time.sleep(FORGET_SECONDS)


def process_cpu(root):
    """CPU seconds of a process and its children."""
    parents, ticks = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
        parents[int(name)], ticks[int(name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    members = {root}
    while more := {pid for pid, parent in parents.items() if parent in members} - members:
        members |= more
    return sum(ticks.get(pid, 0) for pid in members) / TICK


def machine_cpu():
    """CPU seconds all processors were busy."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _, _, irq, softirq = (int(field) for field in file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICK


def resident_mb(pid, key="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024


def describe_machine(work):
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(), "file_system": file_system_of(work),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)}


class Shot:
    """What to send in one burst: so many messages, or for so many seconds."""

    def __init__(self, connections, messages=None, seconds=None, body="utf16-4k", new_connection=False, idle=0):
        assert (messages is None) != (seconds is None)
        self.connections, self.messages, self.seconds = connections, messages, seconds
        self.body, self.new_connection, self.idle = body, new_connection, idle

    def options(self, factor):
        options = ["--connections", str(self.connections), "--body", self.body, "--idle", str(self.idle)]
        if self.messages is not None:
            options += ["--messages", str(max(1, int(self.messages * factor)))]
        else:
            options += ["--seconds", str(self.seconds)]
        if self.new_connection:
            options += ["--new-connection", "--sources", str(SOURCES)]
        return options


class Rig:
    """Where the generator is, where the messages go, when a burst was quiet enough."""

    def __init__(self, tools, work, quiet):
        self.load_program, self.work, self.quiet = os.path.join(tools, "load"), work, quiet
        self.folders = 0

    def folder(self, name):
        """One that never was."""
        self.folders += 1
        return os.path.join(self.work, f"{self.folders:04d}-{name}")

    def has_room(self, files):
        free = os.statvfs(self.work)
        # A file system that makes inodes as it needs them counts none.
        return free.f_bavail * free.f_frsize >= files * FILE_BYTES and (free.f_files == 0 or free.f_favail >= files)

    def left(self):
        """A folder for each that was measured."""
        return [os.path.join(self.work, name) for name in os.listdir(self.work)]

    def make_room(self, files):
        """Removes what was measured before, only where the next would not fit beside it: see spread_folders."""
        if self.has_room(files) or not self.left():
            return
        say("removing what was measured before: the next would not fit beside it")
        remove(*self.left())
        forget_deleted()

    def send(self, peer, url, shot, tolerant=False):
        """tolerant: what is lost is in the result, and no error.  A 503 asks to come again later: it is counted."""
        command = [self.load_program, "--url", url, "--pid", str(peer.process.pid), "--json",
                   *shot.options(peer.burst_factor), *peer.load_options]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=LOAD_SECONDS)
        if done.returncode not in (0, 1):
            raise BenchError(f"load against {peer.name}: exit {done.returncode}")
        result = json.loads(done.stdout)
        result["refused"] = result["statuses"].get("503", 0)
        lost = result["errors"] or result["idle_lost"] or set(result["statuses"]) - {"200", "201", "204", "503"}
        if not tolerant and (lost or result["messages"] == 0):
            raise BenchError(f"load against {peer.name}: {done.stdout.decode()}")
        return result

    def measure(self, name, shot, watch=None):
        """A burst against a fresh server of that name; watch(peer) is asked for more when all is in files."""
        peer = SERVERS[name](self.folder(name))
        try:
            url = peer.start()
            os.sync()
            cpu_before, busy_before, begin = process_cpu(peer.process.pid), machine_cpu(), time.monotonic()
            result = self.send(peer, url, shot)
            busy = machine_cpu() - busy_before - result["server_cpu_seconds"] - result["load_cpu_seconds"]
            lasted = time.monotonic() - begin
            peer.settle(result["messages"], result["refused"])
            filed_seconds = result["seconds"] + time.monotonic() - begin - lasted
            result["filed_cpu_us"] = (process_cpu(peer.process.pid) - cpu_before) * 1e6 / result["messages"]
            if watch:
                result |= watch(peer)
        finally:
            peer.stop()
        discard_ledger(peer.folder)
        os.sync()
        result["peer"] = name
        result["cpu_us"] = result["server_cpu_us_per_message"]
        result["busy_per_second"] = os.cpu_count() * 1e6 / (result["cpu_us"] + result["load_cpu_us_per_message"])
        result["resident_mb"] = result["resident_kb_after"] / 1024
        result["filed_per_second"] = result["messages"] / filed_seconds
        result["other_cpu_percent"] = 100 * max(busy, 0) / lasted / os.cpu_count()
        return result

    def measure_quietly(self, name, shot, watch=None):
        """The kernel's own threads count as others too, so the last try stands whatever it shows."""
        for _ in range(QUIET_TRIES):
            result = self.measure(name, shot, watch)
            say(f"  {name}: {result['messages_per_second']:,.0f} messages/s, p99 {result['p99_ms']:.2f} ms, "
                f"{result['cpu_us']:.0f} µs a message (others took {result['other_cpu_percent']:.0f} % of the machine)")
            if result["other_cpu_percent"] <= self.quiet:
                break
        return result
