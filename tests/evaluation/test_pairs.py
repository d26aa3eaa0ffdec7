"""Files of two folders whose names are not quite one: told, or refused with both files' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import fastfuse
from fastfuse.evaluation.matching import pairs_in


def folders(at: Path, ours: Sequence[str], theirs: Sequence[str]) -> tuple[Path, Path]:
    for folder, names in (("P", ours), ("T", theirs)):
        (at / folder).mkdir()
        for name in names:
            file = at / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x")
    return at / "P", at / "T"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Case1.nii.gz", "case1.nii.gz"),
        ("CASE1.nii", "case1.nrrd"),
        ("sub-A_pred.nii.gz", "sub-a_gt.nii.gz"),
        ("Case1_0000.nii.gz", "case1.nii.gz"),
    ],
)
def test_capital_letters(tmp_path: Path, ours: str, theirs: str) -> None:
    pairs = pairs_in(*folders(tmp_path, [ours, "b.nii.gz"], [theirs, "b.nii.gz"]))
    assert pairs.doubts == [f"paired, though capital letters differ: {ours} with {theirs}"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("a_PRED.nii.gz", "a_gt.nii.gz"), ("a.nii.gz", "a.NII.GZ"), ("A/x.nii.gz", "A/x.nii.gz")],
)
def test_letters_of_endings_do_not_count(tmp_path: Path, ours: str, theirs: str) -> None:
    assert pairs_in(*folders(tmp_path, [ours], [theirs])).doubts == []


@pytest.mark.parametrize("twice", ["P", "T"])
@pytest.mark.parametrize("other", ["a.nii", "a.nrrd", "a.mha"])
def test_two_files_of_one_case(tmp_path: Path, twice: str, other: str) -> None:
    """The one of the other folder fits either: nobody knows which counts. Without one of them it is a pair."""
    both, one = ["a.nii.gz", other], ["a.nii.gz"]
    given = folders(tmp_path, *((both, one) if twice == "P" else (one, both)))
    with pytest.raises(
        fastfuse.FastfuseError, match=rf"{twice}/a\.\S+ and \S+{twice}/a\.\S+ are two files of one case"
    ):
        pairs_in(*given)
    (tmp_path / twice / other).unlink()
    assert list(pairs_in(*given).files) == ["a"]


def test_two_formats_in_both_folders(tmp_path: Path) -> None:
    names = ["a.nii", "a.nii.gz"]
    pairs = pairs_in(*folders(tmp_path, names, names))
    assert len(pairs.files) == 2
    assert pairs.doubts == [
        "a lies in both folders in 2 formats, as a.nii and a.nii.gz: it counts as so many cases"
    ]
