"""The table of what was measured, and of the goals."""
import statistics
from collections.abc import Callable
from typing import NamedTuple

from rungs import LADDER, RUNGS, SERVERS

BURST, BURST_GOAL = 200000, 2.0  # a goal's messages, and nginx's rate so many times
MAKERS = tuple(name for name in RUNGS if RUNGS[name].makes_files)
STORERS = tuple(name for name in RUNGS if not RUNGS[name].makes_files)

# key in a result, heading, format
COLUMNS = (
    ("messages_per_second", "messages/s", "{:,.0f}"),
    ("p50_ms", "p50 ms", "{:.2f}"),
    ("p99_ms", "p99 ms", "{:.2f}"),
    ("p999_ms", "p99.9 ms", "{:.2f}"),
    ("cpu_us", "CPU µs", "{:.0f}"),
    ("filed_cpu_us", "CPU µs until files", "{:.0f}"),
    ("filed_per_second", "files/s", "{:,.0f}"),
    ("resident_mb", "MB", "{:.0f}"),
)
RATIOS = (("messages_per_second", "rate"), ("p99_ms", "p99"), ("cpu_us", "CPU"))


def median(rounds, key):
    return statistics.median(result[key] for result in rounds)


def ratio(by_peer, other, key, under="fspd"):
    """Median of the rounds' ratios: what the machine did else falls on both of a round."""
    pairs = [(a[key], b[key]) for a, b in zip(by_peer[under], by_peer[other]) if b[key]]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def number(value, form="{:.2f}"):
    return "–" if value is None else form.format(value)


def tells(name, key):
    """Does a figure of this server say anything?"""
    return SERVERS[name].makes_files or not key.startswith("filed")


def cell_rows(cell):
    by_peer = cell["peers"]
    for name, rounds in by_peer.items():
        cells = [number(median(rounds, key) if tells(name, key) else None, form) for key, _, form in COLUMNS]
        rates = [result["messages_per_second"] for result in rounds]
        cells[0] += f" ({min(rates):,.0f}–{max(rates):,.0f})"
        cells += [number(ratio(by_peer, name, key)) if name != "fspd" and "fspd" in by_peer else ""
                  for key, _ in RATIOS]
        kind = "a new one each" if cell["new_connection"] else f"{cell['idle']:,} idle" if cell["idle"] else "kept"
        yield f"| {cell['body']} | {cell['connections']} | {kind} | {name} | " + " | ".join(cells) + " |"


def cells_table(run):
    heads = [column[1] for column in COLUMNS] + [f"fspd's {name} ÷ its" for _, name in RATIOS]
    rows = ["| body | connections | | server | " + " | ".join(heads) + " |",
            "|---|---:|---|---|" + "---:|" * len(heads)]
    refused = sum(result["refused"] for cell in run["cells"] for rounds in cell["peers"].values() for result in rounds)
    return "\n".join(rows + [row for cell in run["cells"] for row in cell_rows(cell)]) + (
        f"\n\n{refused:,} were answered 503, and are in no figure." if refused else "")


# heading, key when answered, key when all are files, server to divide by, format
BOUND_COLUMNS = (
    ("messages/s", "messages_per_second", "filed_per_second", None, "{:,.0f}"),
    ("p50 ms", "p50_ms", None, None, "{:.2f}"),
    ("p99 ms", "p99_ms", None, None, "{:.2f}"),
    ("CPU µs", "cpu_us", "filed_cpu_us", None, "{:.0f}"),
    ("messages/s, were all CPUs busy", "busy_per_second", None, None, "{:,.0f}"),
    ("rate ÷ nginx's", "messages_per_second", "filed_per_second", "nginx", "{:.2f}"),
    ("p99 ÷ nginx's", "p99_ms", None, "nginx", "{:.2f}"),
    ("CPU ÷ nginx's", "cpu_us", "filed_cpu_us", "nginx", "{:.2f}"),
    ("of the ceiling", "messages_per_second", None, "ceiling", "{:.2f}"),
)


def bound_figure(by_peer, name, key, other):
    if key is None or (other and other not in by_peer):
        return None
    return ratio(by_peer, other, key, name) if other else median(by_peer[name], key)


def bound_rows(cell):
    by_peer = cell["peers"]
    for name in by_peer:
        for filed in (False, True) if SERVERS[name].answers_first else (False,):
            cells = [number(bound_figure(by_peer, name, keys[filed], other), form)
                     for _, *keys, other, form in BOUND_COLUMNS]
            does = "until all are files" if filed else LADDER.get(name, "")
            yield f"| {cell['connections']} | {name} | {does} | " + " | ".join(cells) + " |"


def bound_table(run):
    rows = ["| connections | server | | " + " | ".join(column[0] for column in BOUND_COLUMNS) + " |",
            "|---:|---|---|" + "---:|" * len(BOUND_COLUMNS)]
    return "\n".join(rows + [row for cell in run["cells"] for row in bound_rows(cell)])


def sustained_table(run):
    cell = {"body": "utf16-4k", "connections": run["connections"], "new_connection": False, "idle": 0} | run
    late = [result for result in run["peers"].get("fspd", []) if result["staged_late"]]
    slowest = max((result["slowest_staged_ms"] for result in run["peers"].get("fspd", [])), default=0)
    return cells_table({"cells": [cell]}) + f"\n\nThe slowest message was a file after {slowest / 1000:.1f} s" + (
        f"; {sum(result['staged_late'] for result in late):,} took more than 5 s, none that came later than "
        f"{max(result.get('late_until_ms', run['minutes'] * 60000) for result in late) / 1000:.0f} s." if late else ".")


def sweep_table(run):
    return "\n".join(["| connections | messages/s | p99 ms | longest ms | |", "|---:|---:|---:|---:|---|"] + [
        f"| {p['connections']} | {p['messages_per_second']:,.0f} | {p['p99_ms']:.1f} | {p['max_ms']:.1f} | "
        f"{'stalls' if p['stall'] else ''} |" for p in run["points"]])


def forward_table(run):
    rows = ["| files | by | files/s | CPU µs a file | fspd's rate ÷ its |", "|---:|---|---:|---:|---:|"]
    for size in run["sizes"]:
        for name, rounds in size["peers"].items():
            rows.append(f"| {size['files']:,} | {name} | {median(rounds, 'files_per_second'):,.0f} | "
                        f"{median(rounds, 'cpu_us'):.0f} | {number(forward_ratio(size, name)) if name != 'fspd' else ''} |")
    return "\n".join(rows)


def growth_table(run):
    rows = ["| staged | rows | intake, messages/s | of an empty one's | start s | memory MB, largest |",
            "|---:|---:|---:|---:|---:|---:|"]
    rows += [f"| {p['staged']:,} | {p['rows']:,} | {statistics.median(p['full']):,.0f} | {p['ratio']:.2f} | "
             f"{p['start_seconds']:.2f} | {p['peak_mb']:.0f} |" for p in run["points"]]
    rows += ["", "| forwarded at once | µs a file |", "|---:|---:|"]
    return "\n".join(rows + [f"| {files:,} | {us:.0f} |" for files, us in forward_costs(run)])


SECTIONS = (
    ("burst", "Bursts", cells_table),
    ("bound", "What bounds a burst", bound_table),
    ("sustained", "Sustained", sustained_table),
    ("table", "Every kind of connection and body", cells_table),
    ("idle", "Beside idle connections", cells_table),
    ("sweep", "At each number of connections", sweep_table),
    ("forward", "Forwarding", forward_table),
    ("growth", "As work grows", growth_table),
)


def forward_costs(run):
    """(files, median µs a file) by size."""
    sizes = {}
    for forward in run["forwards"]:
        sizes.setdefault(forward["files"], []).append(forward["us_per_file"])
    return [(files, statistics.median(costs)) for files, costs in sorted(sizes.items())]


# ---- goals: each gives its (what, figure) pairs, none where it was not measured ----

def forward_ratio(size, name):
    by_peer = size["peers"]
    return ratio(by_peer, name, "files_per_second") if name in by_peer else None


def burst_ratios(other, key, connections=None):
    def figures(run, under="fspd"):
        for cell in run["cells"]:
            if connections in (None, cell["connections"]) and {under, other} <= set(cell["peers"]) and tells(under, key):
                yield f"{cell['connections']} connections", ratio(cell["peers"], other, key, under)
    return figures


def sustained_ratio(key):
    def figures(run):
        if {"fspd", "nginx"} <= set(run["peers"]):
            yield (f"{run['minutes']:.3g} minutes, {run['connections']} connections",
                   ratio(run["peers"], "nginx", key))
    return figures


def sustained_late(run):
    if "fspd" in run["peers"]:
        yield (f"messages, {run['connections']} connections",
               sum(result["staged_late"] for result in run["peers"]["fspd"]))


def burst_age(run, name):
    """Seconds from its receipt to its file of the last message of a burst that reaches its goal, were all files made
    from the first moment on and as fast as by this server, in whose way no burst stands."""
    for cell in run["cells"]:
        if {name, "nginx"} <= set(cell["peers"]):
            by_peer = cell["peers"]
            yield (f"{cell['connections']} connections", BURST / median(by_peer[name], "filed_per_second")
                   - BURST / BURST_GOAL / median(by_peer["nginx"], "messages_per_second"))


def idle_rate(run):
    busy, beside = run["cells"]
    pairs = zip(beside["peers"]["fspd"], busy["peers"]["fspd"])
    yield f"{beside['idle']:,} idle", statistics.median(a["messages_per_second"] / b["messages_per_second"]
                                                        for a, b in pairs)


def idle_memory(run):
    yield f"{run['cells'][1]['idle']:,} idle", max(result["resident_mb"] for result in run["cells"][1]["peers"]["fspd"])


def forward_ratios(run):
    for size in run["sizes"]:
        if "rsync" in size["peers"]:
            yield f"{size['files']:,} files", forward_ratio(size, "rsync")


def growth_intake(run):
    """The last step, without and with the rows."""
    for point in run["points"][-2:]:
        yield f"{point['staged']:,} staged, {point['rows']:,} rows", point["ratio"]


def growth_forward(run):
    (few, cheap), *_, (many, dear) = forward_costs(run) * 2
    yield f"{many:,} against {few:,}", dear / cheap


def stalls(run):
    yield f"{len(run['points'])} numbers of connections", sum(point["stall"] for point in run["points"])


class Goal(NamedTuple):
    what: str
    run: str
    figures: Callable
    sense: str       # at least, at most
    bound: float
    least: Callable = None   # the figures of a server that does less, by its name
    rungs: tuple = ()        # of which, from the least one on
    least_bound: float = None  # where those are not of the goal's kind
    unit: str = ""


def burst_goal(what, other, key, sense, bound, connections=None):
    figures = burst_ratios(other, key, connections)
    return Goal(what, "burst", figures, sense, bound, figures, STORERS)


def sustained_goal(what, key, filed_key, sense, bound):
    """In the long run a server is as fast as it makes files."""
    return Goal(what, "sustained", sustained_ratio(key), sense, bound, burst_ratios("nginx", filed_key), MAKERS)


GOALS = (
    burst_goal("burst, rate against nginx PUT", "nginx", "messages_per_second", ">=", BURST_GOAL),
    sustained_goal("sustained, rate against nginx PUT", "messages_per_second", "filed_per_second", ">=", 1.25),
    Goal("sustained, files later than 5 s", "sustained", sustained_late, "<=", 0, burst_age, MAKERS, 5, " s"),
    burst_goal("burst, rate against lighttpd PUT", "lighttpd", "messages_per_second", ">=", 1.5),
    burst_goal("burst, rate against a file and fsync each", "naive", "messages_per_second", ">=", 12),
    burst_goal("burst, share of the ceiling", "ceiling", "messages_per_second", ">=", 0.25),
    burst_goal("burst, CPU a message against nginx PUT", "nginx", "cpu_us", "<=", 0.45),
    sustained_goal("sustained, CPU a message against nginx PUT", "filed_cpu_us", "filed_cpu_us", "<=", 0.8),
    burst_goal("burst, p99 against nginx PUT", "nginx", "p99_ms", "<=", 1.0, connections=64),
    burst_goal("burst, p99 against nginx PUT", "nginx", "p99_ms", "<=", 0.6, connections=400),
    Goal("rate beside idle connections", "idle", idle_rate, ">=", 0.9),
    Goal("memory beside idle connections, MB", "idle", idle_memory, "<=", 64),
    Goal("forwarding against rsync -a and sync", "forward", forward_ratios, ">=", 2.0),
    Goal("intake against an empty one's", "growth", growth_intake, ">=", 0.9),
    Goal("forward time a file", "growth", growth_forward, "<=", 1.3),
    Goal("stalls", "sweep", stalls, "<=", 0),
)


def reaches(figure, sense, bound):
    return figure >= bound if sense == ">=" else figure <= bound


def rung_figures(ladder, at, goal):
    """(rung, figure, does it reach the goal?) of those measured there."""
    bound = goal.bound if goal.least_bound is None else goal.least_bound
    for name in goal.rungs:
        figure = dict(goal.least(ladder, name)).get(at.split(", ")[-1])
        if figure is not None:
            yield name, figure, reaches(figure, goal.sense, bound)


def missed_in(ladder, at, goal, reaching=()):
    """The first rung of those that all miss the goal: what does no less misses it too."""
    missed = ""
    for name, figure, reached in reversed(list(rung_figures(ladder, at, goal))):
        if reached or name in reaching:
            break
        missed = f"{name}, {figure:.3g}{goal.unit}"
    return missed


def missed_by(runs, at, goal):
    """In the goal's own rounds, else in those of the ladder, without a rung that reaches it in its own."""
    if not goal.rungs:
        return ""
    own, bound = ({"cells": runs.get(name, {}).get("cells", [])} for name in (goal.run, "bound"))
    reaching = [name for name, _, reached in rung_figures(own, at, goal) if reached]
    return missed_in(own, at, goal) or missed_in(bound, at, goal, reaching)


def goals_table(runs):
    rows = ["| goal | at | figure | goal | | missed already by |", "|---|---|---:|---:|---|---|"]
    for goal in GOALS:
        found = list(goal.figures(runs[goal.run])) if goal.run in runs else []
        for at, figure in [pair for pair in found if pair[1] is not None] or [("", None)]:
            word, missed = "not measured", ""
            if figure is not None:
                reached = reaches(figure, goal.sense, goal.bound)
                word, missed = ("reached", "") if reached else ("**not reached**", missed_by(runs, at, goal))
            rows.append(f"| {goal.what} | {at} | {number(figure, '{:.3g}')} | {'≥' if goal.sense == '>=' else '≤'} "
                        f"{goal.bound:g} | {word} | {missed} |")
    return "\n".join(rows)


def markdown(store):
    machine = store["machine"]
    parts = [f"{machine['cpus']} × {machine['cpu']}, {machine['memory_gb']} GB, {machine['file_system']}, "
             f"Linux {machine['kernel']}."]
    for name, title, table in SECTIONS:
        if name in store["runs"]:
            run = store["runs"][name]
            parts += [f"### {title}", f"{run['date']}, fspd at {run['commit']}: `./dev bench {run['arguments']}`",
                      table(run)]
    return "\n\n".join(parts + ["### Goals", goals_table(store["runs"])]) + "\n"
