"""What a row of the HTTP table is made of: the bytes, and the answer that they must get."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from fsp import PATH  # noqa: E402
from messages import report  # noqa: E402

SILENCE = frozenset({None})  # closed without an answer


class Row:
    """data: the request.  statuses: what its first answer may be (None: no answer).  closes: the
    connection ends with it, so that what stands behind is never read as a request.  ours: the
    refusal is told in our words; what is wrong within chunks is told by libmicrohttpd.  alone:
    nothing is sent behind it, since it is not complete."""

    def __init__(self, name, data, statuses, closes, ours=True, alone=False):
        self.name, self.data, self.closes, self.ours, self.alone = name, data, closes, ours, alone
        self.statuses = frozenset(statuses if isinstance(statuses, (set, frozenset)) else {statuses})

    @property
    def stored(self):
        return self.statuses == {200}


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, data, statuses, closes, **kw):
        assert name not in {r.name for r in self.rows}, name
        number = len(self.rows)
        self.rows.append(Row(name, data(self.message(number)) if callable(data) else data, statuses, closes, **kw))

    @staticmethod
    def message(number):
        """This row's own message, to be recognised in the ledger."""
        return report(mark=f"row {number}", name=f"ROW{number}", declaration="").encode()

    def accepts(self, rows):
        for name, data in rows.items():
            self.add(name, data, 200, False)

    def refuses(self, status, rows, closes=True, **kw):
        for name, data in rows.items():
            self.add(name, data, status, closes, **kw)


def line(method="POST", target=PATH, version="HTTP/1.1"):
    return f"{method} {target} {version}".encode("latin-1")


def request(body, *headers, start=None, host=b"Host: fsp.example.com", length=True):
    """Headers stand between Host and Content-Length; each is bytes without its line end."""
    lines = [line() if start is None else start] + ([host] if host else []) + list(headers)
    if length is True:
        lines.append(b"Content-Length: %d" % len(body))
    elif length:
        lines.append(length)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunk(content, extension=b""):
    return b"%x%s\r\n%s\r\n" % (len(content), extension, content)


def chunked(body, *headers, frame=None, te=b"Transfer-Encoding: chunked", **kw):
    """frame: the chunked body as it stands on the wire."""
    return request(chunk(body) + b"0\r\n\r\n" if frame is None else frame, *headers, length=te, **kw)
