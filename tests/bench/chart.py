"""The measured figures as line charts: SVG made by hand, readable on light and on dark ground."""
import math
from xml.sax.saxutils import escape

import report

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 72, 150, 44, 56
LABEL_GAP = 15
TICK_GAP = 40  # between the numbers below
# On white and on black with enough contrast; the dash tells them apart without the colour.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-size: 16px; font-weight: 600 }
.grid { stroke: #ccc; stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #444 } }
"""
COLOURS = {"fspd": ("#2f7de1", ""), "nginx": ("#2e9e5b", "7 3"), "lighttpd": ("#d9822b", "2 3"),
           "naive": ("#d3455b", "9 3 2 3"), "ceiling": ("#8a8a8a", "1 3"), "flat": ("#8e5bd0", "5 2"),
           "flat2": ("#5b8ed0", "2 2"), "door2": ("#c08a2e", "7 2 2 2")}


class Scale:
    """From values to places, evenly or by powers of ten."""

    def __init__(self, low, high, begin, end, log):
        self.log = log
        self.low, self.high = (low, high) if high > low else (low * 0.5, low * 2 or 1)
        self.begin, self.end = begin, end

    def __call__(self, value):
        low, high, value = ((math.log10(v) for v in (self.low, self.high, value)) if self.log
                            else (self.low, self.high, value))
        return self.begin + (value - low) / (high - low) * (self.end - self.begin)

    def ticks(self):
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            few = math.log10(self.high / self.low) <= 3
            ticks = [step * 10.0**decade for decade in decades for step in ((1, 2, 5) if few else (1,))]
        else:
            step = 10.0 ** math.floor(math.log10((self.high - self.low) / 2))
            step *= next(m for m in (1, 2, 5, 10) if (self.high - self.low) / (m * step) <= 6)
            ticks = [self.low + i * step for i in range(8)]
        return [tick for tick in ticks if self.low * 0.999 <= tick <= self.high * 1.001]


def short(value):
    for unit, letter in ((1e6, " M"), (1e3, " k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def line(x1, y1, x2, y2):
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def draw_axes(x_scale, y_scale, x_ticks, x_name, y_name):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for tick in y_scale.ticks():
        yield line(LEFT, y_scale(tick), right, y_scale(tick))
        yield text(LEFT - 8, y_scale(tick) + 4, short(tick), "end")
    last = -math.inf
    for tick in x_ticks:
        if x_scale(tick) - last < TICK_GAP:
            continue
        last = x_scale(tick)
        yield line(x_scale(tick), bottom, x_scale(tick), bottom + 5)
        yield text(x_scale(tick), bottom + 20, short(tick))
    yield text((LEFT + right) / 2, HEIGHT - 14, x_name)
    yield text(18, (TOP + bottom) / 2, y_name, more=f'transform="rotate(-90 18 {(TOP + bottom) / 2:.1f})"')


def label_places(series, y_scale):
    """Beside the ends of the lines, none upon another."""
    places, last = {}, -math.inf
    for name, points in sorted(series.items(), key=lambda item: y_scale(item[1][-1][1])):
        last = places[name] = max(last + LABEL_GAP, y_scale(points[-1][1]) + 4)
    return places


def draw_series(series, x_scale, y_scale):
    places = label_places(series, y_scale)
    for name, points in series.items():
        colour, dash = COLOURS.get(name, COLOURS["fspd"])
        path = " ".join(f"{x_scale(x):.1f},{y_scale(y):.1f}" for x, y in points)
        yield f'<polyline class="line" stroke="{colour}" stroke-dasharray="{dash}" points="{path}"/>'
        for x, y in points:
            yield f'<circle cx="{x_scale(x):.1f}" cy="{y_scale(y):.1f}" r="3.5" fill="{colour}"/>'
        yield text(x_scale(points[-1][0]) + 10, places[name], name, "start", f'style="fill: {colour}"')


def chart(title, x_name, y_name, series, y_log):
    """series: {name: [(x, y), …]}, x above 0."""
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    x_scale = Scale(xs[0], xs[-1], LEFT, WIDTH - RIGHT, log=True)
    y_scale = Scale(min(ys) * 0.8 if y_log else 0, max(ys) * 1.1, HEIGHT - BOTTOM, TOP, log=y_log)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
             f"<title>{escape(title)}</title><style>{STYLE}</style>", text(LEFT, 24, title, "start", 'class="title"'),
             *draw_axes(x_scale, y_scale, xs, x_name, y_name), *draw_series(series, x_scale, y_scale), "</svg>"]
    return "\n".join(parts) + "\n"


def rate_series(runs, key):
    """By connections kept open; the large bursts where there are any."""
    cells = {}
    for name in ("table", "burst"):
        for cell in runs.get(name, {"cells": []})["cells"]:
            if cell["body"] == "utf16-4k" and not cell["new_connection"]:
                cells[cell["connections"]] = cell["peers"]
    series = {}
    for connections, by_peer in sorted(cells.items()):
        for name, rounds in by_peer.items():
            series.setdefault(name, []).append((connections, report.median(rounds, key)))
    return series


def growth_series(run):
    """Every point but the last has as many rows as files; that one's rows are in its name."""
    first, *_, last = run["points"] * 2
    series = {}
    for point in run["points"]:
        name = f"{short(last['rows'])} rows" if point is run["points"][-1] and last is not first else "fspd"
        series.setdefault(name, []).append((point["staged"], point["ratio"]))
    return series


def charts(runs):
    """{file name: SVG} of what was measured."""
    made = {}
    if rates := rate_series(runs, "messages_per_second"):
        made["rate.svg"] = chart("Messages a second, 4 KB, connections kept", "connections", "messages/s", rates, True)
        made["p99.svg"] = chart("99 of 100 answers within, 4 KB, connections kept", "connections", "ms",
                                rate_series(runs, "p99_ms"), True)
    if "growth" in runs:
        made["growth.svg"] = chart("Intake as work grows, of an empty one's", "files staged", "share",
                                   growth_series(runs["growth"]), False)
        made["forward.svg"] = chart("Forwarding time a file", "files forwarded at once", "µs a file",
                                    {"fspd": report.forward_costs(runs["growth"])}, False)
    return made
