"""Runs of cohorts draw no figure, which takes longer than all the rest; one test asks for it."""

from __future__ import annotations

import pytest

from fastfuse.cohort import run


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "draw", lambda *_: False)
