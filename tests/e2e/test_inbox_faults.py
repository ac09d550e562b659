"""What an inbox can do to its forwarder: be read-only, hang, vanish half-way, be another one; and what the clock can."""
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
from fsp import NAME, wait_until
from messages import body

DAY_S = 86400
STOP_S = 20


def mount(*arguments):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount")
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.decode().strip()}")


@pytest.fixture
def share(tmp_path, request):
    """A mounted inbox: share.inbox is where it is mounted, share.disk what the site server sees."""
    class Share:
        inbox, disk = tmp_path / "mounted", tmp_path / "disk"

        def mount(self):
            mount("--bind", self.disk, self.inbox)

        def unmount(self):
            subprocess.run(["umount", "-l", str(self.inbox)], check=False, capture_output=True)

        def names(self):
            return sorted(p.name for p in self.disk.iterdir())
    made = Share()
    made.inbox.mkdir()
    made.disk.mkdir()
    made.mount()
    yield made
    for fsp in getattr(request.node, "fsps", []):
        if fsp.running():
            fsp.kill()
    made.unmount()


def at_rename(fsp, number, fault):
    """The command that starts fspd so that this fault meets its number-th rename in the inbox."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e",
            f"inject=renameat2:{fault}:when={number}", str(fsp.bin / "fspd"), "-c", str(fsp.config)]


def die_half_way(fsp, contents):
    """Killed when one message is renamed and the others only copied, or staged where these are renamed."""
    fsp.start(command=at_rename(fsp, 2, "signal=KILL"))
    fsp.accept(*contents)
    fsp.ctl("forward")
    wait_until(lambda: fsp.process.poll() is not None, what="the daemon's death")
    copies = sum(n.endswith(".tmp") for n in os.listdir(fsp.inbox))
    assert (copies or len(fsp.staged())) == len(contents) - 1


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def lines_with(fsp, text):
    return [line for line in fsp.log_lines() if text in line]


def test_a_read_only_inbox_is_a_fault_and_all_arrive_when_it_can_be_written(make_fsp, small_disk):
    disk = small_disk("4M")
    fsp = make_fsp({"forwarder": {"inbox": disk}})
    fsp.inbox = disk
    contents = [body() for _ in range(3)]
    fsp.accept(*contents)
    mount("-o", "remount,ro", disk)
    assert fsp.forward() == (0, 3, 1)
    assert (fsp.status()["staged"], fsp.status()["availability"]) == (3, "warning")
    assert lines_with(fsp, "Read-only file system"), fsp.log_lines()
    mount("-o", "remount,rw", disk)
    fsp.expect_delivered(*contents)


def test_each_run_without_the_inbox_says_so_and_one_line_when_it_is_over(fsp):
    contents = [body() for _ in range(2)]
    fsp.accept(*contents)
    fsp.inbox.rmdir()
    next_runs = []
    for _ in range(3):
        assert fsp.forward() == (0, 2, 1)
        next_runs.append(fsp.status()["next_run"])
    assert len(lines_with(fsp, f"The inbox {fsp.inbox} cannot be reached: No such file or directory")) == 3
    assert next_runs == sorted(set(next_runs)), "the pauses do not grow"
    fsp.inbox.mkdir()
    fsp.expect_delivered(*contents)
    over = lines_with(fsp, "in reach again after 3 run(s) without it")
    assert len(over) == 1 and not re.search("error|fail|warn", over[0], re.I), over
    assert fsp.forward() == (0, 0, 0)
    assert len(lines_with(fsp, "in reach again")) == 1


def test_a_file_that_the_inbox_does_not_take_does_not_hold_up_the_others(make_fsp):
    fsp = make_fsp({"forwarder": {"rename": "no"}})
    contents = [body() for _ in range(4)]
    fsp.accept(*contents)
    names = wait_until(lambda: list(fsp.staged()) if len(fsp.staged()) == 4 else None, what="the staged files")
    poison = fsp.inbox / names[1].replace(".SMX", ".tmp")
    poison.mkdir()
    assert fsp.forward() == (3, 4, 1)
    assert list(fsp.delivered().values()) == [contents[0], contents[2], contents[3]]
    assert lines_with(fsp, poison.name), fsp.log_lines()
    poison.rmdir()
    assert fsp.forward() == (1, 1, 0)
    assert list(fsp.delivered().values()) == contents


def test_an_inbox_unmounted_between_copy_and_rename_gets_each_message_once(make_fsp, share):
    fsp = make_fsp({"forwarder": {"inbox": share.inbox}}, start=False)
    fsp.inbox = share.inbox
    fsp.start(command=at_rename(fsp, 2, "delay_enter=1500000"))
    contents = [body() for _ in range(3)]
    fsp.accept(*contents)
    order = threading.Thread(target=fsp.ctl, args=("forward",))
    order.start()
    wait_until(lambda: any(n.endswith(".SMX") for n in share.names()), what="the first rename")
    share.unmount()
    order.join()
    assert list(share.inbox.iterdir()) == [], "something went into the empty folder below the mount"
    share.mount()
    fsp.forward()
    assert [(share.disk / n).read_bytes() for n in share.names()] == contents
    assert fsp.status()["staged"] == 0
    child = int(Path(f"/proc/{fsp.process.pid}/task/{fsp.process.pid}/children").read_text().split()[0])
    os.kill(child, signal.SIGTERM)
    assert fsp.process.wait(STOP_S) == 0


def test_what_is_half_way_waits_while_the_inbox_is_not_mounted(make_fsp, share):
    fsp = make_fsp({"forwarder": {"inbox": share.inbox}}, start=False)
    fsp.inbox = share.inbox
    contents = [body() for _ in range(3)]
    die_half_way(fsp, contents)
    share.unmount()
    fsp.start()
    fsp.forward()
    assert list(share.inbox.iterdir()) == []
    assert fsp.status()["staged"] == 3, "the emptiness of another folder was taken for delivery"
    assert lines_with(fsp, "half-way"), fsp.log_lines()
    # What was renamed is taken meanwhile; what was not, is still there.
    taken = [p for p in share.disk.iterdir() if p.name.endswith(".SMX")]
    first = [p.read_bytes() for p in taken]
    for path in taken:
        path.unlink()
    fsp.stop()
    share.mount()
    fsp.start()
    wait_until(lambda: fsp.forward() and fsp.status()["staged"] == 0, what="an empty staging")
    assert first + [(share.disk / n).read_bytes() for n in share.names()] == contents
    assert fsp.status()["quarantined"] == 0


def test_a_staged_file_taken_away_before_its_rename_is_quarantined_and_the_others_arrive(make_fsp):
    fsp = make_fsp(start=False)
    fsp.start(command=at_rename(fsp, 1, "delay_enter=1500000"))
    contents = [body() for _ in range(3)]
    fsp.accept(*contents)
    staged = wait_until(lambda: fsp.staged() if len(fsp.staged()) == 3 else None, what="the staged files")
    order = threading.Thread(target=fsp.ctl, args=("forward",))
    order.start()
    # The check is over, and the first rename is held up, as soon as one is half-way.
    wait_until(lambda: any(m["delivery"] == "copied" for m in fsp.ctl("messages", "--json").json), what="a copied one")
    (fsp.staging / list(staged)[1]).unlink()
    order.join()
    assert list(fsp.delivered().values()) == [contents[0], contents[2]]
    assert (fsp.status()["staged"], fsp.status()["quarantined"]) == (0, 1)
    assert lines_with(fsp, "its staged file is gone"), fsp.log_lines()
    child = int(Path(f"/proc/{fsp.process.pid}/task/{fsp.process.pid}/children").read_text().split()[0])
    os.kill(child, signal.SIGTERM)
    assert fsp.process.wait(STOP_S) == 0


@pytest.mark.parametrize("rename", ["yes", "no"])
def test_what_is_half_way_waits_while_another_folder_is_in_the_inboxs_place(make_fsp, rename):
    fsp = make_fsp({"forwarder": {"rename": rename}}, start=False)
    contents, later = [body() for _ in range(3)], body()
    die_half_way(fsp, contents)
    aside = fsp.folder / "aside"
    fsp.inbox.rename(aside)
    fsp.inbox.mkdir()
    fsp.start()
    fsp.accept(later)
    assert fsp.forward()[0] == 1
    assert list(fsp.delivered().values()) == [later]
    assert fsp.status()["staged"] == 3
    fsp.inbox.rename(fsp.folder / "other")
    aside.rename(fsp.inbox)
    fsp.forward()
    assert list(fsp.delivered().values()) == contents
    assert (fsp.status()["staged"], fsp.status()["quarantined"]) == (0, 0)


def test_what_may_be_left_in_an_inbox_of_before_is_told_once(make_fsp, tmp_path):
    fsp = make_fsp()
    second = tmp_path / "second"
    second.mkdir()
    assert not lines_with(fsp, "another inbox than before")
    fsp.configure({"forwarder": {"inbox": second}})
    for _ in range(2):
        fsp.restart()
        told = lines_with(fsp, f"{second} is another inbox than before")
        assert len(told) == 1 and not re.search("error|fail|warn", told[0], re.I), told


@pytest.mark.bound(120)
def test_a_site_server_that_takes_files_at_once_gets_each_once(fsp):
    fsp.configure({"listener": {"client_rate": "0"}, "forwarder": {"interval": "1s"}})
    fsp.restart()
    contents = [body() for _ in range(400)]
    taken, over = [], threading.Event()

    def take():
        while not over.is_set():
            for path in sorted(fsp.inbox.glob("*.SMX")):
                taken.append((path.name, path.read_bytes()))
                path.unlink()
    server = threading.Thread(target=take)
    server.start()
    try:
        for start in range(0, len(contents), 20):
            fsp.accept(*contents[start:start + 20])
            fsp.signal(signal.SIGUSR1)
        wait_until(lambda: len(taken) >= len(contents), 30, "all messages taken")
        fsp.restart()
        fsp.forward()
    finally:
        over.set()
        server.join()
    assert [content for _, content in sorted(taken)] == contents
    assert (fsp.status()["staged"], fsp.status()["quarantined"]) == (0, 0)
    assert os.listdir(fsp.inbox) == []


@pytest.mark.bound(120)
def test_a_slow_inbox_delays_no_client_and_gets_each_message_once(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "0"}}, start=False)
    command = at_rename(fsp, 1, "delay_enter=200000")
    fsp.start(command=command[:-4] + [f"{command[-4]}+"] + command[-3:])  # from the first rename on, each
    contents = [body() for _ in range(20)]
    fsp.accept(*contents[:10])
    order = threading.Thread(target=fsp.ctl, args=("forward",))
    order.start()
    wait_until(fsp.delivered, what="the first file")
    began = time.monotonic()
    fsp.accept(*contents[10:])
    assert len(fsp.delivered()) < 10, "the inbox was not slow"
    assert time.monotonic() - began < 1.5
    order.join()
    assert fsp.forward() == (10, 10, 0)
    assert list(fsp.delivered().values()) == contents
    child = int(Path(f"/proc/{fsp.process.pid}/task/{fsp.process.pid}/children").read_text().split()[0])
    os.kill(child, signal.SIGTERM)
    assert fsp.process.wait(STOP_S) == 0


def test_the_pauses_without_the_inbox_grow_up_to_the_interval(make_fsp):
    fsp = make_fsp({"forwarder": {"interval": "70s"}})
    fsp.inbox.rmdir()
    pauses = []
    for _ in range(4):
        assert fsp.forward()[2] in (0, 1)
        status = fsp.status()
        pauses.append(round((moment(status["next_run"]) - moment(status["last_run"]["started"])).total_seconds()))
    assert pauses == [30, 60, 70, 70]


@pytest.fixture
def frozen(tmp_path, request):
    """An inbox on a file system whose server can be stopped and continued."""
    if not shutil.which("bindfs") or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs bindfs and /dev/fuse")

    class Frozen:
        inbox, disk = tmp_path / "fuse", tmp_path / "disk"
        server = None

        def start(self):
            self.server = subprocess.Popen(["bindfs", "-f", str(self.disk), str(self.inbox)],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            wait_until(lambda: os.path.ismount(self.inbox) or self.server.poll() is not None, what="the mount")
            if self.server.poll() is not None:
                pytest.skip(f"bindfs: {self.server.stderr.read().decode().strip()}")

        def signal(self, number):
            self.server.send_signal(number)
    made = Frozen()
    made.inbox.mkdir()
    made.disk.mkdir()
    made.start()
    yield made
    made.signal(signal.SIGCONT)
    for fsp in getattr(request.node, "fsps", []):
        if fsp.running():
            fsp.kill()
    subprocess.run(["umount", "-l", str(made.inbox)], check=False)
    made.server.terminate()
    made.server.wait(10)


def post_timed(fsp, contents):
    """The p99 of these posts on one connection, in ms."""
    times = []
    with fsp.connect() as connection:
        for content in contents:
            began = time.monotonic()
            assert connection.post(content).status == 200
            times.append((time.monotonic() - began) * 1000)
    return sorted(times)[len(times) * 99 // 100]


@pytest.mark.bound(180)
def test_a_hung_inbox_delays_no_client_and_no_stop(make_fsp, frozen, record_property):
    fsp = make_fsp({"forwarder": {"inbox": frozen.inbox}, "listener": {"client_rate": "0"}})
    fsp.inbox = frozen.disk
    rounds = [[body() for _ in range(400)] for _ in range(4)]
    usual = [post_timed(fsp, rounds[0])]
    assert fsp.forward() == (400, 400, 0)
    usual.append(post_timed(fsp, rounds[1]))
    frozen.signal(signal.SIGSTOP)
    began = time.monotonic()
    fsp.signal(signal.SIGUSR1)
    hung = [post_timed(fsp, rounds[2]), post_timed(fsp, rounds[3])]
    assert len(list(frozen.disk.glob("*.SMX"))) == 400
    took = fsp.stop(STOP_S)
    figures = f"p99 {min(usual):.2f} ms, with a hung inbox {min(hung):.2f} ms, stopped within {took:.1f} s"
    record_property("figures", figures)
    print(figures)
    assert time.monotonic() - began > took, "the run was over before the stop"
    assert lines_with(fsp, "hangs"), fsp.log_lines()
    assert min(hung) < 2 * max(usual) + 10, figures
    frozen.signal(signal.SIGCONT)
    fsp.start()
    wait_until(lambda: fsp.forward() and fsp.status()["staged"] == 0, 30, "an empty staging")
    assert list(fsp.delivered().values()) == sum(rounds, [])
    assert fsp.status()["quarantined"] == 0
    assert all(NAME.match(n) for n in os.listdir(frozen.disk))


@pytest.fixture
def clock(tmp_path):
    """clock.set(seconds): the wall clock of daemons with clock.env jumps; the monotonic one does not."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("needs libfaketime")

    class Clock:
        file = tmp_path / "faketime"
        env = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": file, "DONT_FAKE_MONOTONIC": "1",
               "FAKETIME_NO_CACHE": "1"}

        def set(self, seconds):
            new = self.file.with_suffix(".new")
            new.write_text(f"{seconds:+d}\n")
            new.rename(self.file)
    made = Clock()
    made.set(0)
    return made


def test_a_wall_clock_that_jumps_stops_no_run_and_turns_no_name_round(make_fsp, clock):
    fsp = make_fsp({"forwarder": {"interval": "1s"}, "ledger": {"retention": "30d"}}, env=clock.env)
    contents = []
    for jump in (0, DAY_S, -DAY_S, 0, 3 * DAY_S, -3 * DAY_S):
        clock.set(jump)
        contents.append(body())
        fsp.accept(contents[-1])
        wait_until(lambda: len(fsp.delivered()) == len(contents), 6, f"a run by itself after a jump to {jump} s")
    delivered = fsp.delivered()
    assert list(delivered.values()) == contents, "names do not follow arrival"
    days = {name[:8] for name in delivered}
    assert len(days) > 1, "the clock did not jump"
    last = list(delivered)[-1]
    fsp.restart()
    contents.append(body())
    fsp.accept(contents[-1])
    wait_until(lambda: len(fsp.delivered()) == len(contents), 6, "a run after the restart")
    assert max(fsp.delivered()) > last, "a restart forgot how far the names had come"


def test_a_throttle_is_not_hurried_nor_held_for_ever_by_the_wall_clock(make_fsp, clock):
    fsp = make_fsp({"forwarder": {"interval": "1s", "throttle_messages": "2", "throttle_interval": "3s"}},
                   env=clock.env)
    contents = [body() for _ in range(4)]
    began = time.monotonic()
    fsp.accept(*contents)
    wait_until(lambda: len(fsp.delivered()) == 2, 5, "what the throttle lets out")
    clock.set(DAY_S)
    assert fsp.forward()[0] == 0 or time.monotonic() - began >= 3
    clock.set(-DAY_S)
    wait_until(lambda: len(fsp.delivered()) == 4, 15, "the rest")
    assert time.monotonic() - began >= 2.5, "the throttle was hurried"
    assert list(fsp.delivered().values()) == contents
