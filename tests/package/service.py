"""What the stories say to the package inside its container."""
import json
import re
import subprocess

from container import wait_until

URL = "http://127.0.0.1/SMS_FSP/.sms_fsp"
CONFIG = "/etc/fspd/fspd.ini"


def older(package, folder, version):
    """The same package under a lower version."""
    tree, made = folder / "tree", folder / f"fspd_{version}.deb"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", tree, made], check=True, capture_output=True)
    return made


class Service:
    """fspd in a container."""

    def __init__(self, debian):
        self.debian, self.run, self.sh = debian, debian.run, debian.sh

    def install(self, package):
        """What apt-get said."""
        (self.debian.share / package.name).write_bytes(package.read_bytes())
        return self.run("apt-get", "install", "-y", "--no-install-recommends", f"/share/{package.name}").stdout

    def configure(self, **replaced):
        """The three lines of an administrator, and no limits that would slow a test down."""
        lines = {"code": "P01", "inbox": "/srv/inbox", "min_free": "0%", "client_rate": "0", "throttle_messages": "0",
                 **replaced}
        edits = "".join(f"s|^;\\{{0,1\\}}{key} = .*|{key} = {value}|;s|^{key} =$|{key} = {value}|;"
                        for key, value in lines.items())
        self.sh(f"mkdir -p /srv/inbox; chown fspd: /srv/inbox; sed -i '{edits}' {CONFIG}")

    def drop_in(self, name, text):
        self.sh(f"mkdir -p /etc/systemd/system/fspd.service.d; cat >/etc/systemd/system/fspd.service.d/{name}.conf <<'E'\n"
                f"[Service]\n{text}\nE\nsystemctl daemon-reload")

    def no_drop_ins(self):
        self.sh("rm -rf /etc/systemd/system/fspd.service.d; systemctl daemon-reload")

    def show(self, *names):
        """Properties of the unit; the value alone when one is asked for."""
        said = self.run("systemctl", "show", "fspd", *(f"-p{n}" for n in names)).stdout
        found = dict(line.split("=", 1) for line in said.splitlines())
        return found[names[0]] if len(names) == 1 else found

    def pid(self):
        return int(self.show("MainPID"))

    def process(self):
        """The fields of /proc/PID/status."""
        text = self.sh(f"cat /proc/{self.pid()}/status")
        return {k: v.strip() for k, v in (line.split(":", 1) for line in text.splitlines())}

    def inside(self, *words):
        """A command that sees the files as fspd does, as its user."""
        return self.run("nsenter", "-t", self.pid(), "-m", "setpriv", "--reuid=fspd", "--regid=fspd",
                        "--clear-groups", *words, check=False)

    def journal(self, cursor=None):
        """fspd's own lines and what systemd says of it, since then."""
        said = self.run("journalctl", "-u", "fspd", "-o", "json", "--no-pager",
                        *([f"--after-cursor={cursor}"] if cursor else [])).stdout
        return [json.loads(line) for line in said.splitlines()]

    def cursor(self):
        return self.journal()[-1]["__CURSOR"]

    def wait_for_line(self, text, cursor, seconds=30):
        return wait_until(lambda: [e for e in self.journal(cursor) if text in str(e.get("MESSAGE"))],
                          seconds, f"a line with {text!r}")[0]

    def wait_for_restart(self, pid, seconds=30):
        """The new process, when it is ready."""
        def another():
            found = self.show("MainPID", "SubState")
            return found["SubState"] == "running" and int(found["MainPID"]) not in (0, pid) and int(found["MainPID"])
        return wait_until(another, seconds, f"a restart after process {pid}")

    def send(self, *words):
        assert self.run("fspctl", "send", URL, *words).stdout.startswith("200")

    def ids(self, delivery=None):
        said = self.run("fspctl", "messages", "--json", "--limit", "0", *(("--delivery", delivery) if delivery else ()))
        return sorted(row["id"] for row in json.loads(said.stdout))

    def arrived(self):
        """The IDs of what lies in the inbox."""
        return sorted(n.removesuffix(".SMX") for n in self.sh("ls /srv/inbox").split())
