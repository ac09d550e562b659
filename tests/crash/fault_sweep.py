#!/usr/bin/env python3
"""Fails the N-th call of fspd, once or for ever, and looks whether a 200 was false.

Each case is a small life in which one call fails with ENOSPC, EIO, EROFS, EMFILE or ENOMEM, or an allocation gives
nothing.  Whatever fails: no signal ends fspd, no message that was answered 200 is lost, torn or doubled, no
descriptor is left open, and no WAL is written on after its sync has failed.  A start may end with 69, 70, 73 or
78; later fspd answers 503, or ends with 70 to be started anew.  Once the cause is gone, intake resumes by itself
within 15 s.
"""
import collections
import errno
import itertools
import multiprocessing
import os
import sys
import tempfile
import time

import fault
from fault import CALLS, PLACES, Dead, House, Hung, Site, message
from history import Client, check
from kill_sweep import Report, arguments, parse

ERRORS = ("EIO", "ENOSPC", "EROFS", "EMFILE", "ENOMEM")
RESUMED = 15                    # seconds after the cause went away
START_CODES = (69, 70, 73, 78)  # of a start that may fail
RUNS = 8
FAILING = CALLS[:7] + ("read",)  # calls that fail; an answer that does not reach a client is no fault of ours
FOLDERS = PLACES[1:5]

# when: "once" or "ever"; at counts allocations where error is "malloc", and where a reader (a thread) is named, what
# that one reads.  rename: are files renamed into the inbox?
Case = collections.namedtuple("Case", "error when at reader rename", defaults=("", "no"))
Outcome = collections.namedtuple("Outcome", "case call faults")

HOUSE = None
OPTIONS = None


class Life:
    """One case from the start to the check."""

    def __init__(self, house, case):
        self.house, self.case = house, case
        self.client, self.faults, self.begun, self.silent = Client(), [], False, 0

    def arm(self):
        common = {"ever": self.case.when == "ever", "calls": FAILING, "places": FOLDERS}
        if self.case.error == "malloc":
            self.house.fault.arm("fail", malloc_at=self.case.at, **common)
        elif self.case.reader:
            self.house.fault.arm("fail", at=self.case.at, error=getattr(errno, self.case.error),
                                 **{**common, "calls": ("read",), "thread": self.case.reader})
        else:
            self.house.fault.arm("fail", at=self.case.at, error=getattr(errno, self.case.error), **common)

    def fail(self, text):
        self.faults.append(text)

    def ended(self, where, codes):
        code = self.house.gone()
        if code not in codes:
            self.fail(f"{where}: ended with {code}")

    def begin(self):
        try:
            self.house.start(faulty=True)
            self.begun = True
        except Dead:
            self.ended("the start", START_CODES)

    def send(self, *contents):
        statuses = self.house.post(self.client, *contents)
        for status in statuses:
            if status not in (200, 503, None):
                self.fail(f"a client was answered {status}")
            self.silent += status is None
        return statuses

    def work(self):
        """What the fault is meant to hit."""
        self.send(message(), message(3000), message())
        self.house.forward()
        self.send(message(), message(20000))
        self.house.forward()

    def resume(self):
        """After the cause is gone."""
        end = time.monotonic() + RESUMED
        content = message()
        while self.send(content) != [200]:
            if not self.house.running():
                raise Dead
            if time.monotonic() > end:
                self.fail(f"takes no messages {RESUMED} s after the cause has gone: {self.house.status()['reasons']}")
                return
            time.sleep(0.05)

    def live(self):
        self.begin()
        if not self.begun:
            return
        try:
            self.work()
            self.house.fault.lift()
            self.resume()
            self.deliver()
            self.look_at_descriptors()
            if self.silent and self.case.error not in ("malloc", "EMFILE"):
                self.fail(f"{self.silent} client(s) got no answer of an fspd that did not end")
        except Dead:
            self.ended("at work", (70,))

    def deliver(self):
        for _ in range(RUNS):
            self.house.forward()
            if self.house.status()["staged"] == 0:
                return
            time.sleep(0.1)  # a stager that was refused waits a second
        for _ in range(20):
            time.sleep(0.1)
            self.house.forward()
            if self.house.status()["staged"] == 0:
                return
        self.fail(f"not sent {RUNS} runs after the cause has gone: {self.house.status()['pending']}")

    def look_at_descriptors(self):
        """As many as in a life that nothing went wrong in."""
        end = time.monotonic() + 2
        while self.house.descriptors() > OPTIONS.descriptors and time.monotonic() < end:
            time.sleep(0.01)
        if self.house.descriptors() > OPTIONS.descriptors:
            names = sorted(os.readlink(f"/proc/{self.house.process.pid}/fd/{fd}")
                           for fd in os.listdir(f"/proc/{self.house.process.pid}/fd"))
            self.fail(f"{len(names)} descriptors, {OPTIONS.descriptors} without a fault: {names}")

    def settle(self):
        """A new start without any fault must come to a good end."""
        if self.house.fault.written_again:
            self.fail("a WAL was written on after its sync had failed")
        self.house.kill()
        try:
            self.house.start()
            again = self.client.unanswered()
            if again and set(self.house.post(self.client, *again)) != {200}:
                self.fail("refuses messages after the restart")
            self.deliver()
            aside = self.house.quarantine()
            aside += [("a row", None)] * (self.house.status()["quarantined"] - len(aside))
            self.faults += check(self.client, Site(self.house, "never").arrived(), aside).lines()
            if self.house.leftovers():
                self.fail(f"left behind: {self.house.leftovers()}")
        except Dead:
            self.fail(f"does not start again: ended with {self.house.gone()}")


def run_case(case):
    global HOUSE  # pylint: disable=global-statement
    if HOUSE is None:
        HOUSE = House(OPTIONS.bin, OPTIONS.preload, tempfile.mkdtemp(dir=OPTIONS.scratch))
    HOUSE.kill()
    HOUSE.empty()
    HOUSE.configure({"forwarder.rename": case.rename})
    life = Life(HOUSE, case)
    life.arm()
    for act in (life.live, life.settle):
        try:
            act()
        except Hung as hung:
            life.fail(f"hangs: {hung}")
    call = HOUSE.call()
    HOUSE.kill()
    return Outcome(case, call, life.faults + [HOUSE.log_text()[-2500:]] if life.faults else [])


# --- the sweep -------------------------------------------------------------------

def count_calls(options, rename):
    """The calls and allocations of a life without a fault; also its descriptors at rest."""
    house = House(options.bin, options.preload, tempfile.mkdtemp(dir=options.scratch),
                  {"forwarder.rename": rename})
    life = Life(house, Case("EIO", "once", 0))
    house.fault.arm("count", calls=FAILING, places=FOLDERS, malloc_at=1 << 60)
    options.descriptors = 1 << 20
    life.begin()
    life.work()
    trace, mallocs = house.fault.trace(), house.fault.mallocs
    life.resume()
    life.deliver()
    time.sleep(0.2)  # clients' connections go
    options.descriptors = house.descriptors()
    life.settle()
    house.kill()
    if life.faults:
        raise SystemExit(f"without any fault: {life.faults}\n{house.log_text()}")
    return trace, mallocs


def choose(trace):
    """The first and the last call of each kind, by each thread."""
    first, last = {}, {}
    for number, entry in enumerate(trace, 1):
        first.setdefault((entry.kind, entry.thread), number)
        last[entry.kind, entry.thread] = number
    return sorted(set(first.values()) | set(last.values()))


def call_cases(options, trace):
    if not options.fast:
        yield from (Case(error, when, at) for at in range(1, len(trace) + len(trace) // 10)
                    for error, when in itertools.product(ERRORS, ("once", "ever")))
        return
    chosen = choose(trace)
    for at in chosen:
        for error, when in itertools.product(ERRORS[:2], ("once", "ever")):
            yield Case(error, when, at)
    # What is read decides what becomes of a message, so of that each.
    for reader in ("fspd-stager", "fspd-forwarder"):
        reads = sum(1 for entry in trace if entry.call == "read" and reader.startswith(entry.thread))
        yield from (Case("EIO", "once", at, reader) for at in range(1, reads + 3))


def malloc_cases(options, mallocs):
    step = max(mallocs // 80, 1) if options.fast else 1
    yield from (Case("malloc", "once", at) for at in range(1, mallocs, step))
    yield from (Case("malloc", "ever", at) for at in range(1, mallocs, step * 10))


def cases_of(options, trace, mallocs):
    if options.only != "malloc":
        yield from call_cases(options, trace)
    if options.only != "calls":
        yield from malloc_cases(options, mallocs)


def main():
    global OPTIONS  # pylint: disable=global-statement
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=("calls", "malloc"), help="this part of it")
    parser.set_defaults(jobs=4 * os.cpu_count())  # they mostly wait for fspd to try again
    options = OPTIONS = parse(parser)
    report = Report(options.stop_early)
    with tempfile.TemporaryDirectory(dir=fault.scratch_base(), prefix="fsp-fault-") as folder:
        options.scratch = folder
        options.preload = fault.build_preload(folder)
        cases = []
        for rename in ("no", "yes"):
            trace, mallocs = count_calls(options, rename)
            cases += [case._replace(rename=rename) for case in cases_of(options, trace, mallocs)]
            print(f"rename = {rename}: {len(trace)} calls, {mallocs} allocations; {len(cases)} faults", flush=True)
        with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
            for outcome in pool.imap_unordered(run_case, cases):
                report.add(outcome)
                if report.enough():
                    break
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
