"""The service under a real systemd: started, reloaded, frozen, killed, restarted under load, and in its sandbox."""
import ctypes
import json
import re

import pytest
from container import ROOT, wait_until
from service import CONFIG, Service

INFO, ERROR = "6", "3"
CAP_NET_BIND_SERVICE = 1 << 10
SYS_LANDLOCK_CREATE_RULESET = 444


def landlock_is_here():
    return ctypes.CDLL(None).syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, 1) > 0


@pytest.fixture(scope="module")
def fspd(debian, package):
    service = Service(debian)
    service.install(package)
    service.configure()
    service.run("systemctl", "start", "fspd")
    return service


@pytest.fixture
def drop_in(fspd):
    yield fspd.drop_in
    fspd.no_drop_ins()
    fspd.sh("systemctl reset-failed fspd; systemctl restart fspd")


def test_status_says_something(fspd):
    assert fspd.show("ActiveState", "SubState", "Type") == {"ActiveState": "active", "SubState": "running",
                                                            "Type": "notify"}
    said = r"\d+ staged, last run copied \d+ of \d+, next run (now|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)"
    assert re.fullmatch(said, fspd.show("StatusText")), fspd.show("StatusText")
    before = fspd.show("StatusText")
    fspd.sh("mv /srv/inbox /srv/away")
    fspd.send()
    wait_until(lambda: fspd.show("StatusText").startswith("1 staged"), 10, f"another status than {before}")
    fspd.sh("mv /srv/away /srv/inbox; fspctl forward")
    wait_until(lambda: fspd.show("StatusText").startswith("0 staged, last run copied 1 of 1"), 10, "the status after")


def test_port_80_without_root(fspd):
    process = fspd.process()
    uid = fspd.run("id", "-u", "fspd").stdout.strip()
    assert process["Uid"].split() == [uid] * 4 and uid != "0"
    assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == CAP_NET_BIND_SERVICE
    fspd.send()


def test_the_journal_has_lines_with_priorities(fspd):
    own = [e for e in fspd.journal() if e.get("SYSLOG_IDENTIFIER") == "fspd"]
    [listening] = [e for e in own if "Listening for state messages on http://" in e["MESSAGE"]]
    assert listening["PRIORITY"] == INFO and listening["_SYSTEMD_UNIT"] == "fspd.service"
    assert not any(re.match(r"<\d>", e["MESSAGE"]) for e in own)
    assert {e["PRIORITY"] for e in own} <= {"3", "4", "6", "7"}


def test_logs_are_where_they_belong(fspd):
    fspd.run("fspctl", "setup")
    for name in ("fspmgr.log", "fspisapi.log", "SMSFSPSetup.log"):
        assert fspd.sh(f"stat -c '%U %G %a' /var/log/fspd/{name}").strip() == "fspd fspd 640", name
    assert "Successfully copied 1 out of 1 file(s)" in fspd.sh("cat /var/log/fspd/fspmgr.log")


def test_a_reload_puts_the_configuration_in_force(fspd):
    pid, cursor = fspd.pid(), fspd.cursor()
    fspd.configure(retention="80d")
    fspd.run("systemctl", "reload", "fspd")
    fspd.wait_for_line("[ledger] retention has changed", cursor)
    fspd.wait_for_line("is in force", cursor)
    assert fspd.pid() == pid


def test_a_faulty_file_is_refused_and_the_old_one_stays(fspd):
    pid, cursor = fspd.pid(), fspd.cursor()
    fspd.configure(retention="soon")
    fspd.run("systemctl", "reload", "fspd")
    assert fspd.wait_for_line("retention = soon", cursor)["PRIORITY"] == ERROR
    fspd.wait_for_line("the old one stays in force", cursor)
    assert fspd.pid() == pid
    fspd.send()
    fspd.configure(retention="90d")
    fspd.run("systemctl", "reload", "fspd")


def test_the_sandbox_is_in_force(fspd):
    process = fspd.process()
    assert process["NoNewPrivs"] == "1" and process["Seccomp"] == "2"
    for path in ("/etc/fspd/x", "/usr/x", "/var/lib/x", "/var/log/x", "/opt/x", "/x"):
        assert "Read-only file system" in fspd.run("nsenter", "-t", fspd.pid(), "-m", "touch", path, check=False).stderr, path
    for path in ("/var/lib/fspd/x", "/var/log/fspd/x", "/srv/inbox/x", "/run/fspd/x"):
        assert fspd.inside("touch", path).returncode == 0, path
        fspd.inside("rm", path)
    assert fspd.run("nsenter", "-t", fspd.pid(), "-m", "ls", "/root", "/home", check=False).stdout.split() == ["/home:", "/root:"]
    assert "/dev/mem" not in fspd.inside("ls", "/dev").stdout
    assert fspd.inside("sh", "-c", "ls -d /proc/1").returncode != 0  # other users' processes are not seen


def test_the_filter_of_system_calls_lets_the_listener_confine_itself(fspd):
    said = [e["MESSAGE"] for e in fspd.journal() if "Landlock" in str(e.get("MESSAGE"))]
    assert said
    if landlock_is_here():
        assert all("The listener reaches no files but logs" in line for line in said), said


def test_an_inbox_may_be_mounted_while_it_runs(fspd):
    fspd.sh("mkdir /srv/inbox/share; mount -t tmpfs -o uid=fspd,gid=fspd tmpfs /srv/inbox/share")
    try:
        assert fspd.inside("touch", "/srv/inbox/share/x").returncode == 0
    finally:
        fspd.sh("umount /srv/inbox/share; rmdir /srv/inbox/share")


def exposure(fspd, unit):
    said = fspd.run("systemd-analyze", "security", "--no-pager", unit).stdout
    return float(re.search(r"Overall exposure level for \S+: (\d+\.\d+)", said).group(1))


def test_exposure(fspd, drop_in):
    assert exposure(fspd, "fspd.service") <= 1.3
    drop_in("test", (ROOT / "systemd" / "socket-activated.conf").read_text())
    assert exposure(fspd, "fspd.service") <= 1.0


def test_killed_it_comes_back(fspd):
    pid = fspd.pid()
    fspd.run("kill", "-KILL", pid)
    fspd.wait_for_restart(pid)
    fspd.send()


def test_frozen_it_is_ended_by_the_watchdog_and_comes_back(fspd, drop_in):
    drop_in("test", "WatchdogSec=3\nRestartSec=100ms")
    fspd.run("systemctl", "restart", "fspd")
    pid, cursor = fspd.pid(), fspd.cursor()
    fspd.run("kill", "-STOP", pid)
    fspd.wait_for_line("Watchdog timeout", cursor)
    fspd.wait_for_restart(pid)
    fspd.send()


def test_it_is_started_again_however_often_it_dies(fspd, drop_in):
    drop_in("test", "RestartSec=50ms")
    fspd.run("systemctl", "restart", "fspd")
    for _ in range(8):  # the manager's own limit would be five in ten seconds
        pid = fspd.pid()
        fspd.run("kill", "-KILL", pid)
        fspd.wait_for_restart(pid)
    assert fspd.show("NRestarts") == "8"


def test_a_faulty_configuration_fails_at_once_and_once(fspd, drop_in):
    drop_in("test", "RestartSec=50ms")
    fspd.configure(interval="never")
    assert fspd.run("systemctl", "restart", "fspd", check=False).returncode != 0
    wait_until(lambda: fspd.show("ActiveState") == "failed", 20, "its failure")
    found = fspd.show("ActiveState", "Result", "ExecMainStatus", "NRestarts")
    assert found == {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78", "NRestarts": "0"}
    assert any(f"{CONFIG}:" in str(e["MESSAGE"]) and "interval = never" in str(e["MESSAGE"]) for e in fspd.journal())
    fspd.configure(interval="1h")
    fspd.run("systemctl", "restart", "fspd")
    fspd.send()


def test_a_faulty_configuration_behind_the_socket_keeps_clients_waiting_without_haste(fspd):
    """Who waits starts it again and again, and is served when the fault is mended."""
    fspd.sh("systemctl stop fspd; systemctl start fspd.socket")
    fspd.configure(interval="never")
    cursor = fspd.cursor()
    client = fspd.debian.start("curl", "-sS", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1/")

    def faults():
        return [int(e["__REALTIME_TIMESTAMP"]) / 1e6 for e in fspd.journal(cursor) if "interval = never" in str(e["MESSAGE"])]
    wait_until(lambda: len(faults()) >= 2, 30, "a second try")
    first, second = faults()[:2]
    assert second - first > 4
    fspd.configure(interval="1h")
    assert client.communicate(timeout=60)[0] == "404"
    assert fspd.show("ActiveState") == "active"
    fspd.sh("systemctl stop fspd.socket fspd; systemctl start fspd")


def test_credentials_of_the_service_manager_can_be_used(fspd, drop_in):
    """fspd refuses a file that it cannot see or that others may read."""
    fspd.sh("umask 077; echo username=fsp >/root/smb; chmod 0600 /root/smb")
    drop_in("test", "LoadCredential=smb:/root/smb")
    fspd.configure(credentials="/run/credentials/fspd.service/smb")
    fspd.run("systemctl", "restart", "fspd")
    assert fspd.inside("cat", "/run/credentials/fspd.service/smb").stdout == "username=fsp\n"
    fspd.sh(f"sed -i 's|^credentials = .*|credentials =|' {CONFIG}")


def forward_all(fspd):
    """Until nothing is on its way any more; the inbox is then the sum of all that was taken."""
    def empty():
        fspd.run("fspctl", "forward")
        return json.loads(fspd.run("fspctl", "status", "--json").stdout)["staged"] == 0
    wait_until(empty, 60, "an empty staging folder")


def test_restarts_under_load_refuse_nobody(fspd, drop_in, request):
    """With systemd's socket, in the sandbox without a capability."""
    restarts = request.config.getoption("restarts")
    drop_in("test", (ROOT / "systemd" / "socket-activated.conf").read_text())
    fspd.sh("systemctl stop fspd; systemctl enable --now fspd.socket")
    assert fspd.show("ActiveState") == "inactive"
    fspd.send()  # is what starts it
    assert fspd.show("ActiveState") == "active"
    assert int(fspd.process()["CapEff"], 16) == int(fspd.process()["CapBnd"], 16) == 0
    forward_all(fspd)
    before = len(fspd.arrived())
    load = fspd.debian.start("python3", "/src/tests/package/load.py")
    fspd.sh(f"for i in $(seq {restarts}); do systemctl restart fspd; done", seconds=60 + 5 * restarts)
    said = json.loads(load.communicate(timeout=60)[0])
    print(restarts, "restarts:", said)
    met = said["met"]
    assert set(met) <= {"200", "lost", "503"}, said
    assert met["200"] > restarts, said
    assert met.get("lost", 0) <= restarts // 100, said  # who had connected when it stopped was answered
    forward_all(fspd)
    assert met["200"] <= len(fspd.arrived()) - before <= met["200"] + met.get("lost", 0), said
    fspd.sh("systemctl disable --now fspd.socket")
