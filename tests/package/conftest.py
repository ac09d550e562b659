"""One container for the whole story: the tests of a file follow upon each other."""
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("container")
from container import ROOT, Container, NotHere  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--restarts", type=int, default=50, help="of the service under load; 1000 is the full number")


@pytest.fixture(scope="session")
def package():
    found = sorted((ROOT / ".build" / "packages").glob("fspd_*.deb"))
    assert len(found) == 1, f"one package is wanted, there are {found}: ./dev deb makes it"
    return found[0]


@pytest.fixture(scope="module")
def debian(tmp_path_factory, package):
    container = None
    try:
        container = Container(tmp_path_factory.mktemp("debian"), package)
        yield container.boot()
    except NotHere as reason:
        pytest.skip(str(reason))
    finally:
        if container:
            container.close()
