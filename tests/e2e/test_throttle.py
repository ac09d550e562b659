"""No more than so many files in any such time, whatever is ordered."""
import signal

from fsp import wait_until
from messages import body


def throttled(make_fsp, count, seconds="1h"):
    return make_fsp({"forwarder": {"throttle_messages": count, "throttle_interval": seconds}})


def test_the_oldest_go_and_the_rest_stays_staged(make_fsp):
    fsp = throttled(make_fsp, 5)
    contents = [body() for _ in range(12)]
    fsp.accept(*contents)
    assert fsp.forward() == (5, 5, 0)
    assert list(fsp.delivered().values()) == contents[:5]
    assert fsp.status()["staged"] == 7


def test_forced_runs_do_not_lift_it(make_fsp):
    fsp = throttled(make_fsp, 5)
    contents = [body() for _ in range(12)]
    fsp.accept(*contents)
    assert [fsp.forward()[0] for _ in range(3)] == [5, 0, 0]
    runs = fsp.log_bytes().count(b"Successfully copied")
    fsp.signal(signal.SIGUSR1)
    wait_until(lambda: fsp.log_bytes().count(b"Successfully copied") > runs, what="a run")
    assert list(fsp.delivered().values()) == contents[:5]


def test_restarts_and_kills_do_not_lift_it(make_fsp):
    fsp = throttled(make_fsp, 5)
    contents = [body() for _ in range(12)]
    fsp.accept(*contents)
    assert fsp.forward() == (5, 5, 0)
    fsp.restart()
    fsp.kill()
    fsp.start()
    assert fsp.forward()[0] == 0
    assert list(fsp.delivered().values()) == contents[:5]


def test_several_runs_share_one_allowance(make_fsp):
    fsp = throttled(make_fsp, 5)
    contents = [body() for _ in range(8)]
    fsp.accept(*contents[:3])
    assert fsp.forward() == (3, 3, 0)
    fsp.accept(*contents[3:])
    assert fsp.forward() == (2, 2, 0)
    assert list(fsp.delivered().values()) == contents[:5]


def test_when_the_time_is_over_the_next_go(make_fsp):
    fsp = throttled(make_fsp, 3, "4s")
    contents = [body() for _ in range(9)]
    fsp.accept(*contents)
    wait_until(lambda: fsp.forward() and len(fsp.delivered()) == 9, 30, "all messages", pause=0.2)
    assert list(fsp.delivered().values()) == contents
    # Never more than three within four seconds: by the files' own times.
    times = sorted((fsp.inbox / n).stat().st_ctime for n in fsp.delivered())
    assert all(later - earlier >= 3.9 for earlier, later in zip(times, times[3:])), times


def test_0_is_no_limit(make_fsp):
    fsp = throttled(make_fsp, 0)
    contents = [body() for _ in range(40)]
    fsp.accept(*contents)
    fsp.expect_delivered(*contents)


def test_a_run_that_could_not_deliver_uses_nothing_up(make_fsp):
    fsp = throttled(make_fsp, 3)
    contents = [body() for _ in range(5)]
    fsp.accept(*contents)
    fsp.inbox.rmdir()
    assert fsp.forward() == (0, 3, 1)
    fsp.inbox.mkdir()
    assert fsp.forward() == (3, 3, 0)
    assert list(fsp.delivered().values()) == contents[:3]


def test_the_limit_is_raised_by_a_reload(make_fsp):
    fsp = throttled(make_fsp, 2)
    contents = [body() for _ in range(6)]
    fsp.accept(*contents)
    assert fsp.forward() == (2, 2, 0)
    fsp.configure({"forwarder": {"throttle_messages": "100"}})
    fsp.signal(signal.SIGHUP)
    wait_until(lambda: fsp.forward()[0] == 4, 10, "the rest")
    assert list(fsp.delivered().values()) == contents
