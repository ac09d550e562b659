"""A reader of the admin address, byte-exact where it matters."""
import csv
import http.client
import io
import json
import re
import socket
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from fsp import Fsp, wait_until

ADMIN = {"admin": {"address": "127.0.0.1", "port": "0"}}
PAGE = re.compile(rb"Web page at (http://\S+:(\d+)/)")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def csv(self):
        return list(csv.DictReader(io.StringIO(self.text, newline="")))

    def __repr__(self):
        return f"<Answer {self.status} {self.headers} {self.body[:300]!r}>"


class Reader:
    """Asks the page of a running daemon."""

    def __init__(self, fsp: Fsp):
        match = wait_until(lambda: PAGE.search(fsp.since_start()), 10, "the web page")
        self.url, self.port = match.group(1).decode(), int(match.group(2))

    def ask(self, path, method="GET", headers=None, body=None, **parameters):
        query = ("&" if "?" in path else "?") + urlencode(parameters) if parameters else ""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path + query, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path, **parameters):
        answer = self.ask(path, **parameters)
        assert answer.status == 200, f"{path}: {answer}"
        return answer

    def raw(self, data, seconds=15):
        """All that comes back for bytes as they are, until the peer closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(data)
            parts = []
            while True:
                try:
                    part = connection.recv(65536)
                except (socket.timeout, ConnectionResetError):
                    break
                if not part:
                    break
                parts.append(part)
            return b"".join(parts)


class Links(HTMLParser):
    """Every address of a page, its tags, and what an attribute must not be."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.tags, self.inline, self.texts = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "action"):
                self.addresses.add(value)
            if name == "style" or name.startswith("on"):
                self.inline.append((tag, name))

    def handle_data(self, data):
        self.texts.append(data)
        if data.strip() and self.tags and self.tags[-1] in ("script", "style"):
            self.inline.append((self.tags[-1], data))


def is_local(address):
    parts = urlsplit(address)
    return not parts.scheme and not parts.netloc
