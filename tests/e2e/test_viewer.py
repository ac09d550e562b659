"""What the tool makes of the messages: the clients, the reports, the tail, the export."""
import json
import os
import pty
import subprocess

import pytest
from fsp import wait_until
from messages import CLIENT_KEYS, MESSAGE_KEYS, body


def test_clients_tells_the_last_known_state_of_each(peopled):
    peopled.accept(body(name="PC1", client_id="GUID:A1", topic=1001, state=1), body(name="PC2", client_id="GUID:B2",
                                                                                 topic=1000, state=2))
    rows = {r["netbios_name"]: r for r in peopled.ctl("clients", "--json").json}
    assert all(CLIENT_KEYS <= set(r) for r in rows.values())
    assert {"PC1", "PC2", "LAB3"} <= set(rows)
    one, two = rows["PC1"], rows["PC2"]
    assert (one["client_id"], one["state_id"], one["class"], one["certificate"], one["communication"]) \
        == ("GUID:A1", 400, "deployed", "ok", None)
    # 100 comes from an earlier time of its own: it began the deployment, 400 ended it.
    assert one["deployment_begin"].startswith("2024-01-15T09:30:12") and one["deployment_end"].startswith("2024-01-15T09:45:12")
    assert (two["class"], two["param"], two["communication"]) == ("deploy-failed", "0x80072ee7", "failed")
    assert [r["netbios_name"] for r in peopled.ctl("clients", "--json", "--class", "deploy-failed").json] == ["PC2"]
    assert CLIENT_KEYS <= set(peopled.ctl("clients", "--csv").table[0])


def test_a_message_that_arrives_late_does_not_undo_a_later_one(fsp):
    fsp.accept(body(client_id="GUID:L", state=400, time="20240115120000.000000+000"),
               body(client_id="GUID:L", state=100, time="20240115110000.000000+000"))
    row, = fsp.ctl("clients", "--json").json
    assert (row["state_id"], row["class"]) == (400, "deployed")


REPORTS = {
    "client-deployment-status": set("class state_id state clients".split()),
    "client-deployment-success": CLIENT_KEYS, "client-deployment-failure": CLIENT_KEYS,
    "client-assignment-status": set("class state_id state clients".split()),
    "client-assignment-success": CLIENT_KEYS, "client-assignment-failure": CLIENT_KEYS,
    "problems-summary": set("topic_type state_id state error clients last_seen".split()),
    "problems-detail": CLIENT_KEYS | {"topic_type", "state_id", "error"},
}


@pytest.mark.parametrize("name", REPORTS)
def test_each_report_has_its_keys(peopled, name):
    peopled.accept(body(client_id="GUID:F", name="PCF", topic=800, state=700, time="20240116090000.000000+000"),
                   body(client_id="GUID:G", name="PCG", topic=800, state=602, params=("XYZ",)))
    result = peopled.ctl("report", name, "--json")
    assert result.returncode == 0
    assert result.json and all(REPORTS[name] <= set(r) for r in result.json)
    assert REPORTS[name] <= set(peopled.ctl("report", name, "--csv").table[0])
    assert peopled.ctl("report", name).returncode == 0


def test_report_without_a_name_lists_them(fsp):
    result = fsp.ctl("report")
    assert result.returncode == 0 and all(name in result.stdout for name in REPORTS)


def test_problems_are_counted_by_incidence(fsp):
    fsp.accept(*[body(client_id=f"GUID:{n}", name=f"P{n}", state=308, params=("0x80072ee7",)) for n in range(3)],
               body(client_id="GUID:X", name="PX", state=313, params=("1603",)),
               body(client_id="GUID:OK", name="POK", state=400))
    rows = fsp.ctl("report", "problems-summary", "--json").json
    assert [(r["topic_type"], r["state_id"], r["clients"]) for r in rows] == [(800, 308, 3), (800, 313, 1)]
    assert rows[0]["error"].lower() == "0x80072ee7"
    assert {r["netbios_name"] for r in fsp.ctl("report", "problems-detail", "--json").json} == {"P0", "P1", "P2", "PX"}


def test_tail_shows_new_messages_as_they_come(fsp):
    fsp.accept(body(name="PCOLD"))
    command = [str(fsp.bin / "fspctl"), "-c", str(fsp.config), "tail"]
    with subprocess.Popen(command, env=fsp.environment(), stdout=open(fsp.folder / "tail.out", "wb"),
                          stderr=subprocess.STDOUT) as tail:
        try:
            shown = fsp.folder / "tail.out"

            def new_one():
                fsp.accept(body(name="PCNEW"))
                return b"PCNEW" in shown.read_bytes()
            wait_until(new_one, 10, "the new message in the tail", pause=0.5)
            assert b"PCOLD" not in shown.read_bytes()
        finally:
            tail.terminate()
            tail.wait(timeout=10)


def test_export_gives_every_message_after_one_in_order(fsp):
    fsp.accept(*[body(name=f"PC{n}") for n in range(5)])
    ids = [r["id"] for r in reversed(fsp.rows())]

    def export(*arguments):
        result = fsp.ctl("export", *arguments)
        assert result.returncode == 0, result
        return [json.loads(line) for line in result.stdout.splitlines()]
    everything = export()
    assert [r["id"] for r in everything] == ids
    assert all(MESSAGE_KEYS <= set(r) for r in everything)
    assert [r["id"] for r in export("--since", ids[2])] == ids[3:]
    assert export("--since", ids[-1]) == []


@pytest.mark.parametrize("arguments", [["report", "nonsense"], ["report", "problems-summary", "--since", "whenever"],
                                       ["clients", "--nonsense"], ["export", "--since"]])
def test_wrong_usage_ends_with_64(fsp, arguments):
    result = fsp.ctl(*arguments)
    assert result.returncode == 64 and "there is no command" not in result.stderr, result


def test_tail_gives_programs_one_object_a_line_and_ends_in_order(fsp):
    shown = fsp.folder / "tail.out"
    command = [str(fsp.bin / "fspctl"), "-c", str(fsp.config), "tail", "--json"]
    with subprocess.Popen(command, env=fsp.environment(), stdout=open(shown, "wb"), stderr=subprocess.STDOUT) as tail:
        try:
            def new_one():
                fsp.accept(body(name="PCNEW"))
                return shown.read_bytes().count(b"\n") >= 2
            wait_until(new_one, 10, "two lines of the tail", pause=0.5)
        finally:
            tail.terminate()
            assert tail.wait(timeout=10) == 0
    rows = [json.loads(line) for line in shown.read_text().splitlines()]
    assert all(MESSAGE_KEYS <= set(r) for r in rows) and len({r["id"] for r in rows}) == len(rows)


def test_export_goes_on_after_a_message_that_is_gone(fsp):
    fsp.accept(body(name="PC1"), body(name="PC2"))
    first, second = [r["id"] for r in reversed(fsp.rows())]
    # An id between the two that no row has: another node's, where they did not come in the same millisecond.
    node = int(first[20:24], 16)
    between = first[:20] + f"{node + 1:04X}" + first[24:] if node < 0xFFFF and first[:19] < second[:19] else None
    assert between is None or first < between < second
    for since, left in ((between or first, [second]), ("20000101T000000000Z-0000-00000001", [first, second])):
        result = fsp.ctl("export", "--since", since)
        assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == left


def test_an_error_code_is_made_readable(fsp):
    fsp.accept(body(client_id="GUID:E", state=308, params=("http://mp.example.com/ccmsetup.cab", "-2147012889")))
    row, = fsp.rows()
    assert (row["error"], "could not be resolved" in row["error_text"]) == ("0x80072EE7", True)
    assert "could not be resolved" in fsp.ctl("show", row["id"]).stdout
    assert "could not be resolved" in fsp.ctl("clients").stdout
    assert "could not be resolved" in fsp.ctl("report", "problems-summary").stdout


def test_hostile_text_steers_no_terminal_and_no_spreadsheet(fsp):
    fsp.accept(body(client_id="=cmd|'/c calc'!A1", name="\u202e\u009b31m&#x9;PC", state=313, params=("@SUM(1)\u2028",)))
    for command in (["clients"], ["report", "problems-detail"], ["report", "client-deployment-failure"]):
        text = fsp.ctl(*command).stdout
        assert "PC" in text and not any(c in text for c in "\u202e\u009b\u2028\t"), text
        row, = fsp.ctl(*command, "--csv").table
        assert row["client_id"].startswith("'=") and row["param"].startswith("'@")
        assert fsp.ctl(*command, "--json").json[0]["param"] == "@SUM(1)\u2028"


def on_terminal(fsp, *arguments, **environment):
    main, side = pty.openpty()
    with subprocess.Popen([str(fsp.bin / "fspctl"), "-c", str(fsp.config), *arguments], stdin=side, stdout=side, stderr=side,
                          env={**fsp.environment(), "TERM": "xterm", **environment}) as tool:
        os.close(side)
        text = b""
        while chunk := read_terminal(main):
            text += chunk
        os.close(main)
    assert tool.returncode == 0, text
    return text.decode()


def test_a_table_on_a_terminal_goes_through_the_pager(fsp):
    fsp.accept(body(client_id="GUID:P", name="PCPAGER", state=400))
    text = on_terminal(fsp, "clients", PAGER="sed s/PCPAGER/paged/")
    assert "paged" in text and "PCPAGER" not in text
    assert "PCPAGER" in on_terminal(fsp, "clients", PAGER="")
    assert "PCPAGER" in on_terminal(fsp, "clients", "--json", PAGER="sed s/PCPAGER/paged/")
    assert "PCPAGER" in fsp.ctl("clients").stdout


def test_colours_are_for_terminals_only_and_not_for_all(fsp):
    fsp.accept(body(client_id="GUID:1", name="PCBAD", state=308), body(client_id="GUID:2", name="PCREBOOT", state=401),
               body(client_id="GUID:3", name="PCGOOD", state=400))

    def line(text, name):
        return next(part for part in text.splitlines() if name in part)
    for command in ("clients", "messages"):
        text = on_terminal(fsp, command, PAGER="")
        assert "\033[31m" in line(text, "PCBAD") and "33m" in line(text, "PCREBOOT"), text
        assert "\033" not in line(text, "PCGOOD"), text
        for quiet in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            assert "\033" not in on_terminal(fsp, command, PAGER="", **quiet)
        assert "\033" not in fsp.ctl(command).stdout


def read_terminal(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""
