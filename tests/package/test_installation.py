"""Installed, configured, upgraded, removed, installed again, purged: nothing is lost that was not delivered."""
import re

import pytest
from container import wait_until
from service import CONFIG, Service, older

STATE = "/var/lib/fspd"
# What a ledger of version 1 lacks is taken away.
TO_VERSION_1 = """DROP TABLE name_seen; DROP TABLE state_kind; DROP TABLE span; DROP INDEX client_problem; DROP TABLE seen;
    CREATE INDEX message_digest ON message(digest); DELETE FROM meta WHERE key LIKE 'seen%'; PRAGMA user_version = 1;"""


@pytest.fixture(scope="module")
def fspd(debian):
    return Service(debian)


def exists(fspd, path):
    return fspd.run("test", "-e", path, check=False).returncode == 0


def test_an_install_without_configuration_is_quiet_and_says_what_to_do(fspd, package, tmp_path):
    said = fspd.install(older(package, tmp_path, "0.0.9"))
    assert re.search(r"not configured yet.*site\.code and forwarder\.inbox.*fspctl setup && systemctl start fspd",
                     said, re.S), said
    assert fspd.show("ActiveState", "Result") == {"ActiveState": "inactive", "Result": "exec-condition"}
    assert fspd.run("systemctl", "start", "fspd").returncode == 0
    assert fspd.show("ActiveState") == "inactive"
    assert fspd.run("systemctl", "is-system-running").stdout.strip() == "running"  # nothing has failed
    assert fspd.run("systemctl", "is-enabled", "fspd.service").stdout.strip() == "enabled"
    assert fspd.run("systemctl", "is-enabled", "fspd.socket", check=False).stdout.strip() == "disabled"
    assert any("not configured yet" in str(e["MESSAGE"]) for e in fspd.journal())


def test_the_socket_of_an_unconfigured_service_does_not_open_and_says_why(fspd):
    assert fspd.run("systemctl", "start", "fspd.socket", check=False).returncode == 1
    assert "fspd is not configured yet: set site.code and forwarder.inbox in /etc/fspd/fspd.ini" in fspd.run(
        "systemctl", "status", "fspd.socket", check=False).stdout
    assert "Failed to connect" in fspd.run("curl", "-sS", "http://127.0.0.1/", check=False).stderr
    fspd.run("systemctl", "reset-failed", "fspd.socket")
    assert fspd.show("ActiveState", "NRestarts") == {"ActiveState": "inactive", "NRestarts": "0"}


def test_what_is_installed_is_where_the_contract_says(fspd):
    for path in ("/usr/sbin/fspd", "/usr/bin/fspctl", CONFIG, STATE + "/staging", "/var/log/fspd",
                 "/usr/share/man/man8/fspd.8.gz", "/usr/share/man/man1/fspctl.1.gz",
                 "/usr/share/man/man5/fspd.ini.5.gz", "/usr/share/doc/fspd/copyright",
                 "/usr/share/doc/fspd/changelog.gz", "/usr/share/doc/fspd/SCALE-OUT.md",
                 "/usr/share/doc/fspd/examples/haproxy.cfg", "/usr/share/doc/fspd/examples/fspd-load",
                 "/usr/share/bash-completion/completions/fspctl"):
        assert exists(fspd, path), path
    assert fspd.sh(f"stat -c '%U %a' {STATE} {STATE}/staging /var/log/fspd").split("\n")[:3] == ["fspd 750"] * 3
    assert fspd.run("getent", "passwd", "fspd").stdout.count(":/var/lib/fspd:") == 1
    assert fspd.run("dpkg", "--verify", "fspd").stdout == ""


def test_three_lines_and_a_start(fspd):
    fspd.configure()
    assert fspd.run("fspctl", "setup").stdout.endswith("Installation was successful\n")
    fspd.run("systemctl", "start", "fspd")
    fspd.send("--name", "BEFORE")
    wait_until(lambda: fspd.run("fspctl", "forward").returncode == 0 and len(fspd.arrived()) == 1, 10, "its arrival")


def version(fspd):
    return int(fspd.sh(f"sqlite3 {STATE}/ledger.db 'PRAGMA user_version'"))


def test_an_upgrade_keeps_configuration_and_messages_and_migrates_the_ledger(fspd, package):
    fspd.sh("mv /srv/inbox /srv/away")  # the second message stays staged
    fspd.send("--name", "WAITING")
    wait_until(lambda: fspd.ids("staged"), 10, "the message in staging")
    before, newest, config = fspd.ids(), version(fspd), fspd.sh(f"cat {CONFIG}")
    fspd.sh("systemctl stop fspd; mv /srv/away /srv/inbox")
    fspd.run("setpriv", "--reuid=fspd", "--regid=fspd", "--clear-groups", "sqlite3", f"{STATE}/ledger.db", TO_VERSION_1)
    assert version(fspd) == 1 < newest
    said = fspd.install(package)
    assert "Installation was successful" in said, said
    assert fspd.show("ActiveState") == "active"
    assert fspd.sh(f"cat {CONFIG}") == config
    assert version(fspd) == newest
    assert fspd.ids() == before and len(before) == 2
    wait_until(lambda: fspd.arrived() == before, 10, "the arrival of both")
    assert "set aside" not in fspd.sh("cat /var/log/fspd/fspmgr.log")


def test_the_helper_brings_its_rights_and_takes_them_away(fspd, package):
    """The hundred libraries are not here, and not what is looked at."""
    [helper] = package.parent.glob("fspd-smb_*.deb")
    (fspd.debian.share / helper.name).write_bytes(helper.read_bytes())
    for words, expected in ((("-i", "--force-depends", f"/share/{helper.name}"), True), (("--purge", "fspd-smb"), False)):
        pid = fspd.pid()
        fspd.run("dpkg", *words)
        found = fspd.show("RestrictAddressFamilies", "NeedDaemonReload", "ActiveState", "MainPID")
        assert ("AF_NETLINK" in found["RestrictAddressFamilies"].split()) == expected, found
        assert found["NeedDaemonReload"] == "no" and found["ActiveState"] == "active"
        assert int(found["MainPID"]) not in (0, pid)


def test_a_removal_leaves_configuration_ledger_and_logs(fspd):
    fspd.run("apt-get", "remove", "-y", "fspd")
    assert not exists(fspd, "/usr/sbin/fspd") and not exists(fspd, "/run/fspd")
    assert fspd.run("pgrep", "-x", "fspd", check=False).stdout == ""
    for path in (CONFIG, STATE + "/ledger.db", STATE + "/staging", "/var/log/fspd/fspmgr.log"):
        assert exists(fspd, path), path
    assert fspd.run("systemctl", "is-system-running").stdout.strip() == "running"


def test_installed_again_it_runs_at_once_with_its_memory(fspd, package):
    said = fspd.install(package)
    assert "Installation was successful" in said, said
    assert fspd.show("ActiveState") == "active"
    assert len(fspd.ids()) == 2
    assert not exists(fspd, STATE + "/undelivered")


def test_a_purge_names_and_keeps_what_was_not_delivered(fspd):
    fspd.sh("mv /srv/inbox /srv/away")
    fspd.send("--name", "KEPT")
    [kept] = set(fspd.ids()) - set(fspd.ids("forwarded"))
    # What the daemon's user leaves in its folder leads root nowhere.
    fspd.sh(f"echo whole > /root/victim; for name in '' .tmp .new; do ln -s /root/victim {STATE}/undelivered$name; done")
    said = fspd.run("apt-get", "purge", "-y", "fspd").stdout
    assert kept in said and STATE in said, said
    assert fspd.sh("cat /root/victim") == "whole\n"
    assert len(re.findall(r"\d{8}T\d{9}Z-", said)) == 1, said
    assert exists(fspd, STATE + "/ledger.db")
    for path in (CONFIG, "/etc/fspd", "/var/log/fspd", "/run/fspd", "/etc/systemd/system/multi-user.target.wants/fspd.service"):
        assert not exists(fspd, path), path
    assert fspd.run("getent", "passwd", "fspd").returncode == 0  # an account is never given away again


def test_what_a_purge_kept_is_delivered_by_the_next_install(fspd, package):
    fspd.install(package)
    fspd.sh("mv /srv/away /srv/inbox")
    fspd.configure()
    fspd.run("systemctl", "start", "fspd")
    wait_until(lambda: len(fspd.arrived()) == 3, 10, "the arrival of the one that was kept")


def test_a_purge_with_nothing_left_removes_all(fspd):
    said = fspd.run("apt-get", "purge", "-y", "fspd").stdout
    assert "not delivered" not in said, said
    for path in (STATE, "/var/log/fspd", "/etc/fspd", "/usr/libexec/fspd", "/usr/share/doc/fspd"):
        assert not exists(fspd, path), path
    assert len(fspd.arrived()) == 3  # the inbox is not ours
    assert fspd.run("systemctl", "is-system-running").stdout.strip() == "running"


ELSEWHERE = """[site]
code = P01
[forwarder]
inbox = /srv/inbox
[staging]
directory = /srv/fspd/staging ; a disk of its own
min_free = 0%
[ledger]
file = /srv/fspd/ledger.db
[log]
directory = /srv/fspd/logs
"""


def with_folders_at(fspd, place):
    config = ELSEWHERE.replace("/srv/fspd", place)
    fspd.sh(f"mkdir -p {place} /srv/inbox; cat >{CONFIG} <<'E'\n{config}E\nchown fspd: {place} /srv/inbox")
    fspd.run("fspctl", "setup")
    fspd.run("systemctl", "start", "fspd")


def test_a_purge_touches_nothing_that_the_configuration_put_elsewhere(fspd, package):
    fspd.install(package)
    fspd.sh("rm -f /srv/inbox/*")
    with_folders_at(fspd, "/srv/fspd")
    fspd.sh("mv /srv/inbox /srv/away")
    fspd.send("--name", "KEPT")
    [kept] = wait_until(lambda: fspd.ids("staged"), 10, "the message in staging")
    said = fspd.run("apt-get", "purge", "-y", "fspd").stdout
    for word in (kept, "/srv/fspd/staging\n", "/srv/fspd/ledger.db\n", "/srv/fspd/logs\n"):
        assert f"fspd:   {word}" in said, said
    for path in (f"/srv/fspd/staging/{kept}.SMX", "/srv/fspd/ledger.db", "/srv/fspd/logs/fspmgr.log"):
        assert exists(fspd, path), path
    assert not exists(fspd, CONFIG) and not exists(fspd, "/var/log/fspd")


def test_installed_again_with_the_same_folders_it_delivers_what_was_kept(fspd, package):
    fspd.install(package)
    fspd.sh("mv /srv/away /srv/inbox")
    with_folders_at(fspd, "/srv/fspd")
    wait_until(lambda: len(fspd.arrived()) == 1, 10, "the arrival of the one that was kept")
    wait_until(lambda: len(fspd.ids("forwarded")) == 1, 10, "its receipt")
    said = fspd.run("apt-get", "purge", "-y", "fspd").stdout
    assert "not delivered" not in said and "/srv/fspd/ledger.db" in said, said
    assert not exists(fspd, STATE) and exists(fspd, "/srv/fspd/ledger.db")


def test_a_purge_that_can_ask_nobody_keeps_what_it_finds(fspd, package):
    """Other folders in the package's own, and a configuration that is refused when it goes."""
    fspd.install(package)
    fspd.sh("rm -rf /srv/fspd; rm -f /srv/inbox/*")
    with_folders_at(fspd, f"{STATE}/own")
    fspd.sh("mv /srv/inbox /srv/away")
    fspd.send("--name", "KEPT")
    [kept] = wait_until(lambda: fspd.ids("staged"), 10, "the message in staging")
    fspd.sh(f"echo nonsense >>{CONFIG}")
    said = fspd.run("apt-get", "purge", "-y", "fspd").stdout
    assert f"fspd:   {kept}\n" in said, said
    for path in (f"{STATE}/own/staging/{kept}.SMX", f"{STATE}/own/ledger.db"):
        assert exists(fspd, path), path
