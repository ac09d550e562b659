#!/usr/bin/env python3
"""The history checker: what clients were promised against what arrived.

Three sources: the client's journal (what was sent, and which of it was answered 200), the consumer's journal
(each file taken from the inbox) with what still lies there, and the quarantine.  Five findings:

  lost         answered 200, neither arrived nor in quarantine
  double       arrived more than once, or arrived and quarantined as well
  torn         arrived, but not all of its bytes
  forged       arrived, and nobody has sent it, or under a name that is not ours
  quarantined  put aside for a person; no loss, but a kill or a fault must not cause it

A message that was sent and not answered may arrive once or not at all.

Journals are JSON, one object a line: {"sent": BASE64}, {"taken": MARK} from clients, {"file": NAME, "is": BASE64}
from consumers.  As a program: history.py CLIENT CONSUMER [--inbox FOLDER] [--staging FOLDER] says what it finds
and exits 1 when that is anything but nothing.
"""
import argparse
import base64
import contextlib
import json
import re
import sys
import threading
from pathlib import Path

NAME = re.compile(r"^\d{8}T\d{9}Z-[0-9A-F]{4}-[0-9A-F]{8}\.SMX$")
MARK = re.compile(rb"<(?:\0)?M(?:\0)?a(?:\0)?r(?:\0)?k(?:\0)?>(?:\0)?((?:\w(?:\0)?)+)<")


def mark_of(content):
    """The text that tells a message from all others; None in what is none of ours."""
    match = MARK.search(content)
    return match.group(1).replace(b"\0", b"").decode("latin-1") if match else None


class Journal:
    """Entries in memory, and in a file where one is named, synced before it returns."""

    def __init__(self, path=None):
        self.lock = threading.Lock()
        self.file = open(path, "a", encoding="ascii") if path else None  # pylint: disable=consider-using-with

    def keep(self, entry):
        if self.file:
            self.file.write(json.dumps(entry) + "\n")
            self.file.flush()

    @staticmethod
    def read(path):
        """Entries of a file; one that was cut short by a crash was not yet written."""
        for line in Path(path).read_text(encoding="ascii").splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


class Client(Journal):
    """What was sent, by mark, and which of it was promised to arrive."""

    def __init__(self, path=None):
        super().__init__(path)
        self.sent, self.taken = {}, set()

    def sending(self, content):
        with self.lock:
            self.sent[mark_of(content)] = content
            self.keep({"sent": base64.b64encode(content).decode()})

    def answered(self, content, status):
        if status == 200:
            with self.lock:
                self.taken.add(mark_of(content))
                self.keep({"taken": mark_of(content)})

    def unanswered(self):
        with self.lock:
            return [content for mark, content in self.sent.items() if mark not in self.taken]

    @classmethod
    def load(cls, path):
        journal = cls()
        for entry in cls.read(path):
            if "sent" in entry:
                journal.sending(base64.b64decode(entry["sent"]))
            elif "taken" in entry:
                journal.taken.add(entry["taken"])
        return journal


class Consumer(Journal):
    """The files that were taken from an inbox, in order: [(name, bytes)]."""

    def __init__(self, path=None):
        super().__init__(path)
        self.files = []

    def took(self, name, content):
        with self.lock:
            self.files.append((name, content))
            self.keep({"file": name, "is": base64.b64encode(content).decode()})

    def take_all(self, inbox):
        """The site server: takes and deletes what is there under its whole name."""
        for path in sorted(Path(inbox).glob("*.SMX")):
            self.took(path.name, path.read_bytes())
            path.unlink()

    @classmethod
    def load(cls, path):
        journal = cls()
        for entry in cls.read(path):
            journal.took(entry["file"], base64.b64decode(entry["is"]))
        return journal


def files_in(folder):
    """[(name, bytes)] of all messages in a folder; nothing when it is not there."""
    return [(path.name, path.read_bytes()) for path in sorted(Path(folder).glob("*.SMX"))]


class Verdict:
    KINDS = ("lost", "double", "torn", "forged", "quarantined")

    def __init__(self):
        self.found = {kind: [] for kind in self.KINDS}

    def __getattr__(self, kind):
        return self.__dict__["found"][kind]

    def lines(self, quarantine_allowed=0):
        """The faults in words."""
        for kind, what in self.found.items():
            if kind != "quarantined" or len(what) != quarantine_allowed:
                yield from (f"{kind}: {text}" for text in what)
        if len(self.found["quarantined"]) < quarantine_allowed:
            yield f"quarantined: {len(self.found['quarantined'])}, {quarantine_allowed} expected"


def check_file(verdict, client, name, content):
    """The mark under which this file counts as an arrival."""
    mark = mark_of(content)
    if not NAME.match(name):
        verdict.forged.append(f"{name}: no name of ours")
    whole = client.sent.get(mark) if mark else None
    if whole == content:
        return mark
    # Cut before its mark, it still is the beginning of something.
    begun = whole or next((sent for sent in client.sent.values() if sent.startswith(content)), None)
    if begun is None:
        verdict.forged.append(f"{name}: {len(content)} bytes that nobody sent")
        return mark
    verdict.torn.append(f"{name}: {len(content)} of {len(begun)} bytes of {mark_of(begun)}")
    return mark_of(begun)


def check(client, arrived, quarantined=()):
    """arrived, quarantined: [(name, bytes)]; a quarantined one without bytes has None."""
    verdict, seen = Verdict(), {}
    for name, content in arrived:
        mark = check_file(verdict, client, name, content)
        if mark in seen:
            verdict.double.append(f"{mark}: as {seen[mark]} and {name}")
        seen.setdefault(mark, name)
    aside = set()
    for name, content in quarantined:
        mark = mark_of(content) if content else None
        verdict.quarantined.append(f"{name}: {mark}")
        aside.add(mark)
        if mark is not None and mark in seen:
            verdict.double.append(f"{mark}: arrived as {seen[mark]}, and quarantined as {name}")
    for mark in sorted(client.taken - set(seen) - aside):
        verdict.lost.append(f"{mark}: answered 200")
    return verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("client", help="the clients' journal")
    parser.add_argument("consumer", help="the consumer's journal")
    parser.add_argument("--inbox", help="where files may still lie")
    parser.add_argument("--staging", help="whose folder corrupt/ is the quarantine")
    options = parser.parse_args()
    arrived = Consumer.load(options.consumer).files
    if options.inbox:
        arrived = arrived + files_in(options.inbox)
    aside = files_in(Path(options.staging) / "corrupt") if options.staging else []
    client = Client.load(options.client)
    faults = list(check(client, arrived, aside).lines())
    print("\n".join(faults) or f"{len(client.sent)} sent, {len(client.taken)} answered 200, {len(arrived)} arrived: "
          "nothing lost, double, torn or forged")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
