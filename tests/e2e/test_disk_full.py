"""A full disk: nothing that was acknowledged is lost, and intake comes back by itself."""
import contextlib
import os
import time

import pytest
from fsp import wait_until
from messages import body

RECOVERY_S = 15


def fill(path):
    """Takes all the space there is."""
    with open(path, "wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while ballast.write(b"\0" * size):
                    pass


def free_percent(folder):
    """Of what is scarcer, bytes or inodes."""
    space = os.statvfs(folder)
    return 100 * min(space.f_bavail / space.f_blocks, space.f_favail / space.f_files)


def until_refused(fsp, taken, limit=400):
    """Posts until a 503, keeps what was taken; the refusal."""
    for _ in range(limit):
        content = body(padding=3000)
        reply = fsp.post(content)
        if reply.status != 200:
            return reply
        taken.append(content)
    raise AssertionError(f"{limit} messages were taken by a full disk")


def back_within(fsp, taken, seconds):
    began = time.monotonic()

    def again():
        content = body()
        if fsp.post(content).status != 200:
            return False
        taken.append(content)
        return True
    wait_until(again, seconds, "intake again", pause=0.25)
    return time.monotonic() - began


def make_on(make_fsp, disk, min_free, **sections):
    (disk / "ledger").mkdir()
    return make_fsp({"staging": {"directory": disk / "staging", "min_free": min_free},
                     "ledger": {"file": disk / "ledger" / "ledger.db"}, "listener": {"client_rate": "0"}, **sections})


def all_arrive(fsp, taken):
    wait_until(lambda: fsp.forward() and len(fsp.delivered()) >= len(taken), 30, "all messages in the inbox")
    assert sorted(fsp.delivered().values()) == sorted(taken)


@pytest.mark.bound(120)
@pytest.mark.parametrize("min_free", ["0%", "10%"])
def test_a_full_disk_is_answered_503_and_intake_resumes_when_there_is_space(make_fsp, small_disk, min_free):
    disk = small_disk("32M")
    fsp = make_on(make_fsp, disk, min_free)
    fsp.staging = disk / "staging"
    taken = [body() for _ in range(20)]
    fsp.accept(*taken)
    for _ in range(2):
        fill(disk / "ballast")
        refused = until_refused(fsp, taken)
        assert refused.status == 503, refused
        assert int(refused.header("retry-after")) > 0
        assert refused.reason_line()
        assert fsp.status()["availability"] == "offline"
        (disk / "ballast").unlink()
        back_within(fsp, taken, RECOVERY_S)
        wait_until(lambda: fsp.status()["availability"] == "online", RECOVERY_S, "availability")
    all_arrive(fsp, taken)


# With a pause it takes several looks at the disk, while no file is made: the burst goes on.
@pytest.mark.parametrize(("size", "padding", "pause"), [
    pytest.param("32M", 12000, 0, id="bytes"),
    pytest.param("32M", 12000, 0.004, id="bytes-pause"),
    pytest.param("64M,nr_inodes=600", 100, 0.004, id="inodes-pause"),
])
@pytest.mark.bound(120)
def test_min_free_is_never_used(make_fsp, small_disk, size, padding, pause):
    disk = small_disk(size)
    fsp = make_on(make_fsp, disk, "50%")
    fsp.staging = disk / "staging"
    taken, least = [], 100.0
    for _ in range(4000):
        content = body(padding=padding)
        reply = fsp.post(content)
        least = min(least, free_percent(disk))
        if reply.status != 200:
            break
        taken.append(content)
        time.sleep(pause)
    assert reply.status == 503, reply
    assert len(taken) > 100
    time.sleep(1)  # whatever is still made of the messages taken
    assert min(least, free_percent(disk)) >= 49, f"{free_percent(disk):.1f} % left free, {least:.1f} before the refusal"
    fsp.ctl("forward")
    all_arrive(fsp, taken)


@pytest.mark.bound(120)
def test_forwarding_goes_on_while_the_disk_is_full(make_fsp, small_disk):
    disk = small_disk("32M")
    fsp = make_on(make_fsp, disk, "10%")
    taken = [body() for _ in range(30)]
    fsp.accept(*taken)
    fill(disk / "ballast")
    assert until_refused(fsp, taken).status == 503
    fsp.ctl("forward")
    (disk / "ballast").unlink()
    all_arrive(fsp, taken)


@pytest.mark.bound(120)
def test_a_kill_while_the_disk_is_full_loses_nothing(make_fsp, small_disk):
    disk = small_disk("32M")
    fsp = make_on(make_fsp, disk, "0%")
    taken = [body() for _ in range(30)]
    fsp.accept(*taken)
    fill(disk / "ballast")
    until_refused(fsp, taken)
    fsp.kill()
    (disk / "ballast").unlink()
    fsp.start()
    back_within(fsp, taken, RECOVERY_S)
    all_arrive(fsp, taken)


@pytest.mark.bound(120)
def test_a_full_disk_of_the_logs_does_not_stop_intake(make_fsp, small_disk):
    disk = small_disk("1M")
    fsp = make_fsp(start=False)
    fsp.log = disk
    fsp.configure({"log": {"directory": disk}})
    fsp.start()
    fill(disk / "ballast")
    contents = [body() for _ in range(10)]
    fsp.accept(*contents)
    fsp.post(b"refused")
    fsp.expect_delivered(*contents)
    (disk / "ballast").unlink()
    fsp.stop()
