"""The page in a real browser: tests/browser/page.cjs, where chromium and its node modules are there.

`./dev browser` brings them, and then nothing may be missing (FSP_BROWSER=needed)."""
import os
import subprocess
from shutil import which

import pytest

from fsp import ROOT
from messages import body
from web import ADMIN, Reader

BROWSER = ROOT / "tests" / "browser"
# Where `npm install` of tests/browser/package.json was done.
MODULES = os.environ.get("FSP_BROWSER_MODULES", str(BROWSER / "node_modules"))
CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")


def what_is_missing():
    if not which("node"):
        return "node is not here"
    if not CHROMIUM:
        return "chromium is not here"
    if not os.path.isdir(os.path.join(MODULES, "playwright-core")):
        return "playwright-core is not here: npm install --prefix tests/browser"
    return None


@pytest.mark.bound(300)
@pytest.mark.skipif(what_is_missing() is not None and os.environ.get("FSP_BROWSER") != "needed", reason=str(what_is_missing()))
def test_the_page_in_a_browser(make_fsp):
    assert what_is_missing() is None
    fsp = make_fsp(ADMIN)
    web = Reader(fsp)
    for number in range(1, 4):
        fsp.accept(body(name=f"PC-{number}", client_id=f"GUID:{number}", topic=800, state=100, params=("begin",)))
        fsp.accept(body(name=f"PC-{number}", client_id=f"GUID:{number}", topic=800, state=308,
                        params=("http://mp.example.com/ccmsetup.cab", "0x80072ee7")))
    fsp.accept(body(name="LAB-1", client_id="GUID:9", topic=800, state=400))
    fsp.accept(body(name="LAB-2", client_id="GUID:8", topic=1001, state=2, params=("0x87d00215",)))
    assert fsp.forward() == (8, 8, 0)
    done = subprocess.run(["node", BROWSER / "page.cjs", web.url, fsp.url, fsp.bin / "fspctl", CHROMIUM]
                          + [x for x in [os.environ.get("FSP_SCREENSHOTS")] if x],
                          env={**os.environ, "NODE_PATH": MODULES}, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
