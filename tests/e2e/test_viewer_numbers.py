"""Clients and reports against the same numbers computed here, straight from the messages sent."""
import random
import re
import sqlite3
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from fsp import wait_until
from messages import document, machine, state_message, token, utf16

FOLDED_FROM = 1000  # what the daemon lets lie before it moves on its tables
STATES = {800: [0, 100, 100, 101, 199, 301, 308, 317, 333, 400, 400, 401, 402, 500, 500, 602, 650, 700, 700, 799, 900],
          1000: [1, 2, 2, 7], 1001: [1, 2], 4711: [1]}
CLASSES = {0: "unknown", 1: "in-progress", 3: "deploy-failed", 4: "deployed", 5: "assigning", 6: "assign-failed",
           7: "assigned"}
PARAMS = [(), ("PS1",), ("-2147012889",), ("0x80072ee7", "PS1"), ("PS1", "2147954407"), ("0",), ("1603", "12029"),
          ("0x643",), ("text 5",)]
DETAILS = ["", "<StateDetails Type=\"1\"><![CDATA[<A ErrorCode=\"-2147467259\"><B/></A>]]></StateDetails>"]
ZERO = datetime(2024, 1, 15, tzinfo=timezone.utc)


def class_of(topic, state):
    if topic == 800:
        return "deployed-reboot" if state == 401 else CLASSES.get(state // 100, "unknown") if state else "unknown"
    return {(1000, 1): "comm-ok", (1000, 2): "comm-failed", (1001, 1): "cert-ok",
            (1001, 2): "cert-failed"}.get((topic, state), "unknown")


def error_of(params, details):
    for text in (*params, *re.findall(r'ErrorCode="([^"]*)"', details)):
        if re.fullmatch(r"-?\d+|0x[0-9a-fA-F]+", text) and int(text, 0) != 0:
            code = int(text, 0) % 2 ** 32
            return str(code) if code < 2 ** 31 else f"0x{code:08X}"
    return None


def make_message(dice):
    """One report of one of few clients, so that their messages meet; times are coarse, late, missing."""
    who = dice.randrange(40)
    client_id = f"GUID:{who}" if who < 25 else None
    name = f"PC{who % 30}"
    parts = []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        topic = dice.choice((800, 800, 800, 1000, 1001, 4711))
        when = dice.choice((None, *[ZERO + timedelta(minutes=dice.randrange(300))] * 9))
        parts.append(dict(topic=topic, state=dice.choice(STATES[topic]), params=dice.choice(PARAMS),
                          details=dice.choice(DETAILS), time=when))
    written = "".join(state_message(**{**p, "time": p["time"].strftime("%Y%m%d%H%M%S.000000+000") if p["time"] else ""})
                      for p in parts)
    content = utf16(document(machine(client_id, name, more=f"<Mark>{token()}</Mark>"), written))
    return dict(key=client_id or f"name {name}", client_id=client_id, name=name, parts=parts), content


def show_time(moment):
    return moment and moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Model:
    """What is said of the clients, in the plainest way there is: sort all, look at the last."""

    def __init__(self, sent, received):
        self.clients = {}
        for order, message in enumerate(sent):
            for number, part in enumerate(message["parts"]):
                row = dict(part, order=(order, number), received=received[order], time=part["time"] or received[order],
                           error=error_of(part["params"], part["details"]))
                self.clients.setdefault(message["key"], dict(message, states=[], first=received[order]))
                self.clients[message["key"]]["states"].append(row)
                self.clients[message["key"]]["last"] = received[order]
        for client in self.clients.values():
            client["states"].sort(key=lambda s: (s["time"], s["order"]))

    @staticmethod
    def last(client, topic, low=0, high=10 ** 9):
        fitting = [s for s in client["states"] if s["topic"] == topic and low <= s["state"] <= high]
        return fitting[-1] if fitting else None

    def row(self, client, shown):
        begin = end = assignment_begin = assignment_end = None
        for s in (s for s in client["states"] if s["topic"] == 800):
            if s["state"] == 100:
                begin, end = s["time"], None
            elif s["state"] in (400, 401):
                end = s["time"]
            elif s["state"] == 500:
                assignment_begin = s["time"]
            elif s["state"] == 700:
                assignment_end = s["time"]
        deployment = self.last(client, 800, high=499)
        health = {t: {1: "ok", 2: "failed"}.get((self.last(client, t) or {}).get("state")) for t in (1000, 1001)}
        return dict(client_id=client["client_id"], topic_type=shown and shown["topic"],
                    state_id=shown and shown["state"], **{"class": shown and class_of(shown["topic"], shown["state"])},
                    param=shown["params"][0] if shown and shown["params"] else None, error=shown and shown["error"],
                    first_seen=show_time(client["first"]), last_seen=show_time(client["last"]),
                    deployment_begin=show_time(begin), deployment_end=show_time(end),
                    assignment_begin=show_time(assignment_begin), assignment_end=show_time(assignment_end),
                    reboot_needed=deployment and deployment["state"] in (317, 401),
                    communication=health[1000], certificate=health[1001])

    def shown(self, choose):
        return [(c, s) for c in self.clients.values() for s in choose(c) if s]

    def phase(self, low, high):
        return self.shown(lambda c: [self.last(c, 800, low, high)])

    def problems(self):
        return [(c, s) for c, s in self.shown(lambda c: [self.last(c, t) for t in (800, 1000, 1001)])
                if class_of(s["topic"], s["state"]) in ("deploy-failed", "assign-failed", "comm-failed", "cert-failed")]

    def reports(self, since):
        def fresh(pairs):
            return [(c, s) for c, s in pairs if s["received"] >= since]
        deployment, assignment = fresh(self.phase(0, 499)), fresh(self.phase(500, 10 ** 9))
        problems = fresh(self.problems())

        def rows(pairs, *classes):
            return [self.row(c, s) for c, s in pairs if not classes or class_of(s["topic"], s["state"]) in classes]

        def counts(pairs):
            return [{"class": class_of(800, state), "state_id": state, "clients": n}
                    for state, n in Counter(s["state"] for _, s in pairs).items()]
        incidents = Counter((s["topic"], s["state"], s["error"]) for _, s in problems)
        return {
            "client-deployment-status": counts(deployment),
            "client-deployment-success": rows(deployment, "deployed", "deployed-reboot"),
            "client-deployment-failure": rows(deployment, "deploy-failed"),
            "client-assignment-status": counts(assignment),
            "client-assignment-success": rows(assignment, "assigned"),
            "client-assignment-failure": rows(assignment, "assign-failed"),
            "problems-summary": [dict(topic_type=t, state_id=s, error=e, clients=n) for (t, s, e), n in incidents.items()],
            "problems-detail": rows(problems),
        }


def assert_same(got, expected):
    """The same rows in any order, by the keys that are expected."""
    keys = list(expected[0]) if expected else []
    assert sorted(repr([row[k] for k in keys]) for row in got) == sorted(repr([row[k] for k in keys]) for row in expected)


def check(fsp, sent):
    received = {}
    for row in fsp.rows():
        received[row["id"]] = datetime.fromisoformat(row["received"].replace("Z", "+00:00"))
    received = [received[i] for i in sorted(received)]
    assert len(received) == len(sent)
    model = Model(sent, received)
    rows = fsp.ctl("clients", "--json", "--limit", "0").json
    assert_same(rows, [model.row(c, model.last(c, 800)) for c in model.clients.values()])
    assert [r["last_seen"] for r in rows] == sorted((r["last_seen"] for r in rows), reverse=True)
    for since in (None, received[len(received) // 2]):
        for name, expected in model.reports(since or ZERO).items():
            arguments = ["--since", show_time(since)] if since else []
            got = fsp.ctl("report", name, "--json", "--limit", "0", *arguments).json
            assert_same(got, expected)
            if name == "problems-summary":
                assert [r["clients"] for r in got] == sorted((r["clients"] for r in got), reverse=True)


def cursor(fsp):
    with sqlite3.connect(f"file:{fsp.ledger}?mode=ro", uri=True) as ledger:
        row = ledger.execute("SELECT value FROM meta WHERE key = 'rolled_seq'").fetchone()
    return row[0] if row else 0


@pytest.mark.bound(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_numbers_equal_those_computed_from_the_messages(make_fsp, seed):
    dice = random.Random(seed)
    fsp = make_fsp({"listener": {"client_rate": "0"}})
    messages = [make_message(dice) for _ in range(FOLDED_FROM + 200)]
    some, all_sent = [m for m, _ in messages[:150]], [m for m, _ in messages]
    fsp.accept(*[content for _, content in messages[:150]])
    assert cursor(fsp) == 0  # nothing but what the reader folds itself
    check(fsp, some)
    fsp.accept(*[content for _, content in messages[150:]])
    # The tables have gone part of the way, the reader the rest.
    assert 0 < wait_until(lambda: cursor(fsp), 20, "the daemon's tables move on") < len(messages)
    check(fsp, all_sent)
    fsp.stop()
    check(fsp, all_sent)
