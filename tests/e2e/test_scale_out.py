"""Three daemons, one inbox, a real HAProxy in front of them as conf/examples sets it up.

FSP_SCALE_SECONDS is how long nodes are killed under load (12 unless told), FSP_SCALE_SEED repeats a run.
"""
import collections
import os
import random
import subprocess
import time

import pytest
from balance import EXAMPLES, HAProxy, Load, SiteServer, free_port, program
from fsp import Connection, wait_until
from messages import body

SECONDS = float(os.environ.get("FSP_SCALE_SECONDS", "12"))
SEED = int(os.environ.get("FSP_SCALE_SEED", str(random.SystemRandom().randrange(1 << 32))))
NODES = ("fsp01", "fsp02", "fsp03")
needs_haproxy = pytest.mark.skipif(not program("haproxy"), reason="needs haproxy")


@pytest.fixture
def fleet(make_fsp, tmp_path):
    """Three daemons with one inbox, HAProxy in front, the site server behind."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    nodes = {}
    for name in NODES:
        nodes[name] = make_fsp({"listener": {"port": free_port(), "client_rate": "0", "trusted_proxies": "127.0.0.1"},
                                "forwarder": {"inbox": inbox, "interval": "1s", "throttle_messages": "0"},
                                "admin": {"port": free_port()}})
    proxy = HAProxy(tmp_path / "haproxy", [(n.port, n.settings["admin"]["port"]) for n in nodes.values()])
    try:
        proxy.start()
        wait_until(lambda: proxy.up() == set(NODES), 20, "all nodes in service")
        yield nodes, proxy, SiteServer(inbox)
    finally:
        proxy.end()


def node_of(name):
    return name.split("-")[1]


def settle(nodes, site):
    """Every node forwards what it has, and says that it has nothing left."""
    for node in nodes.values():
        result = node.ctl("drain")
        assert result.returncode == 0, result
        assert node.status()["staged"] == 0 and node.status()["quarantined"] == 0
    site.take()
    assert site.wrong == [] and list(site.inbox.iterdir()) == []


def judge(load, site):
    """Each message that was answered 200 is there exactly once; none that was not, more than once."""
    arrived = collections.Counter(site.digests)
    assert load.taken(), "nothing was sent"
    assert [one for one in load.taken() if arrived[one.digest] != 1] == []
    assert set(arrived.values()) <= {1}
    assert set(arrived) <= {one.digest for one in load.sent}


@needs_haproxy
@pytest.mark.bound(int(SECONDS) + 90)
def test_nodes_killed_at_random_lose_nothing_and_double_nothing(fleet):
    print(f"FSP_SCALE_SEED={SEED} FSP_SCALE_SECONDS={SECONDS:g}")
    nodes, proxy, site = fleet
    chance, kills = random.Random(SEED), []
    end = time.monotonic() + SECONDS
    with Load(proxy.address) as load:
        while time.monotonic() < end:
            name = chance.choice(NODES)
            enough = len(load.taken()) + 20
            wait_until(lambda: len(load.taken()) >= enough, 30, "messages between two kills")
            site.take()
            time.sleep(chance.uniform(0, 0.5))  # the moment of the kill, not a wait
            before = time.monotonic()
            nodes[name].kill()
            kills.append((name, before, time.monotonic()))
            time.sleep(chance.uniform(0, 2.5))  # how long it is away
            nodes[name].start(first_run=False)
            wait_until(lambda: proxy.up() == set(NODES), 20, "the node in service again")
    settle(nodes, site)
    judge(load, site)
    assert len({node_of(name) for name in site.names}) == 3, "not all nodes had messages"
    failed = [one for one in load.sent if one.status != 200]
    print(f"{len(load.taken())} answered 200, {len(failed)} failed in {len(kills)} kills")
    assert len(kills) >= 3
    for one in failed:
        server, status = proxy.answered[one.client]
        assert status == one.status
        hit = [name for name, before, after in kills if one.began < after and one.ended > before]
        assert server in hit, f"a {one.status} of {server}, when {hit} were killed"


@needs_haproxy
@pytest.mark.bound(180)
def test_a_drained_node_hands_its_work_on_and_nobody_notices(fleet):
    nodes, proxy, site = fleet
    drained = nodes["fsp02"]
    with Load(proxy.address) as load:
        wait_until(lambda: drained.status()["received"] > 20, 30, "messages at the node")
        result = drained.ctl("drain")
        assert result.returncode == 0, result
        assert drained.status()["staged"] == 0
        received = drained.status()["received"]
        enough = len(load.taken()) + 100
        wait_until(lambda: len(load.taken()) >= enough and proxy.up() == {"fsp01", "fsp03"}, 30, "work by the others")
        assert drained.status()["received"] == received
        drained.stop()
        drained.start()
        wait_until(lambda: proxy.up() == set(NODES) and drained.status()["received"] > 0, 30, "its return")
    settle(nodes, site)
    judge(load, site)
    assert {one.status for one in load.sent} == {200}


@needs_haproxy
@pytest.mark.bound(120)
def test_the_client_behind_the_balancer_is_known_and_bounded(fleet):
    nodes, proxy, _ = fleet

    def post(source, **kw):
        with Connection(proxy.address, source=source) as connection:
            return connection.post(body(name="COUNTED"), **kw)
    assert post("127.0.7.7", headers={"X-Forwarded-For": "192.0.2.1"}).status == 200
    replies = [post("127.0.8.8") for _ in range(130)]
    refused = [reply for reply in replies if reply.status != 200]
    assert {reply.status for reply in refused} == {429} and 10 <= len(refused) <= 30
    assert refused[0].header("retry-after") == "10" and refused[0].reason_line() == "too many requests"
    assert post("127.0.9.9").status == 200, "one client's excess was another's"
    seen = {row["client_address"] for node in nodes.values() for row in node.rows("--client", "COUNTED")}
    assert seen == {"127.0.7.7", "127.0.8.8", "127.0.9.9"}


@pytest.mark.parametrize("command", [["haproxy", "-c", "-f"], ["keepalived", "-t", "-f"]], ids=lambda c: c[0])
def test_the_examples_are_understood_as_they_are(command):
    path = program(command[0])
    if not path:
        pytest.skip(f"needs {command[0]}")
    example = EXAMPLES / {"haproxy": "haproxy.cfg", "keepalived": "keepalived.conf"}[command[0]]
    # keepalived ends a check by a signal to its process group when it finds something that it dislikes.
    done = subprocess.run([path, *command[1:], example], capture_output=True, text=True, check=False,
                          start_new_session=True)
    assert done.returncode == 0, done
    assert "warn" not in (done.stdout + done.stderr).lower(), done
