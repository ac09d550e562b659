"""An inbox on a share, without a mount: a real Samba, its faults by name, its death at any moment.

FSP_SMB_FILES and FSP_SMB_ROUNDS set the number of files (1000 unless told) and of kills (10).
"""
import os
import random
import re
import signal
import subprocess
import textwrap
import time

import pytest
from fsp import NAME, ROOT, binaries, wait_until
from messages import body
from samba import PASSWORD, SHARE, Samba, Wire, free_port, have_samba

FILES = int(os.environ.get("FSP_SMB_FILES", "1000"))
ROUNDS = int(os.environ.get("FSP_SMB_ROUNDS", "10"))
SEED = int(os.environ.get("FSP_SMB_SEED", str(random.SystemRandom().randrange(1 << 32))))
FAST = {"client_rate": "0", "connections_per_client": "100"}
pytestmark = pytest.mark.skipif(not have_samba(binaries()), reason="needs samba, and fspd-smb built")


@pytest.fixture
def make_samba(request, tmp_path):
    made = []

    def make(**kw):
        made.append(Samba(tmp_path / f"samba{len(made)}", **kw))
        return made[-1].start()
    yield make
    for fsp in getattr(request.node, "fsps", []):
        if fsp.running():
            fsp.kill()
    for samba in made:
        samba.kill()


@pytest.fixture
def samba(make_samba):
    return make_samba()


def start_with(make_fsp, samba, forwarder=None, **kw):
    fsp = make_fsp({"forwarder": samba.settings_of_fspd(throttle_messages="0", **(forwarder or {})),
                    "listener": FAST}, **kw)
    fsp.inbox = samba.inbox
    return fsp


def said(fsp, *words):
    """The red lines with these words."""
    return [line for line in fsp.log_lines() if line.startswith("ERROR: ") and all(w in line for w in words)]


def all_forwarded(fsp, seconds=60):
    wait_until(lambda: fsp.ctl("forward") and fsp.status()["staged"] == 0, seconds, "an empty staging", pause=0.1)


@pytest.mark.bound(120 + FILES // 50)
def test_every_file_arrives_whole_and_once(make_fsp, samba, record_property):
    fsp = start_with(make_fsp, samba)
    contents = [body(padding=n % 3000) for n in range(FILES)]
    fsp.accept(*contents)
    began = time.monotonic()
    assert fsp.forward() == (FILES, FILES, 0)
    figures = f"{FILES / (time.monotonic() - began):.0f} files/s"
    record_property("figures", figures)
    print(figures)
    assert list(fsp.delivered().values()) == contents
    assert all(NAME.match(name) for name in samba.files())
    assert not fsp.staged() and fsp.status()["availability"] == "online"


def test_a_file_takes_seven_requests(make_fsp, samba):
    """Make, write, close; look for the name; open, rename, close."""
    wire = Wire(samba)
    fsp = start_with(make_fsp, samba, {"inbox": samba.address(port=wire.port), "smb_connections": "1"})
    fsp.accept(*[body() for _ in range(100)])
    wait_until(lambda: len(fsp.staged()) == 100, 15, "staged files")
    wire.count.clear()
    assert fsp.forward() == (100, 100, 0)
    wire.end()
    assert wire.count["write"] == wire.count["set"] == 100, wire.count
    # A few more are those that every run begins with.
    assert sum(wire.count.values()) <= 7 * 100 + 25, wire.count
    assert wire.count["query"] + wire.count["flush"] + wire.count["list"] <= 5, wire.count


@pytest.mark.bound(120)
def test_several_nodes_fill_one_share(make_fsp, samba):
    nodes = [start_with(make_fsp, samba, {"smb_connections": "3"}) for _ in range(3)]
    contents = [[body() for _ in range(150)] for _ in nodes]
    for node, some in zip(nodes, contents):
        node.accept(*some)
    for node in nodes:
        node.signal(signal.SIGUSR1)
    for node in nodes:
        all_forwarded(node)
    by_node = {}
    for name, content in nodes[0].delivered().items():
        assert NAME.match(name)
        by_node.setdefault(name.split("-")[1], []).append(content)
    assert sorted(by_node.values()) == sorted(contents), "each node's own, in its order"
    assert [node.status()["quarantined"] for node in nodes] == [0, 0, 0] and not any(said(node) for node in nodes)


def test_what_the_server_makes_of_it_is_signed_and_new_enough(make_fsp, samba):
    fsp = start_with(make_fsp, samba)
    fsp.accept(body())
    for settings in ({"server_signing": "mandatory"}, {"server_smb_encrypt": "required"},
                     {"server_smb_encrypt": "off", "server_max_protocol": "SMB2_10"}):
        samba.kill()
        samba.configure(**settings)
        samba.start()
        fsp.accept(body())
        assert fsp.forward()[2] == 0, (settings, fsp.log_lines())
    samba.kill()
    samba.configure(server_min_protocol="SMB2_02", server_max_protocol="SMB2_02", server_signing="default")
    samba.start()
    fsp.accept(body())
    assert fsp.forward() == (0, 1, 1), "a dialect before 2.1 was spoken"


FAULTS = {
    "wrong password": (lambda s: s.write_credentials("wrong") or {}, "logon failed"),
    "missing share": (lambda s: {"inbox": s.address(share="NONE")}, "no such share"),
    "missing folder": (lambda s: {"inbox": s.address(path="inboxes/none")}, "no such folder"),
    "unknown host": (lambda s: {"inbox": s.address(host="no-such-host.invalid")}, "host is unknown"),
    "nobody listens": (lambda s: {"inbox": s.address(port=free_port())}, "connection refused"),
    "no credentials": (lambda s: s.credentials.write_text("nonsense\n") and {}, "credentials cannot be used"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_place_that_cannot_be_reached_is_told_in_words(make_fsp, samba, case):
    change, words = FAULTS[case]
    fsp = make_fsp({"forwarder": samba.settings_of_fspd(**change(samba))})
    fsp.inbox = samba.inbox
    content = body()
    fsp.accept(content)
    assert fsp.forward() == (0, 1, 1)
    assert said(fsp, "cannot be reached", words), fsp.log_lines()
    assert words in fsp.ctl("forward").stderr
    setup = fsp.ctl("setup")
    assert setup.returncode == 1 and words in setup.stdout, setup
    assert fsp.status()["availability"] == "warning" and samba.files() == []
    samba.write_credentials()
    fsp.configure({"forwarder": samba.settings_of_fspd()})
    fsp.signal(signal.SIGHUP)
    wait_until(lambda: fsp.forward()[0] == 1, 20, "delivery to the right place")
    assert list(fsp.delivered().values()) == [content]
    for name in fsp.log.iterdir():
        assert PASSWORD.encode() not in name.read_bytes(), name


def test_a_read_only_share_says_access_denied(make_fsp, make_samba):
    samba = make_samba(read_only="yes")
    fsp = start_with(make_fsp, samba)
    fsp.accept(body(), body())
    assert fsp.forward()[2] == 1
    assert said(fsp, "cannot be written", "access denied"), fsp.log_lines()
    setup = fsp.ctl("setup")
    assert setup.returncode == 1 and "access denied" in setup.stdout, setup
    assert len(fsp.staged()) == 2


def test_a_full_share_says_so_and_takes_the_rest_later(make_fsp, make_samba, small_disk):
    disk = small_disk("2M", "share")
    samba = make_samba(disk=disk)
    fsp = start_with(make_fsp, samba)
    contents = [body(padding=20000) for _ in range(90)]
    fsp.accept(*contents)
    copied, tried, code = fsp.forward()
    assert 0 < copied < tried == 90 and code == 1
    assert said(fsp, "disk full"), fsp.log_lines()
    taken = fsp.delivered()
    assert len(taken) == copied
    for name in taken:
        (samba.inbox / name).unlink()
    all_forwarded(fsp)
    assert sorted([*taken.values(), *fsp.delivered().values()]) == sorted(contents)


def block(document, first):
    """The indented lines of a document from that one on, as a file has them."""
    found = re.search(rf"^( +){re.escape(first)}(?:.*\n)(?:\1.*\n)*", document, re.M)
    assert found, f"{first} is not in the document"
    return textwrap.dedent(found.group())


@pytest.mark.parametrize("way", ["file", "credential of systemd"])
def test_the_steps_to_a_site_server_are_true(make_fsp, samba, tmp_path, way):
    """docs/SITE-SERVER.md, Direct delivery, with this Samba for the Windows server."""
    document = (ROOT / "docs" / "SITE-SERVER.md").read_text()
    account = block(document, "username=svc-fspd")
    assert [line.split("=")[0] for line in account.splitlines()] == ["username", "password", "domain"]
    samba.credentials.write_text(account.replace("svc-fspd", samba.user)
                                 .replace("the password, with blanks and = as they are", PASSWORD))
    lines = block(document, "[forwarder]").replace("site01.example.com", f"127.0.0.1:{samba.port}")
    keys = dict(line.split(" = ", 1) for line in lines.splitlines()[1:])
    assert keys["inbox"] == samba.address()
    assert keys["credentials"] == "/etc/fspd/share.cred"
    keys["credentials"], env = samba.credentials, {}
    if way != "file":
        name = re.search(r"LoadCredential=(\w+):/etc/fspd/share\.cred", document).group(1)
        assert f"`credentials = {name}`" in document
        samba.credentials.rename(tmp_path / name)
        keys["credentials"], env = name, {"CREDENTIALS_DIRECTORY": tmp_path}
    fsp = make_fsp({"forwarder": keys}, env=env)
    fsp.inbox = samba.inbox
    setup = fsp.ctl("setup")
    assert setup.returncode == 0, setup
    said_there = re.search(r"Checking the inbox smb://site01…(.*)", document).group(1)
    assert f"Checking the inbox {keys['inbox']}{said_there}" in setup.stdout, setup
    sent = re.search(r"`fspctl (send [^`]*)`", document).group(1).split()
    assert fsp.ctl(sent[0], fsp.url, *sent[2:]).returncode == 0
    assert fsp.ctl("forward").stdout.strip() in document.split("Direct delivery")[2]
    assert len(samba.files()) == 1 and b"TEST01" in next(iter(fsp.delivered().values())).replace(b"\0", b"")


def test_each_fault_of_the_document_is_said_somewhere():
    document = (ROOT / "docs" / "SITE-SERVER.md").read_text().split("What each fault looks like")[1]
    known = (ROOT / "src" / "forward" / "inbox.c").read_text() + "".join(
        os.strerror(number) + "\n" for number in range(1, 134))
    rows = [row for row in re.findall(r"^\| (.*?) \|", document, re.M) if row != "The line says"]
    assert len(rows) > 15
    for row in rows:
        for phrase in row.split(", "):
            words = re.sub(r'"\s+"', "", known).lower()
            assert phrase.lower() in words, f"nothing says {phrase}"


def test_setup_tries_the_share_and_leaves_nothing(make_fsp, samba):
    fsp = start_with(make_fsp, samba)
    result = fsp.ctl("setup")
    assert result.returncode == 0, result
    assert f"the inbox {samba.address()}: files can be written, renamed and deleted" in result.stdout
    assert samba.files() == []


def test_the_password_is_in_no_command_line_and_no_environment(make_fsp, samba):
    fsp = start_with(make_fsp, samba, env={"SECRET_OF_OURS": PASSWORD})
    fsp.accept(*[body() for _ in range(200)])
    samba.signal(signal.SIGSTOP)
    fsp.signal(signal.SIGUSR1)

    def helpers():
        children = subprocess.run(["pgrep", "-P", str(fsp.process.pid)], capture_output=True, check=False).stdout
        return children.split()
    pid = wait_until(helpers, 10, "a helper")[0].decode()
    wait_until(lambda: open(f"/proc/{pid}/comm").read().strip() == "fspd-smb", 5, "the program")
    assert PASSWORD.encode() not in open(f"/proc/{pid}/cmdline", "rb").read()
    if os.geteuid() == 0:
        assert PASSWORD.encode() not in open(f"/proc/{pid}/environ", "rb").read()
    wait_until(lambda: "NoNewPrivs:\t1" in open(f"/proc/{pid}/status").read(), 10, "no new privileges")
    samba.signal(signal.SIGCONT)
    fsp.kill()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}/exe") or
               open(f"/proc/{pid}/stat").read().split()[2] == "Z", 5, "the helper's end with its daemon")


def test_a_name_that_is_taken_is_never_replaced(make_fsp, samba):
    fsp = start_with(make_fsp, samba)
    samba.signal(signal.SIGSTOP)
    fsp.accept(body(), body())
    names = wait_until(lambda: len(fsp.staged()) == 2 and list(fsp.staged()), 15, "staged files")
    (samba.inbox / names[0]).write_bytes(b"theirs")
    samba.signal(signal.SIGCONT)
    assert fsp.forward()[:2] == (1, 2)
    assert (samba.inbox / names[0]).read_bytes() == b"theirs"
    assert fsp.status()["quarantined"] == 1


def test_a_stop_told_to_all_processes_breaks_off_nothing(make_fsp, samba):
    """As a service manager or a terminal tells it; the daemon still needs its helpers."""
    fsp = start_with(make_fsp, samba)
    samba.signal(signal.SIGSTOP)
    contents = [body() for _ in range(20)]
    fsp.accept(*contents)
    fsp.signal(signal.SIGUSR1)

    def helpers():
        children = subprocess.run(["pgrep", "-P", str(fsp.process.pid), "-x", "fspd-smb"], capture_output=True,
                                  check=False).stdout
        return children.split()
    pid = int(wait_until(helpers, 10, "a helper")[0])
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    samba.signal(signal.SIGCONT)
    wait_until(lambda: fsp.status()["staged"] == 0, 30, "an empty staging", pause=0.1)
    assert sorted(fsp.delivered().values()) == sorted(contents)
    assert not said(fsp), fsp.log_lines()


@pytest.mark.bound(120)
def test_a_frozen_server_delays_no_answer_and_no_stop(make_fsp, samba):
    fsp = start_with(make_fsp, samba)
    contents = [body() for _ in range(1600)]

    def p99(first):
        times = []
        with fsp.connect() as connection:
            for content in contents[first:first + 400]:
                began = time.monotonic()
                assert connection.post(content).status == 200
                times.append((time.monotonic() - began) * 1000)
        return sorted(times)[len(times) * 99 // 100]
    usual = [p99(0), p99(400)]
    samba.signal(signal.SIGSTOP)
    fsp.signal(signal.SIGUSR1)
    hung = [p99(800), p99(1200)]
    print(f"p99 {min(usual):.1f} ms, with a frozen server {min(hung):.1f} ms")
    assert min(hung) < 2 * max(usual) + 10
    assert fsp.forward()[2] == 1
    assert said(fsp, "the server does not answer"), fsp.log_lines()
    fsp.signal(signal.SIGUSR1)
    assert fsp.stop(20) < 20
    samba.signal(signal.SIGCONT)
    fsp.start()
    all_forwarded(fsp)
    assert list(fsp.delivered().values()) == contents


@pytest.mark.bound(60 + 15 * ROUNDS)
def test_no_kill_of_server_or_daemon_loses_or_doubles(make_fsp, samba):
    print(f"FSP_SMB_SEED={SEED} FSP_SMB_ROUNDS={ROUNDS}")
    chance = random.Random(SEED)
    fsp = start_with(make_fsp, samba)
    contents, collected, cut = [], {}, 0
    for _ in range(ROUNDS):
        some = [body(padding=chance.choice([0, 500, 20000])) for _ in range(chance.choice([20, 120, 300]))]
        fsp.accept(*some)
        contents += some
        victims = chance.choice([["samba"], ["samba"], ["fsp"], ["samba", "fsp"], ["freeze"]])
        fsp.signal(signal.SIGUSR1)
        time.sleep(chance.uniform(0.0, 0.6))  # the moment of the fault, not a wait
        if "samba" in victims:
            samba.kill()
        if "freeze" in victims:
            samba.signal(signal.SIGSTOP)
        if "fsp" in victims or "freeze" in victims:
            fsp.kill()
        if "freeze" in victims:
            samba.signal(signal.SIGCONT)
        cut += len(fsp.delivered()) < len(contents) - len(collected)
        if "samba" in victims:
            samba.start()
        # The site server takes what is there, at any moment.
        if chance.random() < 0.7:
            for name, content in fsp.delivered().items():
                assert name not in collected, f"{name} was delivered again after it was taken"
                collected[name] = content
                (samba.inbox / name).unlink()
        if not fsp.running():
            fsp.start()
    all_forwarded(fsp)
    inbox = fsp.delivered()
    assert set(inbox).isdisjoint(collected)
    both = dict(sorted({**collected, **inbox}.items()))
    assert list(both.values()) == contents, f"{len(both)} arrived of {len(contents)}"
    assert fsp.status()["quarantined"] == 0
    print(f"{cut} of {ROUNDS} rounds were cut within a run, {len(contents)} messages")
    assert cut, "no fault hit a run"


def test_what_was_half_way_when_the_server_died_is_decided_there(make_fsp, samba):
    """A helper's death between rename and answer shows as copied, and is settled by the next run."""
    fsp = start_with(make_fsp, samba, {"smb_connections": "1"})
    contents = [body() for _ in range(200)]
    fsp.accept(*contents)
    fsp.signal(signal.SIGUSR1)
    wait_until(lambda: any(n.endswith(".SMX") for n in samba.files()), 20, "the first file")
    samba.kill()
    wait_until(lambda: said(fsp, "the connection to the server was lost"), 20, "the cause in the log")
    samba.start()
    all_forwarded(fsp)
    assert list(fsp.delivered().values()) == contents


def test_an_address_without_the_helper_program_is_told(make_fsp, samba, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("fspd", "fspctl"):
        (alone / name).write_bytes((binaries() / name).read_bytes())
        (alone / name).chmod(0o755)
    fsp = make_fsp({"forwarder": samba.settings_of_fspd()}, start=False)
    if os.path.exists("/usr/libexec/fspd/fspd-smb") or os.path.exists("/usr/local/libexec/fspd/fspd-smb"):
        pytest.skip("fspd-smb is installed here")
    fsp.bin = alone
    fsp.start()
    assert said(fsp, "cannot be reached", "fspd-smb"), fsp.log_lines()


HELPER = """#!/usr/bin/python3
import socket, struct
stream, head = socket.socket(fileno=0), struct.Struct("=IIIi")
while request := stream.recv(head.size, socket.MSG_WAITALL):
    size, number, op, _ = head.unpack(request)
    stream.recv(size, socket.MSG_WAITALL)
    content = b"smb here\\0" if op in (0, 6) else b""
    stream.sendall(head.pack(len(content), number, op and %s, 0) + content)
"""


@pytest.mark.parametrize("answered, code", [("op", 0), ("op % 5 + 1", 1)], ids=["its own", "another"])
def test_the_answer_to_another_order_is_not_believed(make_fsp, samba, tmp_path, answered, code):
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("fspd", "fspctl"):
        (alone / name).write_bytes((binaries() / name).read_bytes())
    (alone / "fspd-smb").write_text(HELPER % answered)
    for path in alone.iterdir():
        path.chmod(0o755)
    fsp = make_fsp({"forwarder": samba.settings_of_fspd()}, start=False)
    fsp.bin = alone
    fsp.start()
    fsp.accept(body())
    assert fsp.forward()[2] == code, fsp.log_lines()
    assert len(fsp.staged()) == code and bool(said(fsp, "Protocol error")) == bool(code)


def test_the_helper_refuses_to_be_run_by_hand():
    done = subprocess.run([binaries() / "fspd-smb", SHARE], capture_output=True, check=False)
    assert done.returncode == 64 and b"fspd.ini(5)" in done.stderr
