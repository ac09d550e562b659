"""The table of what was measured, and of the goals."""
import statistics

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


def cell_rows(cell):
    by_peer = cell["peers"]
    for name, rounds in by_peer.items():
        cells = [number(None if name == "ceiling" and key.startswith("filed") else median(rounds, key), form)
                 for key, _, form in COLUMNS]
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


def sustained_table(run):
    cell = {"body": "utf16-4k", "connections": run["connections"], "new_connection": False, "idle": 0} | run
    late = [result for result in run["peers"].get("fspd", []) if result["staged_late"]]
    slowest = max((result["slowest_staged_ms"] for result in run["peers"].get("fspd", [])), default=0)
    return cells_table({"cells": [cell]}) + f"\n\nThe slowest message was a file after {slowest / 1000:.1f} s" + (
        f"; {sum(result['staged_late'] for result in late):,} took more than 5 s." if late else ".")


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
    def figures(run):
        for cell in run["cells"]:
            if connections in (None, cell["connections"]) and {"fspd", other} <= set(cell["peers"]):
                yield f"{cell['connections']} connections", ratio(cell["peers"], other, key)
    return figures


def sustained_ratio(key):
    def figures(run):
        if {"fspd", "nginx"} <= set(run["peers"]):
            yield f"{run['minutes']:.3g} minutes", ratio(run["peers"], "nginx", key)
    return figures


def sustained_late(run):
    if "fspd" in run["peers"]:
        yield "messages", sum(result["staged_late"] for result in run["peers"]["fspd"])


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


# what, run, figures, at least / at most, bound
GOALS = (
    ("burst, rate against nginx PUT", "burst", burst_ratios("nginx", "messages_per_second"), ">=", 2.0),
    ("sustained, rate against nginx PUT", "sustained", sustained_ratio("messages_per_second"), ">=", 1.25),
    ("sustained, files later than 5 s", "sustained", sustained_late, "<=", 0),
    ("burst, rate against lighttpd PUT", "burst", burst_ratios("lighttpd", "messages_per_second"), ">=", 1.5),
    ("burst, rate against a file and fsync each", "burst", burst_ratios("naive", "messages_per_second"), ">=", 12),
    ("burst, share of the ceiling", "burst", burst_ratios("ceiling", "messages_per_second"), ">=", 0.25),
    ("burst, CPU a message against nginx PUT", "burst", burst_ratios("nginx", "cpu_us"), "<=", 0.45),
    ("sustained, CPU a message against nginx PUT", "sustained", sustained_ratio("filed_cpu_us"), "<=", 0.8),
    ("burst, p99 against nginx PUT", "burst", burst_ratios("nginx", "p99_ms", 64), "<=", 1.0),
    ("burst, p99 against nginx PUT", "burst", burst_ratios("nginx", "p99_ms", 400), "<=", 0.6),
    ("rate beside idle connections", "idle", idle_rate, ">=", 0.9),
    ("memory beside idle connections, MB", "idle", idle_memory, "<=", 64),
    ("forwarding against rsync -a and sync", "forward", forward_ratios, ">=", 2.0),
    ("intake against an empty one's", "growth", growth_intake, ">=", 0.9),
    ("forward time a file", "growth", growth_forward, "<=", 1.3),
    ("stalls", "sweep", stalls, "<=", 0),
)


def goals_table(runs):
    rows = ["| goal | at | figure | goal | |", "|---|---|---:|---:|---|"]
    for what, name, figures, sense, bound in GOALS:
        found = [(at, figure) for at, figure in figures(runs[name]) if figure is not None] if name in runs else []
        for at, figure in found or [("", None)]:
            reached = figure is not None and (figure >= bound if sense == ">=" else figure <= bound)
            word = "not measured" if figure is None else "reached" if reached else "**not reached**"
            rows.append(f"| {what} | {at} | {number(figure, '{:.3g}')} | {'≥' if sense == '>=' else '≤'} {bound:g} | "
                        f"{word} |")
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
