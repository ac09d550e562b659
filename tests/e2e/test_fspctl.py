"""The tool: every command, every filter, the keys of its JSON, its exit codes."""
import os
import pty
import re
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from fsp import COPIED, NAME, wait_until
from messages import MESSAGE_KEYS, body, document, machine, report, state_message, token, utf16

STATUS_KEYS = set("availability site_code version listen admin staged oldest_staged_seconds quarantined received forwarded "
                  "duplicates refused last_run next_run".split())
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def states(rows):
    return [(r["topic_type"], r["state_id"]) for r in rows]


# -- status ----------------------------------------------------------------------------

def test_status_tells_all_its_keys(fsp):
    fsp.accept(content := body(), content)
    fsp.post(b"refused")
    result = fsp.ctl("status", "--json")
    assert result.returncode == 0
    status = result.json
    assert STATUS_KEYS <= set(status)
    assert {k: status[k] for k in ("availability", "site_code", "staged", "quarantined", "forwarded", "duplicates",
                                   "refused", "admin")} \
        == dict(availability="online", site_code="PS1", staged=1, quarantined=0, forwarded=0, duplicates=1, refused=1,
                admin=None)
    assert set(status["last_run"]) >= {"started", "tried", "copied", "seconds"}
    assert RFC3339.fullmatch(status["last_run"]["started"]) and RFC3339.fullmatch(status["next_run"])
    assert 0 <= status["oldest_staged_seconds"] < 30
    fsp.forward()
    after = fsp.status()
    assert (after["staged"], after["oldest_staged_seconds"], after["forwarded"]) == (0, None, 1)
    assert (after["last_run"]["tried"], after["last_run"]["copied"]) == (1, 1)


def test_status_for_people_names_the_essentials(fsp):
    result = fsp.ctl("status")
    assert result.returncode == 0
    assert "online" in result.stdout and "PS1" in result.stdout and str(fsp.port) in result.stdout


def test_status_of_a_fault_ends_with_1(fsp):
    fsp.accept(body())
    fsp.inbox.rmdir()
    fsp.forward()
    result = fsp.ctl("status", "--json")
    assert (result.returncode, result.json["availability"]) == (1, "warning")


def test_counters_begin_anew_with_each_start(fsp):
    fsp.accept(body())
    fsp.post(b"x")
    fsp.restart()
    status = fsp.status()
    assert (status["received"], status["refused"], status["duplicates"]) == (0, 0, 0)


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["forward"]])
def test_without_the_daemon_it_ends_with_3(fsp, command):
    fsp.stop()
    result = fsp.ctl(*command)
    assert result.returncode == 3 and result.stderr, result
    fsp.start()
    fsp.kill()
    assert fsp.ctl(*command).returncode == 3


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["status", "--nonsense"], ["messages", "--limit"],
                                       ["messages", "--limit", "many"], ["messages", "--since", "whenever"],
                                       ["messages", "--delivery", "lost"], ["messages", "--topic", "x"], ["show"],
                                       ["forward", "surplus"], ["send"]])
def test_wrong_usage_ends_with_64(fsp, arguments):
    result = fsp.ctl(*arguments)
    assert result.returncode == 64 and result.stderr, result


def test_help_and_version_are_told(fsp):
    for option in ("--help", "--version"):
        result = fsp.ctl(option, config=False)
        assert result.returncode == 0 and result.stdout, result


def test_help_fits_a_screen(fsp):
    """One of 80 columns and 24 lines, with the prompt after it."""
    commands = re.findall(r"(?m)^  ([a-z]+) ", fsp.ctl("--help", config=False).stdout)
    assert len(commands) >= 13
    for words in [["--help"], *([c, "--help"] for c in commands)]:
        lines = fsp.ctl(*words, config=False).stdout.splitlines()
        assert len(lines) <= 23 and max(map(len, lines)) <= 79, lines


# -- messages ----------------------------------------------------------------------------

def test_messages_are_listed_newest_first_with_all_keys(peopled):
    rows = peopled.rows()
    assert all(MESSAGE_KEYS <= set(r) for r in rows)
    assert states(rows) == [(4711, 12), (1000, 2), (800, 308), (800, 400), (800, 100)]
    first = rows[-1]
    assert {k: first[k] for k in ("part", "client_address", "client_id", "netbios_name", "client_version", "topic_id",
                                  "state", "class", "params", "delivery")} \
        == dict(part=0, client_address="127.0.0.1", client_id="GUID:A1", netbios_name="PC1",
                client_version="5.00.9096.1000", topic_id="{0D94311F-CB7B-4E73-94B1-75878081111C}",
                state="Client deployment started", **{"class": "in-progress"}, params=["one", "two"],
                delivery="forwarded")
    assert NAME.match(first["id"] + ".SMX")
    assert RFC3339.fullmatch(first["received"]) and RFC3339.fullmatch(first["delivered"])
    assert rows[0]["class"] == "unknown" and rows[0]["delivered"] is None
    assert {r["delivery"] for r in rows[:3]} <= {"received", "staged"}


def on_a_terminal(fsp, *words):
    """What a person reads, behind a pager that turns no pages."""
    ours, theirs = pty.openpty()
    tool = subprocess.Popen([fsp.bin / "fspctl", "-c", fsp.config, *words], stdin=subprocess.DEVNULL, stdout=theirs,
                            env={**fsp.environment(), "PAGER": "cat", "TERM": "xterm"})
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:  # EIO: nobody holds the other end any more
        pass
    os.close(ours)
    assert tool.wait(timeout=10) == 0, said
    return said.decode().replace("\r\n", "\n")


def test_a_person_is_told_that_a_list_was_cut(peopled):
    told = "There may be more than these 2: --limit 0 shows all\n"
    for words in (["messages"], ["clients"], ["report", "problems-summary"]):
        assert on_a_terminal(peopled, *words, "--limit", "2").endswith(told), words
        assert "There may be more" not in on_a_terminal(peopled, *words, "--limit", "0")
        for form in ([], ["--json"], ["--csv"]):
            assert "There may be more" not in peopled.ctl(*words, "--limit", "2", *form).raw.decode(), words


@pytest.mark.parametrize("arguments,wanted", [
    (["--topic", "800"], [(800, 308), (800, 400), (800, 100)]),
    (["--state", "2"], [(1000, 2)]),
    (["--topic", "800", "--state", "400"], [(800, 400)]),
    (["--class", "deployed"], [(800, 400)]),
    (["--class", "deploy-failed"], [(800, 308)]),
    (["--class", "comm-failed"], [(1000, 2)]),
    (["--client", "PC1"], [(800, 400), (800, 100)]),
    (["--client", "GUID:B2"], [(800, 308)]),
    (["--client", "PC*"], [(800, 308), (800, 400), (800, 100)]),
    (["--client", "*4"], [(4711, 12)]),
    (["--client", "guid:*"], [(4711, 12), (800, 308), (800, 400), (800, 100)]),
    (["--client", "PC"], []),
    (["--client", "PC_"], []),
    (["--client", "%"], []),
    (["--delivery", "forwarded"], [(800, 400), (800, 100)]),
    (["--delivery", "quarantined"], []),
    (["--limit", "2"], [(4711, 12), (1000, 2)]),
    (["--since", "today"], None), (["--since", "1h"], None), (["--since", "2d"], None), (["--since", "4w"], None),
    (["--since", "now"], []), (["--until", "now"], None), (["--until", "1h"], []), (["--until", "yesterday"], []),
    (["--since", "2000-01-01"], None), (["--until", "2000-01-01"], []),
    (["--since", "2000-01-01T00:00:00Z", "--until", "2000-01-02T00:00:00+01:00"], []),
])
def test_each_filter_leaves_what_it_says(peopled, arguments, wanted):
    everything = [(4711, 12), (1000, 2), (800, 308), (800, 400), (800, 100)]
    result = peopled.ctl("messages", "--json", *arguments)
    assert result.returncode == 0, result
    assert states(result.json) == (everything if wanted is None else wanted)


def test_since_is_inclusive_and_until_is_not(peopled):
    rows = peopled.rows()
    moment = rows[2]["received"]
    newer = peopled.rows("--since", moment)
    older = peopled.rows("--until", moment)
    ids = rows[2]["id"]
    assert ids in [r["id"] for r in newer] and ids not in [r["id"] for r in older]
    assert sorted(r["id"] for r in newer + older) == sorted(r["id"] for r in rows)


def test_a_hundred_are_listed_unless_more_are_asked_for(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "0"}})
    fsp.accept(*[body() for _ in range(105)])
    assert len(fsp.ctl("messages", "--json").json) == 100
    assert len(fsp.ctl("messages", "--json", "--limit", "0").json) == 105
    assert len(fsp.ctl("messages", "--json", "--limit", "103").json) == 103


def test_messages_as_csv_have_a_head_and_a_row_each(peopled):
    result = peopled.ctl("messages", "--csv")
    rows = result.table
    assert MESSAGE_KEYS <= set(rows[0])
    assert [r["state_id"] for r in rows] == ["12", "2", "308", "400", "100"]
    assert rows[-1]["params"] == "one; two"
    assert result.raw.count(b"\r\n") == 6  # RFC 4180


@pytest.mark.parametrize("param,cell", [("=1+1", "'=1+1"), ("+cmd", "'+cmd"), ("@x", "'@x"), ("-2147012721", "-2147012721"),
                                        ("-2+3", "'-2+3"), ('say "a,b"', 'say "a,b"'), ("plain", "plain")])
def test_csv_cells_are_no_formulas(fsp, param, cell):
    fsp.accept(body(params=(param.replace('"', "&quot;"),)))
    assert fsp.ctl("messages", "--csv").table[0]["params"] == cell


def test_messages_for_people_are_safe_to_show(fsp):
    fsp.accept(report(name="EVIL\u202e\u009b31m", declaration="").encode())
    result = fsp.ctl("messages")
    assert result.returncode == 0 and "EVIL" in result.stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", result.stdout)


def test_json_carries_any_text(fsp):
    fsp.accept(report(name="Ger\u00e4t\U0001f4bb", params=("a&#10;b&quot;\\",), declaration="").encode())
    row, = fsp.rows()
    assert (row["netbios_name"], row["params"]) == ("Ger\u00e4t\U0001f4bb", ['a\nb"\\'])


def test_messages_can_be_read_while_the_daemon_is_down(peopled):
    rows = peopled.rows()
    peopled.stop()
    result = peopled.ctl("messages", "--json")
    assert result.returncode in (0, 3)
    if result.returncode == 0:
        assert [r["id"] for r in result.json] == [r["id"] for r in rows]


# -- show ----------------------------------------------------------------------------------

def test_show_tells_a_message_with_its_history_and_all_its_parts(fsp):
    content = utf16(document(machine(more=f"<M>{token()}</M>"), state_message(state=100) + state_message(state=400)))
    fsp.accept(content)
    fsp.forward()
    ident = fsp.rows()[0]["id"]
    result = fsp.ctl("show", ident, "--json")
    assert result.returncode == 0
    shown = result.json
    assert (MESSAGE_KEYS | {"history", "report"}) <= set(shown)
    assert [h["delivery"] for h in shown["history"]] == ["received", "staged", "copied", "forwarded"]
    assert all(RFC3339.fullmatch(h["at"]) for h in shown["history"])
    assert [p["state_id"] for p in shown["report"]] == [100, 400]
    assert ident in fsp.ctl("show", ident).stdout


def test_show_raw_gives_the_bytes_before_and_after_forwarding(fsp):
    content = body(params=("Ger\u00e4t",))
    fsp.accept(content)
    ident = fsp.rows()[0]["id"]
    assert fsp.ctl("show", ident, "--raw").raw == content
    wait_until(fsp.staged, what="the staged file")
    assert fsp.ctl("show", ident, "--raw").raw == content
    fsp.forward()
    assert fsp.ctl("show", ident, "--raw").raw == content


@pytest.mark.parametrize("ident", ["20240101T000000000Z-0001-00000001", "x", "", "../../etc/passwd", "' OR 1=1 --"])
def test_show_of_an_unknown_id_ends_with_1(fsp, ident):
    fsp.accept(body())
    result = fsp.ctl("show", ident)
    assert result.returncode == 1 and result.stderr, result


# -- orders -----------------------------------------------------------------------------------------

def test_send_posts_a_message_as_a_client_would(fsp):
    result = fsp.ctl("send", fsp.url, "--topic", "1000", "--state", "2", "--client-id", "GUID:SENT", "--name", "PCSENT",
                     "--param", "-2147012721", "--param", "8")
    assert result.returncode == 0 and "200" in result.stdout, result
    row, = fsp.rows()
    assert (row["topic_type"], row["state_id"], row["client_id"], row["netbios_name"], row["params"]) \
        == (1000, 2, "GUID:SENT", "PCSENT", ["-2147012721", "8"])


def test_send_posts_the_bytes_of_a_file(fsp, tmp_path):
    content = body()
    (tmp_path / "message").write_bytes(content)
    assert fsp.ctl("send", fsp.url, "--file", tmp_path / "message").returncode == 0
    fsp.expect_delivered(content)


def test_send_says_what_came_back_when_it_was_refused(fsp, tmp_path):
    (tmp_path / "message").write_bytes(b"<x/>")
    result = fsp.ctl("send", fsp.url, "--file", tmp_path / "message")
    assert result.returncode == 1 and "400" in result.stdout + result.stderr, result


def test_send_to_nobody_ends_with_1(fsp):
    url = fsp.url
    fsp.stop()
    assert fsp.ctl("send", url).returncode == 1
    assert fsp.ctl("send", url, "--file", "/nonexistent").returncode in (1, 64)


def test_forward_prints_the_line_even_when_it_went_wrong(fsp):
    fsp.accept(body())
    fsp.inbox.rmdir()
    result = fsp.ctl("forward")
    assert result.returncode == 1 and COPIED.search(result.raw).groups() == (b"0", b"1"), result


# -- setup -------------------------------------------------------------------------------------------

SETUP_LINE = re.compile(r"<\d\d/\d\d/\d\d \d\d:\d\d:\d\d> .*")


def setup_texts(fsp):
    lines = (fsp.log / "SMSFSPSetup.log").read_bytes().decode().splitlines()
    assert all(SETUP_LINE.fullmatch(line) for line in lines), lines
    return [line.split("> ", 1)[1] for line in lines]


def test_setup_checks_the_prerequisites_and_says_that_it_succeeded(make_fsp):
    fsp = make_fsp(start=False)
    result = fsp.ctl("setup")
    assert result.returncode == 0, result
    texts = setup_texts(fsp)
    assert "Installing the SMSFSP" in texts and "Installation was successful" in texts
    assert len(texts) > 4, texts
    assert list(fsp.inbox.iterdir()) == [], "the trial file is left in the inbox"
    fsp.start()
    fsp.accept(body())


def test_setup_makes_our_own_folders(make_fsp):
    fsp = make_fsp(start=False)
    fsp.staging.rmdir()
    assert fsp.ctl("setup").returncode == 0
    assert fsp.staging.is_dir()


def test_setup_without_the_inbox_fails_and_says_why(make_fsp):
    fsp = make_fsp(start=False)
    fsp.inbox.rmdir()
    result = fsp.ctl("setup")
    assert result.returncode == 1, result
    failed = [t for t in setup_texts(fsp) if t.startswith("Installation failed: ")]
    assert failed and str(fsp.inbox) in "\n".join(setup_texts(fsp))
    assert not fsp.inbox.exists()


def test_setup_beside_a_running_daemon_disturbs_nothing(fsp):
    content = body()
    fsp.accept(content)
    assert fsp.ctl("setup").returncode == 0
    fsp.expect_delivered(content)


def test_setup_makes_a_configuration_where_there_is_none(make_fsp):
    fsp = make_fsp(start=False)
    path = fsp.folder / "new.ini"
    result = fsp.ctl("-c", path, "setup", config=False)
    # It cannot know site code and inbox: it says so, and the file is there to be filled in.
    assert path.exists() and "inbox" in path.read_text() and "code" in path.read_text(), result
    assert result.returncode == 1, result


def test_times_are_taken_as_the_administrator_writes_them(peopled):
    now = datetime.now(timezone.utc)
    wide = (now - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(peopled.rows("--since", wide)) == 5
    east = (now - timedelta(minutes=5) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
    assert len(peopled.rows("--since", east)) == 5
    assert peopled.rows("--until", wide) == []
