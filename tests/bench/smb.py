#!/usr/bin/python3
"""Files a second to a share: fspd with its helpers against smbclient's mput, on loopback and through a delay.

Both carry the same files to the same Samba, one after the other and again, so that a busy machine hits both.
smbclient makes a file by three requests; fspd by seven, since it renames, and replaces nothing.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from fsp import Fsp, binaries, wait_until  # noqa: E402
from messages import body  # noqa: E402
from samba import PATH, SHARE, Samba, have_samba  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=float, default=1.0, help="ms there and back, of the second half")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--tools", default=ROOT / ".build/release/tests/bench", type=Path,
                        help="the folder of delay (target bench-tools)")
    parser.add_argument("--work", default="/var/tmp", help="a folder on a disk")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


class Delay:
    """A proxy that hands everything on half a round trip later."""

    def __init__(self, tools, port, delay_ms):
        self.process = subprocess.Popen([tools / "delay", str(port), str(int(delay_ms * 500))],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


def clear(folder):
    for path in folder.iterdir():
        path.unlink()


def measure_mput(samba, port, source, count):
    command = ["smbclient", "-p", str(port), "-A", str(samba.credentials), f"//127.0.0.1/{SHARE}", "-D", PATH,
               "-c", f"prompt; lcd {source}; mput *"]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took = time.monotonic() - began
    assert len(samba.files()) == count, len(samba.files())
    clear(samba.inbox)
    return count / took


def measure_fspd(fsp, samba, contents):
    fsp.accept(*contents)
    wait_until(lambda: len(fsp.staged()) == len(contents), 120, "the staged files")
    began = time.monotonic()
    assert fsp.forward() == (len(contents), len(contents), 0)
    took = time.monotonic() - began
    assert list(fsp.delivered().values()) == contents
    clear(samba.inbox)
    return len(contents) / took


def compare(options, folder, samba, port):
    fsp = Fsp(folder, {"listener": {"client_rate": "0"},
                       "policy": {"deduplicate": "0"},
                       "forwarder": {"inbox": samba.address(port=port), "credentials": samba.credentials,
                                     "throttle_messages": "0", "interval": "24h",
                                     "smb_connections": str(options.connections)}}).start()
    fsp.inbox = samba.inbox
    contents = [body() for _ in range(options.files)]
    source = folder / "source"
    source.mkdir()
    for number, content in enumerate(contents):
        (source / f"{number:06}.SMX").write_bytes(content)
    figures = {"mput": [], "fspd": []}
    try:
        for _ in range(options.rounds):
            figures["mput"].append(round(measure_mput(samba, port, source, options.files)))
            figures["fspd"].append(round(measure_fspd(fsp, samba, contents)))
    finally:
        fsp.kill()
    figures["ratio"] = round(statistics.median(figures["fspd"]) / statistics.median(figures["mput"]), 2)
    return figures


def main():
    options = parse_arguments()
    if not have_samba(binaries()) or not shutil.which("smbclient"):
        sys.exit("needs samba, smbclient, and fspd-smb built")
    folder = Path(tempfile.mkdtemp(prefix="fspd-smb-", dir=options.work))
    samba = Samba(folder / "samba").start()
    try:
        result = {"loopback": compare(options, folder / "near", samba, samba.port)}
        delay = Delay(options.tools, samba.port, options.delay)
        result[f"{options.delay:g} ms"] = compare(options, folder / "far", samba, delay.port)
        delay.end()
    finally:
        samba.kill()
        shutil.rmtree(folder, ignore_errors=True)
    result["load"] = os.getloadavg()[0]
    for way, figures in result.items():
        print(f"{way}: {figures}")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
