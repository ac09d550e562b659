"""What a document asks its reader to do, and what it says will come back.

In fenced blocks, in the order in which they stand:
    ```console               lines after "$ " are commands, what follows each is its answer
    ```bat                   each line is a command on a client
    ```ini file=PATH         the whole file
    ```ini edit=PATH         keys to be set in an INI file, where they stand, behind a ; or not
    ```fstab add=PATH        lines to be added to a file
A line "..." stands for any lines, and at a line's end for the rest of it.
"""
import re
from dataclasses import dataclass, field

FENCE = re.compile(r"^```(\S+)?(?:\s+(file|edit|add)=(\S+))?\s*$")

# What differs from run to run.  The first group of each kind that is REMEMBERED
# names something: where a document repeats it, the same thing is meant.
REMEMBERED = [
    r"\d{8}T\d{9}Z-[0-9A-F]{4}-[0-9A-F]{8}",  # a message
    r"\d{8}T\d{9}Z-\d{6}",  # a captured request
]
VOLATILE = [
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z",
    r"<\d{2}-\d{2}-\d{4} \d{2}:\d{2}:\d{2}\.\d{3}[+-]\d{3}>",
    r"<thread=\d+ \(0x[0-9A-F]+\)>",
    r'<time="[^"]+" date="[^"]+"',
    r'thread="\d+" file="[a-z_]+\.c:\d+"',
    r"<\d{2}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}>",
    r"\d+ % free",
    r"\.ini:\d+:",
    r"GUID:[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}",
]
TOKENS = re.compile("|".join(f"({kind})" for kind in REMEMBERED + VOLATILE))


@dataclass
class Step:
    line: int
    kind: str  # console, bat, file, edit, add
    text: str  # the command, or the file's content
    path: str = ""
    answer: list = field(default_factory=list)


def blocks(text):
    """(line, language, verb, path, lines) of each fenced block."""
    inside, found = None, []
    for number, line in enumerate(text.splitlines(), 1):
        if inside is None:
            match = FENCE.match(line)
            if match:
                inside = (number + 1, match.group(1) or "", match.group(2) or "", match.group(3) or "", [])
        elif line.startswith("```"):
            found.append(inside)
            inside = None
        else:
            inside[4].append(line)
    assert inside is None, f"the block at line {inside[0]} has no end"
    return found


def steps(text):
    found = []
    for number, language, verb, path, lines in blocks(text):
        if verb:
            found.append(Step(number, verb, "\n".join(lines) + "\n", path))
        elif language == "bat":
            found += [Step(number + i, "bat", line) for i, line in enumerate(lines)]
        elif language == "console":
            assert lines and lines[0].startswith("$ "), f"line {number}: a console block begins with a command"
            for i, line in enumerate(lines):
                if line.startswith("$ "):
                    found.append(Step(number + i, "console", line[2:]))
                else:
                    found[-1].answer.append(line)
    return found


def normal(line):
    """Columns are as wide as their widest cell, which may be another one elsewhere."""
    return re.sub(r"\s+", " ", line).strip()


class Names:
    """Which message of ours is which one of the document's."""

    def __init__(self):
        self.ours = {}

    def translate(self, command):
        for theirs, ours in self.ours.items():
            command = command.replace(theirs, ours)
        return command

    @staticmethod
    def pattern(line, ours):
        """(regular expression, the names that its groups give)."""
        line, rest = normal(line), ""
        if line.endswith("..."):
            line, rest = line[:-3].rstrip(), ".*"
        out, asked, end = [], [], 0
        for match in TOKENS.finditer(line):
            out.append(re.escape(line[end:match.start()]))
            kind = (REMEMBERED + VOLATILE)[match.lastindex - 1]
            if kind in REMEMBERED and match.group() in ours:
                out.append(re.escape(ours[match.group()]))
            elif match.group() in asked:
                out.append(rf"\{asked.index(match.group()) + 1}")
            elif kind in REMEMBERED:
                out.append(f"({kind})")
                asked.append(match.group())
            else:
                out.append(kind)
            end = match.end()
        out.append(re.escape(line[end:]))
        return "".join(out) + rest, asked

    def compare(self, answer, said):
        """None when what was said is the answer; else what differs.  Learns the names then."""
        learnt, lines = dict(self.ours), [normal(line) for line in said.splitlines()]
        while lines and not lines[-1]:
            lines.pop()
        wanted = list(answer)
        while wanted and not wanted[-1].strip():
            wanted.pop()
        at, anything = 0, False
        for line in wanted:
            if line.strip() == "...":
                anything = True
                continue
            pattern, asked = self.pattern(line, learnt)
            while True:
                if at >= len(lines):
                    return f"no line like {line!r}"
                match = re.fullmatch(pattern, lines[at])
                at += 1
                if match:
                    break
                if not anything:
                    return f"{lines[at - 1]!r} instead of {line!r}"
            learnt.update(zip(asked, match.groups()))
            anything = False
        if at < len(lines) and not anything:
            return f"more than is told: {lines[at]!r}"
        self.ours = learnt
        return None


def edit_ini(text, changes):
    """The INI file text with the keys of changes set in the lines where they stand."""
    lines, section = text.splitlines(), None
    wanted, current = {}, None
    for line in changes.splitlines():
        if re.fullmatch(r"\[\w+\]", line):
            current = line
        elif line.strip():
            wanted[(current, line.split("=")[0].strip())] = line
    for i, line in enumerate(lines):
        if re.fullmatch(r"\[\w+\]", line):
            section = line
        match = re.match(r";?(\w+) *=", line)
        if match and (section, match.group(1)) in wanted:
            lines[i] = wanted.pop((section, match.group(1)))
    assert not wanted, f"not in the file that is shipped: {wanted}"
    return "\n".join(lines) + "\n"
