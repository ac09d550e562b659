"""Which inbox is which: a disk keeps its name when its device gets another number, and no other disk takes it."""
import os
import shutil
import subprocess

import pytest
from fsp import wait_until
from messages import body
from test_inbox_faults import die_half_way, mount

IMAGE_SIZE = 320 << 20  # the least that mkfs.xfs makes; hardly any of it is written


@pytest.fixture
def disks(tmp_path, request):
    """disks.make(name): a new xfs; disks.mount(name, n): on the n-th of two device numbers of our own."""
    if not shutil.which("mkfs.xfs") or os.geteuid() != 0:
        pytest.skip("needs mkfs.xfs, and root to mount")

    class Disks:
        inbox = tmp_path / "mounted"
        numbers = [(1 << 16) + os.getpid() % (1 << 15) * 2 + n for n in range(2)]
        attached = None

        def make(self, name):
            with open(tmp_path / name, "wb") as image:
                image.truncate(IMAGE_SIZE)
            subprocess.run(["mkfs.xfs", "-q", tmp_path / name], check=True)

        def mount(self, name, number):
            device = f"/dev/loop{self.numbers[number]}"
            done = subprocess.run(["losetup", device, tmp_path / name], capture_output=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"no loop devices here: {done.stderr.decode().strip()}")
            self.attached = device
            mount(device, self.inbox)

        def unmount(self):
            if not self.attached:
                return
            device, self.attached = self.attached, None
            subprocess.run(["umount", self.inbox], check=False, capture_output=True)
            subprocess.run(["losetup", "-d", device], check=False, capture_output=True)
            in_use = ["losetup", "--noheadings", "--output", "BACK-FILE", device]
            wait_until(lambda: not subprocess.run(in_use, capture_output=True, check=False).stdout.strip(),
                       what="a free device")
    made = Disks()
    made.inbox.mkdir()
    yield made
    for fsp in getattr(request.node, "fsps", []):
        if fsp.running():
            fsp.kill()
    made.unmount()


def test_an_xfs_is_known_by_itself_and_not_by_its_devices_number(make_fsp, disks):
    fsp = make_fsp({"forwarder": {"inbox": disks.inbox}}, start=False)
    fsp.inbox = disks.inbox
    contents = [body() for _ in range(3)]
    disks.make("ours")
    disks.make("other")
    disks.mount("ours", 0)
    root = os.stat(disks.inbox)
    die_half_way(fsp, contents)
    disks.unmount()
    # Another disk has the number of ours: its emptiness says nothing.
    disks.mount("other", 0)
    other = os.stat(disks.inbox)
    assert (root.st_dev, root.st_ino) == (other.st_dev, other.st_ino), "the rig does not show what it should"
    fsp.start()
    fsp.forward()
    assert (fsp.status()["staged"], fsp.status()["quarantined"]) == (3, 0)
    assert os.listdir(disks.inbox) == []
    fsp.stop()
    disks.unmount()
    # Ours is back, with another number.
    disks.mount("ours", 1)
    assert os.stat(disks.inbox).st_dev != root.st_dev
    fsp.start()
    wait_until(lambda: fsp.forward() and fsp.status()["staged"] == 0, what="an empty staging")
    assert list(fsp.delivered().values()) == contents
    assert fsp.status()["quarantined"] == 0
    fsp.stop()
