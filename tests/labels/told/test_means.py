"""Means over labels leave the background out, and say so, at the terminal, on the page and in a notebook."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.report.labels import in_means, table_of_means

from ...command import run_here
from ..files import raters, save

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
RATES = {"sens.": "sensitivity", "PPV": "ppv", "soft\nDice": "dice"}
KINDS: dict[str, tuple[list[np.ndarray], Any, list[int], str]] = {
    "four": (raters(5)[:4], "all", [1, 2, 4], "3 labels, background left out"),
    "one that nobody gives": (
        raters(5)[:4],
        [0, 1, 2, 4, 9],
        [1, 2, 4],
        "3 of 4 labels, background left out",
    ),
    "two": ([(one > 0).astype(int) for one in raters(5)[:4]], "all", [1], "1 label, background left out"),
    "no background": ([one + 1 for one in raters(5)[:4]], "all", [1, 2, 3, 5], "4 labels"),
    "one below it": (
        [one - 2 for one in raters(5)[:4]],
        "all",
        [-2, -1, 2],
        "3 labels, background left out",
    ),
    "nothing else": ([np.zeros((3, 4, 5), int)] * 3, "all", [0], "1 label"),
    "nothing else that is given": ([np.zeros((3, 4, 5), int)] * 3, [0, 1, 2], [0], "1 of 3 labels"),
}


def mean_of(values: list[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


@pytest.mark.parametrize("method", ["staple", "majority"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_over_which_labels(tmp_path: Path, kind: str, method: str) -> None:
    maps, labels, wanted, words = KINDS[kind]
    paths = [save(tmp_path / f"r{i}.nii", one.astype(np.int16)) for i, one in enumerate(maps)]
    page = tmp_path / "o.html"
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels=labels, method=method, report=page)
    facts = json.loads((tmp_path / "o.json").read_text())
    places, told = in_means(facts)
    assert ([facts["labels"][place]["label"] for place in places], told) == (wanted, words)
    table, _ = table_of_means(facts)
    assert table.title == f"{method} of {len(maps)} raters: means over {words}"
    titles = [column.title for column in table.columns]
    html = page.read_text()
    assert f"Means over {words}, against the consensus." in html
    means = re.search(r"Means over.*?</table>", html, re.DOTALL)
    assert means
    for row, rater in zip(table.rows, facts["raters"], strict=True):
        own = [rater["labels"][place] for place in places]
        for title, name in RATES.items():
            mean = f"{mean_of([one[name] for one in own]):.4f}"
            assert row.cells[titles.index(title)].split("\n")[0] == mean
            assert mean in means[0]
        lowest = min(own, key=lambda one: one["dice"])
        assert row.cells[4] == lowest["name"]
    assert f"means over {len(wanted)} label" in fusion._repr_html_()


def test_in_a_notebook() -> None:
    """The same numbers, over labels that the consensus holds."""
    fusion = fastfuse.staple(raters(5)[:4], labels="all")
    html = fusion._repr_html_()
    assert "means over 3 labels, background left out" in html
    for rater in range(4):
        assert f"{fusion.sensitivity[rater, 1:].mean():.4f}</td>" in html
        assert f"{fusion.dice[rater, 1:].mean():.4f}</td>" in html
    lone = fastfuse.staple([one + 1 for one in raters(5)[:4]], labels="all")._repr_html_()
    assert "means over 4 labels<" in lone


@pytest.mark.parametrize("columns", [60, 80])
def test_the_title_is_broken_where_it_is_wide(tmp_path: Path, columns: int) -> None:
    """With labels that nobody gives it is."""
    for i, one in enumerate(raters()):
        save(tmp_path / f"r{i}.nii", one.astype(np.int16))
    words = [
        "fuse",
        *(f"r{i}.nii" for i in range(4)),
        "-o",
        "o.nii",
        "--labels",
        ",".join(map(str, range(40))),
    ]
    done = run_here(tmp_path, *words, columns=columns)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if len(line) > columns] == []
    assert "means over 3 of 39 labels, background left out" in " ".join(done.stdout.split())
