"""A thousand clients at once."""
import collections
import resource
import selectors
import signal
import socket
import time

import pytest
from fsp import request
from messages import body

CLIENTS, EACH = 1000, 3


class Client:
    """Sends its messages one after the other on one connection that never blocks."""

    def __init__(self, address, contents):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)
        self.left = list(contents)
        self.taken, self.other = [], []
        self.answer = b""
        self.out = request(self.left[0])

    def on_writable(self):
        sent = self.socket.send(self.out)
        self.out = self.out[sent:]

    def on_readable(self):
        """True while there is more to do."""
        data = self.socket.recv(65536)
        self.answer += data
        if not data:
            self.other.append("closed")
            return False
        if b"\r\n\r\n" not in self.answer:
            return True
        content, status = self.left.pop(0), int(self.answer.split(b" ", 2)[1])
        self.answer = b""  # a 200 has no body, and anything else ends the test
        if status != 200:
            self.other.append(status)
            return False
        self.taken.append(content)
        if self.left:
            self.out = request(self.left[0])
        return bool(self.left)


def crowd(clients, seconds):
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
        end, busy = time.monotonic() + seconds, len(clients)
        while busy and time.monotonic() < end:
            for key, events in selector.select(1):
                client, more = key.data, True
                try:
                    if events & selectors.EVENT_READ:
                        more = client.on_readable()
                    if more and client.out and events & selectors.EVENT_WRITE:
                        client.on_writable()
                except OSError as error:
                    client.other.append(str(error))
                    more = False
                if more:
                    selector.modify(client.socket, selectors.EVENT_READ
                                    | (selectors.EVENT_WRITE if client.out else 0), client)
                else:
                    selector.unregister(client.socket)
                    client.socket.close()
                    busy -= 1
        assert busy == 0, f"{busy} clients without an answer after {seconds} s"


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CLIENTS + 200:
        pytest.skip(f"only {hard} open files allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CLIENTS + 200), hard))


@pytest.mark.bound(180)
def test_a_thousand_clients_at_once_are_all_served_and_every_200_arrives_once(make_fsp, many_files):
    fsp = make_fsp({"listener": {"connections_per_client": "2000", "client_rate": "0"}})
    began = time.monotonic()
    clients = [Client(fsp.address, [body() for _ in range(EACH)]) for _ in range(CLIENTS)]
    crowd(clients, 60)
    took = time.monotonic() - began
    assert [c.other for c in clients if c.other] == []
    taken = [content for client in clients for content in client.taken]
    assert len(taken) == CLIENTS * EACH
    print(f"{len(taken)} messages of {CLIENTS} clients in {took:.1f} s")
    copied, tried, code = fsp.forward()  # a slow start's own run may have taken the first of them
    assert (copied, code) == (tried, 0)
    assert sorted(fsp.delivered().values()) == sorted(taken)
    status = fsp.status()
    assert (status["staged"], status["forwarded"], status["refused"]) == (0, len(taken), 0)


@pytest.mark.parametrize("last", [20, 150, 250])
@pytest.mark.parametrize("order", ["sent first", "closed first"])
def test_who_sends_again_is_served_while_the_others_hang_up(make_fsp, many_files, order, last):
    """Both lie before fspd at the same time: their connections hold nearly all of listener.memory still."""
    fsp = make_fsp({"listener": {"connections_per_client": "2000", "client_rate": "0"}})
    clients = [fsp.connect(timeout=30) for _ in range(CLIENTS)]
    for client in clients:
        client.send(request(body()))
    assert collections.Counter(client.reply().status for client in clients) == {200: CLIENTS}
    fsp.signal(signal.SIGSTOP)
    for step in ("sent first", "closed first") if order == "sent first" else ("closed first", "sent first"):
        for client in clients[-last:] if step == "sent first" else clients[:-last]:
            if step == "sent first":
                client.send(request(body()))
            else:
                client.close()
    fsp.signal(signal.SIGCONT)
    assert collections.Counter(client.reply().status for client in clients[-last:]) == {200: last}
    for client in clients[-last:]:
        client.close()
