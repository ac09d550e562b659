#!/usr/bin/python3
"""Sets fspd beside nginx, lighttpd, a naive server, a server that does nothing, rsync and cp, in turns.

Without a mode all are measured, which takes an hour and a half.  What was
measured is kept in --out, a run of a mode replacing its last one; the table and the
goals are made from all that is there.
"""
import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing is made in the source tree
import chart  # noqa: E402
import files  # noqa: E402
import intake  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import rungs  # noqa: E402
from measure import Rig, describe_machine, file_system_of, remove, say, spread_folders  # noqa: E402
from peers import ROOT, BenchError  # noqa: E402

# How it is measured, and how many files it leaves: the most come first, since an empty disk takes them.
MODES = {
    "sustained": (intake.measure_sustained, intake.sustained_files),
    "burst": (intake.measure_burst, intake.burst_files),
    "bound": (intake.measure_bound, intake.bound_files),
    "idle": (intake.measure_idle, intake.idle_files),
    "sweep": (intake.measure_sweep, intake.sweep_files),
    "forward": (files.measure_forward, files.forward_files),
    "growth": (files.measure_growth, files.growth_files),
    "table": (intake.measure_table, intake.table_files),
}
FORM = 1  # of results.json
SWEEP = "1,2,3,4,7,8,16,31,32,33,63,64,65,100,127,128,129,200,255,256,257,383,384,385,500,511,512,513,640,768,896,1000,1024"
# A smoke run: everything once, too little of it to tell anything.
QUICK = {"rounds": 1, "messages": 200, "table": 200, "connections": [8], "burst": 200, "burst_connections": [8], "bound": 200,
         "idle": 50, "sweep": [1, 2, 8], "sweep_seconds": 0.2, "forward": [100], "growth": [100], "rows": 1000,
         "sustained": 1 / 60, "slices": 1}


def numbers(text):
    return [int(number) for number in text.split(",")]


def names_of(known):
    def names(text):
        chosen = text.split(",")
        if not set(chosen) <= set(known):
            raise argparse.ArgumentTypeError(f"any of {', '.join(known)}")
        return chosen
    return names


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    modes = parser.add_argument_group("modes")
    modes.add_argument("--table", type=int, nargs="?", const=10000, metavar="N",
                       help="bursts of so many at all connections, of all bodies (10000)")
    modes.add_argument("--burst", type=int, nargs="?", const=200000, metavar="N", help="bursts of so many (200000)")
    modes.add_argument("--bound", type=int, nargs="?", const=50000, metavar="N",
                       help="bursts of so many against the least server for each step (50000)")
    modes.add_argument("--sustained", type=float, nargs="?", const=10, metavar="MINUTES",
                       help="so long against fspd and as long against nginx (10)")
    modes.add_argument("--idle", type=int, nargs="?", const=10000, metavar="N", help="so many silent beside (10000)")
    modes.add_argument("--sweep", type=numbers, nargs="?", const=numbers(SWEEP), metavar="N,N", help="no stall at any")
    modes.add_argument("--forward", type=numbers, nargs="?", const=[10000, 100000], metavar="N,N",
                       help="so many files, against rsync and cp (10000,100000)")
    modes.add_argument("--growth", type=numbers, nargs="?", const=[1000, 10000, 100000, 1000000], metavar="N,N",
                       help="intake and forwarding at so many staged (1000,10000,100000,1000000)")
    modes.add_argument("--quick", action="store_true", help="a smoke run of each")
    modes.add_argument("--report", action="store_true", help="measure nothing, print what is kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=numbers, default=[1, 64, 400, 2000], help="of the table")
    parser.add_argument("--bodies", type=lambda text: text.split(","), default=["utf16-4k", "utf8-2k"])
    parser.add_argument("--burst-connections", type=numbers, default=[64, 400], help="of burst and bound")
    parser.add_argument("--rungs", type=names_of(rungs.LADDER), default=list(rungs.LADDER), metavar="NAME,NAME",
                        help=f"of bound, beside ceiling and --peers: any of {', '.join(rungs.LADDER)}")
    parser.add_argument("--messages", type=int, default=20000, help="a burst of idle and growth")
    parser.add_argument("--sweep-seconds", type=float, default=1, help="at each number of connections")
    parser.add_argument("--rows", type=int, default=10000000, help="in the ledger, at the last step of growth; 0: none")
    parser.add_argument("--sustained-connections", type=int, default=64)
    parser.add_argument("--slices", type=int, default=2, help="of the sustained time, in turns")
    parser.add_argument("--peers", type=names_of(peers.PEERS), default=list(peers.PEERS), metavar="NAME,NAME",
                        help=f"any of {', '.join(peers.PEERS)}")
    parser.add_argument("--quiet", type=float, default=math.inf, metavar="PERCENT",
                        help="repeat a burst, four times at most, when others took more of the machine")
    parser.add_argument("--bin", type=os.path.abspath,
                        default=os.environ.get("FSP_BIN", os.path.join(ROOT, ".build/release/src")),
                        help="folder of fspd and fspctl (FSP_BIN)")
    parser.add_argument("--tools", type=os.path.abspath, default=os.path.join(ROOT, ".build/release/tests/bench"),
                        help="folder of load, mhd_ceiling and rungs (target bench-tools)")
    parser.add_argument("--work", type=os.path.abspath, default=os.path.join(ROOT, ".build/bench"),
                        help="where the messages go: a file system on a disk")
    parser.add_argument("--out", type=os.path.abspath, default=os.path.join(ROOT, ".build/bench"),
                        help="folder of results.json, results.md")
    parser.add_argument("--charts", help="folder of the charts (that of --out)")
    parser.add_argument("--keep", action="store_true", help="leave the folders of the rounds: deleting takes its time")
    return settle_modes(parser.parse_args(), parser)


def settle_modes(options, parser):
    """No mode means all, each with the figures that it has of itself."""
    if options.quick:
        vars(options).update(QUICK, out=os.path.join(options.out, "quick"))
    options.modes = [mode for mode in MODES if getattr(options, mode)]
    if not options.modes and not options.report:
        for action in parser._actions:  # noqa: SLF001  the defaults stand there and nowhere else
            if action.dest in MODES:
                setattr(options, action.dest, action.const)
        options.modes = list(MODES)
    return options


def check_tools(options):
    peers.Fspd.bin_folder, peers.Ceiling.tools = options.bin, options.tools
    missing = [name for name in options.peers if not peers.PEERS[name].find()]
    if "fspd" in missing or not rungs.Read.find() or not os.access(os.path.join(options.tools, "load"), os.X_OK):
        raise BenchError("not built: fspd, or load, or rungs (target bench-tools)")
    if missing:
        say(f"bench: not there, left out: {', '.join(missing)}; ./dev bench fetches them")
    options.peers = [name for name in options.peers if name not in missing]
    os.makedirs(options.work, exist_ok=True)
    os.makedirs(options.out, exist_ok=True)
    if file_system_of(options.work) in ("tmpfs", "ramfs"):
        raise BenchError(f"{options.work} is memory; --work must name a folder on a disk")


def commit_of():
    if not shutil.which("git"):
        return "an unknown commit"
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False, text=True)
    return done.stdout.strip() or "an unknown commit"


def load_store(options):
    """What is kept; nothing where that is of another form, or only of a smoke run."""
    empty = {"form": FORM, "machine": describe_machine(options.work), "runs": {}}
    try:
        with open(os.path.join(options.out, "results.json"), encoding="utf-8") as file:
            store = json.load(file)
    except FileNotFoundError:
        return empty
    return store if store.get("form") == FORM and not options.quick else empty


def write_file(folder, name, text):
    path = os.path.join(folder, name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def save(options, store):
    write_file(options.out, "results.json", json.dumps(store, indent=1) + "\n")
    write_file(options.out, "results.md", report.markdown(store))
    for name, svg in chart.charts(store["runs"]).items():
        write_file(options.charts or options.out, name, svg)


def run_modes(options, rig, store):
    """What is measured is kept at once: an hour is not lost to what fails at its end."""
    for number, mode in enumerate(options.modes, 1):
        say(f"== {time.strftime('%H:%M')} {mode}, {number} of {len(options.modes)}")
        measure, leaves = MODES[mode]
        rig.make_room(leaves(options))
        began = time.monotonic()
        run = measure(rig, options)
        store["runs"][mode] = run | {"date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit_of(),
                                     "seconds": round(time.monotonic() - began), "arguments": " ".join(sys.argv[1:])}
        save(options, store)


def main():
    options = parse_arguments()
    try:
        check_tools(options)
        store = load_store(options)
        if options.modes:
            store["machine"] = describe_machine(options.work)
            work = tempfile.mkdtemp(prefix="work-", dir=options.work)
            spread_folders(work)
            rig = Rig(options.tools, work, options.quiet)
            try:
                run_modes(options, rig, store)
                print(report.markdown(store), flush=True)
            finally:
                if options.keep:
                    say(f"left: {work}")
                else:
                    say("removing the files")
                    remove(*rig.left())
                    os.rmdir(work)
        else:
            save(options, store)
            print(report.markdown(store))
    except (BenchError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        if os.path.exists(os.path.join(options.out, "results.json")):
            say("bench: what was measured before is kept; ./dev bench --report prints it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
