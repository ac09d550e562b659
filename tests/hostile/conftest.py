"""The fixtures of the end-to-end tests, for those of this folder."""
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[1]))
pytest_plugins = ["e2e.conftest"]
