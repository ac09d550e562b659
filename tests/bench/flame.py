#!/usr/bin/python3
"""Where fspd's time goes in a burst: a flame graph, and the ten functions that take the most themselves.

perf samples the stacks of the daemon, the kernel's part of them included
(as root, or with kernel.perf_event_paranoid at 1).  Width is time on a CPU.
"""
import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
from xml.sax.saxutils import escape

sys.dont_write_bytecode = True  # nothing is made in the source tree
import peers  # noqa: E402
from measure import Rig, Shot, say, spread_folders  # noqa: E402
from peers import ROOT  # noqa: E402

WIDTH, ROW, LETTER = 1200, 17, 6.6
LEAST = 0.3  # pixels; what is narrower is left out
STYLE = """
text { font: 11px ui-monospace, monospace; fill: #111 }
.about { fill: #777 }
"""
# The kernel's, libraries', ours.
COLOURS = {"kernel": ("#e8875a", "#f0a27c"), "library": ("#8ab88a", "#a6cba6"), "fspd": ("#7fa8dc", "#9dbde6")}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--idle", type=int, default=0, help="so many silent connections beside")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--frequency", type=int, default=499, help="samples a second and CPU")
    parser.add_argument("--bin", default=os.path.join(ROOT, ".build/release/src"))
    parser.add_argument("--tools", default=os.path.join(ROOT, ".build/release/tests/bench"))
    parser.add_argument("--work", default="/var/tmp", help="a folder on a disk")
    parser.add_argument("--out", default=os.path.join(ROOT, ".build/bench/flame.svg"))
    return parser.parse_args()


def record(options, work):
    """The samples' stacks as perf prints them."""
    peers.Fspd.bin_folder = options.bin
    rig, data = Rig(options.tools, work, 0), os.path.join(work, "perf.data")
    peer = peers.PEERS["fspd"](rig.folder("flame"))
    try:
        url = peer.start()
        # Unwound by what the compiler noted for it: libraries have no frame pointers.
        perf = subprocess.Popen(["perf", "record", "-q", "-F", str(options.frequency), "--call-graph", "dwarf,16384",
                                 "-p", str(peer.process.pid), "-o", data])
        result = rig.send(peer, url, Shot(options.connections, seconds=options.seconds, idle=options.idle))
        perf.terminate()
        perf.wait()
    finally:
        peer.stop()
    say(f"{result['messages_per_second']:,.0f} messages/s while sampled; reading the stacks takes a while")
    return subprocess.run(["perf", "script", "--no-inline", "-i", data, "-F", "comm,ip,sym,dso"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace").stdout


def fold(script):
    """{(thread, outermost, …, innermost): samples}; a frame is (name, kind)."""
    stacks = collections.Counter()
    for block in script.split("\n\n"):
        lines = block.strip().split("\n")
        frames = []
        for line in lines[1:]:
            match = re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line)
            if match:
                name, place = match.group(1).split("+0x")[0], match.group(2)
                name = f"[{os.path.basename(place)}]" if name == "[unknown]" else name
                kind = "fspd" if place.endswith("/fspd") else "library" if place.startswith("/") else "kernel"
                frames.append((name, kind))
        if frames:
            stacks[((lines[0].strip(), "fspd"), *reversed(frames))] += 1
    return stacks


def draw(stacks, level, left, scale, out):
    """The frames that begin at this level, widest first, and what they call."""
    groups = collections.defaultdict(collections.Counter)
    for stack, samples in stacks.items():
        if len(stack) > level:
            groups[stack[level]][stack] += samples
    for frame, inner in sorted(groups.items(), key=lambda item: -item[1].total()):
        width = inner.total() * scale
        if width >= LEAST:
            out.append((level, left, width, frame, inner.total()))
            draw(inner, level + 1, left, scale, out)
        left += width


def rectangle(box, height, total):
    level, left, width, (name, kind), samples = box
    y = height - (level + 2) * ROW
    shade = COLOURS[kind][level % 2]
    words = name[:max(0, int((width - 4) / LETTER))]
    label = f'<text x="{left + 2:.1f}" y="{y + 12}">{escape(words)}</text>' if len(words) > 2 else ""
    return (f'<g><title>{escape(name)}: {100 * samples / total:.1f} %</title><rect x="{left:.1f}" y="{y}" '
            f'width="{max(width - 0.3, 0.2):.1f}" height="{ROW - 1}" fill="{shade}"/>{label}</g>')


def make_svg(stacks, about):
    total, boxes = stacks.total(), []
    draw(stacks, 0, 0, WIDTH / total, boxes)
    height = (max(box[0] for box in boxes) + 3) * ROW
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
                      f"<style>{STYLE}</style>", *(rectangle(box, height, total) for box in boxes),
                      f'<text class="about" x="2" y="{height - 5}">{escape(about)}</text>', "</svg>"]) + "\n"


def print_top(stacks):
    own = collections.Counter()
    for stack, samples in stacks.items():
        own[stack[-1]] += samples
    print("| function | of | % |\n|---|---|---:|")
    for (name, kind), samples in own.most_common(10):
        print(f"| {name} | {kind} | {100 * samples / stacks.total():.1f} |")


def main():
    options = parse_arguments()
    if not shutil.which("perf"):
        print("no perf here (package linux-perf)", file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory(prefix="fspd-flame-", dir=options.work) as work:
        spread_folders(work)
        stacks = fold(record(options, work))
    if not stacks:
        print("perf took no samples", file=sys.stderr)
        return 1
    os.makedirs(os.path.dirname(os.path.abspath(options.out)), exist_ok=True)
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(make_svg(stacks, f"fspd, {options.connections} connections, {stacks.total():,} samples: kernel "
                                    "orange, libraries green, fspd blue"))
    print_top(stacks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
