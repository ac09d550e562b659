"""Two thousand texts that want to be a log line, or to break one; read back by a parser that knows the formats only."""
import itertools
import re

from fsp import Fsp, request
from messages import report, token

STAMP = r"(\d\d):(\d\d):(\d\d)\.(\d{3})([+-]\d{3})"
CLIENT = re.compile(rf'<!\[LOG\[(?P<text>.*)\]LOG\]!><time="{STAMP}" date="(\d\d)-(\d\d)-(\d{{4}})" component="fspisapi" context="" '
                    r'type="(?P<type>[123])" thread="(\d+)" file="(?P<file>[a-z_]+\.c):(\d+)">')
COMPONENT = re.compile(rf"(?P<text>.*)  \$\$<SMS_FALLBACK_STATUS_POINT><(\d\d)-(\d\d)-(\d{{4}}) {STAMP}><thread=(\d+) \(0x([0-9A-F]+)\)>")
PRINTABLE = re.compile(r"[ -~\u00a0-\U0010ffff]*")
BIDIRECTIONAL = re.compile("[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")

FORGED = ("]LOG]!>", "<![LOG[", "$$<", "  $$<SMS_FALLBACK_STATUS_POINT><01-01-2024 00:00:00.000+000><thread=1 (0x1)>",
          ']LOG]!><time="00:00:00.000+000" date="01-01-2024" component="fspisapi" context="" type="3" thread="1" file="a.c:1">',
          "Successfully copied 9 out of 9 file(s)", "FORGED line")
ENDS = ("\n", "\r", "\r\n", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1b[2J", "\x1b]0;x\x07", "\u202e", "\u2066", "\x9b", "\x7f", "\t", "\0")
FILL = ("", "a", "a" * 100, "a" * 127, "a" * 128, "ä" * 64, "\U0001f600" * 32, "%s%n%x", "\\x0d\\x0a", "&#10;", "<![CDATA[", "'\"><script>")


def xml_text(text):
    """The text as XML carries it; what XML forbids is left out."""
    return "".join(f"&#{ord(c)};" if c in "\t\n\r<>&'\"\x7f\x85\x9b" else c for c in text if c >= " " or c in "\t\n\r")


def payloads():
    for fill, end, forged in itertools.product(FILL, ENDS, FORGED):
        yield fill + end + forged
        yield forged + end + fill


def attack(number, text):
    """One payload in one of the places that a stranger can write to."""
    plain = text.encode("utf-8")
    header = re.sub(rb"[\r\n\0]", b"", plain)[:2000]
    kind = number % 6
    if kind == 0:
        return request(report(name=xml_text(text), declaration="", mark=token()).encode())
    if kind == 1:
        return request(report(client_id=xml_text(text), declaration="", mark=token()).encode())
    if kind == 2:
        return request(report(version=xml_text(text), declaration="", mark=token()).encode())
    if kind == 3:
        return request(plain)
    if kind == 4:
        return b"POST /" + re.sub(rb"[\x00-\x20]", b"", plain) + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    return (b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nHost: " + header + b"\r\nX-Forwarded-For: " + header + b"\r\nUser-Agent: " + header
            + b"\r\nContent-Length: 1\r\n\r\nx")


def lines(path, formats):
    """Every line of a log, each matching the format whole."""
    data = path.read_bytes()
    assert data.endswith(b"\r\n")
    for raw in data[:-2].split(b"\r\n"):
        text = raw.decode("utf-8")  # nothing that is not UTF-8
        match = formats.fullmatch(text)
        assert match, f"{path.name}: {raw!r}"
        assert PRINTABLE.fullmatch(text) and not BIDIRECTIONAL.search(text) and not re.search("[\x80-\x9f]", text), raw
        yield match


def answer(fsp, data):
    with fsp.connect(timeout=5) as connection:
        connection.send(data)
        reply = connection.reply()
        return reply.status if reply else None


def test_no_payload_forges_or_breaks_a_line(tmp_path):
    fsp = Fsp(tmp_path / "fsp", {"listener": {"client_rate": "0", "trusted_proxies": "127.0.0.1"},
                                 "log": {"level": "verbose", "max_size": "64M"}}).start()
    try:
        texts = list(payloads())
        assert len(texts) >= 2000
        statuses = [answer(fsp, attack(n, text)) for n, text in enumerate(texts)]
        assert statuses.count(200) > 500 and statuses.count(400) > 500
        fsp.end()
    finally:
        if fsp.running():
            fsp.kill()
    client = list(lines(fsp.log / "fspisapi.log", CLIENT))
    assert len(client) == len([s for s in statuses if s is not None])
    for match in client:
        assert match["text"].startswith(("Received ", "Refused with "))
        assert "]LOG]!>" not in match["text"] and "<![LOG[" not in match["text"]
        assert match["file"] in ("answer.c", "porch.c")
    for match in lines(fsp.log / "fspmgr.log", COMPONENT):
        assert "$$<" not in match["text"] and "FORGED" not in match["text"]
        assert not match["text"].startswith("Successfully copied 9")
