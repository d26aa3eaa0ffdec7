"""Numbers of raters are those of their names where these have some, on every page and in every table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.report.names import Names, for_tables, numbers_of
from fastfuse.report.numbers import (
    below_best,
    cubic_millimetres,
    interval,
    millilitres,
    millimetres,
    number,
    rate,
    significant,
    small,
)

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


@pytest.mark.parametrize(
    ("mm", "shown"),
    [(0.0, "0.00"), (2.236, "2.24"), (0.1, "0.10"), (0.0534, "0.05"), (0.0072, "0.01"), (0.0012346, "0.00123"), (2e-7, "2e-07"),
     (float("inf"), "infinite"), (float("nan"), "undefined")],
)  # fmt: skip
def test_a_distance_that_is_not_0_is_not_shown_as_0(mm: float, shown: str) -> None:
    assert millimetres(mm) == shown


@pytest.mark.parametrize(
    ("mm3", "shown"),
    [(0.0, "0.0"), (1234.56, "1,234.6"), (0.1, "0.1"), (0.02, "0.02"), (5.12e-7, "5.12e-07")],
)
def test_a_lesion_s_volume_is_not_shown_as_0(mm3: float, shown: str) -> None:
    assert cubic_millimetres(mm3) == shown


@pytest.mark.parametrize(
    ("value", "ends", "shown"),
    [
        (0.9994, (0.99902, 0.99949), "0.9994\n.9990–.9995"),
        (0.84, (0.83, 0.85), "0.8400\n.8300–.8500"),
        (0.99998, (0.99996, 0.999989), "0.99998\n.99996–.99999"),  # by four decimals both would be 1
        (0.99997, (0.999962, 1.0), "0.99997\n.99996–1"),
        (0.00002, (0.000012, 0.00003), "0.00002\n.00001–.00003"),
        (0.9999, (0.9997, 0.999996), "0.9999\n.9997–>.9999"),  # no end that is below 1 reads 1
        (0.9999, (0.9997, 0.99995), "0.9999\n.9997–>.9999"),
        (0.9999, (0.9997, 1.0), "0.9999\n.9997–1"),
        (0.99997, (0.999962, 0.999997), "0.99997\n.99996–>.99999"),
        (0.0002, (0.00004, 0.0004), "0.0002\n<.0001–.0004"),
        (0.0002, (0.0, 0.0004), "0.0002\n0–.0004"),
        (0.5, (0.00001, 0.99999), "0.5000\n<.0001–>.9999"),
        (0.999998, (0.999996, 0.999999), "1.0000\n> .9999"),
        (1 - 1e-12, (1 - 1e-12, 1 - 1e-12), "1.0000\n> .9999"),
        (1e-9, (0.0, 2e-9), "0.0000\n< .0001"),
        (0.5, (0.4999999, 0.5000001), "0.50000\n.50000"),
        (1.0, (1.0, 1.0), "1.0000\n1"),
        (0.0, (0.0, 0.0), "0.0000\n0"),
        (0.9, (None, None), "0.9000"),
        (None, (0.1, 0.2), "undefined\n.1000–.2000"),
    ],
)
def test_ends_that_differ_are_told_apart(
    value: float | None, ends: tuple[float | None, float | None], shown: str
) -> None:
    assert rate(value, ends) == shown


def test_no_two_ends_look_the_same() -> None:
    """Of shares of all sizes, and widths down to rounding: one text, or two that differ."""
    rng = np.random.default_rng(1)
    for size, width in rng.uniform(-14, 0, (2000, 2)):
        for middle in (10.0**size, 1 - 10.0**size, rng.uniform()):
            low, high = max(middle - 10.0**width, 0.0), min(middle + 10.0**width, 1.0)
            told = rate(middle, (low, high)).partition("\n")[2].split("–")
            assert len(told) == len(set(told)) <= 2
            if len(told) == 2:
                of_low, of_high = (float(end.strip("<>")) for end in told)
                assert of_low <= of_high  # one may be a bound: <.00001–.00001
                assert abs(of_low - low) + abs(of_high - high) <= 2.0001e-4
                for end, text in zip((low, high), told, strict=True):
                    assert (text in ("0", "1")) is (end in (0, 1))


def test_intervals_of_other_measures() -> None:
    assert interval(1.414, 1.4142, 2) == (4, ["1.4140", "1.4142"])
    assert interval(1.2, 3.4, 2) == (2, ["1.20", "3.40"])
    assert interval(-0.004, 0.003, 1, "+") == (3, ["-0.004", "+0.003"])
    assert interval(2.0, 2.0, 2) == (2, ["2.00"])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.117, "0.1170"), (0.0031, "0.0031"), (0.00002234, "0.0000223"), (0.0, "0.0000"), (None, "undefined")],
)
def test_what_is_small_keeps_its_digits(value: float | None, shown: str) -> None:
    assert small(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(-1.5, "0"), (-1.5003, "-0.0003"), (-1.51234, "-0.012"), (-1.5 - 1e-12, "0")]
)
def test_a_fit_below_the_best_is_no_zero(value: float, shown: str) -> None:
    assert below_best(value, -1.5) == shown


@pytest.mark.parametrize(
    ("ml", "shown"),
    [(0, "0.00"), (0.0285, "0.0285"), (21.994, "21.99"), (999.999, "1,000.00"), (12797.379, "12,797.38")],
)
def test_thousands_of_millilitres_have_the_commas_of_voxels(ml: float, shown: str) -> None:
    assert millilitres(ml) == shown
