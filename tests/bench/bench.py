#!/usr/bin/python3
"""Sets fspd beside nginx and beside a server that does nothing, in turns.

One round is one burst against each server at each number of connections, in
fresh folders, the order turning with the rounds, so that whatever else the
machine does falls on all alike.  The table shows medians over the rounds.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing is made in the source tree
import peers  # noqa: E402
from peers import BenchError  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MESSAGES = {1: 6000, 64: 60000, 400: 60000}
DEFAULT_MESSAGES = 60000
TRIES = 5
TICK = os.sysconf("SC_CLK_TCK")
# key in a result, heading, format, how to read fspd / nginx
COLUMNS = (
    ("messages_per_second", "messages/s", "{:,.0f}"),
    ("p50_ms", "p50 ms", "{:.2f}"),
    ("p99_ms", "p99 ms", "{:.2f}"),
    ("cpu_us", "CPU µs a message", "{:.0f}"),
    ("filed_per_second", "messages/s until all are files", "{:,.0f}"),
    ("filed_cpu_us", "CPU µs until then", "{:.0f}"),
    ("resident_mb", "memory MB", "{:.0f}"),
)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", default="1,64,400", help="numbers, parted by commas")
    parser.add_argument("--messages", type=int, help="a burst (default: 6,000 at 1 connection, else 60,000)")
    parser.add_argument("--body", default="utf16-4k", choices=("utf16-4k", "utf8-2k"))
    parser.add_argument("--new-connection", action="store_true")
    parser.add_argument("--idle", type=int, default=0, help="so many silent connections beside")
    parser.add_argument("--sources", type=int, default=0, help="client addresses")
    parser.add_argument("--peers", default="fspd,nginx,ceiling")
    parser.add_argument("--bin", default=os.environ.get("FSP_BIN", os.path.join(ROOT, ".build/release/src")),
                        help="folder of fspd and fspctl (FSP_BIN)")
    parser.add_argument("--tools", default=os.path.join(ROOT, ".build/release/tests/bench"),
                        help="folder of load and mhd_ceiling (target bench-tools)")
    parser.add_argument("--work", default="/var/tmp", help="where the messages go: a file system on a disk")
    parser.add_argument("--quiet", type=float, default=100, metavar="PERCENT",
                        help="repeat a burst, four times at most, when others took more of the machine")
    parser.add_argument("--keep", action="store_true", help="leave the folders of the rounds")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--markdown", metavar="FILE")
    arguments = parser.parse_args()
    arguments.connections = [int(number) for number in arguments.connections.split(",")]
    arguments.peers = arguments.peers.split(",")
    if not set(arguments.peers) <= set(peers.PEERS):
        parser.error(f"--peers: any of {', '.join(peers.PEERS)}")
    return arguments


def file_system_of(folder):
    folder = os.path.realpath(folder)
    best = ("", "unknown")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, point, kind = line.split()[:3]
            inside = os.path.commonpath([folder, point]) == point
            if inside and len(point) >= len(best[0]):
                best = (point, kind)
    return best[1]


def check_tools(arguments):
    needed = {"fspd": [os.path.join(arguments.bin, name) for name in ("fspd", "fspctl")],
              "nginx": [shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") or "nginx"],
              "ceiling": [os.path.join(arguments.tools, "mhd_ceiling")]}
    files = [os.path.join(arguments.tools, "load")]
    for name in arguments.peers:
        files += needed[name]
    missing = [file for file in files if not os.access(file, os.X_OK)]
    if missing:
        raise BenchError("not there: " + ", ".join(missing))
    if file_system_of(arguments.work) in ("tmpfs", "ramfs"):
        raise BenchError(f"{arguments.work} is memory; --work must name a folder on a disk")
    peers.Fspd.bin_folder = arguments.bin
    peers.Ceiling.program = needed["ceiling"][0]


def process_cpu(root):
    """CPU seconds of a process and its children."""
    parents, ticks = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
        parents[int(name)], ticks[int(name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    members = {root}
    while more := {pid for pid, parent in parents.items() if parent in members} - members:
        members |= more
    return sum(ticks.get(pid, 0) for pid in members) / TICK


def machine_cpu():
    """CPU seconds all processors were busy."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, _, _, irq, softirq = (int(field) for field in file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICK


def send_burst(arguments, peer, url, connections):
    messages = (arguments.messages or MESSAGES.get(connections, DEFAULT_MESSAGES)) * peer.burst_factor
    command = [os.path.join(arguments.tools, "load"), "--url", url, "--connections", str(connections),
               "--messages", str(messages), "--body", arguments.body, "--idle", str(arguments.idle),
               "--pid", str(peer.process.pid), "--json"] + peer.load_options
    if arguments.sources:
        command += ["--sources", str(arguments.sources)]
    if arguments.new_connection:
        command.append("--new-connection")
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=900)
    if done.returncode not in (0, 1):
        raise BenchError(f"load: exit {done.returncode}")
    result = json.loads(done.stdout)
    if result["messages"] != messages:
        raise BenchError(f"{peer.name} took {result['messages']} of {messages}: {done.stdout.decode()}")
    return result


def measure(arguments, name, connections, folder):
    peer = peers.PEERS[name](folder)
    try:
        url = peer.start()
        os.sync()
        cpu_before, busy_before, begin = process_cpu(peer.process.pid), machine_cpu(), time.monotonic()
        result = send_burst(arguments, peer, url, connections)
        busy = machine_cpu() - busy_before - result["server_cpu_seconds"] - result["load_cpu_seconds"]
        lasted = time.monotonic() - begin
        peer.settle(result["messages"])
        filed_seconds = result["seconds"] + time.monotonic() - begin - lasted
        filed_cpu = process_cpu(peer.process.pid) - cpu_before
    finally:
        peer.stop()
    result["cpu_us"] = result["server_cpu_us_per_message"]
    result["resident_mb"] = result["resident_kb_after"] / 1024
    result["filed_cpu_us"] = filed_cpu * 1e6 / result["messages"]
    result["filed_per_second"] = result["messages"] / filed_seconds
    result["other_cpu_percent"] = 100 * max(busy, 0) / lasted / os.cpu_count()
    return result


def measure_quietly(arguments, name, connections, folder):
    """The kernel's own threads count as others too, so the last try stands whatever it shows."""
    for attempt in range(TRIES):
        # The folders stay until the end: ext4 makes files slowly for minutes after many were deleted.
        result = measure(arguments, name, connections, f"{folder}-{attempt}")
        os.sync()
        print(f"{connections} connections, {name}: {result['messages_per_second']:,.0f} messages/s, "
              f"p99 {result['p99_ms']:.2f} ms, {result['cpu_us']:.0f} µs a message "
              f"(others took {result['other_cpu_percent']:.0f} % of the machine)", file=sys.stderr, flush=True)
        if result["other_cpu_percent"] <= arguments.quiet:
            break
    return result


def run_rounds(arguments, work):
    """{connections: {peer: [result, …]}}"""
    results = {number: {name: [] for name in arguments.peers} for number in arguments.connections}
    for turn in range(arguments.rounds):
        print(f"round {turn + 1}", file=sys.stderr)
        shift = turn % len(arguments.peers)
        for connections in arguments.connections:
            for name in arguments.peers[shift:] + arguments.peers[:shift]:
                folder = os.path.join(work, f"{turn}-{connections}-{name}")
                results[connections][name].append(measure_quietly(arguments, name, connections, folder))
    return results


def median(results, key):
    return statistics.median(result[key] for result in results)


def ratio_cells(by_peer):
    cells = []
    for key, _, _ in COLUMNS:
        under = median(by_peer["nginx"], key)
        cells.append(f"{median(by_peer['fspd'], key) / under:.2f}" if under else "")
    return cells


def markdown_table(results):
    lines = ["| connections | server | " + " | ".join(column[1] for column in COLUMNS) + " |",
             "|---|---|" + "---:|" * len(COLUMNS)]
    for connections, by_peer in results.items():
        for name, rounds in by_peer.items():
            cells = []
            for key, _, form in COLUMNS:
                stored = key.startswith("filed") and name == "ceiling"
                cells.append("–" if stored else form.format(median(rounds, key)))
            rates = [result["messages_per_second"] for result in rounds]
            cells[0] += f" ({min(rates):,.0f}–{max(rates):,.0f})"
            lines.append(f"| {connections} | {name} | " + " | ".join(cells) + " |")
        if "fspd" in by_peer and "nginx" in by_peer:
            lines.append(f"| {connections} | *fspd / nginx* | " + " | ".join(ratio_cells(by_peer)) + " |")
    others = max(result["other_cpu_percent"] for by_peer in results.values()
                 for rounds in by_peer.values() for result in rounds)
    return "\n".join(lines) + f"\n\nDuring a burst, others took at most {others:.0f} % of the machine.\n"


def describe_machine(arguments):
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(),
            "file_system": file_system_of(arguments.work),
            "date": time.strftime("%Y-%m-%d", time.gmtime())}


def write_file(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    arguments = parse_arguments()
    os.environ["PATH"] += ":/usr/sbin"
    try:
        check_tools(arguments)
        work = tempfile.mkdtemp(prefix="fspd-bench-", dir=arguments.work)
        try:
            results = run_rounds(arguments, work)
        finally:
            if not arguments.keep:
                shutil.rmtree(work)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    table = markdown_table(results)
    print(table)
    if arguments.markdown:
        write_file(arguments.markdown, table)
    if arguments.json:
        settings = {key: value for key, value in vars(arguments).items() if key not in ("json", "markdown")}
        write_file(arguments.json, json.dumps({"machine": describe_machine(arguments), "settings": settings,
                                               "results": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
