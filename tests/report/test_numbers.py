"""Numbers of raters are those of their names where these have some, on every page and in every table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.report.names import Names, for_tables, numbers_of
from fastfuse.report.numbers import millilitres, number, significant

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["rater 0", "rater 1", "rater 2"], ["0", "1", "2"]),
        (["Manual_1.nii.gz", "Manual_2.nii.gz"], ["1", "2"]),
        (["rater_00.nii.gz", "rater_01.nii.gz"], ["0", "1"]),
        ([f"r{k}" for k in range(9, 12)], ["9", "10", "11"]),
        (["r2", "r1"], ["1", "2"]),
        (["r1", "r3"], ["1", "2"]),
        (["anna", "bert"], ["1", "2"]),
        (["anna"], ["1"]),
        (["rater 0"], ["0"]),
        (["same", "same"], ["1", "2"]),
    ],
)
def test_a_number_is_that_of_the_name(names: list[str], numbers: list[str]) -> None:
    assert list(numbers_of(names)) == numbers
    assert all(list(one.numbers) == numbers for one in for_tables(names))
    short = Names.numbered(names)
    assert list(short.short) == numbers
    assert not [line for line in short.said if line in [f"{one}: {one}" for one in numbers]]


def test_a_page_without_names_counts_raters_one_way(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    votes = np.zeros((4, 9, 9, 6), np.uint8)
    votes[:, 2:6, 2:6, 2:4] = 1
    votes[0, 6:8, 6:8, 4] = votes[2, 6:8, 6:8, 4] = 1
    fastfuse.staple(list(votes)).report(tmp_path / "page.html", raters=list(votes))
    page = (tmp_path / "page.html").read_text()
    assert "2 of 4: 0, 2" in page
    rows = re.findall(r"<td[^>]*>(\d)</td>\s*<th[^>]*>(?:<[^>]*>)*rater\s*(?:<wbr>)?(\d)", page)
    assert rows == [(str(k), str(k)) for k in range(4)]
    assert re.findall(r"<span>(\d): rater\s*(?:<wbr>)?(\d)", page) == rows  # beside the viewer
    beside = re.findall(
        r'class="number"[^>]*>([^<]*)<', page
    )  # raters at one point have one number beside it
    assert sorted(", ".join(beside).split(", ")) == [str(k) for k in range(4)]
    data = json.loads(
        next(
            one
            for one in re.findall(r"<script[^>]*json[^>]*>(.*?)</script>", page, re.DOTALL)
            if "numbers" in one
        )
    )
    assert data["numbers"] == [str(k) for k in range(4)]


@pytest.mark.parametrize(
    ("value", "four", "three"),
    [
        (0.0, "0", "0"),
        (3e-5, "0.00003", "0.00003"),
        (0.0123456, "0.01235", "0.0123"),
        (12.3456, "12.35", "12.3"),
        (999.96, "1,000", "1,000"),
        (1010.4, "1,010", "1,010"),
        (-12345.6, "-12,346", "-12,346"),
        (1e-7, "1e-07", "1e-07"),
        (float("inf"), "inf", "inf"),
    ],
)
def test_ordinary_numbers_have_no_power_of_ten(value: float, four: str, three: str) -> None:
    assert number(value) == four
    assert significant(value, 3) == three
    if 0 < value < 0.1:
        assert millilitres(value) == three
