"""Reading as if ISA-L were not installed."""

from __future__ import annotations

import sys

import pytest


def without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
