#!/usr/bin/env python3
"""The same configuration keys in the key table, in the file that is shipped and in the manual page."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\s*KEY(?:_AT)?\((\w+),\s*(\w+),", re.M)


def keys_of_table():
    found = []
    for path in sorted((ROOT / "src" / "base").glob("config*.c")):
        found += ROW.findall(path.read_text())
    return found


def keys_of_ini(path):
    """Keys as they stand, or commented out by one ; or # directly before the key."""
    section, found = None, []
    for line in path.read_text().splitlines():
        header = re.match(r"\[(\w+)\]\s*$", line)
        key = re.match(r"[;#]?(\w+)\s*=", line)
        if header:
            section = header.group(1)
        elif key:
            found.append((section, key.group(1)))
    return found


def keys_of_man(path):
    """".It Cm KEY" under ".Ss Section NAME"."""
    section, found = None, []
    for line in path.read_text().splitlines():
        if line.startswith((".Sh ", ".Ss ")):
            header = re.match(r"\.Ss Section (\w+)$", line)
            section = header.group(1) if header else None
        item = re.match(r"\.It Cm (\w+)", line)
        if item and section:
            found.append((section, item.group(1)))
    return found


def compare(what, table, found):
    doubled = {k for k in found if list(found).count(k) > 1}
    return ([f"{what}: lacks [{s}] {k}" for s, k in table if (s, k) not in found]
            + [f"{what}: has [{s}] {k}, which no program reads" for s, k in found if (s, k) not in table]
            + [f"{what}: has [{s}] {k} twice" for s, k in sorted(doubled)])


def main():
    table = keys_of_table()
    faults = [] if len(table) > 30 else [f"only {len(table)} keys found in src/base/config*.c"]
    faults += [f"the key table has [{s}] {k} twice" for s, k in sorted({k for k in table if table.count(k) > 1})]
    ini, man = ROOT / "conf" / "fspd.ini", ROOT / "docs" / "man" / "fspd.ini.5"
    faults += compare("conf/fspd.ini", table, keys_of_ini(ini)) if ini.exists() else ["conf/fspd.ini is not there"]
    if man.exists():
        faults += compare("docs/man/fspd.ini.5", table, keys_of_man(man))
    else:
        print("docs/man/fspd.ini.5 is not there: not compared")
    print("\n".join(faults) or f"{len(table)} keys, the same everywhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
