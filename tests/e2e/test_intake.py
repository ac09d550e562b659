"""What clients may send, and that what is staged and delivered is what they sent."""
import shutil
import socket
import subprocess

import pytest
from fsp import PATH, Connection, request, wait_until
from messages import KINDS, body, body_of_size, document, machine, report, state_message, token, utf16

UTF8 = '<?xml version="1.0" encoding="UTF-8"?>\n'
PLAIN = '<?xml version="1.0"?>'
LE, BE = b"\xff\xfe", b"\xfe\xff"


def text(declaration):
    # Not only ASCII: umlauts, Cyrillic, and a pair of surrogates in UTF-16.
    return report(declaration=declaration, params=("Gerät Жук \U0001f4bb",))


ENCODINGS = {
    "utf-8 without a declaration": lambda: text("").encode(),
    "utf-8 with a version only": lambda: text(PLAIN).encode(),
    "utf-8 declared": lambda: text(UTF8).encode(),
    "utf-8 with a mark": lambda: b"\xef\xbb\xbf" + text(UTF8).encode(),
    "utf-8 with a mark and no declaration": lambda: b"\xef\xbb\xbf" + text("").encode(),
    "utf-8 that declares utf-16": lambda: report(params=("Gerät",)).encode(),
    "utf-8 with a mark that declares utf-16": lambda: b"\xef\xbb\xbf" + report().encode(),
    "utf-8 declared in small letters": lambda: text('<?xml version="1.0" encoding="utf-8"?>').encode(),
    "utf-16le with a mark": lambda: LE + report().encode("utf-16-le"),
    "utf-16le without a mark": lambda: report().encode("utf-16-le"),
    "utf-16le with a mark, no declaration": lambda: LE + text("").encode("utf-16-le"),
    "utf-16le without mark and declaration": lambda: text("").encode("utf-16-le"),
    "utf-16le that declares utf-8": lambda: LE + text(UTF8).encode("utf-16-le"),
    "utf-16le without a mark that declares utf-8": lambda: text(UTF8).encode("utf-16-le"),
    "utf-16be with a mark": lambda: BE + report().encode("utf-16-be"),
    "utf-16be without a mark": lambda: report().encode("utf-16-be"),
    "utf-16be without mark and declaration": lambda: text("").encode("utf-16-be"),
    "utf-16be that declares utf-8": lambda: BE + text(UTF8).encode("utf-16-be"),
    "utf-16 with the byte order in its name": lambda: LE + report(
        declaration='<?xml version="1.0" encoding="UTF-16LE"?>').encode("utf-16-le"),
    "utf-16 with white space after the root": lambda: utf16(report() + "\r\n \t\r\n"),
    "utf-8 with white space after the root": lambda: (report(declaration=UTF8) + "\r\n \t\r\n").encode(),
    "standalone declared": lambda: report(declaration='<?xml version="1.0" standalone="yes"?>').encode(),
}


@pytest.mark.parametrize("form", ENCODINGS)
def test_every_encoding_is_staged_and_delivered_byte_for_byte(fsp, form):
    content = ENCODINGS[form]()
    fsp.accept(content)
    wait_until(lambda: list(fsp.staged().values()) == [content], what="the staged file")
    name = next(iter(fsp.staged()))
    fsp.expect_delivered(content)
    assert list(fsp.delivered()) == [name]
    # The ledger's own copy, and a file made of it again.
    assert fsp.ctl("show", name.removesuffix(".SMX"), "--raw").raw == content
    (fsp.inbox / name).unlink()
    assert fsp.ctl("requeue", name.removesuffix(".SMX")).returncode == 0
    wait_until(lambda: list(fsp.staged().values()) == [content], what="the file staged again")
    fsp.expect_delivered(content)


TAILS = {
    "one NUL after utf-8": (report(declaration=UTF8).encode(), b"\0"),
    "many NULs after utf-8": (report(declaration=UTF8).encode(), b"\0" * 9),
    "white space and NUL after utf-8": ((report(declaration=UTF8) + "\r\n").encode(), b"\0"),
    "one wide NUL after utf-16le": (utf16(report()), b"\0\0"),
    "many wide NULs after utf-16le": (utf16(report()), b"\0\0" * 5),
    "one odd NUL byte after utf-16le": (utf16(report()), b"\0"),
    "a wide NUL and an odd byte after utf-16le": (utf16(report()), b"\0\0\0"),
    "white space and a wide NUL after utf-16le": (utf16(report() + "\r\n"), b"\0\0"),
    "one wide NUL after utf-16be": (BE + report().encode("utf-16-be"), b"\0\0"),
    "one odd NUL byte after utf-16be": (BE + report().encode("utf-16-be"), b"\0"),
    "one wide NUL after unmarked utf-16le": (report().encode("utf-16-le"), b"\0\0"),
}


@pytest.mark.parametrize("form", TAILS)
def test_trailing_NULs_of_the_texts_own_width_are_cut_and_nothing_else(fsp, form):
    kept, tail = TAILS[form]
    fsp.accept(kept + tail)
    fsp.expect_delivered(kept)


@pytest.mark.parametrize("cuts", [1, 3, 100, 5000])
def test_a_chunked_message_is_taken_however_it_is_cut(fsp, cuts):
    content = body(params=("Gerät",), padding=2000)
    reply = fsp.post(None, chunks=[content[i:i + cuts] for i in range(0, len(content), cuts)])
    assert reply.status == 200
    fsp.expect_delivered(content)


def test_chunk_extensions_and_trailers_are_no_part_of_the_message(fsp):
    content = body()
    raw = request(length=False, headers={"Transfer-Encoding": "chunked"})
    raw += b"%X;name=value\r\n%s\r\n" % (len(content), content) + b"0\r\nX-Trailer: 1\r\n\r\n"
    with fsp.connect() as connection:
        connection.send(raw)
        assert connection.reply().status == 200
    fsp.expect_delivered(content)


def test_a_client_that_expects_100_continue_gets_it_before_it_sends_the_body(fsp):
    content = body()
    with fsp.connect(timeout=5) as connection:
        connection.send(request(length=False, headers={"Expect": "100-continue", "Content-Length": len(content)}))
        assert connection.reply().status == 100
        connection.send(content)
        assert connection.reply().status == 200
    fsp.expect_delivered(content)


def test_http_1_0_is_answered_and_closed(fsp):
    content = body()
    with fsp.connect() as connection:
        reply = connection.post(content, version="1.0", host=None)
        assert reply.status == 200
        assert connection.closed(5)
    fsp.expect_delivered(content)


def test_http_1_0_may_ask_to_keep_the_connection(fsp):
    contents = [body(), body()]
    fsp.accept(*contents, version="1.0", headers={"Connection": "Keep-Alive"})
    fsp.expect_delivered(*contents)


def test_many_messages_come_over_one_connection(fsp):
    contents = [body() for _ in range(20)]
    fsp.accept(*contents)
    fsp.expect_delivered(*contents)


def test_messages_sent_without_waiting_for_answers_are_all_taken(fsp):
    contents = [body() for _ in range(5)]
    with fsp.connect() as connection:
        connection.send(b"".join(request(c) for c in contents))
        assert [connection.reply().status for _ in contents] == [200] * 5
    fsp.expect_delivered(*contents)


def test_a_message_that_comes_byte_by_byte_is_taken(fsp):
    content = body()
    raw = request(content)
    with fsp.connect() as connection:
        for start in range(0, len(raw), 7):
            connection.send(raw[start:start + 7])
        assert connection.reply().status == 200
    fsp.expect_delivered(content)


def test_a_client_that_asks_to_close_is_closed(fsp):
    with fsp.connect() as connection:
        assert connection.post(body(), headers={"Connection": "close"}).status == 200
        assert connection.closed(5)


def test_the_answer_is_200_with_an_empty_body(fsp):
    reply = fsp.post(body())
    assert (reply.status, reply.header("content-length"), reply.body) == (200, "0", b"")


BOUNDARY = "aAbBcCdDv1234567890VxXyYzZ"


def multipart(content, boundary=BOUNDARY, others=(), preamble=b"", epilogue=b""):
    edge = b"--" + boundary.encode()
    parts = [b"content-type: text/plain; charset=UTF-16\r\n\r\n" + content, *others]
    return preamble + b"".join(edge + b"\r\n" + p + b"\r\n" for p in parts) + edge + b"--\r\n" + epilogue


@pytest.mark.parametrize("kind", ["multipart/mixed", "Multipart/Related", "multipart/form-data"])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_multipart_wrapper_is_taken_off(fsp, kind, quoted):
    content = body()
    reply = fsp.post(multipart(content), headers={
        "Content-Type": f'{kind}; boundary="{BOUNDARY}"' if quoted else f"{kind}; boundary={BOUNDARY}"})
    assert reply.status == 200, reply
    fsp.expect_delivered(content)


def test_a_multipart_wrapper_may_carry_other_parts_and_text_around_them(fsp):
    content = body()
    wrapped = multipart(content, others=[b"Content-Type: application/octet-stream\r\n\r\n\x78\x9c\x00\x01\r\n\x02",
                                         b"\r\nno header at all"],
                        preamble=b"This is a message in parts.\r\n", epilogue=b"the end\r\n")
    reply = fsp.post(wrapped, headers={"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"})
    assert reply.status == 200, reply
    fsp.expect_delivered(content)


def test_trailing_NULs_within_a_part_are_cut(fsp):
    content = body()
    reply = fsp.post(multipart(content + b"\0\0"), headers={"Content-Type": f"multipart/mixed; boundary={BOUNDARY}"})
    assert reply.status == 200, reply
    fsp.expect_delivered(content)


@pytest.mark.parametrize("content_type", [
    None, "", "text/xml", "application/octet-stream", "text/plain; charset=UTF-16", "application/x-www-form-urlencoded",
    "application/xml; charset=iso-8859-1", "nonsense", "image/png", "text/xml; charset=\"utf-16", ";;;", "x" * 500])
def test_any_content_type_or_none_is_fine(fsp, content_type):
    content = body()
    assert fsp.post(content, headers={} if content_type is None else {"Content-Type": content_type}).status == 200
    fsp.expect_delivered(content)


@pytest.mark.parametrize("method", ["POST", "CCM_POST"])
@pytest.mark.parametrize("path", [PATH, PATH.lower(), PATH.upper(), "/sms_fsp/.SMS_FSP", PATH + "?a=b&c", PATH + "?"])
def test_both_methods_and_any_case_and_query_of_the_path_are_taken(fsp, method, path):
    content = body()
    assert fsp.post(content, method=method, path=path).status == 200
    fsp.expect_delivered(content)


def test_several_paths_may_be_configured(make_fsp):
    fsp = make_fsp({"listener": {"paths": "/one, /Two/x\t/three"}})
    contents = [body() for _ in range(3)]
    assert [fsp.post(c, path=p).status for c, p in zip(contents, ["/ONE", "/two/X", "/three"])] == [200] * 3
    assert fsp.post(body(), path=PATH).status == 404
    fsp.expect_delivered(*contents)


@pytest.mark.parametrize("headers", [
    {"User-Agent": "ccmhttp"}, {"Host": ""}, {"Host": "10.1.2.3:80"}, {"Host": "FSP"}, {"Accept": "*/*", "X-A": "1" * 8000},
    {"Content-Encoding": "identity"}, {"X-Latin": "Ger\xe4t"}])
def test_headers_that_do_not_matter_do_not_matter(fsp, headers):
    content = body()
    assert fsp.post(content, headers=headers, host=None if "Host" in headers else "x").status == 200
    fsp.expect_delivered(content)


@pytest.mark.parametrize("kind", KINDS)
def test_the_four_kinds_of_message_are_taken_and_read(fsp, kind):
    facts = KINDS[kind]
    content = body(name="PCKIND", client_id="GUID:KIND", **facts)
    fsp.accept(content)
    row, = fsp.rows()
    assert (row["topic_type"], row["state_id"], tuple(row["params"])) == (facts["topic"], facts["state"], facts["params"])
    assert (row["netbios_name"], row["client_id"], row["client_version"]) == ("PCKIND", "GUID:KIND", "5.00.9096.1000")
    assert row["message_time"].startswith("2024-01-15T09:30:12")
    fsp.expect_delivered(content)


def test_several_state_messages_in_one_report_are_one_file_and_a_row_each(fsp):
    states = "".join(state_message(topic=t, state=s) for t, s in [(800, 100), (800, 400), (1000, 1)])
    content = utf16(document(machine(more=f"<Mark>{token()}</Mark>"), states))
    fsp.accept(content)
    rows = sorted(fsp.rows(), key=lambda r: r["part"])
    assert [(r["part"], r["topic_type"], r["state_id"]) for r in rows] == [(0, 800, 100), (1, 800, 400), (2, 1000, 1)]
    assert len({r["id"] for r in rows}) == 1
    fsp.expect_delivered(content)


UNKNOWN = {
    "elements and attributes": lambda: report(more='<MACAddress nic="1">00:11</MACAddress><FQDN>pc.example.com</FQDN>'),
    "a namespace": lambda: report(more='<x:Thing xmlns:x="urn:x" x:a="1"/>'),
    "comments": lambda: "<!-- before -->" + report(declaration="", more="<!-- within -->") + "<!-- after -->",
    "CDATA": lambda: report(details='<StateDetails Type="1"><![CDATA[<ClientDeploymentMessage ErrorCode="0"/>'
                                    "<!DOCTYPE x>]]></StateDetails>"),
    "character references": lambda: report(params=("&#228;&#x1F4BB;&amp;&lt;",)),
    "no client id": lambda: report(client_id=None),
    "an empty client id": lambda: report(client_id=""),
    "no version": lambda: report(version=None),
    "no name": lambda: report(name=None),
    "no message time": lambda: report().replace(' MessageTime="20240115093012.000000+000"', ""),
    "an odd message time": lambda: report(time="yesterday"),
    "no serial number": lambda: report().replace(' SerialNumber="1"', ""),
    "an unknown topic and state": lambda: report(topic=54321, state=987654),
    "no details": lambda: report().replace("<ReportContent>State Message Data</ReportContent>", ""),
    "two hundred and fifty-six attributes": lambda: report(
        more="<A " + " ".join(f'a{i}="1"' for i in range(256)) + "/>"),
    "sixty-four levels": lambda: report(more="<d>" * 60 + "</d>" * 60),
    "a base64 detail": lambda: report(details='<StateDetails Type="1">PABDAE0A</StateDetails>'),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_the_unpublished_protocol_may_hold_passes(fsp, what):
    content = UNKNOWN[what]().encode()
    reply = fsp.post(content)
    assert reply.status == 200, reply
    fsp.expect_delivered(content)


def test_a_message_of_exactly_the_largest_size_is_taken(make_fsp):
    fsp = make_fsp({"listener": {"max_message_size": "8K"}})
    content = body_of_size(8192)
    fsp.accept(content)
    fsp.expect_delivered(content)


def test_200_is_said_only_after_the_message_is_in_the_ledger(fsp):
    # Nothing but the ledger holds the message yet: kill at once, start again, and it must be there.
    contents = [body() for _ in range(10)]
    fsp.accept(*contents)
    fsp.kill()
    fsp.start()
    wait_until(lambda: len(fsp.delivered()) == 10, what="all messages in the inbox")
    assert list(fsp.delivered().values()) == contents


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl program")
@pytest.mark.parametrize("arguments", [
    [], ["--http1.0"], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["-X", "CCM_POST"]])
def test_curl_can_post(fsp, tmp_path, arguments):
    content = body(padding=5000)
    (tmp_path / "message").write_bytes(content)
    done = subprocess.run(["curl", "-sS", "-o", "-", "-w", "%{http_code} %{size_download}", "--max-time", "10",
                           "--data-binary", f"@{tmp_path / 'message'}", *arguments, fsp.url],
                          capture_output=True, check=True)
    assert done.stdout == b"200 0"
    fsp.expect_delivered(content)


def test_an_address_of_all_takes_ipv4_and_ipv6(make_fsp):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    fsp = make_fsp({"listener": {"address": "::"}})
    contents = [body(), body()]
    for address, content in zip(["127.0.0.1", "::1"], contents):
        with Connection((address, fsp.port)) as connection:
            assert connection.post(content).status == 200
    assert "[::]" in fsp.url
    assert [r["client_address"] for r in fsp.rows()] == ["::1", "127.0.0.1"]
    fsp.expect_delivered(*contents)
