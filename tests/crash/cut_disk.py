"""Disks whose power can be cut: a private place to mount them, loop devices that leave nothing behind, and a disk
that records every write and flush it is asked for (a FUSE file below a loop device)."""
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

PLACE = Path("/mnt")  # covered by a tmpfs that only we and our children see
SKIP = 77

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x20000, 0x4000, 0x40000, 2
_LOOP_CONFIGURE, _LO_AUTOCLEAR, _BLKFLSBUF = 0x4C0A, 4, 0x1261
_LOOP_CTL_ADD, _LOOP_CTL_REMOVE, _LOOP_CTL_GET_FREE = 0x4C80, 0x4C81, 0x4C82
_GOING_DOWN, _NO_LOG_FLUSH = 0x8004587D, 2  # the same number on ext4 and xfs


class Unable(Exception):
    """This machine cannot do it: the test is skipped, and says why."""


def _check(result, what):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source, target, kind, flags=0, data=""):
    _check(_libc.mount(str(source).encode(), str(target).encode(), kind.encode(), flags, data.encode()),
           f"mount {source} on {target}")


def unmount(target):
    """Waits a little for what a killed daemon still holds."""
    end = time.monotonic() + 10
    while _libc.umount2(str(target).encode(), 0) != 0:
        code = ctypes.get_errno()
        if code != errno.EBUSY or time.monotonic() > end:
            raise OSError(code, f"umount {target}: {os.strerror(code)}")
        time.sleep(0.001)


def die_with(parent):
    """In a new child: ends it when its parent ends, also when that was just now."""
    _libc.prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def enter(room="1G"):
    """From here on PLACE is an empty tmpfs, and mounts are seen by us alone: they end when we do, however we end.
    With the loop devices' autoclear, even SIGKILL leaves nothing behind."""
    if os.geteuid() != 0:
        raise Unable("needs root to mount")
    for path in ("/dev/loop-control", "/dev/fuse"):
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        except OSError as e:
            raise Unable(f"{path}: {e.strerror}") from None
    try:
        _check(_libc.unshare(_CLONE_NEWNS), "unshare")
        _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "mount private")
        mount("tmpfs", PLACE, "tmpfs", data=f"size={room}")
    except OSError as e:
        raise Unable(str(e)) from None


def need(kind):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if not shutil.which(f"mkfs.{kind}"):
        raise Unable(f"no mkfs.{kind} (packages e2fsprogs, xfsprogs)")
    with open("/proc/filesystems", encoding="ascii") as known:
        if kind not in known.read().split():
            raise Unable(f"the kernel has no {kind}")


SIZES = {"ext4": 64 << 20, "xfs": 300 << 20}  # xfs has no smaller ones; both files are sparse
_OPTIONS = {"ext4": "", "xfs": "nouuid"}
_MAKE = {"ext4": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-J", "size=4",
                  "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
         "xfs": ["mkfs.xfs", "-q", "-f", "-K"]}


def make_image(kind, path):
    """A file with a new file system."""
    with open(path, "wb") as file:
        file.truncate(SIZES[kind])
    done = subprocess.run(_MAKE[kind] + [str(path)], capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        raise Unable(f"mkfs.{kind}: {done.stderr.decode().strip()}")


@contextlib.contextmanager
def own_device():
    """The number of a loop device that nobody else will come upon."""
    number = 1024 + os.getpid() % (1 << 19)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, _LOOP_CTL_ADD, number)
        yield number
        with contextlib.suppress(OSError):  # still busy: it stays, unused
            fcntl.ioctl(control, _LOOP_CTL_REMOVE, number)
    finally:
        os.close(control)


class Loop:
    """A loop device over a file, for as long as this object lives."""

    def __init__(self, path, number=None):
        """number: this device and no other (what a file system says of itself may depend on it)."""
        with contextlib.ExitStack() as undo:
            backing = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            undo.callback(os.close, backing)
            control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
            undo.callback(os.close, control)
            for _ in range(1000):  # somebody else may be quicker
                self.number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE) if number is None else number
                if self._attach(backing):
                    return
                time.sleep(0.01)
        raise Unable("no free loop device")

    def _attach(self, backing):
        self.path = f"/dev/loop{self.number}"
        if not os.path.exists(self.path):
            os.mknod(self.path, 0o600 | 0o060000, os.makedev(7, self.number))
        self.fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        config = struct.pack("IIQQQQQIIII", backing, 0, 0, 0, 0, 0, 0, 0, 0, 0, _LO_AUTOCLEAR)
        try:
            fcntl.ioctl(self.fd, _LOOP_CONFIGURE, config.ljust(304, b"\0"))
        except OSError as e:
            os.close(self.fd)
            if e.errno == errno.EBUSY:
                return False
            raise
        return True

    def forget(self):
        """Drops what the kernel has cached of the device: the file below was changed."""
        fcntl.ioctl(self.fd, _BLKFLSBUF)

    def close(self):
        os.close(self.fd)


def mount_disk(kind, loop, target):
    mount(loop.path, target, kind, data=_OPTIONS[kind])


def cut(target):
    """The power goes: nothing more reaches the disk, not even the file system's own log."""
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _GOING_DOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(fd)


# --- the recorder ------------------------------------------------------------------------------------------------

FLUSH = -1  # an entry's offset
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_ENTRY = struct.Struct("<qII")  # offset, length, zero (a length of zeros without data)


class Recorder:
    """A file 'disk' whose writes and flushes are written down in the order in which they were answered; one request
    at a time, so each write before a flush in the log was finished before it."""

    def __init__(self, image, folder, number=None):
        self.log_path = Path(f"{image}.log")
        self.count = mmap.mmap(-1, 8)
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        folder.mkdir(exist_ok=True)
        try:
            mount("cut", folder, "fuse.cut", 0, f"fd={device},rootmode=40000,user_id=0,group_id=0")
        except OSError as e:
            os.close(device)
            raise Unable(str(e)) from None
        self.folder, parent = folder, os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                die_with(parent)
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # our parent ends us
                _Server(device, image, self.log_path, self.count).serve()
            finally:
                os._exit(0)
        os.close(device)
        self.loop = Loop(folder / "disk", number)

    @property
    def position(self):
        """How many entries there are."""
        return struct.unpack("<Q", self.count[:8])[0]

    def close(self):
        self.loop.close()
        unmount(self.folder)
        os.waitpid(self.pid, 0)

    def entries(self):
        """[(offset, bytes)], a flush is (FLUSH, b"")."""
        data, at, result = self.log_path.read_bytes(), 0, []
        while at < len(data):
            offset, length, zero = _ENTRY.unpack_from(data, at)
            at += _ENTRY.size
            result.append((offset, bytes(length) if zero else data[at:at + length]))
            at += 0 if zero else length
        return result


class _Server:
    """The FUSE protocol, as much of it as a loop device asks for."""

    def __init__(self, device, image, log_path, count):
        self.device, self.count_map, self.count = device, count, 0
        with open(image, "r+b") as file:
            self.size = os.fstat(file.fileno()).st_size
            self.image = mmap.mmap(file.fileno(), self.size)
        self.log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)

    def note(self, offset, data=b"", zeros=0):
        os.writev(self.log, [_ENTRY.pack(offset, zeros or len(data), bool(zeros)), data])
        self.count += 1
        self.count_map[:8] = struct.pack("<Q", self.count)

    def attr(self, node):
        mode, size = (0o040700, 0) if node == 1 else (0o100600, self.size)
        return _ATTR.pack(node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def serve(self):
        request = bytearray((1 << 20) + 8192)
        view = memoryview(request)
        while True:
            try:
                length = os.readv(self.device, [request])
            except OSError as e:
                if e.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # ENODEV: unmounted
            _, opcode, unique, node = struct.unpack_from("<IIQQ", view)
            answer = self.answer(opcode, node, view[40:length])
            if answer is None:
                continue
            code, data = (answer, b"") if isinstance(answer, int) else (0, answer)
            os.writev(self.device, [struct.pack("<IiQ", 16 + len(data), -code, unique), data])

    def answer(self, opcode, node, body):
        """Bytes, an errno, or None where none is wanted."""
        if opcode in (2, 36, 42):  # FORGET, INTERRUPT, BATCH_FORGET
            return None
        if opcode == 26:  # INIT
            return struct.pack("<IIIIHHIIHHIIHH20x", 7, 31, 1 << 20, 1 << 22 | 1 << 5, 16, 12, 1 << 20, 1, 256, 0, 0,
                               0, 0, 0)
        if opcode == 1:  # LOOKUP
            known = bytes(body).rstrip(b"\0") == b"disk"
            return struct.pack("<QQQQII", 2, 1, 3600, 3600, 0, 0) + self.attr(2) if known else errno.ENOENT
        if opcode in (3, 4):  # GETATTR, SETATTR
            return struct.pack("<QII", 3600, 0, 0) + self.attr(node)
        if opcode in (14, 27):  # OPEN (direct), OPENDIR
            return struct.pack("<QIi", 0, opcode == 14, 0)
        if opcode == 17:  # STATFS
            return struct.pack("<QQQQQIIII24x", 0, 0, 0, 0, 0, 4096, 255, 4096, 0)
        if opcode in (18, 25, 29, 38):  # RELEASE, FLUSH (of close), RELEASEDIR, DESTROY
            return b""
        return self.transfer(opcode, body)

    def transfer(self, opcode, body):
        if opcode == 15:  # READ
            offset, size = struct.unpack_from("<8xQI", body)
            return self.image[offset:offset + size]
        if opcode == 16:  # WRITE
            offset, size = struct.unpack_from("<8xQI", body)
            data = bytes(body[40:40 + size])
            self.image[offset:offset + size] = data
            self.note(offset, data)
            return struct.pack("<II", size, 0)
        if opcode == 20:  # FSYNC
            self.note(FLUSH)
            return b""
        if opcode == 43:  # FALLOCATE: a discard or a write of zeros
            offset, size = struct.unpack_from("<8xQQ", body)
            self.image[offset:offset + size] = bytes(size)
            self.note(offset, zeros=size)
            return b""
        return errno.ENOSYS


# --- running the tests ---------------------------------------------------------------------------------------------

def main(run):
    """run() in a place of its own; its exit code, or a skip with its reason."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(run())
    except Unable as e:
        print(f"skipped: {e}", flush=True)
        sys.exit(SKIP)
