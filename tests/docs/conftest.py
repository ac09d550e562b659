"""The modules beside the tests are found, and nothing is left in the checkout."""
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
