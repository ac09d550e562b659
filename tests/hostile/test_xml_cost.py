"""The dearest body within 64K: no shape costs more than 5 ms of CPU time, and reading opens nothing."""
import itertools
import os
import random
import re
import shutil
import subprocess

import pytest
from fsp import binaries
from messages import report

SIZE = 65536
BOUND_US = 5000
TOOL = binaries().parent / "tests" / "hostile" / "xml_cost"


def fill(piece, closing="", opening="<r>", end="</r>"):
    """As many pieces as fit, each with its number; closings in reverse."""
    pieces, closings, size = [], [], len(opening) + len(end)
    for number in itertools.count():
        text, close = piece.replace("@", str(number)), closing.replace("@", str(number))
        size += len(text.encode()) + len(close.encode())
        if size > SIZE:
            return opening + "".join(pieces) + "".join(reversed(closings)) + end
        pieces.append(text)
        closings.append(close)


def levels(depth, inner):
    return "<d>" * depth + inner + "</d>" * depth


def attributes(count, name="a@", value="1"):
    return " ".join(name.replace("@", str(i)) + f'="{value}"' for i in range(count))


SHAPES = {
    "empty elements": fill("<a/>"), "elements": fill("<a></a>"), "new names": fill("<a@/>"), "long names": fill("<" + "n" * 1000 + "@/>"),
    "one name of 30K": "<" + "n" * 32000 + "></" + "n" * 32000 + ">", "deepest everywhere": fill(levels(60, "")),
    "attributes": fill("<a " + attributes(256) + "/>"), "attributes of short names": fill("<a b='' c='' d='' e='' f=''/>"),
    "attributes twice": fill("<a " + attributes(250) + " a1=''/>"), "attributes in namespaces": fill("<a " + attributes(255, "x:a@") + "/>", opening="<r xmlns:x='u'>"),
    "namespaces": "<r " + attributes(256, "xmlns:a@", "u") + ">" + "<a0:b/>" * 6000 + "</r>",
    "namespaces and attributes of them": "<r " + attributes(250, "xmlns:p@", "u@") + ">" + ("<p249:a " + attributes(200, "p249:a@") + "/>") * 16 + "</r>",
    "the last of 256 namespaces": "<r " + attributes(256, "xmlns:a@", "u") + ">" + "<a255:b a255:c=''/>" * 2900 + "</r>",
    "a prefix not bound": "<r " + attributes(250, "xmlns:a@", "u") + ">" + "<b/>" * 12000 + "<zz:b/></r>",
    "references": fill("&#65;"), "entities": fill("&amp;"), "entities in an attribute": "<r a='" + "&lt;" * 16000 + "'/>", "references in attributes": fill("<a b='&#1114109;'/>"),
    "CDATA": fill("<![CDATA[]]>"), "CDATA of brackets": "<r><![CDATA[" + "]" * 65000 + "]]></r>", "brackets in a text": "<r>" + "]" * 65000 + "</r>",
    "comments": fill("<!---->"), "one comment": "<r><!--" + "- " * 32000 + "--></r>", "comments that nearly end": "<r><!--" + "- -" * 20000 + "--></r>",
    "line ends": "<r>" + "\r\n" * 32000 + "</r>", "carriage returns": "<r>" + "\r" * 65000 + "</r>", "white space in an attribute": "<r a='" + "\r\n" * 32000 + "'/>",
    "Greek": "<r>" + "Ω" * 32000 + "</r>", "emoji": "<r>" + "\U0001f600" * 16000 + "</r>", "Greek names": fill("<Ω@/>"), "text and elements": fill("x<a/>"),
    "StateMessages": fill("<StateMessage><Topic Type='1'/><State ID='1'/></StateMessage>", opening="<Report><ReportHeader><Identification><Machine/></Identification></ReportHeader><ReportBody>", end="</ReportBody></Report>"),
    "Params": report(params=["x"] * 4000, declaration=""), "Machines": fill("<Machine><NetBIOSName> </NetBIOSName></Machine>", opening="<Report><ReportHeader><Identification>", end="</Identification></ReportHeader></Report>"),
    "a fault at the end": fill("<a b='1'/>")[:-4] + "</x>", "lone <": "<r>" + "<" * 65000, "lone &": "<r>" + "&" * 65000, "quotes": "<r a=" + "'" * 65000, "equal signs": "<r " + "=" * 65000,
    "slashes": "<r " + "/" * 65000 + ">", "end tags": "<r>" + "</r>" * 16000, "declarations": '<?xml version="1.0"' + " " * 65000 + "?><r/>",
    "multipart of nothing": "--x\r\n" * 13000, "multipart that nearly begins": "--x-" * 16000, "multipart of sixteen messages": "".join(f"--x\r\n\r\n{report(declaration='', padding=2800)}\r\n" for _ in range(15)) + "--x--",
    "multipart headers": "--x\r\n" + "A: b\r\n" * 10000 + "\r\n--x--", "multipart of line ends": "--x\n" + "\n-" * 32000 + "--x--",
}
PIECES = ["<a>", "</a>", "<a/>", "<b c='d'/>", "<x:y xmlns:x='z'/>", "&amp;", "&#65;", "<![CDATA[", "]]>", "<!--", "-->", "x", "]", "\r\n", "Ω", "<a b='&lt;'>", "<" + "n" * 50 + "/>", " "]


def random_shapes():
    """The search goes on by chance, the same each time."""
    chance = random.Random(20240115)
    for number in range(150):
        pieces = [chance.choice(PIECES) for _ in range(chance.randint(1, 5))]
        yield f"by chance {number}", fill("".join(pieces) + chance.choice(["", "</a>", "-->", "]]>"]))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bodies")
    for name, text in itertools.chain(SHAPES.items(), random_shapes()):
        for coding in ("utf-8", "utf-16"):
            data = text.encode(coding)[:SIZE]
            (folder / f"{'m ' if name.startswith('multipart') else ''}{name} {coding}").write_bytes(data)
    return folder


def test_no_shape_costs_more_than_its_bound(files):
    names = sorted(os.listdir(files))
    said = subprocess.run([TOOL, *names], cwd=files, stdout=subprocess.PIPE, check=True, timeout=120).stdout.decode()
    costs = sorted(((int(cost), verdict, name) for cost, verdict, name in (line.split(" ", 2) for line in said.splitlines())), reverse=True)
    assert len(costs) == len(names) > 300
    print("the dearest:", *costs[:5], sep="\n  ")
    assert costs[0][0] <= BOUND_US * (20 if os.environ.get("ASAN_OPTIONS") else 1), costs[:5]


def test_reading_opens_no_file_socket_or_converter(files, tmp_path):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    trace = tmp_path / "trace"
    names = sorted(os.listdir(files))[:150]
    done = subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=open,openat,openat2,creat,socket,connect,memfd_create,execve", TOOL, *names], cwd=files,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=120)
    if b"Operation not permitted" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    opened = re.findall(r'^\d+ +(\w+)\((?:AT_FDCWD, )?"?([^",)]*)', trace.read_text(), re.M)
    # What stands before the first body belongs to the start of the program.
    first = next(i for i, (_, name) in enumerate(opened) if name == names[0])
    rest = [(call, name) for call, name in opened[first:] if name not in names]
    assert rest == []
    assert len(opened[first:]) >= len(names)
