"""Bursts and hours of messages: the table, the goals' bursts, idle connections, each number of connections."""
import peers
from measure import Shot, say
from peers import BenchError
from rungs import LADDER, LEAST, SERVERS

STALL_MS = 1000       # no burst of the sweep has an answer that takes longer, but for the machine's hiccups
STALL_TRIES = 3
STAGED_MS = 5000      # a sustained message is a file within this time
FASTEST = 20000       # messages a second that may come: for the room needed
LASTING = {"fspd": 12000, "nginx": 18000}  # for minutes
STORERS = 3.1         # servers that make files, the naive one of a tenth


def turned(names, turn):
    """The order turns with the rounds."""
    shift = turn % len(names)
    return names[shift:] + names[:shift]


def describe(shot):
    return (f"{shot.body}, {shot.connections} connections"
            + (", a new one each request" if shot.new_connection else "")
            + (f", {shot.idle:,} idle ones beside" if shot.idle else ""))


def measure_cells(rig, names, shots, rounds):
    """Each server in turn with each shot, so that what else the machine does falls on all alike."""
    cells = [{"body": shot.body, "connections": shot.connections, "new_connection": shot.new_connection,
              "messages": shot.messages, "idle": shot.idle, "peers": {name: [] for name in names}} for shot in shots]
    for turn in range(rounds):
        for shot, cell in zip(shots, cells):
            say(f"round {turn + 1} of {rounds}: {describe(shot)}")
            for name in turned(names, turn):
                cell["peers"][name].append(rig.measure_quietly(name, shot))
    return cells


def table_shots(options):
    return [Shot(connections, max(1, options.table // 8) if connections == 1 else options.table, body=body,
                 new_connection=new)
            for body in options.bodies for new in (False, True) for connections in options.connections]


def measure_table(rig, options):
    return {"cells": measure_cells(rig, options.peers, table_shots(options), options.rounds)}


def measure_burst(rig, options):
    """With the least durable servers, so that a goal that is out of reach shows in the same rounds."""
    shots = [Shot(connections, options.burst) for connections in options.burst_connections]
    return {"cells": measure_cells(rig, [*options.peers, *LEAST], shots, options.rounds)}


def bound_names(options):
    """The rungs, the ceiling always, beside those that the goals name."""
    return ([name for name in LADDER if name == "ceiling" or name in options.rungs]
            + [name for name in options.peers if name not in LADDER])


def measure_bound(rig, options):
    shots = [Shot(connections, options.bound) for connections in options.burst_connections]
    return {"cells": measure_cells(rig, bound_names(options), shots, options.rounds)}


def measure_idle(rig, options):
    shots = [Shot(64, options.messages), Shot(64, options.messages, idle=options.idle)]
    return {"cells": measure_cells(rig, ["fspd"], shots, options.rounds)}


def is_stall(result):
    return result["errors"] > 0 or result["max_ms"] > STALL_MS


def measure_sweep(rig, options):
    """A stall comes with the number of connections, so it comes again; a hiccup does not."""
    peer = peers.PEERS["fspd"](rig.folder("sweep"))
    points = []
    try:
        url = peer.start()
        for connections in options.sweep:
            for _ in range(STALL_TRIES):
                result = rig.send(peer, url, Shot(connections, seconds=options.sweep_seconds), tolerant=True)
                if not is_stall(result):
                    break
            say(f"  {connections} connections: {result['messages_per_second']:,.0f} messages/s, "
                f"longest {result['max_ms']:.0f} ms{' STALL' if is_stall(result) else ''}")
            points.append({key: result[key] for key in ("connections", "messages_per_second", "p99_ms", "max_ms",
                                                        "errors")} | {"stall": is_stall(result)})
    finally:
        peer.stop()
    return {"points": points}


def staged_within(peer):
    """How long the slowest message took from its receipt to its file on disk for certain, by the ledger's own times,
    how many took too long, and until when any did: a first storm may."""
    slowest, late, until = peer.query(
        f"SELECT max(took), total(took > {STAGED_MS}), max(iif(took > {STAGED_MS}, received_ms, 0)) - min(received_ms) "
        "FROM (SELECT received_ms, staged_ms - received_ms AS took FROM message)")
    return {"slowest_staged_ms": slowest, "staged_late": int(late), "late_until_ms": max(until, 0)}


def table_files(options):
    return STORERS * options.rounds * sum(shot.messages for shot in table_shots(options))


def burst_files(options):
    return STORERS * options.rounds * options.burst * len(options.burst_connections)


def bound_files(options):
    storers = sum(SERVERS[name].burst_factor for name in bound_names(options) if SERVERS[name].makes_files)
    return storers * options.rounds * options.bound * len(options.burst_connections)


def idle_files(options):
    return 2 * options.rounds * options.messages


def sweep_files(options):
    return len(options.sweep) * options.sweep_seconds * FASTEST


def sustained_files(options):
    """Of one slice of each: what was measured before is only removed for the next where it must be."""
    return sum(LASTING.values()) * options.sustained * 60 / options.slices


def measure_sustained(rig, options):
    """Each server takes all that comes for so long; slices in turn, each in a fresh folder."""
    seconds = options.sustained * 60
    slices = {name: [] for name in ("fspd", "nginx") if name in options.peers}
    shot = Shot(options.sustained_connections, seconds=seconds / options.slices)
    for turn in range(options.slices):
        for name in turned(list(slices), turn):
            files = shot.seconds * LASTING[name]
            rig.make_room(files)
            if not rig.has_room(files):
                raise BenchError(f"{rig.work} has no room for {files:,.0f} files: fewer minutes, more slices")
            say(f"slice {turn + 1} of {options.slices}: {describe(shot)}, {shot.seconds:.0f} s")
            slices[name].append(rig.measure(name, shot, staged_within if name == "fspd" else None))
            say(f"  {name}: {slices[name][-1]['messages_per_second']:,.0f} messages/s "
                f"{slices[name][-1].get('slowest_staged_ms', '')}")
    return {"connections": shot.connections, "minutes": options.sustained, "peers": slices}
