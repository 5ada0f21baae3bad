"""Lets the tests import the model's modules from wherever they are started."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
