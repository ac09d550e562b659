"""The read-only web side: health, metrics, JSON, CSV and the page."""
import os
import re
import socket
import subprocess
import time
from shutil import which
from urllib.parse import urljoin

import pytest

from fsp import ROOT, wait_until
from messages import CLIENT_KEYS, MESSAGE_KEYS, body, report, utf16
from web import ADMIN, Links, Reader, is_local

HOSTILE = [
    "<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)",
    "a;b,\"c\"\nd", "x\t\u202eevil\u2028y", "</pre></title></textarea><b>", "{{main}}%s%n", "javascript:alert(1)",
]
REPORTS = ["client-deployment-status", "client-deployment-success", "client-deployment-failure",
           "client-assignment-status", "client-assignment-success", "client-assignment-failure",
           "problems-summary", "problems-detail"]
VIEWS = ["/", "/?range=7d", "/?range=30d", "/messages", "/clients", "/reports"] + [f"/reports/{r}" for r in REPORTS]
API = ["/api/v1/status", "/api/v1/messages", "/api/v1/clients", "/api/v1/hours", "/api/v1/reports"] \
    + [f"/api/v1/reports/{r}" for r in REPORTS]
# Where there is none, `./dev test` fetches it; at the merge gate it is never passed over.
PROMTOOL = which("promtool", path=f"{os.environ['PATH']}:{ROOT}/.build/tools")
RULES = ROOT / "docs" / "monitoring"
ALL = VIEWS + API + ["/healthz", "/healthz/full", "/metrics", "/static/page.css", "/static/page.js", "/static/icon.svg"]


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@pytest.fixture
def fsp(make_fsp):
    return make_fsp(ADMIN)


@pytest.fixture
def web(fsp):
    return Reader(fsp)


def check_headers(answer):
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["base-uri"] == "'none'", policy
    assert policy["frame-ancestors"] == "'none'" and "unsafe" not in str(policy) and "*" not in str(policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_every_address_answers_with_its_headers(peopled, web):
    newest = web.get("/api/v1/messages").json[0]["id"]
    for path in ALL + [f"/messages/{newest}", f"/api/v1/messages/{newest}", f"/api/v1/messages/{newest}/raw"]:
        answer = web.get(path)
        check_headers(answer)
        head = web.ask(path, method="HEAD")
        assert head.status == 200 and head.body == b"", path
        assert head.headers["content-type"] == answer.headers["content-type"]
        check_headers(head)


def test_a_page_is_whole_and_stays_at_home(peopled, web):
    newest = web.get("/api/v1/messages").json[0]["id"]
    for path in VIEWS + [f"/messages/{newest}"]:
        links = Links(web.get(path).text)
        assert links.inline == [], path
        assert all(is_local(a) for a in links.addresses), (path, links.addresses)
        for address in links.addresses:
            if address.startswith("/"):
                assert web.ask(address.replace("&amp;", "&")).status == 200, (path, address)


def test_reading_only(fsp, web):
    before = fsp.status()
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "FROB"):
        for path in ("/", "/api/v1/messages", "/nothing"):
            answer = web.ask(path, method=method, body=b"x" if method in ("POST", "PUT") else None)
            assert answer.status == 405 and set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}, answer
            check_headers(answer)
    assert fsp.status()["received"] == before["received"] == 0


def test_a_foreign_host_is_refused(web):
    for host in ("evil.example", f"evil.example:{web.port}", "localhost.evil.example", "127.0.0.1.evil.example", "",
                 "127.1", "[::1"):
        answer = web.ask("/", headers={"Host": host})
        assert answer.status == 421, (host, answer)
        check_headers(answer)
    for host in ("localhost", f"127.0.0.1:{web.port}", "[::1]", "192.168.1.2:80"):
        assert web.ask("/healthz", headers={"Host": host}).status == 200, host
    assert b" 400 " in web.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").split(b"\r\n")[0]
    assert b" 400 " in web.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n")
    assert b" 200 " in web.raw(b"GET /healthz HTTP/1.0\r\n\r\n").split(b"\r\n")[0]
    assert b" 200 " not in web.raw(b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")


def test_what_makes_no_sense_is_refused(web):
    for path in ("/nothing", "/api", "/api/v1", "/api/v1/messages/none", "/messages/../etc/passwd", "/static/x",
                 "/static/shell.html/x", "/api/v1/reports/none", "/clients/999999", "/client?key=nobody", "//", "/%2e%2e/"):
        assert web.ask(path).status == 404, path
    for path in ("/?q=%00", "/messages?q=%zz", "/messages?q=%ff", "/api/v1/messages?since=never",
                 "/api/v1/messages?limit=-1", "/api/v1/messages?class=none", "/api/v1/messages?topic=x",
                 "/api/v1/messages?delivery=lost", "/api/v1/messages?format=xml", "/api/v1/clients?topic=x",
                 "/api/v1/status?format=xml", "/messages/%00", "/api/v1/messages?" + "a=b&" * 40):
        answer = web.ask(path)
        assert answer.status == 400 and answer.text.strip(), (path, answer)
        check_headers(answer)


def test_the_head_is_bounded(web):
    assert web.ask("/healthz", headers={"X-A": "x" * 6000}).status == 200
    assert web.ask("/healthz", headers={"X-A": "x" * 9000}).status == 431
    assert b" 200 " not in web.raw(b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")[:30]
    assert web.ask("/healthz").status == 200


@pytest.mark.bound(90)
def test_silent_connections_do_not_lock_readers_out(fsp, web):
    silent = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(80)]
    try:
        wait_until(lambda: answers(web), 30, "an answer after the silent ones are gone")
        assert fsp.post(body()).status == 200
    finally:
        for connection in silent:
            connection.close()


@pytest.mark.bound(90)
def test_slow_readers_do_not_lock_others_out(fsp, web):
    """Each asks for all it can, takes a byte now and then, and so is never silent."""
    fsp.accept(*[body(name=f"PC{n:04d}", params=("x" * 4000,)) for n in range(30)])
    slow = []
    try:
        for _ in range(80):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", web.port))
            connection.sendall(b"GET /api/v1/messages?limit=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            slow.append(connection)
        for _ in range(20):
            began = time.monotonic()
            assert answers(web)
            assert time.monotonic() - began < 9  # before any of them is shown out for being silent
            for connection in slow:
                sip(connection)
    finally:
        for connection in slow:
            connection.close()


def sip(connection):
    try:
        connection.recv(1, socket.MSG_DONTWAIT)
    except OSError:  # nothing yet, or it was shown out
        pass


def answers(web):
    try:
        return web.ask("/healthz").status == 200
    except OSError:
        return False


def test_health_follows_the_daemon(fsp, web):
    assert web.get("/healthz").json == {"availability": "online", "reasons": []}
    assert web.get("/healthz/full").json["availability"] == "online"
    fsp.inbox.rename(fsp.inbox.with_name("gone"))
    fsp.ctl("forward")
    answer = web.ask("/healthz/full")
    assert answer.status == 503 and answer.json["availability"] == "warning" and len(answer.json["reasons"]) == 1
    assert web.get("/healthz").json["availability"] == "warning"
    fsp.inbox.with_name("gone").rename(fsp.inbox)
    fsp.ctl("forward")
    assert web.ask("/healthz/full").status == 200
    assert fsp.ctl("drain").returncode == 0
    for path in ("/healthz", "/healthz/full"):
        answer = web.ask(path)
        assert answer.status == 503 and answer.json["availability"] == "offline" and answer.json["reasons"]


def test_status_is_that_of_the_tool(peopled, web):
    wait_until(lambda: not peopled.rows("--delivery", "received"), 10, "staging")
    page, tool = web.get("/api/v1/status").json, peopled.status()
    assert set(page) == set(tool)
    changing = {"oldest_staged_seconds", "next_run", "started", "connections", "free_bytes_percent", "free_inodes_percent"}
    assert {k: v for k, v in page.items() if k not in changing} == {k: v for k, v in tool.items() if k not in changing}
    assert page["admin"] == web.url
    assert web.get("/api/v1/status", format="csv").csv[0]["site_code"] == page["site_code"]


FILTERS = [
    {}, {"limit": "2"}, {"limit": "0"}, {"client": "PC*"}, {"client": "guid:b2"}, {"topic": "800"}, {"state": "308"},
    {"class": "deploy-failed"}, {"delivery": "staged"}, {"delivery": "forwarded"}, {"since": "1h"}, {"until": "1h"},
    {"client": "PC*", "topic": "800", "class": "deployed"}, {"class": "unknown"}, {"topic": "7"},
]


def test_status_as_csv_is_that_of_the_tool(peopled, web):
    tool, page = peopled.ctl("status", "--csv").table[0], web.get("/api/v1/status", format="csv").csv[0]
    assert list(page) == list(tool) and page["last_run_tried"] == tool["last_run_tried"] != ""


def test_messages_are_those_of_the_tool(peopled, web):
    wait_until(lambda: not peopled.rows("--delivery", "received"), 10, "staging")
    for wanted in FILTERS:
        options = [x for k, v in wanted.items() for x in (f"--{k}", v)]
        tool = peopled.ctl("messages", "--json", *options).json
        rows = web.get("/api/v1/messages", **wanted).json
        assert rows == tool, wanted
        assert all(set(row) >= MESSAGE_KEYS for row in rows)
        assert web.get("/api/v1/messages", format="csv", **wanted).csv \
            == peopled.ctl("messages", "--csv", *options).table, wanted


def test_the_search_field(peopled, web):
    def found(text):
        return [row["state_id"] for row in web.get("/api/v1/messages", q=text).json]
    assert found("machine:PC*") == [308, 400, 100]
    assert found("state:failed") == [2, 308]
    assert found("state:failed topic:deployment since:2h") == [308]
    assert found("pc2") == [308]
    assert found("\"LAB\"") == [12, 2]
    assert found("until:2h") == []
    answer = web.ask("/messages?q=state%3Anonsense%3Cb%3E")
    assert answer.status == 200 and "no such state" in answer.text and "<b>" not in answer.text
    assert "No message matches" in web.get("/messages", q="nobody").text


def test_one_message(peopled, web):
    wait_until(lambda: not peopled.rows("--delivery", "received"), 10, "staging")
    for row in peopled.rows():
        shown = web.get(f"/api/v1/messages/{row['id']}").json
        assert shown == peopled.ctl("show", row["id"], "--json").json
        assert web.get(f"/api/v1/messages/{row['id']}.SMX").json == shown
        raw = web.get(f"/api/v1/messages/{row['id']}/raw")
        assert raw.headers["content-type"] == "application/octet-stream"
        assert raw.headers["content-disposition"] == f"attachment; filename=\"{row['id']}.SMX\""
        assert raw.body == peopled.ctl("show", row["id"], "--raw").raw
        assert row["id"] in web.get(f"/messages/{row['id']}").text
        assert "&lt;Report&gt;" in web.get(f"/messages/{row['id']}").text


@pytest.mark.bound(120)
def test_long_lists_come_whole_and_in_order(fsp, web):
    count = 1100
    for start in range(0, count, 60):
        with fsp.connect(source=f"127.0.1.{start // 60 + 1}") as connection:
            for number in range(start, min(start + 60, count)):
                assert connection.post(body(name=f"M{number}")).status == 200
    rows = web.get("/api/v1/messages", limit="0").json
    assert [row["netbios_name"] for row in rows] == [f"M{number}" for number in reversed(range(count))]
    assert len(web.get("/api/v1/messages", limit="0", format="csv").csv) == count
    assert len(web.get("/api/v1/messages", limit="777").json) == 777
    seen, path = [], "/messages"
    while path:
        page = web.get(path).text
        seen += re.findall(r">(M\d+)</a>", page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older and urljoin(path, older.group(1).replace("&amp;", "&"))
    assert seen == [f"M{number}" for number in reversed(range(count))]


def hostile_body(text):
    shown = escaped(text)
    return utf16(report(name=shown, client_id=shown, version=shown, topic=800, state=308, topic_id=shown.replace('"', "&quot;"),
                        params=(shown,), serial=shown.replace('"', "&quot;"), details=f"<StateDetails>{shown}</StateDetails>"))


def test_hostile_text_stays_text(make_fsp):
    fsp = make_fsp({**ADMIN, "policy": {"validate": "wellformed", "min_client_version": "0"}})
    web = Reader(fsp)
    taken = [text for text in HOSTILE if fsp.post(hostile_body(text)).status == 200]
    assert len(taken) >= len(HOSTILE) - 2
    rows = web.get("/api/v1/messages", limit="0").json
    assert len(rows) == len(taken)
    pages = [web.get(path) for path in ["/", "/messages", "/clients", "/reports/problems-detail"]
             + [f"/messages/{row['id']}" for row in rows]]
    pages += [web.ask("/messages", q=text) for text in HOSTILE if not re.search(r"[\t\n]", text)]
    for page in pages:
        tags = Links(page.text)
        assert not tags.inline and tags.tags.count("img") == 1, page
        assert page.text.count("<script") == 1 and tags.tags.count("b") == 0 and "</pre></title>" not in page.text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", page.text)
        assert all(is_local(a) for a in tags.addresses)
    for path in ("/api/v1/messages", "/api/v1/clients", "/api/v1/reports/problems-detail"):
        text = web.get(path, format="csv", limit="0").text
        for row in web.get(path, format="csv", limit="0").csv:
            for cell in row.values():
                assert not cell or cell[0] not in "=+@\t\r" and not re.match(r"-[^0-9]|-\d+[^\d.]", cell), cell
        assert text.startswith(next(iter(web.get(path, format="csv").csv[0])))


CLIENT_PATHS = [("clients", ["clients"])] + [(f"reports/{name}", ["report", name]) for name in REPORTS]


def test_clients_and_reports_are_those_of_the_tool(peopled, web):
    for path, command in CLIENT_PATHS:
        rows = web.get(f"/api/v1/{path}").json
        assert rows == peopled.ctl(*command, "--json").json, path
        assert web.get(f"/api/v1/{path}", format="csv").csv == peopled.ctl(*command, "--csv").table, path
    clients = web.get("/api/v1/clients").json
    assert {c["client_id"] or c["netbios_name"] for c in clients} == {"GUID:A1", "GUID:B2", "LAB3", "GUID:D4"}
    assert all(CLIENT_KEYS <= set(c) for c in clients)
    assert [r["name"] for r in web.get("/api/v1/reports").json] == REPORTS
    assert [c["client_id"] for c in web.get("/api/v1/clients", **{"class": "deploy-failed"}).json] == ["GUID:B2"]
    detail = web.get("/api/v1/reports/problems-detail", topic="1000").json
    assert [c["netbios_name"] for c in detail] == ["LAB3"]


def test_drill_down_from_the_problem_to_the_message(peopled, web):
    problem = re.search(r'href="(/reports/problems-detail\?[^"]*topic=800[^"]*)"', web.get("/").text).group(1)
    client = re.search(r'href="(/clients/\d+)">PC2<', web.get(problem.replace("&amp;", "&")).text).group(1)
    message = re.search(r'href="(/messages/[^"?]+)"', web.get(client).text).group(1)
    assert "0x80072ee7" in web.get(message).text
    assert web.get("/client", key="GUID:B2").text.count("<h1>PC2</h1>") == 1


@pytest.mark.bound(120)
def test_problems_that_find_no_room_are_counted_and_led_to(fsp, web):
    """One client with each of 105 errors, and three with the one of them that then stands first."""
    errors = [0x80070100 + number for number in range(105)]
    for number, error in enumerate(errors + errors[-1:] * 2):
        sent = fsp.post(body(name=f"P{number}", client_id=f"GUID:{number}", topic=800, state=308, params=(hex(error),)),
                        source=f"127.0.2.{number % 100 + 1}")
        assert sent.status == 200
    assert '<a href="/reports/problems-summary">and 95 more</a>' in web.get("/").text
    seen, pages, path = [], 0, "/reports/problems-summary"
    while path:
        page = web.get(path).text
        seen += [int(error, 16) for error in re.findall(r"<code>(0x[0-9A-Fa-f]{8})</code>", page)]
        further = re.search(r'rel="next" href="([^"]+)">and 5 more<', page)
        path, pages = further and urljoin(path, further.group(1).replace("&amp;", "&")), pages + 1
    assert pages == 2 and seen[0] == errors[-1] and sorted(seen) == errors


def numbers(text):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}


def test_metrics_count(peopled, web):
    assert peopled.post(b"<no/>").status == 400
    found = numbers(web.get("/metrics").text)
    assert found['fspd_requests_total{verdict="accepted"}'] == 5
    assert found['fspd_requests_total{verdict="not_a_report"}'] == 1
    assert found['fspd_received_total{topic="deployment"}'] == 3
    assert found['fspd_received_total{topic="communication"}'] == 1
    assert found['fspd_received_total{topic="other"}'] == 1
    assert found["fspd_request_duration_seconds_count"] == 6
    assert found['fspd_request_duration_seconds_bucket{le="+Inf"}'] == 6
    assert found["fspd_staged_messages"] == 3 and found["fspd_forwarded_total"] == 2
    assert found["fspd_commit_batch_size_count"] >= 5
    assert found["fspd_forward_duration_seconds_count"] == 2
    assert time.time() - 60 < found["fspd_last_success_timestamp_seconds"] < time.time() + 60
    assert found['fspd_availability{state="online"}'] == 1
    assert 0 < found['fspd_free_space_percent{of="bytes"}'] <= 100
    assert found["fspd_oldest_staged_seconds"] >= 0 and found["fspd_quarantined_messages"] == 0


def promtool(*words, given=b""):
    """Its complaints."""
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, *words], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done
    return done.stderr.decode().strip()


@pytest.mark.skipif(not PROMTOOL and not os.environ.get("CI"), reason="promtool is not here")
def test_promtool_is_content(peopled, web):
    assert promtool("check", "metrics", given=web.get("/metrics").body) == ""
    promtool("check", "rules", RULES / "fspd.rules.yml")
    promtool("test", "rules", RULES / "fspd.rules.test.yml")


def test_hours_count_what_came_and_went(fsp, web):
    assert web.get("/api/v1/hours").json == []
    fsp.accept(body(), body(), body())
    assert fsp.forward() == (3, 3, 0)
    repeated = body()
    fsp.accept(repeated, repeated)
    hours = web.get("/api/v1/hours").json
    assert sum(h["accepted"] for h in hours) == 4 and sum(h["forwarded"] for h in hours) == 3
    fsp.restart()
    hours = Reader(fsp).get("/api/v1/hours").json
    assert sum(h["accepted"] for h in hours) == 4 and sum(h["forwarded"] for h in hours) == 4


def test_an_empty_page_says_what_to_do(fsp, web):
    page = web.get("/").text
    assert "No state message has come yet" in page and fsp.url in page and "fspctl send" in page


def test_the_port_can_be_off_or_taken(make_fsp):
    off = make_fsp()
    assert off.status()["admin"] is None and b"Web page at" not in off.log_bytes()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        fsp = make_fsp({"admin": {"address": "127.0.0.1", "port": str(port)}}, start=False)
        fsp.spawn()
        assert fsp.process.wait(timeout=20) == 69
        assert f"port {port}" in fsp.log_bytes().decode()
        fsp.process = None
