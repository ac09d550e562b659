"""The ledgers of two nodes in a real PostgreSQL, by conf/examples: its views say what fspctl says."""
import json
import os
import random
import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from fsp import ROOT
from messages import body, document, machine, state_message, token, utf16
from test_viewer_numbers import make_message

EXAMPLES = ROOT / "conf" / "examples"
LOAD = EXAMPLES / "fspd-load"
SEED = int(os.environ.get("FSP_SEED", str(random.SystemRandom().randrange(1 << 32))))
FAST = {"listener": {"client_rate": "0"}, "policy": {"deduplicate": "0"}}
pytestmark = pytest.mark.bound(180)
REPORTS = [f"client-{phase}-{what}" for phase in ("deployment", "assignment") for what in ("status", "success", "failure")]
REPORTS += ["problems-summary", "problems-detail"]
TIMES = {"last_seen", "first_seen", "state_time", "deployment_begin", "deployment_end", "assignment_begin",
         "assignment_end"}


def programs():
    """The folder of the newest initdb."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


@pytest.fixture(scope="module")
def database():
    """A cluster of its own: below a temporary folder, on a socket there, as a user that is not root."""
    if not programs() or not shutil.which("psql"):
        pytest.skip("needs PostgreSQL's server")
    folder = Path(tempfile.mkdtemp(prefix="fspd-pg-", dir="/tmp"))
    user = [] if os.geteuid() else ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    if user:
        shutil.chown(folder, "nobody", "nogroup")
    folder.chmod(0o755)

    def run(program, *words):
        subprocess.run([*user, programs() / program, *words], check=True, capture_output=True, cwd=folder, timeout=60)
    run("initdb", "-D", folder / "data", "--auth=trust", "--username=fsp", "--encoding=UTF8", "--locale=C", "--no-sync")
    run("pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o",
        f"-c listen_addresses= -c fsync=off -c unix_socket_directories={folder}", "start")
    env = {**os.environ, "PGHOST": str(folder), "PGUSER": "fsp", "PGDATABASE": "fspd", "LC_ALL": "C.UTF-8"}
    try:
        subprocess.run(["createdb", "fspd"], env=env, check=True)
        yield env
    finally:
        run("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(folder)


class Fleet:
    """The nodes by name, and what the loader and psql say of them."""

    def __init__(self, env, nodes):
        self.env, self.nodes = env, nodes

    def load(self, name, *more):
        node = self.nodes[name]
        command = [LOAD, name, node.bin / "fspctl", "-c", node.config, "export", *more]
        return subprocess.run(list(map(str, command)), env=self.env, capture_output=True, text=True, check=False)

    def loaded(self, name):
        """How many state messages one more load of that node has brought."""
        done = self.load(name)
        assert done.returncode == 0, done
        assert done.stdout.startswith(f"{name}: ") and done.stdout.endswith(" new state messages\n"), done
        return int(done.stdout.split()[1])

    def ask(self, query):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c",
                               f"SELECT coalesce(json_agg(to_json(q)), '[]') FROM ({query}) q"],
                              env=self.env, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def forget(self, name):
        """It is not known any more up to where the node was loaded."""
        subprocess.run(["psql", "-X", "-q", "-c", f"UPDATE fspd.node SET last_id = NULL WHERE name = '{name}'"],
                       env=self.env, check=True)

    def view(self, report):
        return self.ask(f"SELECT * FROM fspd.{report.replace('-', '_')}")


def moment(text):
    return text and datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def plain(rows, keys, without=()):
    """The rows by these keys, in an order of their own; times as numbers."""
    picked = [{k: moment(row[k]) if k in TIMES else row[k] for k in sorted(keys) if k not in without} for row in rows]
    return sorted(picked, key=lambda row: json.dumps(row, sort_keys=True))


def reports_of(node):
    answers = {}
    for report in REPORTS:
        result = node.ctl("report", report, "--json", "--limit", "0")
        assert result.returncode == 0, result
        answers[report] = result.json
    return answers


def same(fleet, node, without=()):
    """Every view says what the node's report says, in all its keys."""
    for report, rows in reports_of(node).items():
        assert rows, f"{report} has nothing to compare"
        keys = set(rows[0])
        assert plain(fleet.view(report), keys, without) == plain(rows, keys, without), report


@pytest.fixture
def make_fleet(database, make_fsp):
    def make(*names):
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "DROP SCHEMA IF EXISTS fspd CASCADE"],
                       env=database, check=True, capture_output=True)
        for _ in range(2):  # the second time it keeps what is there
            subprocess.run(["psql", "-X", "-q", "-f", EXAMPLES / "postgresql.sql"], env=database, check=True)
        return Fleet(database, {name: make_fsp(FAST) for name in names})
    return make


def send(dice, nodes, count):
    """So many messages, each to one of the nodes; how many state messages each has got, and the messages."""
    got, sent = {name: 0 for name in nodes}, []
    for _ in range(count):
        message, content = make_message(dice)
        name = dice.choice(list(nodes))
        nodes[name].accept(content)
        got[name] += len(message["parts"])
        sent.append(content)
    return got, sent


def test_the_views_say_what_one_node_says(make_fleet):
    print(f"FSP_SEED={SEED}")
    dice, fleet = random.Random(SEED), make_fleet("fsp01")
    got, _ = send(dice, fleet.nodes, 300)
    assert fleet.loaded("fsp01") == got["fsp01"]
    same(fleet, fleet.nodes["fsp01"])
    assert fleet.loaded("fsp01") == 0
    fleet.forget("fsp01")
    assert fleet.loaded("fsp01") == 0, "what was loaded once more is there twice"
    got, _ = send(dice, fleet.nodes, 100)
    assert fleet.loaded("fsp01") == got["fsp01"]
    same(fleet, fleet.nodes["fsp01"])


def test_what_a_later_message_leaves_out_stays_known(make_fleet):
    fleet, times = make_fleet("fsp01"), ("20240115100000", "20240115120000", "20240115110000", "20240115090000")
    for when, name, version in zip(times, ("OLD", None, "BETWEEN", "EARLY"), (None, "5.00.2", None, "5.00.1")):
        fleet.nodes["fsp01"].accept(body(client_id="GUID:LATE", name=name, version=version, state=400,
                                         time=f"{when}.000000+000"))
    fleet.loaded("fsp01")
    rows = fleet.nodes["fsp01"].ctl("report", "client-deployment-success", "--json").json
    assert plain(fleet.view("client-deployment-success"), set(rows[0])) == plain(rows, set(rows[0]))


def test_two_nodes_are_one_fleet(make_fleet, make_fsp):
    """As a single node says it that had all messages, in the order in which they came."""
    print(f"FSP_SEED={SEED}")
    dice, fleet, whole = random.Random(SEED), make_fleet("fsp01", "fsp02"), make_fsp(FAST)
    # It had them at other times: what is decided by the time of receipt alone is left aside.
    for _ in range(2):
        got, sent = send(dice, fleet.nodes, 200)
        whole.accept(*sent)
        assert {name: fleet.loaded(name) for name in fleet.nodes} == got
        assert {name: fleet.loaded(name) for name in fleet.nodes} == {"fsp01": 0, "fsp02": 0}
        same(fleet, whole, TIMES)
    ids = fleet.ask("SELECT DISTINCT node, split_part(id, '-', 2) AS number FROM fspd.message")
    assert len(ids) == 2 and len({row["number"] for row in ids}) == 2, ids


@pytest.fixture
def cut_load(tmp_path):
    """Loads what a shell's filter leaves of the export, whose end is told as that of the script."""
    def cut(fleet, name, what, ending):
        script, node = tmp_path / "cut", fleet.nodes[name]
        script.write_text(f'#!/bin/sh\n"$@" | {what}\nexit {ending}\n')
        script.chmod(0o755)
        command = [LOAD, name, script, node.bin / "fspctl", "-c", node.config, "export"]
        return subprocess.run(list(map(str, command)), env=fleet.env, capture_output=True, text=True, check=False)
    return cut


def test_what_breaks_off_loads_nothing_and_goes_on_later(make_fleet, cut_load):
    dice, fleet = random.Random(SEED), make_fleet("fsp01")
    got, _ = send(dice, fleet.nodes, 30)
    for what, ending in (("head -n 4", 1), ("head -n 4 | head -c -9", 1), ("head -n 4 | head -c -9", 0)):
        done = cut_load(fleet, "fsp01", what, ending)
        assert done.returncode != 0, done
        assert fleet.ask("SELECT * FROM fspd.message") == []
    assert fleet.load("fsp01", "--no-such-option").returncode != 0
    assert fleet.loaded("fsp01") == got["fsp01"]


def test_an_export_that_ends_within_a_message_is_completed_by_the_next(make_fleet, cut_load):
    """Cut between two lines and told as a success, which no reader of lines can see."""
    fleet = make_fleet("fsp01")
    for _ in range(3):
        states = "".join(state_message(state=state) for state in (100, 301, 400))
        fleet.nodes["fsp01"].accept(utf16(document(machine(more=f"<Mark>{token()}</Mark>"), states)))
    for lines, new in ((5, 5), (4, 2), (2, 1)):  # of all nine, then of those after the first and the second message
        done = cut_load(fleet, "fsp01", f"head -n {lines}", 0)
        assert (done.returncode, done.stdout) == (0, f"fsp01: {new} new state messages\n"), done
    assert fleet.loaded("fsp01") == 1
    assert fleet.loaded("fsp01") == 0


def test_words_of_clients_arrive_as_they_are(make_fleet):
    fleet = make_fleet("fsp01")
    hostile = "a\\b\"c'd\te,f\\N \\. \u2028 \U0001F600 {1} $$ :'node'"
    escaped = hostile.replace("&", "&amp;").replace("<", "&lt;")
    fleet.nodes["fsp01"].accept(body(params=(escaped, "\\."), name="x'; DROP TABLE fspd.message; --"))
    assert fleet.loaded("fsp01") == 1
    row = fleet.ask("SELECT * FROM fspd.message")[0]
    assert row["params"] == [hostile, "\\."] and row["netbios_name"] == "x'; DROP TABLE fspd.message; --"


