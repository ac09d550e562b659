"""An inbox on a share by Kerberos tickets: a real KDC and a real Samba with a keytab, both of this test alone."""
import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from fsp import binaries, wait_until
from messages import body
from samba import Samba, free_port, have_samba

REALM = "FSP.TEST"
PATH = os.environ.get("PATH", "") + ":/usr/sbin"
PROGRAMS = {name: shutil.which(name, path=PATH) for name in ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")}
KRB5 = """[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
[realms]
 {realm} = {{
  kdc = 127.0.0.1:{port}
 }}
[domain_realm]
 {host} = {realm}
"""
# A PAC that is not of a domain controller is refused by Samba; none is not.
KDC = """[realms]
 {realm} = {{
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
  database_name = {folder}/database
  key_stash_file = {folder}/stash
  disable_pac = true
 }}
"""


def loopback_name():
    """Another name than localhost, for which Samba's client never asks for tickets, and its address."""
    names = [line.split("#")[0].split()[1:] for line in Path("/etc/hosts").read_text().splitlines()]
    for name in [socket.gethostname(), *(name for some in names for name in some)]:
        try:
            address = socket.gethostbyname(name)
        except OSError:
            continue
        if address.startswith("127.") and name != "localhost":
            return name, address
    return None, None


HOST, ADDRESS = loopback_name()
pytestmark = [pytest.mark.skipif(not have_samba(binaries()), reason="needs samba, and fspd-smb built"),
              pytest.mark.skipif(not all(PROGRAMS.values()), reason="needs krb5-kdc and krb5-user"),
              pytest.mark.skipif(not HOST, reason="needs a name of 127.x.x.x that is not localhost, in /etc/hosts")]


class Realm:
    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.port, self.user = folder, free_port(), getpass.getuser()
        words = dict(realm=REALM, port=self.port, host=HOST, folder=folder)
        (folder / "krb5.conf").write_text(KRB5.format(**words))
        (folder / "kdc.conf").write_text(KDC.format(**words))
        self.env = {"KRB5_CONFIG": str(folder / "krb5.conf"), "KRB5_KDC_PROFILE": str(folder / "kdc.conf")}
        self.run("kdb5_util", "create", "-s", "-P", "master", "-r", REALM)
        for principal, keytab in ((f"cifs/{HOST}", "server"), (self.user, "client")):
            self.run("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
            self.run("kadmin.local", "-r", REALM, "-q", f"ktadd -k {folder}/{keytab}.keytab {principal}")
        self.tickets = f"FILE:{folder}/tickets"
        with open(folder / "log", "wb") as log:
            self.kdc = subprocess.Popen([PROGRAMS["krb5kdc"], "-n", "-r", REALM], env={**os.environ, **self.env},
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, 20, "the KDC")

    def answers(self):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def run(self, program, *words):
        subprocess.run([PROGRAMS[program], *words], env={**os.environ, **self.env}, check=True, capture_output=True)

    def kinit(self):
        self.run("kinit", "-k", "-t", f"{self.folder}/client.keytab", "-c", self.tickets, self.user)

    def end(self):
        self.kdc.kill()
        self.kdc.wait(10)


@pytest.fixture
def realm(tmp_path):
    made = Realm(tmp_path / "realm")
    yield made
    made.end()


@pytest.fixture
def samba(request, realm, tmp_path, monkeypatch):
    made = Samba(tmp_path / "samba")
    made.configure(realm=REALM, kerberos_method="dedicated keytab",
                   dedicated_keytab_file=f"FILE:{realm.folder}/server.keytab",
                   interfaces=f"127.0.0.1/8 {ADDRESS}/8", ntlm_auth="disabled")
    with monkeypatch.context() as patch:
        patch.setenv("KRB5_CONFIG", realm.env["KRB5_CONFIG"])
        made.start()
    yield made
    for fsp in getattr(request.node, "fsps", []):
        if fsp.running():
            fsp.kill()
    made.kill()


def test_tickets_open_the_share_and_their_absence_is_told(make_fsp, realm, samba):
    fsp = make_fsp({"forwarder": {"inbox": samba.address(host=HOST)}},
                   env={"KRB5_CONFIG": realm.env["KRB5_CONFIG"], "KRB5CCNAME": realm.tickets})
    fsp.inbox = samba.inbox
    contents = [body() for _ in range(30)]
    fsp.accept(*contents)
    without = fsp.ctl("forward")
    assert without.returncode == 1 and "logon failed" in without.stderr and "Kerberos tickets" in without.stderr
    realm.kinit()
    setup = fsp.ctl("setup")
    assert setup.returncode == 0 and "files can be written, renamed and deleted" in setup.stdout, setup
    fsp.expect_delivered(*contents)
