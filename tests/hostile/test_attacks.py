"""The attacks of attacks.py for a short time each: honest clients are served, nothing is left behind.

The times that honest clients see are measured by attacks.py itself, on a machine that does nothing
else; here only what does not depend on the machine's other work is asked."""
import resource
import shutil
import subprocess
import time

import pytest
from attacks import ATTACKS, BOUNDS, MEMORY_ATTACKS, MOST_ATTACKERS, play
from fsp import Fsp, wait_until
from messages import body

SECONDS, ATTACKERS = 2, 600


@pytest.mark.bound(120)
@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "none"])
def test_honest_clients_are_served_during(tmp_path, name):
    measured = play(tmp_path / "fsp", name, SECONDS, ATTACKERS)
    assert measured["taken"] == measured["sent"] > 0, measured
    assert measured["rss_mb"] <= BOUNDS["rss_mb"], measured
    assert measured["log_mb_a_minute"] <= BOUNDS["log_mb_a_minute"], measured
    assert measured["descriptors"] <= 0, measured


@pytest.mark.bound(120)
@pytest.mark.parametrize("name", MEMORY_ATTACKS)
def test_memory_is_bounded_when_nearly_all_places_are_taken(tmp_path, name):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < MOST_ATTACKERS + 1000:
        pytest.skip("too few open files allowed")
    measured = play(tmp_path / "fsp", name, SECONDS, MOST_ATTACKERS, crowd=MOST_ATTACKERS // 2)
    assert measured["rss_mb"] <= BOUNDS["rss_mb"], measured


@pytest.mark.parametrize("name", ["flood of bad XML", "flood of doubtful heads", "pipelining"])
def test_a_refusal_costs_no_flush_to_the_disk(tmp_path, name):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    fsp = Fsp(tmp_path / "fsp").start()
    try:
        trace = tmp_path / "trace"
        tracer = subprocess.Popen(["strace", "-f", "-o", trace, "-e", "trace=fsync,fdatasync,syncfs,sync,msync,accept4", "-p",
                                   str(fsp.process.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_until(lambda: tracer.poll() is not None or fsp.post(b"x").status == 400 and trace.exists() and trace.read_text(), 10)
        if tracer.poll() is not None:
            pytest.skip(f"strace may not trace here: {tracer.stderr.read()[-200:]}")
        ATTACKS[name](fsp.address, 100, time.monotonic() + 2)
        refused = fsp.status()["refused"]
        tracer.terminate()
        tracer.wait(timeout=10)
        assert refused > 100
        assert "sync" not in trace.read_text()
        fsp.end()
    finally:
        if fsp.running():
            fsp.kill()


@pytest.mark.bound(90)
@pytest.mark.parametrize("kind", ["-H", "-B", "-X"])
def test_slowhttptest_finds_the_service_available(tmp_path, kind):
    if not shutil.which("slowhttptest"):
        pytest.skip("slowhttptest is not installed")
    fsp = Fsp(tmp_path / "fsp", {"listener": {"request_timeout": "3s", "idle_timeout": "3s"}}).start()
    try:
        done = subprocess.Popen(["slowhttptest", kind, "-c", "500", "-r", "250", "-i", "1", "-l", "8", "-p", "2", "-u", fsp.url],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path)
        taken = 0
        while done.poll() is None:
            assert fsp.post(body(), source="127.1.0.9").status in (200, 429)
            taken += 1
        assert taken > 10
        assert wait_until(lambda: fsp.status()["availability"] == "online", 10)
        fsp.end()
    finally:
        if done.poll() is None:
            done.kill()
        if fsp.running():
            fsp.kill()
