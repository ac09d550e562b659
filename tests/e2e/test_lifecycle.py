"""Starting, configuring, reloading and stopping."""
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from fsp import PATH, Connection, request, wait_until
from messages import body


def lines(result):
    return [line for line in result.stderr.splitlines() if line]


# -- the command line -----------------------------------------------------------

def test_version_and_help_are_told(make_fsp):
    fsp = make_fsp(start=False)
    version, usage = fsp.run("--version"), fsp.run("--help")
    assert version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout), version
    assert usage.returncode == 0, usage
    assert all(option in usage.stdout for option in ("-c", "--check-config", "--version", "--help")), usage
    lines = usage.stdout.splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 79, lines  # a screen of 80 columns and 24 lines


@pytest.mark.parametrize("arguments", [["--nonsense"], ["-x"], ["-c"], ["surplus"], ["--check-config", "surplus"]])
def test_wrong_usage_ends_with_64(make_fsp, arguments):
    result = make_fsp(start=False).run(*arguments)
    assert result.returncode == 64 and result.stderr, result


# -- the configuration ------------------------------------------------------------

def test_a_sound_configuration_is_printed_and_reads_back_the_same(make_fsp, tmp_path):
    fsp = make_fsp({"listener": {"max_message_size": "1M", "paths": "/a, /b", "request_timeout": "90"},
                    "policy": {"topics": "800 1000"}}, start=False)
    first = fsp.run("-c", fsp.config, "--check-config")
    assert (first.returncode, first.stderr) == (0, "")
    again = tmp_path / "printed.ini"
    again.write_text(first.stdout)
    second = fsp.run("-c", again, "--check-config")
    assert (second.returncode, second.stdout) == (0, first.stdout)


DEFAULTS = {
    "listener": {"address": "::", "port": "80", "paths": "/SMS_FSP/.sms_fsp", "max_message_size": "64K",
                 "connections": "4096", "connections_per_client": "32", "request_timeout": "15s", "idle_timeout": "60s|1m",
                 "client_rate": "5", "client_burst": "60", "trusted_proxies": "", "capture": "", "capture_limit": "1000"},
    "policy": {"validate": "report", "min_client_version": "4.00", "topics": "*", "deduplicate": "24h|1d"},
    "staging": {"directory": "/var/lib/fspd/staging", "max_size": "4G", "max_messages": "1000000", "min_free": "10%"},
    "forwarder": {"credentials": "", "smb_connections": "8", "inbox_fallback": "", "fallback_after": "1h", "require_mount": "no",
                  "interval": "1h", "throttle_messages": "10000", "throttle_interval": "1h"},
    "ledger": {"file": "/var/lib/fspd/ledger.db", "retention": "90d"},
    "log": {"directory": "/var/log/fspd", "level": "info", "max_size": "2M", "max_history": "1"},
    "admin": {"socket": "/run/fspd/control.sock", "address": "127.0.0.1", "port": "8580"},
}


def parse_ini(text):
    found, section = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.lstrip().startswith((";", "#")):
            key, value = line.split("=", 1)
            section[key.strip()] = value.strip()
    return found


def test_every_key_but_two_has_the_default_of_the_contract(make_fsp, tmp_path):
    path = tmp_path / "least.ini"
    path.write_text("[site]\ncode = PS1\n[forwarder]\ninbox = /srv/inbox\n")
    result = make_fsp(start=False).run("-c", path, "--check-config")
    assert result.returncode == 0, result
    printed = parse_ini(result.stdout)
    assert printed["site"]["code"] == "PS1" and printed["forwarder"]["inbox"] == "/srv/inbox"
    for section, keys in DEFAULTS.items():
        for key, value in keys.items():
            assert printed[section].get(key) in value.split("|"), (section, key, printed[section].get(key))


BASE = ["[site]", "code = PS1", "[forwarder]", "inbox = /srv/inbox"]

FAULTS = {
    "an unknown section": (BASE + ["[nonsense]", "a = 1"], 6, r"\[nonsense\]"),
    "an unknown key": (BASE + ["[log]", "colour = red"], 6, r"\[log\] colour = red"),
    "a number of words": (BASE + ["[listener]", "port = many"], 6, r"\[listener\] port = many"),
    "a port beyond all ports": (BASE + ["[listener]", "port = 65536"], 6, r"\[listener\] port = 65536"),
    "a negative number": (BASE + ["[listener]", "connections = -1"], 6, r"\[listener\] connections = -1"),
    "a size of an unknown unit": (BASE + ["[listener]", "max_message_size = 1X"], 6, r"max_message_size = 1X"),
    "a duration of an unknown unit": (BASE + ["", "[policy]", "deduplicate = 1y"], 7, r"\[policy\] deduplicate = 1y"),
    "an address of words": (BASE + ["[listener]", "address = here"], 6, r"\[listener\] address = here"),
    "a path without a slash": (BASE + ["[listener]", "paths = here"], 6, r"\[listener\] paths = here"),
    "an unknown way to validate": (BASE + ["[policy]", "validate = maybe"], 6, r"\[policy\] validate = maybe"),
    "a topic of words": (BASE + ["[policy]", "topics = 800 x"], 6, r"\[policy\] topics = 800 x"),
    "a share of too much": (BASE + ["[staging]", "min_free = 101%"], 6, r"\[staging\] min_free = 101%"),
    "an unknown level": (BASE + ["[log]", "level = loud"], 6, r"\[log\] level = loud"),
    "neither yes nor no": (BASE + ["require_mount = perhaps"], 5, r"\[forwarder\] require_mount = perhaps"),
    "a throttle beyond ten millions": (BASE + ["throttle_messages = 10000001"], 5, r"throttle_messages = 10000001"),
    "a proxy of words": (BASE + ["[listener]", "trusted_proxies = proxy"], 6, r"trusted_proxies = proxy"),
    "a site code of four": (["[site]", "code = PS12"] + BASE[2:], 2, r"\[site\] code = PS12"),
    "a site code of signs": (["[site]", "code = P-1"] + BASE[2:], 2, r"\[site\] code = P-1"),
    "no site code": (["", "[site]"] + BASE[2:], 2, r"\[site\] code"),
    "no site section": (BASE[2:], 0, r"\[site\] code"),
    "no inbox": (BASE[:2] + ["[forwarder]", "interval = 1h"], 3, r"\[forwarder\] inbox"),
    "an over-long line": (BASE + ["[staging]", "directory = /" + "x" * 400], 6, r""),
    "an over-long comment": (BASE + ["; " + "x" * 400], 5, r""),
    "a line that is none": (BASE + ["nonsense"], 5, r""),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_named_with_file_line_key_and_value(make_fsp, tmp_path, what):
    text, line, pattern = FAULTS[what]
    path = tmp_path / "faulty.ini"
    path.write_text("\n".join(text) + "\n")
    fsp = make_fsp(start=False)
    for arguments in (["--check-config"], []):
        result = fsp.run("-c", path, *arguments)
        assert result.returncode == 78, result
        told = [t for t in lines(result) if t.startswith(f"{path}:{line}: ")]
        assert told and re.search(pattern, told[0]), result
    assert result.stdout == ""


def test_all_faults_are_told_at_once(make_fsp, tmp_path):
    path = tmp_path / "faulty.ini"
    path.write_text("[site]\ncode = toolong\n[listener]\nport = x\n[log]\nlevel = loud\n")
    result = make_fsp(start=False).run("-c", path, "--check-config")
    assert result.returncode == 78
    assert {t.split(":")[1] for t in lines(result)} == {"0", "2", "4", "6"}, result


def test_a_configuration_that_is_not_there_ends_with_78(make_fsp, tmp_path):
    fsp = make_fsp(start=False)
    for arguments in ([], ["--check-config"]):
        result = fsp.run("-c", tmp_path / "absent.ini", *arguments)
        assert result.returncode == 78 and "absent.ini" in result.stderr, result


def test_credentials_that_others_can_read_end_with_78(make_fsp, tmp_path):
    secret = tmp_path / "credentials"
    secret.write_text("username=a\npassword=b\n")
    secret.chmod(0o644)
    fsp = make_fsp({"forwarder": {"credentials": secret}}, start=False)
    result = fsp.run("-c", fsp.config, "--check-config")
    assert result.returncode == 78 and f"[forwarder] credentials = {secret}" in result.stderr, result
    secret.chmod(0o600)
    assert fsp.run("-c", fsp.config, "--check-config").returncode == 0


# -- what keeps it from starting -----------------------------------------------------

def test_a_port_in_use_ends_with_69(make_fsp):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fsp = make_fsp({"listener": {"port": taken.getsockname()[1]}}, start=False)
        result = fsp.run("-c", fsp.config)
    assert result.returncode == 69, result


def test_an_address_of_another_machine_ends_with_69(make_fsp):
    fsp = make_fsp({"listener": {"address": "192.0.2.1"}}, start=False)
    assert fsp.run("-c", fsp.config).returncode == 69


@pytest.mark.parametrize("section,key", [("staging", "directory"), ("ledger", "file"), ("log", "directory")])
def test_a_folder_that_cannot_be_used_ends_with_73(make_fsp, tmp_path, section, key):
    (tmp_path / "file").write_text("in the way")
    fsp = make_fsp({section: {key: tmp_path / "file" / "below" / "it"}}, start=False)
    result = fsp.run("-c", fsp.config)
    assert result.returncode == 73, result
    assert str(tmp_path / "file") in result.stderr, result


@pytest.mark.parametrize("section,key", [("staging", "directory"), ("ledger", "file"), ("log", "directory")])
def test_the_drive_marker_keeps_fspd_off_and_is_named(make_fsp, small_disk, section, key):
    disk = small_disk("8M")
    (disk / "NO_SMS_ON_DRIVE.SMS").touch()
    (disk / "deep").mkdir()
    fsp = make_fsp({section: {key: disk / "deep" / "it"}}, start=False)
    result = fsp.run("-c", fsp.config)
    assert result.returncode == 73, result
    assert str(disk / "NO_SMS_ON_DRIVE.SMS") in result.stderr, result
    setup = fsp.ctl("setup")
    assert setup.returncode == 1 and "NO_SMS_ON_DRIVE.SMS" in setup.stdout, setup


def test_a_second_daemon_on_the_same_ledger_is_refused_and_the_first_goes_on(fsp):
    result = fsp.run("-c", fsp.config)
    assert result.returncode == 73, result
    content = body()
    fsp.accept(content)
    fsp.expect_delivered(content)


def test_a_second_daemon_on_the_same_staging_with_a_ledger_of_its_own_is_refused(fsp, make_fsp):
    content = body()
    fsp.accept(content)
    other = make_fsp({"staging": {"directory": fsp.staging}}, start=False)
    result = other.run("-c", other.config)
    assert result.returncode == 73 and f"{fsp.staging} cannot be used: another fspd" in result.stderr, result
    fsp.expect_delivered(content)
    assert other.delivered() == {}


def test_a_staging_folder_that_became_read_only_ends_the_next_start_with_73(make_fsp, small_disk):
    disk = small_disk("8M")
    fsp = make_fsp({"staging": {"directory": disk / "staging"}})
    fsp.stop()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    result = fsp.run("-c", fsp.config)
    assert result.returncode == 73 and str(disk / "staging") in result.stderr, result


def test_a_control_socket_left_by_a_killed_daemon_is_no_hindrance(fsp):
    fsp.kill()
    fsp.start()
    assert fsp.status()["availability"] == "online"


# -- reloading ---------------------------------------------------------------------------

def test_sighup_reloads_the_configuration(fsp):
    big = body(padding=30000)
    fsp.configure({"listener": {"max_message_size": "100K"}})
    port = fsp.port
    assert fsp.post(body(padding=40000)).status == 413
    fsp.signal(signal.SIGHUP)
    wait_until(lambda: fsp.post(body(padding=40000)).status == 200, what="the larger size")
    assert fsp.port == port and fsp.running()
    assert fsp.post(big).status == 200


def test_a_message_sent_during_a_reload_is_answered(fsp):
    statuses, over = [], threading.Event()
    fsp.configure({"listener": {"client_rate": "0"}})
    fsp.restart()

    def client():
        while not over.is_set():
            with fsp.connect() as connection:
                statuses.append(connection.post(body()).status)
    thread = threading.Thread(target=client)
    thread.start()
    for _ in range(5):
        before = len(statuses)
        fsp.signal(signal.SIGHUP)
        wait_until(lambda b=before: len(statuses) > b + 3, what="answers")
    over.set()
    thread.join()
    assert set(statuses) == {200}


def test_a_faulty_file_is_refused_and_told_and_the_old_one_stays_in_force(fsp):
    fsp.configure({"policy": {"topics": "1000", "nonsense": "1"}})
    fsp.signal(signal.SIGHUP)
    wait_until(lambda: b"nonsense" in fsp.log_bytes(), what="the fault in the log")
    told = [line for line in fsp.log_lines() if "nonsense" in line]
    assert all(re.search("error|fail|warn", line, re.I) for line in told), told
    assert fsp.post(body(topic=800)).status == 200
    fsp.configure({"policy": {"nonsense": None}})
    fsp.signal(signal.SIGHUP)
    wait_until(lambda: fsp.post(body(topic=800)).status == 403, what="the new topics")


def test_sighup_opens_the_logs_anew(fsp):
    for name in ("fspmgr", "fspisapi"):
        (fsp.log / f"{name}.log").rename(fsp.log / f"{name}.old")
    fsp.signal(signal.SIGHUP)
    wait_until(lambda: fsp.log_bytes("fspmgr"), what="a new fspmgr.log")
    fsp.post(b"refused")
    wait_until(lambda: fsp.log_bytes("fspisapi"), what="a new fspisapi.log")


# -- stopping ------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_in_order_ends_with_0_and_loses_nothing(fsp, number):
    content = body()
    fsp.accept(content)
    fsp.signal(number)
    assert fsp.process.wait(timeout=20) == 0
    fsp.start()
    wait_until(lambda: list(fsp.delivered().values()) == [content], what="the message in the inbox")


def test_a_stop_is_quick_with_idle_clients(fsp):
    connections = [fsp.connect() for _ in range(10)]
    try:
        assert connections[0].post(body()).status == 200
        assert fsp.stop() < 10
    finally:
        for connection in connections:
            connection.close()


def test_a_message_in_hand_at_the_stop_is_answered_truly(fsp):
    content = body()
    raw = request(content)
    with fsp.connect(timeout=20) as connection:
        connection.send(raw[:-50])
        # The head is with the daemon once it has read it; a second client's answer proves that it reads.
        fsp.accept(first := body())
        fsp.signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.send(raw[-50:])
        try:
            reply = connection.reply()
        except ConnectionResetError:
            reply = None
    assert fsp.process.wait(timeout=20) == 0
    assert reply is None or reply.status in (200, 503), reply
    fsp.start()
    expected = [first, content] if reply is not None and reply.status == 200 else [first]
    wait_until(lambda: len(fsp.delivered()) >= len(expected), what="the messages in the inbox")
    assert sorted(fsp.delivered().values()) == sorted(expected)


def test_load_at_the_stop_every_200_is_kept(fsp):
    fsp.configure({"listener": {"client_rate": "0"}})
    fsp.restart()
    taken = []

    def client():
        try:
            with fsp.connect() as connection:
                while True:
                    content = body()
                    reply = connection.post(content)
                    if reply is None or reply.status != 200:
                        return
                    taken.append(content)
        except OSError:
            return
    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(taken) > 50, what="load")
    fsp.stop()
    for thread in threads:
        thread.join()
    fsp.start()
    fsp.forward()
    assert sorted(c for c in fsp.delivered().values() if c in set(taken)) == sorted(taken)


@pytest.mark.bound(120)
def test_a_stop_takes_less_than_20_s_when_the_inbox_hangs_and_nothing_is_lost(make_fsp, preload, tmp_path):
    lever = tmp_path / "hang"
    fsp = make_fsp(env={"LD_PRELOAD": preload("hang"), "FSP_HANG_FOLDER": tmp_path / "fsp0" / "inbox",
                        "FSP_HANG_SWITCH": lever,
                        "ASAN_OPTIONS": "detect_leaks=0:exitcode=99:verify_asan_link_order=0"})
    content, second = body(), body()
    fsp.accept(content)
    lever.touch()
    fsp.signal(signal.SIGUSR1)
    fsp.accept(second)  # intake does not wait for the inbox
    fsp.stop()
    lever.unlink()
    fsp.start()
    wait_until(lambda: len(fsp.delivered()) == 2, what="both messages in the inbox")
    assert list(fsp.delivered().values()) == [content, second]


@pytest.mark.bound(120)
def test_an_order_to_forward_gives_up_after_a_minute_when_the_inbox_hangs(make_fsp, preload, tmp_path):
    lever = tmp_path / "hang"
    fsp = make_fsp(env={"LD_PRELOAD": preload("hang"), "FSP_HANG_FOLDER": tmp_path / "fsp0" / "inbox",
                        "FSP_HANG_SWITCH": lever,
                        "ASAN_OPTIONS": "detect_leaks=0:exitcode=99:verify_asan_link_order=0"})
    fsp.accept(body())
    lever.touch()
    began = time.monotonic()
    assert fsp.ctl("forward", timeout=80).returncode == 1
    assert time.monotonic() - began < 70
    fsp.accept(body())
    lever.unlink()
    wait_until(lambda: fsp.forward() and len(fsp.delivered()) == 2, what="both messages in the inbox")


# -- under systemd -----------------------------------------------------------------------------

def test_readiness_and_stopping_are_told_to_systemd(make_fsp, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(10)
        fsp = make_fsp(env={"NOTIFY_SOCKET": tmp_path / "notify"})
        told = notify.recv(4096)
        while b"READY=1" not in told:
            told = notify.recv(4096)
        fsp.stop()
        while b"STOPPING=1" not in told:
            told = notify.recv(4096)


def test_the_watchdog_is_fed(make_fsp, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(10)
        make_fsp(env={"NOTIFY_SOCKET": tmp_path / "notify", "WATCHDOG_USEC": "1000000"})
        fed = 0
        while fed < 3:
            fed += b"WATCHDOG=1" in notify.recv(4096)


def test_a_passed_socket_is_used_instead_of_address_and_port(make_fsp):
    with socket.create_server(("127.0.0.1", 0)) as passed:
        fsp = make_fsp({"listener": {"address": "192.0.2.1", "port": "1"}}, start=False)
        # systemd's way: descriptor 3, and LISTEN_PID the process's own number.
        hand_over = ("import os, sys; os.dup2(int(sys.argv[1]), 3);"
                     "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); os.execv(sys.argv[2], sys.argv[2:])")
        command = [sys.executable, "-c", hand_over, str(passed.fileno()), str(fsp.bin / "fspd"), "-c", str(fsp.config)]
        fsp.start(command=command, pass_fds=[passed.fileno()])
        assert fsp.port == passed.getsockname()[1]
        content = body()
        fsp.accept(content)
        fsp.expect_delivered(content)


def test_status_and_log_name_the_port_in_use(fsp):
    assert fsp.port > 0
    assert fsp.url == f"http://127.0.0.1:{fsp.port}{PATH}"
    assert str(fsp.port) in fsp.status()["listen"]


def test_no_descriptor_is_lost_over_many_connections(make_fsp):
    fsp = make_fsp({"listener": {"client_rate": "0", "connections_per_client": "300", "request_timeout": "3s"}})

    def opened():
        return len(os.listdir(f"/proc/{fsp.process.pid}/fd"))
    fsp.accept(body())
    before = opened()
    for number in range(200):
        if number % 2:
            fsp.post(body())
        else:
            with Connection(fsp.address) as connection:
                connection.send(b"POST /SMS")
    assert wait_until(lambda: opened() <= before + 4, what="descriptors given back")


def test_fspd_stays_in_the_foreground(fsp):
    state = subprocess.run(["ps", "-o", "ppid=", "-p", str(fsp.process.pid)], capture_output=True, check=True)
    assert int(state.stdout) == os.getpid()
