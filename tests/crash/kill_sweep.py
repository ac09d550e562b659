#!/usr/bin/env python3
"""Kills fspd at its N-th call, for every N, starts it again, and looks whether a message was lost or doubled.

Each case is a small life of fspd, cut short by SIGKILL before, after or within its N-th call to a folder, with a
consumer that takes the inbox's files never, late (after the kill) or at once.  A second sweep kills the start after
such a kill, once for each state that the first sweep has left.  A case that takes the inbox away meanwhile, one
with a damaged file, one with a throttle, and the orders requeue, resend and drain are swept the same way.
"""
import argparse
import collections
import copy
import itertools
import multiprocessing
import os
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import fault
from fault import KILLING_CALLS, MODES, Dead, House, Hung, Site, message
from history import Client, check, files_in, mark_of

CONSUMERS = ("never", "late", "at-once")
LINGER_US = 3000  # what the other threads do in that time, they could have done
RUNS = 8          # after which everything must have been sent
PROGRESS = 60      # seconds between two lines on a long sweep

Case = collections.namedtuple("Case", "scenario mode at consumer")
Outcome = collections.namedtuple("Outcome", "case call faults state", defaults=(None,))


class Plain:
    """Messages at once, a run, messages again, a run, an orderly stop."""

    settings = {}
    quarantined = 0
    may_stay = ()

    def prepare(self, house):
        """Brings the house to the state that each case begins with; what clients know by then."""
        house.empty()
        return Client()

    def life(self, house, client):
        house.start(faulty=True)
        house.post(client, message(), message(3000), message())
        house.forward()
        house.post(client, message(), message(20000))
        house.forward()
        code = house.stop()
        if code != 0:
            raise Dead

    def settle(self, house, client, site):
        """After the kill: fspd is started again, clients repeat what was not answered, all is sent."""
        del site
        house.start()
        again = client.unanswered()
        statuses = house.post(client, *again) if again else []
        if any(status != 200 for status in statuses):
            yield f"refused after the restart: {statuses}"
        for _ in range(RUNS):
            house.forward()
            if house.status()["staged"] == 0:
                break
        else:
            yield f"not sent after {RUNS} runs: {house.status()['pending']}"

    def verify(self, house, client, site):
        aside = house.quarantine()
        aside += [("a row", None)] * (house.status()["quarantined"] - len(aside))
        yield from check(client, site.arrived(), aside).lines(self.quarantined)
        left = [name for name in house.leftovers() if not name.startswith(self.may_stay)]
        if left:
            yield f"left behind: {left}"


class Moved(Plain):
    """The inbox is away at the restart (not mounted, say): an empty folder stands in its place."""

    # Begun there, sent to the other one; the site server leaves such files alone.
    may_stay = ("inbox/",)

    def settle(self, house, client, site):
        away = house.root / "away"
        house.inbox.rename(away)
        house.inbox.mkdir()
        house.start()
        house.forward()
        house.kill()
        site.consumer.take_all(house.inbox)
        for path in house.inbox.iterdir():
            path.unlink()
        house.inbox.rmdir()
        away.rename(house.inbox)
        yield from super().settle(house, client, site)


class Poison(Plain):
    """One of the staged files is damaged: it goes to quarantine, the others go on."""

    quarantined = 1

    def prepare(self, house):
        house.empty()
        client, away = Client(), house.root / "away"
        house.inbox.rename(away)
        house.start()
        house.post(client, message(), message(3000), message())
        house.forward()
        if house.stop() != 0:
            raise Dead
        away.rename(house.inbox)
        poisoned = sorted(house.staging.glob("*.SMX"))[1]
        content = bytearray(poisoned.read_bytes())
        content[len(content) // 2] ^= 1
        poisoned.write_bytes(content)
        return client

    def life(self, house, client):
        house.start(faulty=True)
        house.forward()
        if house.stop() != 0:
            raise Dead


class Throttled(Plain):
    """Restarts do not make more than throttle_messages go out in throttle_interval."""

    limit = 3
    settings = {"forwarder.throttle_messages": limit}

    def settle(self, house, client, site):
        house.start()
        house.forward()
        house.forward()
        house.kill()
        out = len(site.arrived())
        if out > self.limit:
            yield f"throttle: {out} files went out, {self.limit} are allowed"
        house.configure({})
        yield from super().settle(house, client, site)


class Renamed(Plain):
    """Staged files are renamed into the inbox; all the scenarios without this word copy them."""

    settings = {"forwarder.rename": "yes"}


class RenamedMoved(Moved):
    settings = Renamed.settings


class RenamedPoison(Poison):
    settings = Renamed.settings


class RenamedThrottled(Throttled):
    """What was begun by renaming is ended so when files are to be copied."""

    settings = {**Throttled.settings, **Renamed.settings}


class Drained(Plain):
    """The order to take no more and to send all there is."""

    def life(self, house, client):
        house.start(faulty=True)
        house.post(client, message(), message(3000), message())
        house.order("drain")
        if house.post(client, message()) == [200]:
            raise AssertionError("a message was taken after the order to drain")
        house.forward()
        if house.stop() != 0:
            raise Dead


class Requeued(Poison):
    """Two messages are sent, one is quarantined; by order, that one and one of the sent ones go (again)."""

    def prepare(self, house):
        client = super().prepare(house)
        house.start()
        house.forward()
        if house.stop() != 0:
            raise Dead
        sent, aside = files_in(house.inbox), files_in(house.staging / "corrupt")
        client.ids = [name[:-len(".SMX")] for name, _ in (sent[0], aside[0])]
        damaged = next(mark for mark in client.taken if mark not in [mark_of(content) for _, content in sent])
        client.ordered, client.aside, client.confirmed = {mark_of(sent[0][1]), damaged}, damaged, False
        for path in house.inbox.iterdir():
            path.unlink()
        return client

    def give_order(self, house, client):
        return house.order("requeue", ids=client.ids)

    def life(self, house, client):
        house.start(faulty=True)
        answer = self.give_order(house, client)
        client.confirmed = answer.get("requeued") == len(client.ordered)
        house.forward()
        if house.stop() != 0:
            raise Dead

    def verify(self, house, client, site):
        """What was sent before the order has been taken: what arrives now is by order."""
        arrived = collections.Counter(mark_of(content) for _, content in site.arrived())
        yield from (f"forged or torn: {name}" for name, content in site.arrived()
                    if client.sent.get(mark_of(content)) != content)
        for mark in client.taken:
            if arrived[mark] > (mark in client.ordered):
                yield f"double: {mark} came {arrived[mark]} times, ordered: {mark in client.ordered}"
            if client.confirmed and mark in client.ordered and not arrived[mark]:
                yield f"lost: {mark}, by a confirmed order"
        rows, files = house.status()["quarantined"], len(house.quarantine())
        expected = int(client.aside is not None and not arrived[client.aside])
        if (rows, files) != (expected, expected):
            yield f"quarantined: {rows} row(s), {files} file(s), {expected} expected"
        if house.leftovers():
            yield f"left behind: {house.leftovers()}"


class RenamedRequeued(Requeued):
    settings = Renamed.settings


class Resent(Requeued):
    """All that was sent is sent again."""

    def prepare(self, house):
        house.empty()
        client = Client()
        house.start()
        house.post(client, message(), message(3000), message())
        house.forward()
        if house.stop() != 0:
            raise Dead
        client.ordered, client.aside, client.confirmed = set(client.taken), None, False
        for path in house.inbox.iterdir():
            path.unlink()
        return client

    def give_order(self, house, client):
        return house.order("resend", since="2000-01-01T00:00:00Z")


SCENARIOS = {"plain": Plain(), "moved": Moved(), "poison": Poison(), "throttled": Throttled(), "drained": Drained(),
             "requeued": Requeued(), "resent": Resent(), "renamed": Renamed(), "renamed-moved": RenamedMoved(),
             "renamed-poison": RenamedPoison(), "renamed-throttled": RenamedThrottled(),
             "renamed-requeued": RenamedRequeued()}
WHOLE = ("plain", "renamed")      # killed before and after each call, and within the next start
MOVED = ("moved", "renamed-moved")


# --- one case ------------------------------------------------------------------

HOUSE = None  # this worker's
OPTIONS = None


def house_for(scenario):
    global HOUSE  # pylint: disable=global-statement
    if HOUSE is None:
        HOUSE = House(OPTIONS.bin, OPTIONS.preload, tempfile.mkdtemp(dir=OPTIONS.scratch))
    HOUSE.kill()
    HOUSE.configure(scenario.settings)
    return HOUSE


def state_of(house):
    """What tells a recovery from others: rows, and what lies where for each of them."""
    with tempfile.TemporaryDirectory(dir=OPTIONS.scratch) as folder:
        for path in house.ledger.glob("ledger.db*"):
            if not path.name.endswith("-shm"):
                (Path(folder) / path.name).write_bytes(path.read_bytes())
        parts = [path.name for path in sorted(Path(folder).iterdir())]
        try:
            with sqlite3.connect(Path(folder) / "ledger.db") as db:
                rows = db.execute("SELECT seq, delivery FROM message").fetchall()
            db.close()
        except sqlite3.Error:
            rows = []
    places = {"staged": house.staging, "inbox": house.inbox}
    seen = {(p.name[-12:-4], f"{place} {p.suffix}") for place, folder in places.items() for p in folder.iterdir()}
    described = {(delivery,) + tuple(sorted(what for seq8, what in seen if seq8 == f"{seq:08X}"))
                 for seq, delivery in rows}
    torn = {what for seq8, what in seen if seq8 not in {f"{seq:08X}" for seq, _ in rows}}
    return tuple(parts), tuple(sorted(described)), tuple(sorted(torn))


def live_to_the_kill(scenario, house, client):
    """Faults, for an end that was not ours."""
    try:
        scenario.life(house, client)
    except Dead:
        code = house.gone()
        if code != -signal.SIGKILL:
            return [f"ended with {code} by itself"]
    return []


def recover_and_check(scenario, house, client, site):
    """All after the last kill."""
    try:
        site.late()
        faults = list(scenario.settle(house, client, site))
        faults += scenario.verify(house, client, site)
    except Dead:
        faults = [f"does not start again: ended with {house.gone()}"]
    except Hung as hung:
        faults = [f"hangs after the kill: {hung}"]
    finally:
        house.kill()
        site.stop()
    return faults


def run_case(case):
    scenario = SCENARIOS[case.scenario]
    house = house_for(scenario)
    client = scenario.prepare(house)
    site = Site(house, case.consumer)
    house.fault.arm(case.mode, at=case.at, linger_us=LINGER_US if case.mode == "kill-before" else 0)
    try:
        faults = live_to_the_kill(scenario, house, client)
    except Hung as hung:
        faults = [f"hangs: {hung}"]
        house.kill()
    state = state_of(house) if is_first_of_two(case) else None
    faults += recover_and_check(scenario, house, client, site)
    return Outcome(case, house.call(), with_log(house, faults), state)


def with_log(house, faults):
    return faults + [house.log_text()[-2000:]] if faults else []


def is_first_of_two(case):
    return case.scenario in WHOLE and case.consumer == "never"


def run_recovery(job):
    """Kills the start after a kill at its own calls; yields outcomes."""
    case, fast = job
    scenario = SCENARIOS[case.scenario]
    house = house_for(scenario)
    before = scenario.prepare(house)
    house.fault.arm(case.mode, at=case.at)
    live_to_the_kill(scenario, house, before)
    house.kill()
    left = house.snapshot()

    def second_life(mode, at, consumer):
        house.restore(left)
        client = copy_of(before)
        site = Site(house, consumer)
        house.fault.arm(mode, at=at)
        try:
            house.start(faulty=True)
            house.forward()
            house.stop()
        except Dead:
            house.gone()
        faults = recover_and_check(scenario, house, client, site)
        again = Case(f"{case.scenario}, again", mode, at, consumer)
        return Outcome(again, f"{house.call()}, in the start after {case}", with_log(house, faults))

    house.fault.arm("count")
    house.start(faulty=True)
    house.forward()
    house.stop()
    trace = house.fault.trace()
    modes = itertools.cycle([("kill-after", "never"), ("kill-before", "at-once"), ("kill-within", "never")])
    return [second_life(mode, at, consumer) for at, (mode, consumer) in zip(choose(trace, fast, ("write", "truncate")), modes)]


def copy_of(client):
    other = Client()
    other.sent, other.taken = copy.copy(client.sent), copy.copy(client.taken)
    return other


# --- the sweep -------------------------------------------------------------------

LASTING = ("sync", "rename", "unlink", "send")


def choose(trace, fast, firsts=KILLING_CALLS):
    """Which calls to go wrong: all, or each that changes something for good and the first of the other kinds."""
    if not fast:
        return list(range(1, len(trace) + 1))
    seen, chosen = set(), []
    for number, entry in enumerate(trace, 1):
        if entry.place == "log" and entry.kind in seen:
            continue
        if entry.call in LASTING or (entry.call in firsts and entry.kind not in seen):
            chosen.append(number)
        seen.add(entry.kind)
    return chosen


def count_calls(name):
    """The calls of a life that nothing goes wrong in; it must pass as well."""
    scenario = SCENARIOS[name]
    house = house_for(scenario)
    client = scenario.prepare(house)
    house.fault.arm("count")
    scenario.life(house, client)
    trace = house.fault.trace()
    faults = recover_and_check(scenario, house, client, Site(house, "never"))
    if faults:
        raise SystemExit(f"{name}: without any kill: {faults}\n{house.log_text()}")
    return trace


def fast_cases(name, trace):
    """Before and after each chosen call; the consumer matters from the first file in the inbox on."""
    begun = next((i for i, entry in enumerate(trace, 1) if entry.kind == ("rename", "inbox", ".SMX")), len(trace))
    consumers = itertools.cycle(CONSUMERS if name in WHOLE else CONSUMERS[::2])
    for number in choose(trace, True):
        if name in MOVED:
            yield Case(name, "kill-after", number, "never")
        elif name not in WHOLE:
            yield Case(name, "kill-after", number, next(consumers))
        else:
            for mode in ("kill-before", "kill-after"):
                for consumer in CONSUMERS if number >= begun else {"never", next(consumers)}:
                    yield Case(name, mode, number, consumer)


def full_cases(name, trace):
    consumers = CONSUMERS if name in (*WHOLE, "poison") else ("never",) if name in MOVED else CONSUMERS[::2]
    numbers = range(1, len(trace) + len(trace) // 10)  # the order of threads differs a little
    for number, mode, consumer in itertools.product(numbers, MODES[1:4], consumers):
        yield Case(name, mode, number, consumer)


def first_cases(options):
    """Before there are workers: they must not share this house."""
    global HOUSE  # pylint: disable=global-statement
    all_cases = []
    for name in options.scenarios:
        trace = count_calls(name)
        cases = list((fast_cases if options.fast else full_cases)(name, trace))
        print(f"{name}: {len(trace)} calls, {len(cases)} kills", flush=True)
        all_cases += cases
    HOUSE.end()
    HOUSE = None
    return all_cases


def second_jobs(outcomes, fast):
    """One of the first cases for each state that they have left."""
    states = {}
    for outcome in outcomes:
        if outcome.state is not None:
            states.setdefault(outcome.state, outcome.case)
    print(f"{len(states)} states to recover from", flush=True)
    return [(case, fast) for case in states.values()]


class Report:
    """Counts the cases, shows those with a fault at once, and now and then how far it is."""

    def __init__(self, stop_early):
        self.stop_early, self.cases, self.bad, self.missed = stop_early, 0, 0, 0
        self.began = self.told = time.monotonic()

    def add(self, outcome):
        self.cases += 1
        if time.monotonic() - self.told > PROGRESS:
            self.told = time.monotonic()
            print(f"… {self.cases} cases after {self.told - self.began:.0f} s, {self.bad} with a fault", flush=True)
        self.missed += outcome.call.startswith("never")
        if outcome.faults:
            self.bad += 1
            case = ", ".join(str(part) for part in outcome.case)
            print(f"FAULT {case}: {outcome.call}\n  " + "\n  ".join(outcome.faults), flush=True)

    def enough(self):
        return self.stop_early and self.bad

    def end(self):
        print(f"{self.cases} cases ({self.missed} beyond the end), {self.bad} with a fault, "
              f"{time.monotonic() - self.began:.1f} s")
        return 1 if self.bad else 0


def sweep(options, cases, pool, report):
    outcomes = []
    for outcome in pool.imap_unordered(run_case, cases, chunksize=4):
        outcomes.append(outcome)
        report.add(outcome)
        if report.enough():
            return
    for group in pool.imap_unordered(run_recovery, second_jobs(outcomes, options.fast)):
        for outcome in group:
            report.add(outcome)
        if report.enough():
            return


def arguments(description):
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--fast", action="store_true", help="a selection that covers every transition (the default)")
    size.add_argument("--full", action="store_true", help="everything")
    parser.add_argument("--bin", default=os.environ.get("FSP_BIN"), help="the folder of fspd (FSP_BIN)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--stop-early", action="store_true", help="end at the first fault")
    return parser


def parse(parser):
    options = parser.parse_args()
    options.fast = not options.full
    if not options.bin or not (Path(options.bin) / "fspd").exists():
        parser.error("where is fspd?  Set FSP_BIN or --bin")
    return options


def main():
    global OPTIONS  # pylint: disable=global-statement
    parser = arguments(__doc__)
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    options = OPTIONS = parse(parser)
    report = Report(options.stop_early)
    with tempfile.TemporaryDirectory(dir=fault.scratch_base(), prefix="fsp-kill-") as folder:
        options.scratch = folder
        options.preload = fault.build_preload(folder)
        cases = first_cases(options)
        with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
            sweep(options, cases, pool, report)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
