"""From staging to the inbox of the site server: when, in what order, whole, and what a missing inbox does."""
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
from fsp import COPIED, NAME, wait_until
from messages import body


def test_a_run_by_order_says_what_it_did_and_ends_with_0(fsp):
    contents = [body() for _ in range(3)]
    fsp.accept(*contents)
    result = fsp.ctl("forward")
    assert (result.returncode, result.stdout) == (0, "Successfully copied 3 out of 3 file(s)\n")
    assert list(fsp.delivered().values()) == contents
    assert fsp.status()["staged"] == 0
    wait_until(lambda: not fsp.staged(), what="an empty staging folder")


def test_a_run_with_nothing_to_do_says_so(fsp):
    result = fsp.ctl("forward")
    assert (result.returncode, result.stdout) == (0, "Successfully copied 0 out of 0 file(s)\n")


def test_each_run_ends_with_exactly_the_line_of_the_original(fsp):
    fsp.accept(body(), body())
    fsp.forward()
    texts = [re.sub(r"  \$\$<.*", "", line) for line in fsp.log_lines()]
    assert texts.count("Successfully copied 2 out of 2 file(s)") == 1
    assert texts.count("Successfully copied 0 out of 0 file(s)") == 1  # of the start


def test_a_start_forwards_at_once(make_fsp):
    fsp = make_fsp({"forwarder": {"interval": "24h"}})
    contents = [body() for _ in range(3)]
    fsp.accept(*contents)
    assert fsp.delivered() == {}
    fsp.restart()
    wait_until(lambda: list(fsp.delivered().values()) == contents, what="the messages in the inbox")
    assert b"Successfully copied 3 out of 3 file(s)" in fsp.since_start()


def test_the_interval_brings_a_run_by_itself(make_fsp):
    fsp = make_fsp({"forwarder": {"interval": "1s"}})
    for _ in range(2):
        content = body()
        fsp.accept(content)
        wait_until(lambda c=content: c in fsp.delivered().values(), 5, "the message in the inbox")


def test_without_a_signal_an_hour_is_waited(fsp):
    fsp.accept(body())
    wait_until(fsp.staged, what="the staged file")
    assert fsp.delivered() == {}
    status = fsp.status()
    assert status["next_run"] > status["last_run"]["started"]
    assert status["last_run"]["copied"] == 0


def test_sigusr1_forwards_now(fsp):
    content = body()
    fsp.accept(content)
    fsp.signal(signal.SIGUSR1)
    wait_until(lambda: list(fsp.delivered().values()) == [content], 5, "the message in the inbox")


def test_names_follow_the_pattern_and_are_the_same_in_staging_and_inbox(fsp):
    contents = [body() for _ in range(5)]
    fsp.accept(*contents)
    staged = wait_until(lambda: fsp.staged() if len(fsp.staged()) == 5 else None, what="the staged files")
    fsp.expect_delivered(*contents)
    assert fsp.delivered() == staged
    assert all(NAME.match(name) for name in staged), staged.keys()
    assert [r["id"] + ".SMX" for r in reversed(fsp.rows())] == list(staged)


def test_no_text_of_a_client_is_in_a_name(fsp):
    fsp.accept(body(name="../../etc/x", client_id="GUID:..\\..\\x", topic_id="a/b"))
    fsp.forward()
    assert all(NAME.match(n) for n in os.listdir(fsp.inbox))
    assert len(os.listdir(fsp.inbox)) == 1


def test_alphabetical_order_is_arrival_order_over_restarts(fsp):
    contents = []
    for _ in range(3):
        batch = [body() for _ in range(20)]
        contents += batch
        fsp.accept(*batch)
        fsp.inbox.rename(fsp.folder / "aside")
        fsp.restart()
        (fsp.folder / "aside").rename(fsp.inbox)
    fsp.accept(*(last := [body(), body()]))
    fsp.expect_delivered(*contents, *last)
    # The files arrived in that order too.
    times = [(fsp.inbox / n).stat().st_ctime_ns for n in sorted(os.listdir(fsp.inbox))]
    assert times == sorted(times)


def test_messages_of_one_millisecond_keep_their_order(fsp):
    contents = [body() for _ in range(50)]
    with fsp.connect() as connection:
        for content in contents:
            assert connection.post(content).status == 200
    fsp.expect_delivered(*contents)


def test_a_missing_inbox_is_a_fault_and_everything_stays_staged(fsp):
    contents = [body() for _ in range(3)]
    fsp.accept(*contents)
    fsp.inbox.rmdir()
    assert fsp.forward() == (0, 3, 1)
    assert not fsp.inbox.exists(), "fspd makes no inbox folder"
    status = fsp.status()
    assert (status["staged"], status["availability"]) == (3, "warning")
    assert (status["last_run"]["tried"], status["last_run"]["copied"]) == (3, 0)
    bad = [line for line in fsp.log_lines() if re.search("error|fail", line, re.I)]
    assert any(str(fsp.inbox) in line for line in bad), fsp.log_lines()
    assert "Successfully copied 0 out of 3 file(s)" in fsp.log_bytes().decode()
    # New messages are taken all the same, and all arrive when it is back.
    contents.append(body())
    fsp.accept(contents[-1])
    fsp.inbox.mkdir()
    fsp.expect_delivered(*contents)
    assert fsp.status()["availability"] == "online"


def test_a_start_without_the_inbox_takes_messages_and_forwards_when_it_comes(make_fsp):
    fsp = make_fsp(start=False)
    fsp.inbox.rmdir()
    fsp.start()
    content = body()
    fsp.accept(content)
    assert fsp.forward() == (0, 1, 1)
    fsp.inbox.mkdir()
    fsp.expect_delivered(content)


def test_an_inbox_that_is_a_file_is_a_fault(fsp):
    content = body()
    fsp.accept(content)
    fsp.inbox.rmdir()
    fsp.inbox.write_text("not a folder")
    assert fsp.forward() == (0, 1, 1)
    fsp.inbox.unlink()
    fsp.inbox.mkdir()
    fsp.expect_delivered(content)


@pytest.mark.parametrize("ours", ["staging", "staging/corrupt"])
def test_a_link_to_our_own_folders_is_no_inbox(fsp, ours):
    content = body()
    fsp.accept(content)
    fsp.inbox.rmdir()
    fsp.inbox.symlink_to(fsp.folder / ours)
    assert fsp.forward() == (0, 1, 1)
    assert fsp.status()["staged"] == 1
    assert "cannot be reached: it is our own staging folder" in fsp.log_bytes().decode()
    assert fsp.ctl("setup").returncode == 1
    fsp.inbox.unlink()
    fsp.inbox.mkdir()
    fsp.expect_delivered(content)


def test_an_inbox_without_space_is_a_fault_and_all_arrive_when_there_is_some(make_fsp, small_disk):
    disk = small_disk("256K")  # for a third of them
    fsp = make_fsp({"forwarder": {"inbox": disk}})
    fsp.inbox = disk
    contents = [body(padding=10000) for _ in range(30)]
    fsp.accept(*contents)
    copied, tried, code = fsp.forward()
    assert copied < tried and code == 1, (copied, tried, code)
    assert list(fsp.delivered().values()) == contents[:copied]
    subprocess.run(["mount", "-o", "remount,size=4M", str(disk)], check=True)
    assert fsp.forward() == (30 - copied, 30 - copied, 0)
    assert list(fsp.delivered().values()) == contents
    assert all(NAME.match(n) for n in os.listdir(disk)), os.listdir(disk)


@pytest.mark.bound(120)
@pytest.mark.parametrize("rename", ["yes", "no"])
def test_a_watcher_never_sees_a_half_written_file(fsp, rename):
    fsp.configure({"listener": {"client_rate": "0"}, "forwarder": {"rename": rename}})
    fsp.restart()
    contents = {body(padding=15000) for _ in range(300)}
    fsp.accept(*contents)
    seen, names, over = [], set(), threading.Event()

    def watch():
        while not over.is_set():
            with os.scandir(fsp.inbox) as entries:
                for entry in entries:
                    names.add(entry.name)
                    if entry.name.endswith(".SMX"):
                        with open(entry.path, "rb") as file:
                            seen.append(file.read())
                        os.unlink(entry.path)  # as the site server does
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert fsp.forward() == (300, 300, 0)
        wait_until(lambda: len(seen) >= 300, 20, "all files seen")
    finally:
        over.set()
        watcher.join()
    assert sorted(seen) == sorted(contents)
    assert all(n.endswith(".tmp") or NAME.match(n) for n in names), names
    assert fsp.status()["staged"] == 0


def test_files_of_others_in_the_inbox_are_left_alone(fsp):
    (fsp.inbox / "TAZGYTSJ.SMX").write_bytes(b"of a management point")
    (fsp.inbox / "other.tmp").write_bytes(b"half of something")
    content = body()
    fsp.accept(content)
    fsp.forward()
    assert (fsp.inbox / "TAZGYTSJ.SMX").read_bytes() == b"of a management point"
    assert (fsp.inbox / "other.tmp").read_bytes() == b"half of something"
    assert content in fsp.delivered().values()


def test_a_second_inbox_is_used_when_the_first_was_away_for_long(make_fsp, tmp_path):
    second = tmp_path / "second"
    second.mkdir()
    fsp = make_fsp({"forwarder": {"inbox_fallback": second, "fallback_after": "2s"}})
    content, later = body(), body()
    fsp.inbox.rmdir()
    fsp.accept(content)
    assert fsp.forward() == (0, 1, 1)
    assert list(second.iterdir()) == []
    wait_until(lambda: fsp.forward()[2] == 0, 15, "a run to the second inbox", pause=0.5)
    assert [p.read_bytes() for p in second.iterdir()] == [content]
    fsp.inbox.mkdir()
    fsp.accept(later)
    wait_until(lambda: fsp.forward() and fsp.delivered(), 15, "a run to the first inbox again", pause=0.5)
    assert list(fsp.delivered().values()) == [later]


def test_an_inbox_that_must_be_a_mount_is_not_taken_for_one_when_it_is_none(make_fsp, small_disk):
    disk = small_disk("2M", "share")
    fsp = make_fsp({"forwarder": {"inbox": disk, "require_mount": "yes"}})
    fsp.inbox = disk
    first, second = body(), body()
    fsp.accept(first)
    fsp.expect_delivered(first)
    fsp.configure({"forwarder": {"inbox": fsp.folder / "inbox"}})
    fsp.restart()
    fsp.accept(second)
    assert fsp.forward() == (0, 1, 1)
    assert os.listdir(fsp.folder / "inbox") == []


def test_an_inbox_path_of_many_signs_is_used_as_it_is(make_fsp, tmp_path):
    inbox = tmp_path / "inboxes auth" / "statesys.box (täglich)" / "incoming"
    inbox.mkdir(parents=True)
    fsp = make_fsp({"forwarder": {"inbox": inbox}})
    fsp.inbox = inbox
    content = body()
    fsp.accept(content)
    fsp.expect_delivered(content)


def test_two_orders_at_once_forward_each_message_once(fsp):
    contents = [body() for _ in range(40)]
    fsp.accept(*contents)
    results = []
    threads = [threading.Thread(target=lambda: results.append(fsp.ctl("forward"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.returncode for r in results] == [0] * 4, results
    assert list(fsp.delivered().values()) == contents
    assert sum(int(m.group(1)) for m in COPIED.finditer(fsp.since_start())) == 40


def test_a_staged_file_that_was_tampered_with_is_quarantined_and_the_rest_goes_on(fsp):
    contents = [body() for _ in range(3)]
    fsp.accept(*contents)
    names = wait_until(lambda: list(fsp.staged()) if len(fsp.staged()) == 3 else None, what="the staged files")
    path = next(fsp.staging.rglob(names[1]))
    path.write_bytes(b"rubbish")
    copied, tried, code = fsp.forward()
    assert (copied, tried, code) == (2, 3, 1)
    assert list(fsp.delivered().values()) == [contents[0], contents[2]]
    assert [p.name for p in (fsp.staging / "corrupt").iterdir()] == [names[1]]
    assert fsp.status()["quarantined"] == 1


def test_a_lost_ledger_is_made_again_from_the_staged_files(fsp):
    contents = [body() for _ in range(5)]
    fsp.accept(*contents)
    wait_until(lambda: len(fsp.staged()) == 5 and fsp.status()["staged"] == 5, what="the staged files")
    # The file is made before its row says so; a stop lets the stager finish.
    fsp.stop()
    shutil.rmtree(fsp.ledger.parent)
    fsp.ledger.parent.mkdir()
    fsp.start()
    wait_until(lambda: len(fsp.delivered()) == 5, what="the messages in the inbox")
    assert list(fsp.delivered().values()) == contents
