#!/usr/bin/env python3
"""One list each: the configuration keys, the commands and options, the states of clients and the
messages of programs stand in the code, in the file that is shipped and in the manual pages, the same everywhere."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAN = ROOT / "docs" / "man"
ROW = re.compile(r"^\s*KEY(?:_AT)?\((\w+),\s*(\w+),", re.M)


def keys_of_table():
    found = []
    for path in sorted((ROOT / "src" / "base").glob("config*.c")):
        found += ROW.findall(path.read_text())
    return found


def defaults_of_table():
    """{(section, key): default} of the keys that have one, "" for an empty one."""
    found = {}
    for path in sorted((ROOT / "src" / "base").glob("config*.c")):
        for row in re.split(r"^\s*(?=KEY(?:_AT)?\()", path.read_text(), flags=re.M)[1:]:
            key, default = ROW.match(row), re.search(r'DEFAULT\("([^"]*)"\)', row)
            if key and default:
                found[key.groups()] = default.group(1)
    return found


def defaults_of_ini(path):
    """{(section, key): value} of the lines that are not commented out."""
    section, found = None, {}
    for line in path.read_text().splitlines():
        header, key = re.match(r"\[(\w+)\]\s*$", line), re.match(r"(\w+)\s*=\s*(.*?)\s*$", line)
        if header:
            section = header.group(1)
        elif key:
            found[(section, key.group(1))] = key.group(2)
    return found


def defaults_of_man(path):
    """{(section, key): default} from ".It Cm KEY No = DEFAULT", "" from ".It Cm KEY Pq empty"."""
    section, found = None, {}
    for line in path.read_text().splitlines():
        header = re.match(r"\.Ss Section (\w+)$", line)
        section = header.group(1) if header else section
        item = re.match(r"\.It Cm (\w+) No = (?:Li )?(\S+)", line) or re.match(r"\.It Cm (\w+) Pq (empty)", line)
        if item and section:
            found[(section, item.group(1))] = "" if item.group(2) == "empty" else item.group(2)
    return found


def compare_defaults():
    table, faults = defaults_of_table(), []
    for what, found in (("conf/fspd.ini", defaults_of_ini(ROOT / "conf" / "fspd.ini")),
                        ("docs/man/fspd.ini.5", defaults_of_man(MAN / "fspd.ini.5"))):
        for key in sorted(table.keys() | found.keys()):
            if table.get(key) != found.get(key):
                faults.append(f"{what}: the default of {'.'.join(key)} is {found.get(key)!r}, in the code {table.get(key)!r}")
    return faults if len(table) > 30 else faults + [f"only {len(table)} defaults found in src/base/config*.c"]


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


def words_of_fspctl():
    """{command: its options}, and the options of fspctl itself, from the tables in src/fspctl.c."""
    text = (ROOT / "src" / "fspctl.c").read_text()
    bits = re.findall(r'\{ "([a-z]+)", ([A-Z]+), cmd_', text)
    options = re.findall(r'\{ "([a-z-]+)", ([A-Z| ]+), (?:true|false), PLACE', text)
    own = set(re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', text))
    return {name: {option for option, knows in options if bit in knows.split(" | ")} for name, bit in bits}, own


def words_of_fspctl_man(path):
    """The same from ".Ss COMMAND ... Fl -OPTION" and, for fspctl itself, the ".It ... Fl -OPTION" before them."""
    text = path.read_text()
    commands = {line.split()[1]: set(re.findall(r"Fl -([a-z-]+)", line))
                for line in text.splitlines() if line.startswith(".Ss ")}
    return commands, items_of_man(text.split(".Ss ")[0])


def items_of_man(text):
    return {option for line in re.findall(r"^\.It (.*Fl .*)$", text, re.M) for option in re.findall(r"Fl -([a-z-]+)", line)}


def words_of_fspd():
    text = (ROOT / "src" / "fspd.c").read_text()
    return set(re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', text))


def words_of_help(text):
    """Every long option that the program's own help names."""
    return set(re.findall(r"--([a-z][a-z-]+)", text))


def compare_words():
    commands, own = words_of_fspctl()
    man_commands, man_own = words_of_fspctl_man(MAN / "fspctl.1")
    faults = [] if len(commands) > 10 and own else [f"only {len(commands)} commands found in src/fspctl.c"]
    if commands.keys() != man_commands.keys():
        faults.append(f"docs/man/fspctl.1: {sorted(commands.keys() ^ man_commands.keys())}: commands here or in the code")
    for name in sorted(commands.keys() & man_commands.keys()):
        if commands[name] != man_commands[name]:
            faults.append(f"docs/man/fspctl.1: {name}: --{', --'.join(sorted(commands[name] ^ man_commands[name]))}: "
                          "here or in the code")
    for what, code, man in (("fspctl.1", own, man_own),
                            ("fspd.8", words_of_fspd(), items_of_man((MAN / "fspd.8").read_text()))):
        if not code or code != man:
            faults.append(f"docs/man/{what}: --{', --'.join(sorted(code ^ man))}: here or in the code")
    usage = re.search(r"usage\[\] =(.*?);", (ROOT / "src" / "fspd.c").read_text(), re.S).group(1)
    if words_of_help(usage) != words_of_fspd():
        faults.append(f"fspd --help: {sorted(words_of_help(usage) ^ words_of_fspd())}: here or in the code")
    return faults


def compare_states():
    """The states that fspd-protocol(7) lists are those of the catalogue, of the topics of clients."""
    rows = [line.split("\t") for line in (ROOT / "src" / "message" / "states.tsv").read_text().splitlines()]
    catalogue = {(row[0], row[3]) for row in rows if row[0] in ("800", "1000", "1001")
                 and row[3].isdigit() and row[3] != "0"}
    text = (MAN / "fspd-protocol.7").read_text()
    man = {("800", state) for state in re.findall(r"^\.It (\d{3})$", text, re.M)}
    man |= set(re.findall(r"^\.It (100[01])/(\d)$", text, re.M))
    if len(catalogue) < 40 or catalogue != man:
        return [f"docs/man/fspd-protocol.7: {sorted(catalogue ^ man)}: here or in src/message/states.tsv"]
    return []


def compare_diagnostics():
    """Each message under DIAGNOSTICS is one that some program writes."""
    code = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.c")))
    code = re.sub(r'%"\s*PRI\w+\s*"', "%d", code)
    code = re.sub(r'"\s*\n\s*"', "", code)
    code = re.sub(r"%[lz]*[ud]", "%d", code)
    faults, found = [], 0
    for page in sorted(MAN.iterdir()):
        for text in re.findall(r'^\.It "(.*%.*)"$', page.read_text(), re.M):
            found += 1
            if re.sub(r"^(ERROR|WARNING|fspctl): ", "", text) not in code:
                faults.append(f"{page.name}: nobody says: {text}")
    return faults if found > 10 else faults + [f"only {found} messages found in the manual pages"]


def compare(what, table, found):
    doubled = {k for k in found if list(found).count(k) > 1}
    return ([f"{what}: lacks [{s}] {k}" for s, k in table if (s, k) not in found]
            + [f"{what}: has [{s}] {k}, which no program reads" for s, k in found if (s, k) not in table]
            + [f"{what}: has [{s}] {k} twice" for s, k in sorted(doubled)])


def main():
    table = keys_of_table()
    faults = [] if len(table) > 30 else [f"only {len(table)} keys found in src/base/config*.c"]
    faults += [f"the key table has [{s}] {k} twice" for s, k in sorted({k for k in table if table.count(k) > 1})]
    faults += compare("conf/fspd.ini", table, keys_of_ini(ROOT / "conf" / "fspd.ini"))
    faults += compare("docs/man/fspd.ini.5", table, keys_of_man(MAN / "fspd.ini.5"))
    faults += compare_defaults() + compare_words() + compare_states() + compare_diagnostics()
    print("\n".join(faults) or f"{len(table)} keys, their defaults, the commands, options, states and messages: the same everywhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
