"""A Windows program that posts with WinHTTP, as the clients do, under wine."""
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from messages import body

WINHTTP = Path(__file__).resolve().parents[1] / "winhttp"


def run_or_skip(command, timeout):
    done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr.decode().strip())
    return done


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """The folder with the built client; its Windows is made once and removed after (it is big)."""
    folder = tmp_path_factory.mktemp("winhttp")
    built = run_or_skip([WINHTTP / "build.sh", folder], 60)
    assert built.returncode == 0, built.stderr
    yield folder
    environment = dict(os.environ, WINEPREFIX=str(folder / "prefix"), WINEDEBUG="-all")
    server = shutil.which("wineserver") or "/usr/lib/wine/wineserver"
    with contextlib.suppress(FileNotFoundError):
        subprocess.run([server, "-k"], env=environment, timeout=30, check=False)
    shutil.rmtree(folder / "prefix", ignore_errors=True)


@pytest.mark.bound(240)
@pytest.mark.parametrize("content_type", [None, "text/xml; charset=UTF-16"])
def test_a_winhttp_client_is_answered_200_and_its_bytes_reach_the_inbox(fsp, windows, content_type):
    content = body()
    (windows / "message.xml").write_bytes(content)
    # wine names the file by its path on the drive of the whole file system.
    arguments = ["Z:" + str(windows / "message.xml").replace("/", "\\"), fsp.url]
    done = run_or_skip([WINHTTP / "run.sh", windows, *arguments, *([content_type] if content_type else [])], 200)
    assert (done.returncode, done.stdout.split()) == (0, [b"status=200", b"body=0"]), done
    fsp.expect_delivered(content)


@pytest.mark.bound(240)
def test_a_winhttp_client_reads_a_refusal(fsp, windows):
    (windows / "message.xml").write_bytes(b"<NoReport/>")
    done = run_or_skip([WINHTTP / "run.sh", windows, "Z:" + str(windows / "message.xml").replace("/", "\\"), fsp.url],
                       200)
    assert done.stdout.startswith(b"status=400 "), done
    assert fsp.status()["staged"] == 0
