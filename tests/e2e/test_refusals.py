"""What is refused, and how: the table of answers, row by row."""
import pytest
from fsp import PATH, request
from messages import body, body_of_size, document, machine, report, state_message, token, utf16

GOOD = '<?xml version="1.0" encoding="UTF-8"?>'


def changed(old, new, **kw):
    text = report(declaration="", **kw)
    assert old in text
    return text.replace(old, new).encode()


TOPIC = '<Topic ID="{0D94311F-CB7B-4E73-94B1-75878081111C}" Type="800" IDType="0" User="" UserSID=""/>'
STATE = '<State ID="100" Criticality="0"/>'

MALFORMED = {
    "nothing at all": lambda: b"",
    "white space only": lambda: b" \r\n",
    "NULs only": lambda: b"\0\0\0\0",
    "no XML": lambda: b"hello",
    "JSON": lambda: b'{"Report": 1}',
    "cut off": lambda: body()[:-20],
    "a byte order mark only": lambda: b"\xff\xfe",
    "tags crossed": lambda: changed("</ReportBody></Report>", "</Report></ReportBody>"),
    "an unquoted attribute": lambda: changed('Type="800"', "Type=800"),
    "an attribute twice": lambda: changed('Type="800"', 'Type="800" Type="800"'),
    "an unbound prefix": lambda: report(declaration="", more="<x:y/>").encode(),
    "an unbound attribute prefix": lambda: report(declaration="", more='<y x:a="1"/>').encode(),
    "an unknown entity": lambda: report(declaration="", more="&nbsp;").encode(),
    "a bare ampersand": lambda: report(declaration="", more="a & b").encode(),
    "a forbidden character": lambda: report(declaration="", more="\x07").encode(),
    "a reference to NUL": lambda: report(declaration="", more="&#0;").encode(),
    "a NUL within": lambda: report(declaration="", more="\0").encode(),
    "XML 1.1": lambda: report(declaration='<?xml version="1.1"?>').encode(),
    "a declaration that is not first": lambda: b" " + report(declaration=GOOD).encode(),
    "another root": lambda: changed("<Report>", "<Rapport>").replace(b"</Report>", b"</Rapport>"),
    "the root in small letters": lambda: changed("<Report>", "<report>").replace(b"</Report>", b"</report>"),
    "no machine": lambda: document("", state_message(), "").encode(),
    "a machine in the wrong place": lambda: document("", state_message() + machine(), "").encode(),
    "no state message": lambda: document(machine(), "", "").encode(),
    "a state message in the wrong place": lambda: document(machine() + state_message(), "", "").encode(),
    "no topic": lambda: changed(TOPIC, ""),
    "two topics": lambda: changed(TOPIC, TOPIC * 2),
    "no state": lambda: changed(STATE, ""),
    "two states": lambda: changed(STATE, STATE * 2),
    "a topic without type": lambda: changed('Type="800"', ""),
    "a topic of no number": lambda: changed('Type="800"', 'Type="eight"'),
    "an empty topic type": lambda: changed('Type="800"', 'Type=""'),
    "a number with a tail": lambda: changed('Type="800"', 'Type="800x"'),
    "a state without id": lambda: changed('<State ID="100"', "<State"),
    "a state of no number": lambda: changed('<State ID="100"', '<State ID="0x64"'),
    "a number that no machine holds": lambda: changed('<State ID="100"', '<State ID="99999999999999999999999"'),
    "one good and one bad state message": lambda: document(
        machine(), state_message() + state_message(topic="x"), "").encode(),
    "a DOCTYPE": lambda: b"<!DOCTYPE Report>" + report(declaration="").encode(),
    "a DOCTYPE with entities": lambda: b'<!DOCTYPE Report [<!ENTITY a "b">]>' + report(declaration="", more="&a;").encode(),
    "a DOCTYPE that names a file": lambda:
        b'<!DOCTYPE Report [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + report(declaration="", more="&a;").encode(),
    "a processing instruction before": lambda: b'<?xml-stylesheet href="x"?>' + report(declaration="").encode(),
    "a processing instruction within": lambda: report(declaration="", more="<?php 1 ?>").encode(),
    "a processing instruction after": lambda: report(declaration="").encode() + b"<?x?>",
    "sixty-five levels": lambda: report(declaration="", more="<d>" * 61 + "</d>" * 61).encode(),
    "ten thousand levels": lambda: report(declaration="", more="<d>" * 9000).encode(),
    "two hundred and fifty-seven attributes": lambda: report(
        declaration="", more="<A " + " ".join(f'a{i}="1"' for i in range(257)) + "/>").encode(),
    "text after the root": lambda: report(declaration="").encode() + b"x",
    "a second root": lambda: report(declaration="").encode() * 2,
    "text before the root": lambda: b"x" + report(declaration="").encode(),
    "a NUL and text after the root": lambda: report(declaration="").encode() + b"\0x",
    "an odd number of utf-16 bytes": lambda: utf16(report()) + b"x",
    "an odd number of utf-16 bytes in the middle": lambda: utf16(report())[:501] + utf16(report())[502:],
    "half a pair of surrogates": lambda: utf16(report(more="@")).replace(b"@\0", b"\x3d\xd8"),
    "bytes that are no utf-8": lambda: report(declaration=GOOD, more="@").encode().replace(b"@", b"\xff"),
    "overlong utf-8": lambda: report(declaration=GOOD, more="@").encode().replace(b"@", b"\xc0\xaf"),
    "a surrogate in utf-8": lambda: report(declaration=GOOD, more="@").encode().replace(b"@", b"\xed\xa0\x80"),
    "declared latin-1": lambda: report(declaration='<?xml version="1.0" encoding="ISO-8859-1"?>').encode("latin-1"),
    "declared windows-1252": lambda: report(declaration='<?xml version="1.0" encoding="windows-1252"?>').encode("cp1252"),
    "declared utf-7": lambda: report(declaration='<?xml version="1.0" encoding="UTF-7"?>').encode(),
    "declared by a converter's name": lambda: report(declaration='<?xml version="1.0" encoding="../../x"?>').encode(),
    "utf-32": lambda: report(declaration="").encode("utf-32"),
    "EBCDIC": lambda: report(declaration='<?xml version="1.0" encoding="ebcdic-cp-us"?>').encode("cp037"),
    "compressed": lambda: b"\x78\x9c" + bytes(range(200)),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_body_that_is_no_state_message_is_answered_400(fsp, what):
    with fsp.connect() as connection:
        reply = connection.post(MALFORMED[what]())
        assert reply.status == 400, reply
        assert reply.reason_line()
        # The connection is in order: the next message on it is taken.
        good = body()
        assert connection.post(good).status == 200
    fsp.expect_delivered(good)


BROKEN_PARTS = {
    "no boundary named": ("multipart/mixed", b"--x\r\n\r\n%s\r\n--x--\r\n"),
    "another boundary named": ("multipart/mixed; boundary=y", b"--x\r\n\r\n%s\r\n--x--\r\n"),
    "no report in it": ("multipart/mixed; boundary=x", b"--x\r\n\r\nhello\r\n--x--\r\n"),
    "two reports in it": ("multipart/mixed; boundary=x", b"--x\r\n\r\n%s\r\n--x\r\n\r\n%s\r\n--x--\r\n"),
    "no end": ("multipart/mixed; boundary=x", b"--x\r\n\r\n%s"),
}


@pytest.mark.parametrize("what", BROKEN_PARTS)
def test_a_multipart_body_that_cannot_be_taken_apart_is_answered_400(fsp, what):
    content_type, frame = BROKEN_PARTS[what]
    reply = fsp.post(frame.replace(b"%s", report(declaration="").encode()), headers={"Content-Type": content_type})
    assert reply.status == 400, reply
    assert reply.reason_line()
    assert fsp.status()["staged"] == 0


@pytest.mark.parametrize("path", ["/", "/SMS_FSP", "/SMS_FSP/.sms_fsp/", PATH + "/x", "/x" + PATH, "/SMS_MP/.sms_aut",
                                  "//SMS_FSP/.sms_fsp", "/SMS_FSP/../SMS_FSP/.sms_fsp", "/" + "a" * 4000])
def test_another_path_is_answered_404(fsp, path):
    reply = fsp.post(body(), path=path)
    assert reply.status == 404, reply
    assert reply.reason_line()
    assert fsp.status()["staged"] == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BITS_POST", "PROPFIND", "post",
                                    "POSTX"])
def test_another_method_is_answered_405_with_those_allowed(fsp, method):
    reply = fsp.post(body() if method in ("PUT", "PATCH", "BITS_POST", "post", "POSTX") else b"", method=method)
    assert reply.status == 405, reply
    assert "POST" in [m.strip() for m in reply.header("allow").split(",")]
    assert reply.reason_line()
    assert fsp.status()["staged"] == 0


def test_HEAD_is_answered_405_without_a_body(fsp):
    with fsp.connect() as connection:
        connection.send(request(method="HEAD", length=False))
        reply = connection.reply(head_only=True)
        assert (reply.status, "POST" in reply.header("allow")) == (405, True)


@pytest.mark.parametrize("expect", [{}, {"Expect": "100-continue"}])
def test_a_message_over_the_largest_size_is_answered_413_before_it_is_sent(make_fsp, expect):
    fsp = make_fsp({"listener": {"max_message_size": "8K"}})
    with fsp.connect(timeout=5) as connection:
        connection.send(request(length=False, headers={"Content-Length": 8193, **expect}))
        reply = connection.reply()
        assert reply.status == 413, reply
        assert reply.reason_line()
        assert connection.closed(5)


def test_a_chunked_message_over_the_largest_size_is_answered_413_and_closed(make_fsp):
    fsp = make_fsp({"listener": {"max_message_size": "8K"}})
    content = body_of_size(8193)
    with fsp.connect(timeout=5) as connection:
        connection.send(request(chunks=[content[:4000], content[4000:]]))
        reply = connection.reply()
        # The peer may have reset the connection before the answer was read: closed is closed.
        assert reply is None or reply.status == 413, reply
        assert connection.closed(5)
    assert fsp.status()["staged"] == 0


def test_an_endless_chunked_message_is_cut_off(fsp):
    with fsp.connect(timeout=10) as connection:
        connection.send(request(length=False, headers={"Transfer-Encoding": "chunked"}))
        sent = 0
        while sent < 64 << 20 and connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n"):
            sent += 65536
        assert sent < 64 << 20


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "x-unknown"])
def test_a_content_coding_is_answered_415(fsp, coding):
    reply = fsp.post(body(), headers={"Content-Encoding": coding})
    assert reply.status == 415, reply
    assert reply.reason_line()
    assert fsp.status()["staged"] == 0


M = report(mark="framing", declaration="").encode()
L = len(M)
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode()


def head(*lines, start=HEAD):
    return start + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def sized(*lines, start=HEAD):
    return head(*lines, b"Content-Length: %d" % L, start=start) + M


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (L, M)
NO_HOST = f"POST {PATH} HTTP/1.1\r\n".encode()
OLD = f"POST {PATH} HTTP/1.0\r\n".encode()

FRAMING = {
    "CL with TE": sized(b"Transfer-Encoding: chunked"),
    "TE with CL": head(b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(CHUNKED)) + CHUNKED,
    "two equal CLs": sized(b"Content-Length: %d" % L),
    "two different CLs": sized(b"Content-Length: 1"),
    "two CLs in one line": head(b"Content-Length: %d, %d" % (L, L)) + M,
    "a negative CL": head(b"Content-Length: -1") + M,
    "a CL with a sign": head(b"Content-Length: +%d" % L) + M,
    "a CL in hex": head(b"Content-Length: 0x%x" % L) + M,
    "a CL of words": head(b"Content-Length: many") + M,
    "a CL with a tail": head(b"Content-Length: %d x" % L) + M,
    "an empty CL": head(b"Content-Length:") + M,
    "a CL beyond all numbers": head(b"Content-Length: 99999999999999999999999") + M,
    "a CL that wraps to ours": head(b"Content-Length: %d" % (2**64 + L)) + M,
    "an unknown TE": head(b"Transfer-Encoding: xchunked") + CHUNKED,
    "gzip as TE": head(b"Transfer-Encoding: gzip") + CHUNKED,
    "gzip and chunked as TE": head(b"Transfer-Encoding: gzip, chunked") + CHUNKED,
    "chunked not last": head(b"Transfer-Encoding: chunked, gzip") + CHUNKED,
    "chunked twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + CHUNKED,
    "chunked twice in one line": head(b"Transfer-Encoding: chunked, chunked") + CHUNKED,
    "identity as TE": head(b"Transfer-Encoding: identity") + CHUNKED,
    "an empty TE": head(b"Transfer-Encoding:") + CHUNKED,
    "a quoted TE": head(b'Transfer-Encoding: "chunked"') + CHUNKED,
    "an obscured TE": head(b"Transfer-Encoding: \x0bchunked") + CHUNKED,
    "TE on HTTP/1.0": head(b"Transfer-Encoding: chunked", start=OLD) + CHUNKED,
    "neither CL nor TE": head() + M,
    "neither on HTTP/1.0": head(start=OLD) + M,
    "no Host": sized(start=NO_HOST),
    "two Hosts": sized(b"Host: y"),
    "two equal Hosts": sized(b"Host: x"),
    "a space before the colon": head(b"Content-Length : %d" % L) + M,
    "a tab before the colon": sized(b"X\t: 1"),
    "a space in a header name": sized(b"X Y: 1"),
    "a bracket in a header name": sized(b"X(Y): 1"),
    "a control in a header name": sized(b"X\x01Y: 1"),
    "an umlaut in a header name": sized("Gerät: 1".encode()),
    "an empty header name": sized(b": 1"),
    "a line without a colon": sized(b"nonsense"),
    "a folded line": sized(b"X: 1", b" 2"),
    "a line folded by a tab": sized(b"X: 1", b"\t2"),
    "a first header folded": head(b" X: 1", start=f"POST {PATH} HTTP/1.1\r\n".encode() + b"") + M,
    "a folded TE": head(b"Transfer-Encoding:", b" chunked") + CHUNKED,
    "a bare LF in a CRLF head": sized(b"X: 1\nY: 2"),
    "a bare CR in a CRLF head": sized(b"X: 1\rY: 2"),
    "a smuggled CL behind a bare CR": sized(b"X: 1\rContent-Length: 0"),
    "a bare LF after the request line": sized(start=f"POST {PATH} HTTP/1.1\nHost: x\r\n".encode()),
    "a bare LF before the end": HEAD + b"Content-Length: %d\r\n\n" % L + M,
    "a NUL in a value": sized(b"X: a\0b"),
    "a NUL in a name": sized(b"X\0Y: a"),
    "a NUL in the path": sized(start=f"POST {PATH}\0 HTTP/1.1\r\nHost: x\r\n".encode()),
    "a NUL in the query": sized(start=f"POST {PATH}?\0 HTTP/1.1\r\nHost: x\r\n".encode()),
    "a NUL in the method": sized(start=f"PO\0ST {PATH} HTTP/1.1\r\nHost: x\r\n".encode()),
    "a header of 33K": sized(b"X: " + b"a" * 33 * 1024),
    "600 headers of 60 bytes": sized(*[b"X-%04d: " % i + b"a" * 52 for i in range(600)]),
    "a path of 40K": sized(start=b"POST /" + b"a" * 40 * 1024 + b" HTTP/1.1\r\nHost: x\r\n"),
    "an endless head": HEAD + b"X: " + b"a" * 200 * 1024,
    "a chunk size of no number": head(b"Transfer-Encoding: chunked") + b"zz\r\n" + M + b"\r\n0\r\n\r\n",
    "a negative chunk size": head(b"Transfer-Encoding: chunked") + b"-1\r\n" + M + b"\r\n0\r\n\r\n",
    "a chunk size that wraps": head(b"Transfer-Encoding: chunked") + b"1%016x\r\n" % L + M + b"\r\n0\r\n\r\n",
    "a chunk size in 0x": head(b"Transfer-Encoding: chunked") + b"0x%x\r\n" % L + M + b"\r\n0\r\n\r\n",
    "no line end after a chunk": head(b"Transfer-Encoding: chunked") + b"%x\r\n" % L + M + b"0\r\n\r\n",
    "HTTP/2.0": sized(start=f"POST {PATH} HTTP/2.0\r\nHost: x\r\n".encode()),
    "HTTP/0.9": f"POST {PATH}\r\n\r\n".encode() + M,
    "no version": sized(start=f"POST {PATH}\r\nHost: x\r\n".encode()),
    "another protocol": sized(start=f"POST {PATH} ICY/1.1\r\nHost: x\r\n".encode()),
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    "binary rubbish": bytes(range(255, 0, -1)) + b"\r\n\r\n",
}


@pytest.mark.parametrize("shape", FRAMING)
def test_doubtful_framing_is_refused_and_the_connection_closed(make_fsp, shape):
    fsp = make_fsp({"listener": {"request_timeout": "3s", "idle_timeout": "3s"}})
    # Behind it stands a request that is in order: served, it would be a smuggled one.
    smuggled = request(report(mark="smuggled", declaration="").encode())
    replies, closed = fsp.raw(FRAMING[shape] + smuggled, seconds=9)
    assert [r for r in replies if r.status not in (400, 411, 413, 431, 505)] == [], replies
    assert len(replies) <= 1, replies
    assert closed, "the connection stays open"
    assert fsp.status()["staged"] == 0
    good = body()
    fsp.accept(good)
    fsp.expect_delivered(good)


# What is wrong only within the chunks is told in the words of libmicrohttpd.
HEADS = [shape for shape in FRAMING if "chunk size" not in shape and shape != "no line end after a chunk"]


@pytest.mark.parametrize("shape", HEADS)
def test_an_answer_to_doubtful_framing_carries_a_reason(make_fsp, shape):
    fsp = make_fsp({"listener": {"request_timeout": "2s", "idle_timeout": "2s"}})
    replies, _ = fsp.raw(FRAMING[shape], seconds=9)
    for reply in replies:
        assert reply.reason_line()


@pytest.mark.parametrize("shape,status", [("CL with TE", 400), ("two equal CLs", 400), ("neither CL nor TE", 411),
                                          ("TE on HTTP/1.0", 400), ("no Host", 400), ("two Hosts", 400),
                                          ("a header of 33K", 431)])
def test_the_commonest_framing_faults_are_told_the_client(fsp, shape, status):
    replies, closed = fsp.raw(FRAMING[shape])
    assert ([r.status for r in replies], closed) == ([status], True)
    assert replies[0].reason_line()


def test_a_client_that_goes_away_halfway_leaves_nothing(fsp):
    with fsp.connect() as connection:
        connection.send(request(body())[:-30])
    good = body()
    fsp.accept(good)
    assert fsp.status()["staged"] == 1
    fsp.expect_delivered(good)


def test_refusals_are_counted_and_good_messages_are_not(fsp):
    fsp.accept(body(), body())
    for content in (b"x", b"<y/>", token().encode()):
        assert fsp.post(content).status == 400
    assert fsp.post(b"", method="GET").status == 405
    status = fsp.status()
    assert (status["received"], status["refused"], status["staged"]) == (2, 4, 2)
