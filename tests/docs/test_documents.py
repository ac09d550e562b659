"""A reader who does what README and MIGRATION say, and nothing else, gets what they say.

Each document is done from its first command to its last on a machine of its own, with the build
under test.  What stands there for the world outside is in shims/, each file of which says what it does.
"""
import os
import re
import subprocess
import time

import pytest
from document import Names, blocks, edit_ini, steps
from machine import HERE, ROOT, Machine, build_folder, why_not

# Commands that are not run here, and why.
NOT_RUN = {
    "README.md": {
        "./dev run": "builds anew; tests/fresh-root.sh runs it on a bare Debian",
        "./dev test": "this test is a part of it",
        "./dev deb": "builds anew; the package has a test of its own",
    },
    "docs/MIGRATION.md": {
        "sudo ufw allow proto tcp from 10.0.0.0/8 to any port 80": "the machine has no firewall",
    },
}
LOOKS = ("fspctl status", "fspctl messages", "fspctl show", "fspctl clients", "fspctl report", "tail ", "grep ",
         "sudo ls ", "ls ", "sudo cat ", "cat ")
PATIENCE_S = 15


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def machine():
    reason = why_not()
    if reason:
        pytest.skip(reason)
    made = Machine()
    yield made
    made.close()


def write(machine, path, content, append=False):
    code, said = machine.run(f"cat {'>>' if append else '>'} {path} <<'END OF FILE'\n{content}END OF FILE\n")
    assert code == 0, said


def do(machine, names, step):
    """Does the step; what is wrong with what came of it, or None."""
    if step.kind == "file":
        return write(machine, step.path, step.text)
    if step.kind == "add":
        return write(machine, step.path, step.text, append=True)
    if step.kind == "edit":
        code, before = machine.run(f"cat {step.path}")
        assert code == 0, before
        return write(machine, step.path, edit_ini(before, step.text))
    command = names.translate(step.text)
    # What only looks may look again: much is done a moment after it was ordered.
    end = time.monotonic() + (PATIENCE_S if command.startswith(LOOKS) else 0)
    while True:
        _, said = machine.run(command)
        wrong = names.compare(step.answer, said)
        if wrong is None or time.monotonic() >= end:
            return wrong and f"{wrong}; all of it:\n{said}"
        time.sleep(0.1)


@pytest.mark.parametrize("name", NOT_RUN)
def test_the_commands_of_a_document_say_what_it_says(machine, name):
    names, done = Names(), 0
    for step in steps(read(name)):
        if step.text in NOT_RUN[name]:
            continue
        wrong = do(machine, names, step)
        assert wrong is None, f"{name}:{step.line}: {step.text}: {wrong}"
        done += 1
    assert done > 5


@pytest.mark.parametrize("name", NOT_RUN)
def test_what_is_not_run_is_there(name):
    commands = {step.text for step in steps(read(name))}
    assert set(NOT_RUN[name]) <= commands


def test_every_block_is_understood():
    """No command hides in a block that nobody looks at."""
    for name in NOT_RUN:
        languages = {language for _, language, verb, _, _ in blocks(read(name)) if not verb}
        assert languages <= {"console", "bat", "powershell", ""}, name
        for line, language, _, _, lines in blocks(read(name)):
            if language == "":
                assert not any(re.match(r"\s*(\$ |sudo |fspctl )", text) for text in lines), f"{name}:{line}"


def test_the_shims_say_what_they_stand_for():
    for shim in (HERE / "shims").iterdir():
        assert re.match(r"#!.*\n# Stands for ", shim.read_text()), shim


def test_links_lead_somewhere():
    files = [p for p in ROOT.glob("*.md")] + [p for p in (ROOT / "docs").rglob("*.md")]
    assert len(files) > 5
    for file in files:
        text = file.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            goal = (file.parent / path).resolve() if path else file
            assert goal.exists(), f"{file.name}: {target}"
            if anchor:
                headings = {re.sub(r"[^a-z0-9 -]", "", h.lower()).strip().replace(" ", "-")
                            for h in re.findall(r"^#+ (.*)$", goal.read_text(encoding="utf-8"), re.M)}
                assert anchor in headings, f"{file.name}: {target}"


def test_the_readme_is_short_and_shows_a_picture():
    text = read("README.md")
    assert len(text.splitlines()) <= 150
    assert re.search(r"!\[[^]]+\]\(docs/screenshots/\S+\.png\)", text)


def test_the_version_is_one():
    version = re.search(r"project\(fspd VERSION (\S+)", read("CMakeLists.txt")).group(1)
    assert re.search(r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", read("docs/CHANGELOG.md"), re.M).group(1) == version
    assert read("conf/deb/changelog").startswith(f"fspd ({version})")


@pytest.mark.parametrize("program", ["fspd", "fspctl"])
def test_help_fits_a_screen(program):
    calls = [[]]
    if program == "fspctl":
        said = subprocess.run([build_folder() / "src" / program, "--help"], capture_output=True, text=True, check=True)
        calls += [[word] for word in re.findall(r"^  ([a-z]+) ", said.stdout, re.M)]
        assert len(calls) > 10
    for words in calls:
        done = subprocess.run([build_folder() / "src" / program, *words, "--help"], capture_output=True, text=True,
                              check=True, env={**os.environ, "LANG": "C"})
        lines = done.stdout.splitlines()
        assert len(lines) <= 24 - 1, f"{program} {words}: {len(lines)} lines, and one for the prompt"
        assert max(map(len, lines)) < 80, f"{program} {words}: {max(lines, key=len)}"


def test_the_example_of_the_protocol_page_is_a_message(machine):
    page = read("docs/man/fspd-protocol.7")
    example = re.search(r"^<\?xml.*?^</ReportBody></Report>$", page, re.M | re.S).group()
    code, said = machine.run("apt install ./fspd_x.deb >/dev/null && mkdir /srv/inbox && chown fspd /srv/inbox")
    assert code == 0, said
    write(machine, "/etc/fspd/fspd.ini", "[site]\ncode = P01\n[forwarder]\ninbox = /srv/inbox\n")
    write(machine, "/root/utf8.xml", example.replace("\\e", "\\") + "\n")
    code, said = machine.run("systemctl start fspd && iconv -f UTF-8 -t UTF-16 /root/utf8.xml >/root/example.xml &&"
                             " fspctl send fsp01 --file /root/example.xml && fspctl messages --csv | tail -n 1")
    assert code == 0 and said.startswith("200: accepted"), said
    assert "GUID:11111111-2222-3333-4444-555555555555,PC0001,5.00.9096.1000,800," in said
    assert ",308,Failed to download the file over WINHTTP at address,deploy-failed," in said
