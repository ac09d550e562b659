"""The logs as a log viewer reads them, and what a stranger cannot do to them."""
import calendar
import re
import shutil
import signal
import time

import pytest
from fsp import PATH, request, wait_until
from messages import body, report

# As log viewers scan them: %02hu-%02hu-%04hu %02hu:%02hu:%02hu.%03hu%05ld and thread=%lu (0x%lX).
MGR = re.compile(r"(?P<text>.*)  \$\$<SMS_FALLBACK_STATUS_POINT>"
                 r"<(?P<date>\d\d-\d\d-\d{4}) (?P<time>\d\d:\d\d:\d\d\.\d{3})(?P<bias>[+-]\d{3})>"
                 r"<thread=(?P<thread>\d+) \(0x(?P<hex>[0-9A-F]+)\)>")
ISAPI = re.compile(r'<!\[LOG\[(?P<text>.*)\]LOG\]!><time="(?P<time>\d\d:\d\d:\d\d\.\d{3})(?P<bias>[+-]\d{3})" '
                   r'date="(?P<date>\d\d-\d\d-\d{4})" component="fspisapi" context="" type="(?P<type>[123])" '
                   r'thread="(?P<thread>\d+)" file="(?P<file>[^":]{1,90}:\d+)">')
# C0, DEL, C1, bidirectional controls, line and paragraph separators.
NOT_PRINTED = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def check(data, pattern, markers):
    """Every line of a log parses, once, and holds nothing that does not print."""
    text = data.decode("utf-8")
    assert text == "" or text.endswith("\r\n")
    found = []
    for line in text.split("\r\n")[:-1]:
        assert not NOT_PRINTED.search(line), line
        match = pattern.fullmatch(line)
        assert match, line
        for marker in markers:
            assert line.count(marker) == 1, line
        found.append(match)
    return found


def check_mgr(data):
    found = check(data, MGR, ["$$<"])
    for match in found:
        assert int(match["thread"]) == int(match["hex"], 16), match.group()
    return found


def check_isapi(data):
    return check(data, ISAPI, ["<![LOG[", "]LOG]!>"])


def test_every_line_of_a_day_parses_in_both_logs(fsp):
    fsp.accept(body(), body(), body(topic=1000, state=1))
    for content in (b"", b"x", body(version="2.50")):
        fsp.post(content)
    fsp.post(body(), path="/other")
    fsp.forward()
    fsp.signal(signal.SIGHUP)
    shutil.rmtree(fsp.inbox)
    fsp.accept(body())
    fsp.forward()
    fsp.stop()
    assert len(check_mgr(fsp.log_bytes())) >= 5
    isapi = check_isapi(fsp.log_bytes("fspisapi"))
    assert {m["type"] for m in isapi} & {"2", "3"}, "refusals are told as warnings or errors"


def test_a_good_day_shows_no_red_or_yellow_line_and_a_bad_one_does(fsp):
    fsp.accept(body(), body())
    fsp.forward()
    fsp.signal(signal.SIGUSR1)
    fsp.restart()
    fsp.stop()
    coloured = [line for line in fsp.log_lines() if re.search("error|fail|warn", line, re.I)]
    assert coloured == []
    fsp.start()
    shutil.rmtree(fsp.inbox)
    fsp.accept(body())
    fsp.forward()
    assert [line for line in fsp.log_lines() if re.search("error|fail", line, re.I)]


@pytest.mark.parametrize("zone,bias", [("UTC0", "+000"), ("EST5", "+300"), ("CET-1", "-060"), ("IST-5:30", "-330"),
                                       ("XXX12", "+720"), ("YYY-14", "-840")])
def test_the_bias_is_minutes_west_of_utc(make_fsp, zone, bias):
    fsp = make_fsp(env={"TZ": zone})
    before = time.time()
    fsp.accept(body())
    fsp.post(b"x")
    wait_until(lambda: fsp.log_bytes("fspisapi"), what="a line")
    for found in (check_mgr(fsp.log_bytes()), check_isapi(fsp.log_bytes("fspisapi"))):
        assert {m["bias"] for m in found} == {bias}
        last = found[-1]
        moment = time.strptime(f"{last['date']} {last['time'][:8]} UTC", "%m-%d-%Y %H:%M:%S %Z")
        assert abs(calendar.timegm(moment) + int(bias) * 60 - before) < 30, last.group()


def test_start_and_stop_and_the_address_are_told(fsp):
    fsp.stop()
    texts = [m["text"] for m in check_mgr(fsp.log_bytes())]
    assert f"Listening for state messages on {fsp.url}" in texts
    assert any(re.search("stop", t, re.I) for t in texts), texts


def xml_text(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") \
        .replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")


PAYLOADS = {
    "a forged client line": 'x]LOG]!><time="00:00:00.000+000" date="01-01-2024" component="fspisapi" context="" type="1" '
                            'thread="1" file="a:1">\r\n<![LOG[forged]LOG]!>',
    "a forged server line": "x  $$<SMS_FALLBACK_STATUS_POINT><01-01-2024 00:00:00.000+000><thread=1 (0x1)>\r\n"
                            "Successfully copied 9 out of 9 file(s)  $$<X>",
    "line ends": "a\r\nb\nc\rd",
    "a tab": "a\tb",
    "C1 controls": "a\u0085b\u009bc",
    "separators": "a\u2028b\u2029c",
    "bidirectional controls": "a\u202eb\u2066c\u200f",
    "format directives": "%s%n%x%1000000d",
    "a terminal's": "\u009b31m",
    "very long": "L" * 20000,
    "many wide signs": "\u20ac\U0001f4bb" * 2000,
    "markers only": "$$<" * 20 + "]LOG]!>" * 20 + "<![LOG[" * 20,
    "markers cut at the field's end": "A" * 124 + "]LOG]!>" + "$$<",
    "a quote": '" type="3" x="',
    "a tilde": "~~ ~",
}


@pytest.mark.parametrize("what", PAYLOADS)
def test_no_text_of_a_client_ends_a_line_starts_one_or_forges_a_marker(make_fsp, what):
    fsp = make_fsp({"log": {"level": "verbose"}, "listener": {"max_message_size": "1M"}})
    text = xml_text(PAYLOADS[what])
    kw = dict(name=text, client_id=text, topic_id=text, params=(text,), declaration="")
    fsp.accept(report(**kw).encode())
    for content in (report(version="2.50" + text, **kw).encode(), report(**kw).encode()[:-9],
                    report(**kw, more="<!DOCTYPE").encode(), f"<{what.replace(' ', '')}>".encode(), text.encode()):
        assert fsp.post(content).status in (400, 403)
    fsp.forward()
    fsp.stop()
    check_mgr(fsp.log_bytes())
    isapi = check_isapi(fsp.log_bytes("fspisapi"))
    # A field is cut at 128 bytes, four signs each at the worst, and a line has only so many fields.
    assert all(len(m["text"]) < 4096 for m in isapi), max(len(m["text"]) for m in isapi)
    assert b"forged]LOG]" not in fsp.log_bytes("fspisapi").replace(b"\\", b"")


@pytest.mark.parametrize("raw", [
    b"POST /x]LOG]!><time= HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /\x1b[31m\xc2\x85\xe2\x80\xa8 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /%0d%0a%3c![LOG[x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"$$<SMS HTTP/1.1 x\r\n\r\n",
    b"]LOG]!> / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Encoding: ]LOG]!>$$<\x01\r\n\r\n".encode(),
    f"POST {PATH} HTTP/1.1\r\nHost: ]LOG]!>\r\nUser-Agent: <![LOG[\r\nContent-Length: 1\r\n\r\nx".encode(),
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ]LOG]!>$$<\r\nContent-Length: 1\r\n\r\nx".encode(),
    f"POST {PATH} HTTP/1.1\r\nHost: x\r\nExpect: ]LOG]!>$$<\r\nContent-Length: 1\r\n\r\nx".encode(),
    bytes(range(1, 256)) + b"\r\n\r\n",
])
def test_no_head_of_a_request_does_either(make_fsp, raw):
    fsp = make_fsp({"log": {"level": "verbose"}, "listener": {"trusted_proxies": "127.0.0.1", "request_timeout": "2s",
                                                              "idle_timeout": "2s"}})
    replies, _ = fsp.raw(raw, seconds=8)
    assert all(r.status != 200 for r in replies)
    fsp.accept(body())
    fsp.stop()
    check_mgr(fsp.log_bytes())
    check_isapi(fsp.log_bytes("fspisapi"))


def test_signs_that_do_not_print_stand_as_their_bytes(make_fsp):
    fsp = make_fsp({"log": {"level": "verbose"}})
    # A path is a client's text that each refusal may name; the escape is the log's own.
    fsp.post(body(name="HOST\u2028\u202e\u0085END"))
    fsp.post(body(name="HOST\u2028\u202e\u0085END", version="2.50"))
    wait_until(lambda: fsp.log_bytes("fspisapi"), what="a line")
    fsp.stop()
    text = fsp.log_bytes("fspisapi").decode() + fsp.log_bytes().decode()
    named = [line for line in text.split("\r\n") if "HOST" in line]
    assert named, "no log names the client at level verbose"
    assert all(r"HOST\xE2\x80\xA8\xE2\x80\xAE\xC2\x85END".lower() in line.lower() for line in named), named


def flood(fsp, count):
    """Refused messages, fifty at a time on one connection."""
    raw = request(b"no report")
    with fsp.connect() as connection:
        for _ in range(0, count, 50):
            connection.send(raw * 50)
            for _ in range(50):
                assert connection.reply().status == 400


def test_a_log_rolls_over_and_both_parts_parse(make_fsp):
    fsp = make_fsp({"log": {"max_size": "64K"}})
    flood(fsp, 1500)
    old = fsp.log / "fspisapi.lo_"
    wait_until(old.exists, what="fspisapi.lo_")
    fsp.stop()
    check_isapi(old.read_bytes())
    check_isapi(fsp.log_bytes("fspisapi"))
    assert old.stat().st_size < 70 * 1024 and len(fsp.log_bytes("fspisapi")) < 70 * 1024
    assert {p.name for p in fsp.log.iterdir()} <= {"fspmgr.log", "fspisapi.log", "fspisapi.lo_"}


def test_a_log_rolls_over_in_the_folder_of_a_reload_too(make_fsp, tmp_path):
    fsp, other = make_fsp({"log": {"max_size": "64K"}}), tmp_path / "other"
    other.mkdir()
    fsp.configure({"log": {"directory": other}})
    fsp.signal(signal.SIGHUP)
    wait_until(lambda: (other / "fspmgr.log").exists() and "is in force" in (other / "fspmgr.log").read_text(), what="the reload")
    flood(fsp, 1500)
    wait_until((other / "fspisapi.lo_").exists, what="fspisapi.lo_")
    fsp.stop()
    check_isapi((other / "fspisapi.lo_").read_bytes() + (other / "fspisapi.log").read_bytes())


def test_no_history_is_kept_when_none_is_wanted(make_fsp):
    fsp = make_fsp({"log": {"max_size": "64K", "max_history": "0"}})
    flood(fsp, 1500)
    fsp.stop()
    assert {p.name for p in fsp.log.iterdir()} == {"fspmgr.log", "fspisapi.log"}
    assert len(fsp.log_bytes("fspisapi")) < 70 * 1024


@pytest.mark.bound(240)
def test_what_a_stranger_can_cause_is_a_megabyte_a_minute_and_then_summarised(make_fsp):
    fsp = make_fsp({"log": {"max_size": "64M"}})
    began = time.monotonic()
    flood(fsp, 15000)
    assert time.monotonic() - began < 50, "too slow to be a flood"
    size = len(fsp.log_bytes("fspisapi")) + len(fsp.log_bytes())
    # The flood may lie over the border of two minutes.
    assert size < 2_200_000, size
    lines = len(fsp.log_lines("fspisapi"))
    assert lines < 15000, "nothing was suppressed"
    wait_until(lambda: re.search(r"suppress|not written|more lines|left out", fsp.log_bytes("fspisapi").decode()[-200000:]
                                 + fsp.log_bytes().decode()[-20000:], re.I), 90, "the summary", pause=0.5)
    check_isapi(fsp.log_bytes("fspisapi"))
    check_mgr(fsp.log_bytes())


@pytest.mark.parametrize("level,types", [("error", {"3"}), ("warning", {"2", "3"}), ("info", {"1", "2", "3"})])
def test_lines_below_the_level_are_not_written(make_fsp, level, types):
    fsp = make_fsp({"log": {"level": "info"}})
    fsp.configure({"log": {"level": level}})
    fsp.signal(signal.SIGHUP)
    port = fsp.port
    wait_until(lambda: fsp.post(b"x").status == 400, what="an answer")
    time.sleep(0.5)
    mark = len(fsp.log_bytes("fspisapi"))
    fsp.accept(body())
    fsp.post(b"y")
    assert fsp.port == port
    fsp.stop()
    assert {m["type"] for m in check_isapi(fsp.log_bytes("fspisapi")[mark:])} <= types
