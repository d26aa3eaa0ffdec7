"""Sums for other sites that together would tell of fewer than five cases, and votes that are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse import CohortError
from fastfuse.cohort.export import export_of

from ..common import drawn_tables
from ..test_export import site

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def test_raters_who_came_tell_no_case_apart_from_an_earlier_sum(tmp_path: Path) -> None:
    """Every table is another then; without the new rater, the two sums differ by one case."""
    tables, later = drawn_tables(6), drawn_tables(12)
    names, out = list(tables), tmp_path / "out"
    export_of(site(out, tables)).write(tmp_path / "table.npz", out)
    anew = dict(zip(names[:5], list(later.values())[6:11], strict=True))
    with pytest.raises(CohortError, match=f"learns {names[5]}: export again with at least 5 new cases"):
        export_of(site(out, anew))


def test_a_vote_that_is_missing_is_no_rare_vote(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tables = {}
    for k in range(6):
        votes = rng.integers(0, 2, (3, 900)).astype(float)
        votes[0, :100] = np.nan
        tables[f"case-{k}"] = fastfuse.tabulate(votes, missing="nan", axis=0, names=["Ann", "Bob", "Eve"])
    made = export_of(site(tmp_path / "out", tables))
    assert made.rare == {}
    assert not any("left out" in line for line in made.said())
