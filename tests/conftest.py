"""What all tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

# Workers share the processors: threads of OpenMP that wait would spin on those that others need, thrice the time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A shell ignores SIGINT for what it starts in the background, and children inherit that: tests of Ctrl-C would hang.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """Close what pyplot knows, if a test has loaded it: after twenty figures it warns."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
