"""How much of it one client, or all of them, may take."""
import contextlib
import select
import socket
import threading
import time

import pytest
from fsp import Connection, request, wait_until
from messages import body


def taken(fsp, count, **kw):
    return [fsp.post(body(), **kw).status for _ in range(count)]


def test_a_client_over_its_rate_is_told_when_to_come_again(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "1", "client_burst": "3"}})
    replies = [fsp.post(body()) for _ in range(6)]
    assert [r.status for r in replies[:3]] == [200] * 3
    refused = next(r for r in replies if r.status != 200)
    assert refused.status == 429, refused
    assert refused.reason_line()
    pause = int(refused.header("retry-after"))
    assert 1 <= pause <= 60
    time.sleep(pause)
    assert fsp.post(body()).status == 200


def test_a_refused_message_takes_no_token(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "1", "client_burst": "3"}})
    assert {fsp.post(b"x").status for _ in range(20)} == {400}
    assert taken(fsp, 3) == [200] * 3


def test_each_client_has_its_own_rate(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "1", "client_burst": "2"}})
    assert 429 in taken(fsp, 4)
    assert taken(fsp, 2, source="127.0.0.2") == [200, 200]


def test_0_is_no_rate_limit(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "0", "client_burst": "1"}})
    fsp.accept(*[body() for _ in range(200)])


def test_the_default_burst_is_60(fsp):
    fsp.accept(*[body() for _ in range(60)])


def test_a_trusted_proxy_is_believed_whom_it_speaks_for(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "1", "client_burst": "2", "trusted_proxies": "127.0.0.1"}})
    for number in range(5):
        assert taken(fsp, 2, headers={"X-Forwarded-For": f"192.0.2.{number}"}) == [200, 200]
    assert 429 in taken(fsp, 3, headers={"X-Forwarded-For": "192.0.2.0"})
    # One hop: what stands before the last address was written by anyone.
    assert 429 in taken(fsp, 3, headers={"X-Forwarded-For": "198.51.100.9, 192.0.2.1"})
    assert {r["client_address"] for r in fsp.rows()} == {f"192.0.2.{n}" for n in range(5)}


@pytest.mark.parametrize("hop,client", [("192.0.2.7:567", "192.0.2.7"), ("[2001:db8::7]:567", "2001:db8::7"),
                                        ("[2001:db8::7]", "2001:db8::7"), ("10.0.0.1:1, 192.0.2.7:2", "192.0.2.7"),
                                        ("unknown", "127.0.0.1"), ("192.0.2.7x", "127.0.0.1")])
def test_a_trusted_proxy_may_name_a_port_too(make_fsp, hop, client):
    fsp = make_fsp({"listener": {"trusted_proxies": "127.0.0.1"}})
    assert fsp.post(body(), headers={"X-Forwarded-For": hop}).status == 200
    assert [r["client_address"] for r in fsp.rows()] == [client]


def test_a_refusal_amid_the_body_names_whom_the_proxy_spoke_for(make_fsp):
    fsp = make_fsp({"listener": {"trusted_proxies": "127.0.0.1"}})
    before = fsp.status()["refused"]
    fsp.raw(b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.7\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5\r\n<Repo\r\nno length\r\n")
    lines = wait_until(lambda: [line for line in fsp.log_lines("fspisapi") if "chunks cannot be parsed" in line], 5,
                       "the line of the refusal")
    assert all("from 192.0.2.7:" in line for line in lines), lines
    assert fsp.status()["refused"] == before + 1


def test_ipv6_clients_of_one_network_share_a_rate(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "1", "client_burst": "2", "trusted_proxies": "127.0.0.1"}})

    def spoken_for(*addresses):
        return [fsp.post(body(), headers={"X-Forwarded-For": a}).status for a in addresses]
    assert spoken_for("2001:db8:1::1", "2001:db8:1::2") == [200, 200]
    assert 429 in spoken_for("2001:db8:1::3", "2001:db8:1::4")
    assert spoken_for("2001:db8:1:1::1", "2001:db8:2::1") == [200, 200]


def test_anyone_else_is_not_believed(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "1", "client_burst": "2", "trusted_proxies": "192.0.2.200"}})
    statuses = [fsp.post(body(), headers={"X-Forwarded-For": f"192.0.2.{n}"}).status for n in range(5)]
    assert 429 in statuses
    assert {r["client_address"] for r in fsp.rows()} == {"127.0.0.1"}


def test_connections_beyond_the_limit_of_a_client_are_closed_or_answered_503(make_fsp):
    fsp = make_fsp({"listener": {"connections_per_client": "4"}})
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(fsp.connect()) for _ in range(4)]
        for connection in held:
            assert connection.post(body()).status == 200
        with fsp.connect(timeout=5) as fifth:
            fifth.send(request(body()))
            try:
                reply = fifth.reply()
            except ConnectionResetError:
                reply = None
            assert reply is None or reply.status == 503, reply
        # Another client is not touched by it, and a place that is left is free again.
        assert fsp.post(body(), source="127.0.0.2").status == 200
        held[0].close()

        def again():
            with contextlib.suppress(OSError):
                answer = fsp.post(body())
                return answer is not None and answer.status == 200
            return False
        wait_until(again, 5, "a free place")


@pytest.mark.parametrize("said", [b"", b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nX: "])
def test_a_crowd_that_does_not_ask_keeps_nobody_out(make_fsp, said):
    fsp = make_fsp({"listener": {"connections": "64", "connections_per_client": "64", "idle_timeout": "1h", "request_timeout": "1h"}})
    with contextlib.ExitStack() as held:
        for _ in range(64):
            held.enter_context(fsp.connect()).send(said)
        assert [fsp.post(body(), source="127.0.0.2").status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("said", [request(length=False, headers={"Content-Length": 1000}) + b"<", request(method="GET", length=False)])
def test_who_holds_a_place_and_does_not_go_on_gives_way(make_fsp, said):
    fsp = make_fsp({"listener": {"connections": "64", "connections_per_client": "64", "idle_timeout": "1h", "request_timeout": "1h"}})
    with contextlib.ExitStack() as held:
        for _ in range(64):
            held.enter_context(fsp.connect()).send(said)

        # Who has held a place for a second gives way; who was only about to speak did so at once.
        def others_are_served():
            with contextlib.suppress(OSError):
                answers = [fsp.post(body(), source="127.0.0.2") for _ in range(20)]
                return all(answer is not None and answer.status == 200 for answer in answers)
            return False
        wait_until(others_are_served, 10, "places")


def test_a_full_table_of_connections_recovers(make_fsp):
    fsp = make_fsp({"listener": {"connections": "64", "connections_per_client": "64", "idle_timeout": "2s",
                                 "request_timeout": "2s"}})
    held = []
    with contextlib.suppress(OSError):
        for _ in range(80):
            held.append(Connection(fsp.address, timeout=2))

    def again():
        with contextlib.suppress(OSError):
            answer = fsp.post(body(), timeout=2)
            return answer is not None and answer.status == 200
        return False
    try:
        wait_until(again, 15, "a free place after the idle ones were closed")
    finally:
        for connection in held:
            connection.close()


def full_then_free(fsp, contents):
    """Takes some of contents, then says 503; after a run the rest is taken; all arrive."""
    statuses = [fsp.post(content) for content in contents]
    count = [r.status for r in statuses].count(200)
    assert 0 < count < len(contents)
    assert [r.status for r in statuses] == [200] * count + [503] * (len(contents) - count), statuses
    assert int(statuses[-1].header("retry-after")) > 0
    assert statuses[-1].reason_line()
    assert fsp.forward()[2] == 0
    wait_until(lambda: fsp.post(contents[count]).status == 200, 15, "intake again")
    fsp.forward()
    assert list(fsp.delivered().values()) == contents[:count + 1]
    return count


def test_beyond_max_messages_503_until_a_run_made_room(make_fsp):
    fsp = make_fsp({"staging": {"max_messages": "3"}})
    assert full_then_free(fsp, [body() for _ in range(6)]) == 3


def test_beyond_max_size_503_until_a_run_made_room(make_fsp):
    fsp = make_fsp({"staging": {"max_size": "1M"}, "listener": {"max_message_size": "256K"}})
    contents = [body(padding=50_000) for _ in range(14)]
    count = full_then_free(fsp, contents)
    assert sum(map(len, contents[:count])) <= 1 << 20


def test_a_full_staging_is_full_after_a_restart_too(make_fsp):
    fsp = make_fsp({"staging": {"max_messages": "3"}})
    fsp.accept(*[body() for _ in range(3)])
    fsp.inbox.rmdir()
    fsp.restart()
    assert fsp.post(body()).status == 503
    status = fsp.status()
    assert (status["staged"], status["availability"]) == (3, "offline")


def test_a_staging_over_four_fifths_is_a_warning(make_fsp):
    fsp = make_fsp({"staging": {"max_messages": "10"}})
    fsp.accept(*[body() for _ in range(8)])
    assert fsp.status()["availability"] == "online"
    fsp.accept(body())
    assert fsp.status()["availability"] == "warning"


def test_many_at_once_do_not_pass_a_full_staging(make_fsp):
    fsp = make_fsp({"staging": {"max_messages": "20"}, "listener": {"client_rate": "0"}})
    statuses = []

    def client():
        for _ in range(5):
            statuses.append(fsp.post(body()).status)
    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 20 and set(statuses) == {200, 503}
    assert fsp.forward() == (20, 20, 0)


QUICK = {"listener": {"request_timeout": "2s", "idle_timeout": "3s"}}


def closed_after(connection, limit=12):
    began = time.monotonic()
    assert connection.closed(limit), f"still open after {limit} s"
    return time.monotonic() - began


def test_a_silent_connection_is_closed(make_fsp):
    with make_fsp(QUICK).connect() as connection:
        assert 1 < closed_after(connection) < 8


def test_a_kept_connection_is_closed_when_it_is_silent(make_fsp):
    with make_fsp(QUICK).connect() as connection:
        assert connection.post(body()).status == 200
        assert 1 < closed_after(connection) < 8


@pytest.mark.parametrize("asked,status", [({"content": b"none"}, 400), ({"method": "PUT"}, 405), ({"content": body()}, 200)])
def test_who_ends_its_side_with_the_request_is_answered_and_holds_no_connection(fsp, asked, status):
    with fsp.connect() as connection:
        # The end comes in one segment with the requests; all of them are answered before it counts.
        connection.socket.send(request(**asked) * 3, socket.MSG_MORE)
        connection.socket.shutdown(socket.SHUT_WR)
        assert [connection.reply().status for _ in range(3)] == [status] * 3
        assert connection.closed()


def test_who_leaves_amid_a_request_holds_no_connection(make_fsp):
    fsp = make_fsp({"listener": {"request_timeout": "1h"}})
    with fsp.connect() as connection:
        connection.socket.send(request(body())[:-1], socket.MSG_MORE)
    wait_until(lambda: fsp.status()["connections"] == 0, what="the end of the connection")


@pytest.mark.parametrize("part", ["head", "body", "chunks"])
def test_a_request_that_dribbles_is_cut_off_by_the_clock_and_not_by_its_pauses(make_fsp, part):
    fsp = make_fsp(QUICK)
    opening = {"head": b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nX: ",
               "body": request(length=False, headers={"Content-Length": 5000}),
               "chunks": request(length=False, headers={"Transfer-Encoding": "chunked"})}[part]
    drop = b"1\r\na\r\n" if part == "chunks" else b"a"
    began = time.monotonic()
    with fsp.connect() as connection:
        connection.send(opening)
        connection.socket.settimeout(0.2)
        while time.monotonic() - began < 12:
            if not connection.send(drop):
                break
            try:
                if not connection._more():
                    break
            except socket.timeout:
                pass
        took = time.monotonic() - began
        assert 1 < took < 7, f"{took:.1f} s for a request_timeout of 2 s"
    fsp.accept(body())


def test_who_does_not_take_its_answers_is_cut_off(make_fsp):
    fsp = make_fsp({"listener": {"request_timeout": "2s", "idle_timeout": "1h"}})
    questions = request(method="GET", length=False) * 100
    with fsp.connect() as connection:
        connection.send(questions)
        assert connection.reply().status == 405  # and its place is kept
        connection.socket.settimeout(0.5)
        with contextlib.suppress(socket.timeout):
            while connection.socket.send(questions):
                pass
        poll = select.poll()
        poll.register(connection.socket, select.POLLRDHUP)
        assert poll.poll(12000), "still open after 12 s"


def test_honest_clients_are_served_while_others_dribble(make_fsp):
    fsp = make_fsp(QUICK)
    over = threading.Event()

    def slow():
        while not over.is_set():
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                mine = [stack.enter_context(fsp.connect(source="127.0.0.9")) for _ in range(30)]
                while not over.is_set():
                    if not all(c.send(b"P") for c in mine):
                        break
                    time.sleep(0.05)
    thread = threading.Thread(target=slow)
    thread.start()
    try:
        began = time.monotonic()
        for _ in range(40):
            assert fsp.post(body()).status == 200
        assert time.monotonic() - began < 10
    finally:
        over.set()
        thread.join()


@pytest.mark.bound(120)
@pytest.mark.parametrize("count", [127, 128, 129, 256, 512])
def test_no_number_of_ready_connections_stalls_it(make_fsp, count):
    fsp = make_fsp({"listener": {"connections_per_client": "1000", "client_rate": "0"}})
    contents = []
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(fsp.connect(timeout=30)) for _ in range(count)]
        began = time.monotonic()
        for _ in range(4):
            batch = [body() for _ in held]
            contents += batch
            for connection, content in zip(held, batch):
                connection.send(request(content))
            assert {connection.reply().status for connection in held} == {200}
        took = time.monotonic() - began
    assert took < 15, f"4 rounds of {count} took {took:.1f} s"
    assert fsp.forward() == (4 * count, 4 * count, 0)
    assert sorted(fsp.delivered().values()) == sorted(contents)
