"""The same bytes through a proxy: where the proxy saw one request, fspd never sees two.

What fspd saw is what it counts, stored and refused alike; what the proxy saw is what it answered.
A smuggled request would be one that fspd stored and that no client of the proxy was answered for."""
import collections
import concurrent.futures
import socket

import pytest
from fsp import Connection, Fsp
from http_table import TABLE
from messages import report
from proxies import KINDS, Proxy, program
from shapes import PATH, chunk, chunked, request

INNER = "INNER"


def inner(number):
    """A whole request that stands where only a body may stand: to be seen as one is to be smuggled."""
    return request(report(mark=f"inner {number}", name=INNER, declaration="").encode())


def smuggling():
    """Shapes that proxies and servers are known to part at different places; each hides an inner request."""
    for number, lines in enumerate((
            [b"Content-Length: %(c)d", b"Transfer-Encoding: chunked"], [b"Transfer-Encoding: chunked", b"Content-Length: %(c)d"],
            [b"Content-Length: 5", b"Content-Length: %(n)d"], [b"Content-Length: %(n)d", b"Content-Length: 5"],
            [b"Content-Length: %(n)d", b"Transfer-Encoding : chunked"], [b"Content-Length: %(n)d", b"Transfer-Encoding: xchunked"],
            [b"Content-Length: %(n)d", b"Transfer-Encoding:\x0bchunked"], [b"Content-Length: %(n)d", b"X: y\nTransfer-Encoding: chunked"],
            [b"Content-Length: %(n)d", b"Transfer-Encoding\r\n : chunked"], [b"Content-Length: %(n)d", b"Transfer-Encoding:\r\n chunked"],
            [b"Content-Length: %(n)d", b"Transfer-Encoding: identity"], [b"Content-Length: %(n)d", b"Transfer_Encoding: chunked"],
            [b"Content-Length: %(n)d", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow"], [b"Content-Length: +%(n)d"],
            [b"Content-Length: %(n)d", b"Connection: Content-Length"], [b"Content-Length: 0", b"X: \0"], [b"Content-Length: %(n)d,0"],
            [b"Content-Length: 0x%(n)x"], [b"Content-Length:\x00%(n)d"], [b"Content-Length: %(n)d\r"], [b"Content-Length: %(n)d", b"Expect: 100-continue"],
            [b"Content-Length: %(n)d", b"Upgrade: h2c", b"Connection: Upgrade"], [])):
        hidden = inner(number)
        body = b"0\r\n\r\n" + hidden
        values = {b"n": len(body), b"c": len(body)}
        head = b"\r\n".join([b"POST " + PATH.encode() + b" HTTP/1.1", b"Host: x"] + [line % values for line in lines])
        yield f"hidden behind {lines}", head + b"\r\n\r\n" + body
    for number, frame in enumerate((
            b"0\r\n\r\n%(i)s", b"0\n\n%(i)s", b"0;\n\r\n%(i)s", b"0 \r\n\r\n%(i)s", b"00000000000000000\r\n\r\n%(i)s", b"0\rX\r\n\r\n%(i)s",
            b"5\r\nhello\r\n0\r\n\r\n%(i)s", b"5;a\nhello\r\n0\r\n\r\n%(i)s", b"5\nhello\n0\n\n%(i)s", b"5\r\nhelloXX0\r\n\r\n%(i)s",
            b"-1\r\n%(i)s", b"%(x)x;\n\r\n%(i)s\r\n0\r\n\r\n", b"%(x)x\r\n%(i)s\r\n0\r\n\r\n", b"1%(x)016x\r\n%(i)s\r\n0\r\n\r\n",
            b"0\r\nContent-Length: 5\r\n\r\n%(i)s", b"0\r\nX: y\n\r\n%(i)s", b"0x0\r\n\r\n%(i)s", b"0\x0b\r\n\r\n%(i)s", b"0\r\n\n%(i)s"), 100):
        hidden = inner(number)
        yield f"hidden in the chunks {frame}", chunked(b"", frame=frame % {b"i": hidden, b"x": len(hidden)})


SHAPES = list(smuggling()) + [(row.name, row.data) for row in TABLE.rows if not row.alone]


def talk(address, data):
    """Sends it; the statuses of all answers until the peer closes or is silent."""
    statuses = []
    with Connection(address, timeout=6) as connection:
        connection.send(data)
        try:
            while (reply := connection.reply()) is not None:
                statuses.append(reply.status)
        except (socket.timeout, AssertionError, ValueError, IndexError):
            pass  # HTTP/0.9, or cut off: no answer of fspd
    return statuses


@pytest.fixture(scope="module", params=list(KINDS))
def seen(request, tmp_path_factory):
    """(the statuses each shape was answered with through this proxy, what fspd stored by name, its counters)"""
    if not program(KINDS[request.param][0]):
        pytest.skip(f"{request.param} is not installed")
    fsp = Fsp(tmp_path_factory.mktemp("proxied"), {
        "listener": {"connections_per_client": "2000", "client_rate": "0", "request_timeout": "3s", "trusted_proxies": "127.0.0.1"},
        "policy": {"deduplicate": "0"}})
    fsp.start()
    try:
        with Proxy(request.param, tmp_path_factory.mktemp("proxy") / "p", fsp.port) as proxy:
            with concurrent.futures.ThreadPoolExecutor(24) as pool:
                answers = list(pool.map(lambda shape: talk(proxy.address, shape[1]), SHAPES))
        stored = collections.Counter(row["netbios_name"] for row in fsp.rows())
        status = fsp.status()
        fsp.end()
    finally:
        if fsp.running():
            fsp.kill()
    return answers, stored, status


def test_what_is_stored_is_what_clients_of_the_proxy_were_told(seen):
    answers, stored, status = seen
    told = sum(statuses.count(200) for statuses in answers)
    assert told > 50  # the proxy does let good ones through
    assert status["received"] == sum(stored.values()) == told


def test_fspd_saw_no_more_requests_than_the_proxy_answered(seen):
    answers, _, status = seen
    assert status["received"] + status["refused"] <= sum(map(len, answers))


def test_no_inner_request_is_stored_but_those_the_proxy_answered(seen):
    answers, stored, _ = seen
    answered = sum(1 for (name, _), statuses in zip(SHAPES, answers)
                   if name.startswith("hidden") and 200 in statuses)
    assert stored[INNER] <= answered
