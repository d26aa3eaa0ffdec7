"""Public names, signatures, flags and sidecars are those that are written down in interface.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .facts import differences
from .interface import WRITTEN, commands, names, sidecars

MEANT = "if that is meant, run: python -m tests.golden.interface write"


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return json.loads(WRITTEN.read_text())


def assert_same(part: str, written: dict[str, Any], now: dict[str, Any]) -> None:
    found = list(differences(written[part], json.loads(json.dumps(now)), part))
    assert not found, "\n".join([*found, MEANT])


def test_names_and_signatures(written: dict[str, Any]) -> None:
    assert_same("python", written, names())


def test_flags(written: dict[str, Any]) -> None:
    assert_same("shell", written, commands())


def test_order_of_flags(written: dict[str, Any]) -> None:
    """The help lists them in this order."""
    now = {name: list(parameters) for name, parameters in commands().items()}
    assert now == {name: list(parameters) for name, parameters in written["shell"].items()}, MEANT


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_sidecars(written: dict[str, Any]) -> None:
    now = sidecars()
    assert_same("sidecars", written, now)
    for name, keys in now.items():
        assert list(keys) == list(written["sidecars"][name]), f"the order of keys for {name}; {MEANT}"
