"""Puts the model's folder on the path, wherever the tests are started."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
