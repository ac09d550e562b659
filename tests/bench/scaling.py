#!/usr/bin/python3
"""Computes the tables of docs/SCALING.md from the figures that stand in it; --check tells if they are those."""
import argparse
import math
import re
import sys
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "SCALING.md"
HOUR, DAY = 3600, 86400
POPULATIONS = (1_000_000, 10_000_000, 100_000_000)
LINK = 1_000_000_000  # bits a second, of an ordinary network card
STAGING = 4 * 2**30   # staging.max_size as it comes


def rounded(number):
    """To two digits: these are estimates."""
    digits = max(0, int(math.log10(number)) - 1) if number >= 1 else 0
    return f"{round(number, -digits):,.0f}" if number >= 10 else f"{number:.1f}"


def table(heads, rows):
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


class Scaling:
    def __init__(self, figures):
        self.figures = figures
        self.hourly, self.daily = figures["hourly"] / HOUR, figures["daily"] / DAY  # messages a second and client
        self.load = figures["load"] / 100
        self.slowest = min(figures["answered"], figures["filed"], figures["forwarded"])

    def one(self):
        return table(["clients that one machine serves", f"at {self.figures['hourly']:g} messages an hour",
                      f"at {self.figures['daily']:g} a day"],
                     [[what, rounded(rate / self.hourly), rounded(rate / self.daily)] for what, rate in (
                         ("all that is measured", self.slowest),
                         (f"at {self.figures['load']:g} % of it", self.slowest * self.load),
                         ("for some minutes, while staging has room", self.figures["answered"]))])

    def binds(self):
        f = self.figures
        bounds = (("answers, on disk", f["answered"]), ("files in staging", f["filed"]),
                  ("files in the inbox", f["forwarded"]), ("CPU, two of them, nothing forwarded", 2e6 / f["cpu"]),
                  ("a network of 1 Gbit/s", LINK / 8 / f["wire"]),
                  ("the throttle as it comes", f["original"] / HOUR))
        rows = [[what, rounded(rate), rounded(rate / self.hourly), rounded(rate / self.daily)]
                for what, rate in sorted(bounds, key=lambda bound: -bound[1])]
        heads = ["", "messages/s", f"clients at {f['hourly']:g} an hour", f"clients at {f['daily']:g} a day"]
        return table(heads, rows) + (
            f"\n\nStaging as it comes, 4 GB, holds {rounded(STAGING / f['staged'])} messages, "
            f"{rounded(STAGING / f['staged'] / f['filed'] / 60)} minutes of all that it can take with the inbox away; "
            "`staging.max_size` and `max_messages` make it days.")

    def daemons(self, rate):
        """And one more, so that one may be away."""
        return math.ceil(rate / (self.slowest * self.load)) + 1

    def many(self):
        rows = []
        for what, each in ((f"{self.figures['hourly']:g} an hour", self.hourly),
                           (f"{self.figures['daily']:g} a day", self.daily)):
            for clients in POPULATIONS:
                rate = clients * each
                rows.append([f"{clients // 1_000_000} million, {what}", rounded(rate), f"{self.daemons(rate):,}",
                             rounded(rate * self.figures["wire"] * 8 / 1e6),
                             rounded(rate * DAY * self.figures["row"] / 1e9 / self.daemons(rate)),
                             rounded(rate * HOUR / self.figures["original"])])
        return table(["clients", "messages/s", f"fspd, at {self.figures['load']:g} % and one to spare", "Mbit/s in all",
                      "ledger of each, GB a day", "times the default throttle"], rows) + (
            f"\n\nA ledger keeps {self.figures['retention']:g} days by default: lower `ledger.retention` where that is "
            "more than the disk holds.")

    def originals(self):
        f = self.figures
        return (f"The original forwards {f['original']:,.0f} messages an hour by default, {f['original'] / HOUR:.1f} a "
                f"second. One fspd forwards {f['forwarded']:,.0f} a "
                f"second: in place of **{rounded(self.slowest * HOUR / f['original'])}** of them, as far as the site "
                "server loads that much. With both at the default throttle it is one for one, and what fspd brings is "
                "that nothing is lost meanwhile.")


def read_figures(text):
    rows = re.findall(r"^\| (\w+) \| ([\d,.]+) \|", text, re.MULTILINE)
    return {name: float(figure.replace(",", "")) for name, figure in rows}


def renew(text):
    scaling = Scaling(read_figures(text))
    for name in ("one", "binds", "many", "originals"):
        text, found = re.subn(rf"<!-- {name} -->\n.*?<!-- end -->",
                              lambda _: f"<!-- {name} -->\n{getattr(scaling, name)()}\n<!-- end -->", text, flags=re.DOTALL)
        if found != 1:
            raise ValueError(f"{DOCUMENT.name} has no place for {name}")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = DOCUMENT.read_text(encoding="utf-8")
    new = renew(text)
    if check and new != text:
        print(f"{DOCUMENT.name} has other figures than follow from its own: run tests/bench/scaling.py")
        return 1
    if not check:
        DOCUMENT.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
