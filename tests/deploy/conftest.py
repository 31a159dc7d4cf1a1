"""Tests of what is in deploy/, as far as that needs no account. They use the service and its stores as the tests with real clients do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))
