"""The end-to-end tests against the installed programs, under the unit's own filter of system calls and its kin."""
import re

import pytest
from container import ROOT
from service import Service

# What holds of the tests as of the daemon; the rest of the unit is about files and users.
SHARED = ("SystemCallFilter", "SystemCallArchitectures", "SystemCallErrorNumber", "MemoryDenyWriteExecute",
          "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
          "NoNewPrivileges", "CapabilityBoundingSet")
NOT_ALLOWED = "/usr/bin/setpriv"  # the tests use it where it is there; it sets capabilities, which the filter forbids
THEMES = ("intake", "refusals", "policy", "forward", "orders", "viewer", "web", "capture")


def properties():
    """The lines of the unit that set one of these, as systemd-run takes them."""
    lines = re.findall(rf"(?m)^(?:{'|'.join(SHARED)})=.*$", (ROOT / "systemd" / "fspd.service").read_text())
    assert len(lines) > len(SHARED), "SystemCallFilter stands there twice"
    return lines


@pytest.fixture(scope="module")
def bench(debian, package):
    service = Service(debian)
    service.install(package)
    service.sh("mkdir /opt/fsp; ln -s /usr/sbin/fspd /usr/bin/fspctl /opt/fsp/")
    return service


def run(bench, *words):
    options = [word for line in properties() for word in ("-p", line)]
    return bench.run("systemd-run", "--wait", "--pipe", "--quiet", "--collect", *options, "-p", "User=fspd",
                     "-p", "PrivateTmp=yes", "-p", f"InaccessiblePaths={NOT_ALLOWED}",
                     "-p", "WorkingDirectory=/src/tests/e2e", "-E", "FSP_BIN=/opt/fsp", "-E", "HOME=/tmp",
                     "-E", "LANG=C.UTF-8", *words, check=False, seconds=600)


def test_the_filter_bites(bench):
    """Else the tests below would show nothing."""
    tried = run(bench, "python3", "-c", "import os, socket\n"
                "for call in (lambda: os.setpriority(0, 0, -5), lambda: os.chroot('/'),\n"
                "             lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)):\n"
                "    try: call(); print('allowed')\n"
                "    except OSError as fault: print(fault.errno)")
    assert tried.stdout.split() == ["1", "1", "97"], tried


@pytest.mark.parametrize("theme", THEMES)
def test_under_the_filter(bench, theme):
    done = run(bench, "python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{theme}.py")
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-6000:] + done.stderr[-1000:]
