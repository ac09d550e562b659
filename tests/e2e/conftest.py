"""Fixtures: daemons that are taken down after the test, small file systems, a bound on every test's time."""
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))

pytest.register_assert_rewrite("fsp")
from fsp import Fsp, binaries  # noqa: E402
from messages import body  # noqa: E402

DEFAULT_BOUND = 60


def pytest_configure(config):
    folder = binaries()
    if folder is None or not (folder / "fspd").exists() or not (folder / "fspctl").exists():
        pytest.exit("no fspd and fspctl: build first, or set FSP_BIN to their folder", 2)


class TooLong(Exception):
    pass


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("bound")
    seconds = marker.args[0] if marker else DEFAULT_BOUND

    def ring(*_):
        raise TooLong(f"the test took more than {seconds} s")
    old = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.failed = report.failed
    if report.failed:
        for fsp in getattr(item, "fsps", []):
            report.sections += list(fsp.evidence())


@pytest.fixture
def make_fsp(request, tmp_path):
    """make_fsp({section: {key: value}}, env={...}, start=True): a daemon of this test's own."""
    request.node.fsps = made = []

    def make(settings=None, env=None, start=True, folder=None, **kw):
        fsp = Fsp(folder or tmp_path / f"fsp{len(made)}", settings, env)
        made.append(fsp)
        return fsp.start(**kw) if start else fsp
    yield make
    try:
        for fsp in made:
            fsp.end(getattr(request.node, "failed", True))
    finally:
        for fsp in made:
            if fsp.running():
                fsp.kill()


@pytest.fixture
def fsp(make_fsp):
    """A running daemon with the defaults."""
    return make_fsp()


@pytest.fixture
def peopled(fsp):
    """Five messages of four clients, the first two forwarded."""
    fsp.accept(body(name="PC1", client_id="GUID:A1", topic=800, state=100, params=("one", "two")),
               body(name="PC1", client_id="GUID:A1", topic=800, state=400, time="20240115094512.000000+000"))
    assert fsp.forward() == (2, 2, 0)
    fsp.accept(body(name="PC2", client_id="GUID:B2", topic=800, state=308, params=("0x80072ee7",)),
               body(name="LAB3", client_id=None, topic=1000, state=2, topic_id="CCM Framework Communication State"),
               body(name="LAB4", client_id="GUID:D4", topic=4711, state=12))
    return fsp


@pytest.fixture
def small_disk(request, tmp_path):
    """small_disk("8M"): the folder of an empty file system of this size; more options after a comma."""
    mounted = []

    def make(size, name="disk"):
        folder = tmp_path / name
        folder.mkdir()
        if os.geteuid() != 0:
            pytest.skip("needs root to mount a small file system")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
                              capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a tmpfs here: {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder
    yield make
    for fsp in getattr(request.node, "fsps", []):
        if fsp.running():
            fsp.kill()
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.fixture(scope="session")
def preload(tmp_path_factory):
    """preload("hang"): the shared object built from preload/hang.c, for LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

    def build(name):
        if not compiler:
            pytest.skip("needs a C compiler for a preloaded fault")
        source = Path(__file__).parent / "preload" / f"{name}.c"
        made = tmp_path_factory.mktemp("preload") / f"{name}.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"], check=True)
        return made
    return build
