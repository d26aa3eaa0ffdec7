"""``Fusion.table()``: a row for each rater, with what the attributes say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")  # of so few voxels

RATES = ("sensitivity", "specificity", "ppv", "npv", "dice")
WHOLE = ["rater", *RATES, "voxels", "read_voxels"]


@pytest.fixture(scope="module")
def masks() -> np.ndarray:
    rng = np.random.default_rng(2)
    truth = np.zeros((12, 14, 10), bool)
    truth[3:9, 4:10, 2:8] = True
    return np.array([truth ^ (rng.random(truth.shape) < 0.05 * (i + 1)) for i in range(5)], np.uint8)


def check(rows: list[dict[str, Any]], fusion: fastfuse.Fusion, own: dict[str, np.ndarray]) -> None:
    """Compare a table with attributes, nan with nan."""
    columns = {
        **{name: getattr(fusion, name) for name in RATES},
        "voxels": fusion.volume,
        "read_voxels": fusion.n_read,
        **own,
    }
    assert all({*row} == {"rater", *columns} for row in rows)
    for name, values in columns.items():
        np.testing.assert_array_equal([row[name] for row in rows], values)
    assert all(
        type(value) is (str if name == "rater" else float) for row in rows for name, value in row.items()
    )


@pytest.mark.parametrize("method", ["staple", "soft-staple", "simplified-soft-staple", "majority"])
def test_a_row_for_each_rater(masks: np.ndarray, method: str) -> None:
    fusion = fastfuse.fuse([*masks[:4], None], method)
    rows = fusion.table()
    assert [row["rater"] for row in rows] == [f"rater {i}" for i in range(5)]
    assert np.isnan(rows[4]["sensitivity"])
    assert rows[4]["read_voxels"] == 0
    check(rows, fusion, {})
    assert list(rows[0]) == WHOLE  # in the order of the shell's table


def test_what_a_method_tells_beside(masks: np.ndarray) -> None:
    found = fastfuse.staple(masks, intervals="information")
    assert found.intervals is not None
    ends = {
        f"{name}_{what}": values
        for name in ("sensitivity", "specificity")
        for what, values in (
            ("error", getattr(found.intervals, f"{name}_error")),
            ("low", getattr(found.intervals, name)[:, 0]),
            ("high", getattr(found.intervals, name)[:, 1]),
        )
    }
    check(found.table(), found, ends)
    border = fastfuse.border_staple(masks, spacing_mm=(1, 1, 1))
    levels = {"sharpness": border.sharpness, "false_marks": border.false_marks, "finds": border.finds}
    check(border.table(), border, {"offset_from_anchor": border.offsets - border.anchor, **levels})
    classes = fastfuse.staple(masks, classes=3)
    names = ("background", "border", "foreground")
    check(classes.table(), classes, {f"marks_{name}": classes.marks[:, k] for k, name in enumerate(names)})


def test_names_are_those_of_the_files(masks: np.ndarray, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.nii.gz" for name in ("Anna", "Bert", "Carla")]
    for path, mask in zip(paths, masks, strict=False):
        nib.save(nib.Nifti1Image(mask, np.eye(4)), path)
    fusion = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="staple")
    assert [row["rater"] for row in fusion.table()] == ["Anna.nii.gz", "Bert.nii.gz", "Carla.nii.gz"]
    named = fastfuse.fuse_files(paths, tmp_path / "d.nii.gz", method="staple", names=["A", "B", "C"])
    assert [row["rater"] for row in named.table()] == ["A", "B", "C"]
    known = fastfuse.estimate(fastfuse.tabulate(masks), "staple").apply(masks)
    assert len(known.table()) == 5


def test_it_is_what_pandas_takes(masks: np.ndarray) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame(fastfuse.staple(masks).table())
    assert list(frame.columns) == WHOLE
    assert frame.shape == (5, len(WHOLE))
