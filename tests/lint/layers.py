#!/usr/bin/env python3
"""An #include only goes to the left, and each foreign header stands in its own room.

    base <- message <- ledger <- http, staging <- forward <- admin <- fspd.c, fspctl.c

smb is what fspd-smb is made of; the forwarder shares its wire with it.

admin looks at the other rooms and rings their bells by their public headers only.

A header that is not in include/fsp/ is its room's own; the doors, which put the rooms together,
may use it too.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
DOORS = "the doors"
LEVEL = {"base": 0, "smb": 1, "message": 1, "ledger": 2, "http": 3, "staging": 3, "forward": 4, "admin": 5, DOORS: 6}
# Where a foreign header may stand: a room, or one file of it.
FOREIGN = {
    "microhttpd.h": "http/", "libxml/": "message/", "sqlite3.h": "ledger/", "ini.h": "base/",
    "curl/": "admin/cmd_send.c", "libsmartcols": "admin/",
    "libsmbclient.h": "smb/share.c",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    parts = path.relative_to(SRC).parts
    return parts[0] if len(parts) > 1 else DOORS


def room_of_noun(noun):
    """include/fsp/NOUN.h belongs to the room of that name, else to the one with NOUN.c or NOUN_*.c."""
    if noun in LEVEL:
        return noun
    for pattern in (f"*/{noun}.c", f"*/{noun}_*.c"):
        for found in sorted(SRC.glob(pattern)):
            return room_of(found)
    return None


def room_of_include(path, name):
    if name.startswith("fsp/"):
        return room_of_noun(Path(name).stem)
    for base in (path.parent, SRC):
        target = (base / name).resolve()
        if target.exists() and SRC in target.parents:
            return room_of(target)
    return "the build"  # made at build time, for the room that asks


def faults_of(path):
    room = room_of(path)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match.group(2)
        where = f"{path.relative_to(ROOT)}:{number}: #include {match.group(1)}{name}"
        for foreign, place in FOREIGN.items():
            if name.startswith(foreign) and not str(path.relative_to(SRC)).startswith(place):
                yield f"{where}: only in src/{place}"
        if match.group(1) == '"':
            other = room_of_include(path, name)
            if other is None:
                yield f"{where}: no room has {Path(name).stem}.c"
            elif other not in ("the build", room) and LEVEL[other] >= LEVEL[room]:
                yield f"{where}: {other} is not to the left of {room}"
            elif other not in ("the build", room) and room != DOORS and not name.startswith("fsp/"):
                yield f"{where}: a private header of {other}"


def main():
    sources = sorted(SRC.rglob("*.[ch]"))
    faults = [f"src/{room}: a room that the layers do not know" for room in
              sorted({room_of(p) for p in sources} - set(LEVEL))]
    faults = faults or [f for path in sources for f in faults_of(path)]
    print("\n".join(faults) or f"{len(sources)} files, every include goes to the left")
    return 1 if faults or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
