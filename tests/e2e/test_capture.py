"""Capturing raw requests, for the first contact with a real client."""
import signal

import pytest
from fsp import PATH, request, wait_until
from messages import body


@pytest.fixture
def capturing(make_fsp, tmp_path):
    def make(**keys):
        folder = tmp_path / "capture"
        folder.mkdir()
        return make_fsp({"listener": {"capture": folder, **keys}}), folder
    return make


def captured(folder):
    return [p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()]


def wait_captured(folder, *wanted):
    """Waits until each of these bytes stands in some captured file."""
    wait_until(lambda: all(any(w in data for data in captured(folder)) for w in wanted), 5, f"{wanted} in the capture")


def test_head_body_and_answer_of_a_message_are_stored_as_they_came(capturing):
    fsp, folder = capturing()
    content = body()
    headers = {"User-Agent": "ccmhttp", "X-oDD-CasE": "Some  Value"}
    assert fsp.post(content, headers=headers, path=PATH + "?q=1").status == 200
    wait_captured(folder, content, f"POST {PATH}?q=1".encode(), b"X-oDD-CasE: Some  Value", b"200")
    fsp.expect_delivered(content)


@pytest.mark.parametrize("raw,status,wanted", [
    (request(b"<NoReport>mark-4711</NoReport>"), 400, b"<NoReport>mark-4711</NoReport>"),
    (request(b"mark-4712", path="/other/mark-4713"), 404, b"/other/mark-4713"),
    (request(b"", method="PROPFIND", headers={"X-Mark": "4714"}), 405, b"X-Mark: 4714"),
    (request(body(), headers={"Content-Encoding": "gzip", "X-Mark": "4715"}), 415, b"X-Mark: 4715"),
    (request(length=False, headers={"Content-Length": "9999999", "X-Mark": "4716"}), 413, b"X-Mark: 4716"),
    (request(length=False, headers={"X-Mark": "4717"}), 411, b"X-Mark: 4717"),
])
def test_refused_requests_are_captured_too(capturing, raw, status, wanted):
    fsp, folder = capturing()
    replies, _ = fsp.raw(raw, seconds=3)
    assert [r.status for r in replies] == [status]
    wait_captured(folder, wanted, b"%d" % status)


def test_a_chunked_body_is_captured(capturing):
    fsp, folder = capturing()
    content = body()
    assert fsp.post(None, chunks=[content[:100], content[100:]]).status == 200
    wait_captured(folder, content)


def test_what_did_not_come_whole_was_answered_nothing(capturing):
    fsp, folder = capturing()
    with fsp.connect() as connection:
        connection.send(request(length=False, headers={"Content-Length": "100", "Expect": "100-continue",
                                                       "X-Mark": "4718"}))
        assert connection.reply(head_only=True).status == 100
    wait_captured(folder, b"X-Mark: 4718")
    answers = wait_until(lambda: list(folder.glob("*.answer")), 5, "the answer's file")
    assert [b"status: none\n" in a.read_bytes() for a in answers] == [True]


def test_a_reload_changes_the_folder(capturing, tmp_path):
    fsp, folder = capturing(capture_limit="2")
    other = tmp_path / "other"
    fsp.post(b"to the first")
    wait_captured(folder, b"to the first")
    fsp.configure({"listener": {"capture": other}})
    fsp.signal(signal.SIGHUP)
    wait_until(other.is_dir, 10, "the other folder")

    def taken():
        assert fsp.post(b"to the other").status == 400
        return b"to the other" in captured(other)
    wait_until(taken, 10, "a capture in the other folder")


def test_the_capture_is_bounded(capturing):
    fsp, folder = capturing(capture_limit="5", client_rate="0")
    fsp.accept(*[body() for _ in range(20)])
    wait_until(lambda: captured(folder), 5, "a capture")
    files = len(captured(folder))
    fsp.accept(*[body() for _ in range(40)])
    for _ in range(10):
        fsp.post(b"refused")
    fsp.restart()
    fsp.accept(*[body() for _ in range(20)])
    fsp.stop()
    # At most a few files a request, and no more after 70 than after 20.
    assert len(captured(folder)) == files <= 5 * 4


def test_nothing_is_captured_when_it_is_off(fsp):
    fsp.accept(body())
    fsp.stop()
    content = next(iter(fsp.staged().values()), None)
    kept = [p for p in fsp.folder.rglob("*") if p.is_file() and p.suffix not in (".SMX", ".db", ".db-wal", ".db-shm")]
    assert content is None or all(content not in p.read_bytes() for p in kept)


def test_a_capture_folder_that_is_gone_does_not_stop_intake(capturing):
    fsp, folder = capturing()
    folder.rmdir()
    content = body()
    fsp.accept(content)
    fsp.expect_delivered(content)
