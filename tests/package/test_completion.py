"""Completion in bash: commands, options, reports, IDs; and nothing that a client sent is ever run."""
import shlex

import pytest
from container import ROOT, wait_until
from service import Service

DELIVERIES = {"received", "staged", "copied", "forwarded", "quarantined"}


@pytest.fixture(scope="module")
def fspd(debian, package):
    service = Service(debian)
    service.install(package)
    service.configure()
    service.run("systemctl", "start", "fspd")
    for name in ("PC1", "PC2", "$(touch /tmp/run)", "`touch /tmp/run`"):
        service.send("--name", name)
    wait_until(lambda: service.run("fspctl", "forward").returncode == 0 and len(service.arrived()) == 4, 10, "four files")
    return service


def complete(fspd, *words):
    """What pressing Tab at the end of the last word offers."""
    script = (". /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/fspctl;"
              f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; COMP_LINE={shlex.quote(' '.join(words))};"
              "COMP_POINT=${#COMP_LINE}; _fspctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
    return set(fspd.run("bash", "-c", script).stdout.split())


def test_commands(fspd):
    offered = complete(fspd, "fspctl", "")
    assert {"status", "forward", "messages", "tail", "clients", "report", "export", "show", "send", "requeue", "resend",
            "drain", "setup", "--help", "--version", "--config"} == offered
    assert complete(fspd, "fspctl", "re") == {"report", "requeue", "resend"}
    assert complete(fspd, "fspctl", "-c", "/etc/fspd/fspd.ini", "sta") == {"status"}


def test_options_are_those_that_the_command_takes(fspd):
    assert complete(fspd, "fspctl", "show", "X", "--") == {"--raw", "--json", "--csv", "--help"}
    offered = complete(fspd, "fspctl", "messages", "--") - {"--help"}
    assert {"--since", "--until", "--client", "--topic", "--state", "--class", "--delivery", "--limit"} < offered
    for option in offered - {"--json", "--csv"}:
        said = fspd.run("fspctl", "messages", option, check=False)
        assert "requires an argument" in said.stderr, option  # it is one, then


def test_values_are_those_that_are_taken(fspd):
    assert complete(fspd, "fspctl", "messages", "--delivery", "") == DELIVERIES
    classes = complete(fspd, "fspctl", "messages", "--class", "")
    listed = {line.split("\t")[5] for line in (ROOT / "src/message/states.tsv").read_text().splitlines()[1:]}
    assert listed | {"unknown"} == classes


def test_ids_and_names_and_reports(fspd):
    assert complete(fspd, "fspctl", "show", "2") == set(fspd.ids())
    assert complete(fspd, "fspctl", "requeue", "") == set(fspd.ids("forwarded"))
    assert complete(fspd, "fspctl", "report", "client-dep") == {
        "client-deployment-status", "client-deployment-success", "client-deployment-failure"}
    assert complete(fspd, "fspctl", "clients", "--client", "") == {"PC1", "PC2"}


def test_names_that_clients_chose_are_not_run(fspd):
    assert len(fspd.ids()) == 4
    complete(fspd, "fspctl", "clients", "--client", "")
    complete(fspd, "fspctl", "show", "")
    assert fspd.run("test", "-e", "/tmp/run", check=False).returncode == 1
