"""Killed at any moment: nothing acknowledged is lost, nothing arrives twice, every file is whole.

FSP_KILL_ROUNDS sets the number of kills (12 unless told), FSP_KILL_SEED repeats a run.
"""
import os
import random
import re
import signal
import socket
import threading
import time

import pytest
from fsp import NAME, wait_until
from messages import body

ROUNDS = int(os.environ.get("FSP_KILL_ROUNDS", "12"))
SEED = int(os.environ.get("FSP_KILL_SEED", str(random.SystemRandom().randrange(1 << 32))))
CLIENTS = 6
MARK = re.compile(r"<Mark>(\w+)</Mark>")


def mark_of(content):
    return MARK.search(content.decode("utf-16")).group(1)


class Journal:
    """What the clients know: which bytes they sent, and which of them were promised to arrive."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent, self.acknowledged = {}, set()

    def sending(self, content):
        with self.lock:
            self.sent[mark_of(content)] = content

    def taken(self, content):
        with self.lock:
            self.acknowledged.add(mark_of(content))

    def unanswered(self):
        with self.lock:
            return [c for m, c in self.sent.items() if m not in self.acknowledged]

    def check(self, files):
        """Faults of an inbox (name -> bytes), in words."""
        faults, seen = [], {}
        for name, content in files.items():
            if not NAME.match(name):
                faults.append(f"{name}: no name of ours")
            try:
                mark = mark_of(content)
            except (UnicodeDecodeError, AttributeError):
                faults.append(f"{name}: no message, {len(content)} bytes")
                continue
            if self.sent.get(mark) != content:
                faults.append(f"{name}: not the bytes that were sent as {mark}")
            if mark in seen:
                faults.append(f"{mark}: twice, {seen[mark]} and {name}")
            seen[mark] = name
        return faults + [f"{mark}: acknowledged and lost" for mark in sorted(self.acknowledged - set(seen))]


def client(fsp, journal, over, padding):
    while not over.is_set():
        try:
            with fsp.connect(timeout=10) as connection:
                while not over.is_set():
                    content = body(padding=padding)
                    journal.sending(content)
                    reply = connection.post(content)
                    if reply is None:
                        break
                    if reply.status == 200:
                        journal.taken(content)
        except (OSError, socket.timeout, AssertionError):
            time.sleep(0.005)  # the daemon is down: its next start has another port


def retry(fsp, journal):
    """Clients send what was not answered once more, the same bytes; it still arrives once.  How many."""
    again = journal.unanswered()
    for content in again:
        if fsp.post(content).status == 200:
            journal.taken(content)
    return len(again)


def ring(fsp, over, chance):
    """Forwarding runs at odd moments, so that kills hit them too."""
    while not over.is_set():
        if fsp.running():
            try:
                fsp.signal(signal.SIGUSR1)
            except ProcessLookupError:
                return
        time.sleep(chance.uniform(0.01, 0.15))


@pytest.mark.bound(60 + 12 * ROUNDS)
def test_no_kill_loses_doubles_or_halves_a_message(make_fsp):
    print(f"FSP_KILL_SEED={SEED} FSP_KILL_ROUNDS={ROUNDS}")
    chance = random.Random(SEED)
    fsp = make_fsp({"listener": {"client_rate": "0", "connections_per_client": "100"},
                    "forwarder": {"throttle_messages": "0"}})
    journal, collected, retried = Journal(), {}, 0
    for number in range(ROUNDS):
        over = threading.Event()
        threads = [threading.Thread(target=client, args=(fsp, journal, over, chance.choice([0, 500, 8000])))
                   for _ in range(CLIENTS)]
        threads.append(threading.Thread(target=ring, args=(fsp, over, random.Random(chance.random()))))
        for thread in threads:
            thread.start()
        try:
            time.sleep(chance.uniform(0.02, 0.8))
            fsp.kill()
        finally:
            over.set()
            for thread in threads:
                thread.join(20)
        # Now and then the daemon is killed in its recovery as well.
        for _ in range(chance.choice([0, 0, 1, 2])):
            fsp.spawn()
            time.sleep(chance.uniform(0.0, 0.2))
            fsp.kill()
        # The site server takes what is there, at any moment.
        if chance.random() < 0.5:
            for name, content in fsp.delivered().items():
                assert name not in collected, f"{name} was delivered again after it was taken"
                collected[name] = content
                (fsp.inbox / name).unlink()
        fsp.start()
        retried += retry(fsp, journal)
        faults = [f for f in journal.check({**collected, **fsp.delivered()}) if "lost" not in f]
        assert faults == [], f"round {number}: {faults[:10]}"
    assert len(journal.acknowledged) > ROUNDS, "hardly any load"

    def all_forwarded():
        fsp.ctl("forward")
        return fsp.status()["staged"] == 0
    wait_until(all_forwarded, 40, "an empty staging", pause=0.2)
    inbox = fsp.delivered()
    assert set(inbox).isdisjoint(collected)
    assert journal.check({**collected, **inbox}) == []
    assert [n for n in os.listdir(fsp.inbox) if not NAME.match(n)] == [], "something is left in the inbox"
    assert fsp.status()["quarantined"] == 0
    print(f"{len(journal.sent)} sent, {retried} of them again after a kill, {len(journal.acknowledged)} acknowledged, "
          f"{len(inbox) + len(collected)} arrived")


def test_the_checker_finds_each_kind_of_fault():
    journal = Journal()
    one, two, three = body(), body(), body()
    for content in (one, two, three):
        journal.sending(content)
    journal.taken(one)
    journal.taken(two)
    names = [f"20240101T00000000{n}Z-0001-0000000{n}.SMX" for n in range(4)]
    assert journal.check({names[0]: one, names[1]: two}) == []
    assert journal.check({names[0]: one, names[1]: two, names[2]: three}) == []
    assert [f.split(": ")[1] for f in journal.check({names[0]: one})] == ["acknowledged and lost"]
    assert "twice" in journal.check({names[0]: one, names[1]: two, names[2]: two})[0]
    assert "not the bytes" in journal.check({names[0]: one, names[1]: two[:-4]})[0]
    assert "no message" in journal.check({names[0]: one, names[1]: two, names[2]: b"\xff"})[0]
    assert "no name" in journal.check({names[0]: one, "x.SMX": two})[0]
