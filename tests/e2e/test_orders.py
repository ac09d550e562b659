"""Orders that move messages back, and the drain."""
import subprocess

import pytest
from fsp import wait_until
from messages import body


def test_resend_puts_forwarded_messages_back_by_order(fsp):
    contents = [body(), body()]
    fsp.accept(*contents)
    fsp.expect_delivered(*contents)
    for path in fsp.inbox.iterdir():
        path.unlink()
    result = fsp.ctl("resend", "--since", "1h")
    assert result.returncode == 0, result
    wait_until(lambda: fsp.forward() and len(fsp.delivered()) == 2, 15, "the messages once more")
    assert list(fsp.delivered().values()) == contents


def test_requeue_puts_a_quarantined_message_back(fsp):
    content = body()
    fsp.accept(content)
    name = wait_until(lambda: next(iter(fsp.staged()), None), what="the staged file")
    path = next(fsp.staging.rglob(name))
    path.write_bytes(b"rubbish")
    fsp.forward()
    assert fsp.status()["quarantined"] == 1
    row, = fsp.rows("--delivery", "quarantined")
    # A person has mended it.
    (fsp.staging / "corrupt" / name).write_bytes(content)
    assert fsp.ctl("requeue", row["id"]).returncode == 0
    wait_until(lambda: fsp.forward() and fsp.delivered(), 15, "the message")
    assert fsp.delivered() == {name: content}
    assert fsp.status()["quarantined"] == 0
    assert fsp.ctl("requeue", "20240101T000000000Z-0001-00000001").returncode == 1


def test_drain_forwards_all_refuses_new_messages_and_ends_with_0(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "0"}})
    contents = [body() for _ in range(20)]
    fsp.accept(*contents)
    result = fsp.ctl("drain")
    assert result.returncode == 0, result
    assert list(fsp.delivered().values()) == contents
    assert fsp.status()["staged"] == 0


def test_drain_refuses_new_messages_with_503_while_it_waits(fsp):
    fsp.accept(body())
    fsp.inbox.rmdir()
    with subprocess.Popen([str(fsp.bin / "fspctl"), "-c", str(fsp.config), "drain"], env=fsp.environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as drain:
        try:
            reply = wait_until(lambda: (r := fsp.post(body())).status != 200 and r, 5, "a refusal", pause=0.2)
            assert reply.status == 503 and int(reply.header("retry-after")) > 0, reply
            fsp.inbox.mkdir()
            fsp.ctl("forward")
            drain.wait(timeout=40)
        finally:
            drain.kill()
    assert fsp.status()["staged"] == 0


def test_drain_without_the_daemon_ends_with_3(fsp):
    fsp.stop()
    assert fsp.ctl("drain").returncode == 3


@pytest.mark.parametrize("arguments", [["requeue"], ["resend"], ["resend", "--since", "whenever"], ["drain", "surplus"]])
def test_wrong_usage_ends_with_64(fsp, arguments):
    result = fsp.ctl(*arguments)
    assert result.returncode == 64 and "there is no command" not in result.stderr, result
