"""A rater who comes to a case costs a read of one file, where the case's index was kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fastfuse import fuse_cohort, tabulate
from fastfuse.cohort import run
from fastfuse.cohort.index.vote_index import VoteIndex
from fastfuse.fusion.case import Case
from fastfuse.fusion.options import Options
from fastfuse.fusion.votes import Votes
from fastfuse.inputs.grids import Grid

from .common import masks_of
from .files import AFFINE, NAMES, SHAPE, contents, fused, make_cohort, mask_path, save

quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
OPENED: list[Path] | None = None


def _note(event: str, given: tuple[Any, ...]) -> None:
    if OPENED is not None and event == "open" and isinstance(given[0], (str, bytes, Path)):
        OPENED.append(Path(given[0].decode() if isinstance(given[0], bytes) else given[0]))


sys.addaudithook(_note)


@contextmanager
def reads_below(root: Path, found: set[str]) -> Iterator[None]:
    """Put the files below a folder that are opened into ``found``."""
    global OPENED
    OPENED = []
    try:
        yield
    finally:
        found |= {path.relative_to(root).as_posix() for path in OPENED if path.is_relative_to(root)}
        OPENED = None


def new_mask(seed: int = 7) -> Any:
    return masks_of(seed, 0.2, int(np.prod(SHAPE)))[3].reshape(SHAPE).astype(np.uint8)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the files that runs read to count; consensuses, which need all, are not written."""
    found: set[str] = set()
    count = run.count_cases

    def noted(cases: Any, settings: Any, place: Any, *rest: Any, **more: Any) -> Any:
        with reads_below(place.out.parent / "in", found):
            return count(cases, settings, place, *rest, **more)

    monkeypatch.setattr("fastfuse.cohort.fuse.count_cases", noted)
    monkeypatch.setattr("fastfuse.cohort.fuse.write_cases", lambda *_, **__: None)
    return found


def tables(out: Path) -> dict[str, bytes]:
    return contents(out / "tables")


@quiet
@pytest.mark.parametrize(
    "options", [{}, {"method": "soft-staple", "missing": "nan"}, {"select_label": 2}, {"threshold": 0.4}]
)
def test_new_rater_costs_one_file(tmp_path: Path, counting: set[str], options: dict[str, Any]) -> None:
    """The table, and what it was made of, have the bytes that they have where all files are read."""
    root, out = make_cohort(tmp_path / "in", 3), tmp_path / "out"
    marks = {"method": np.float32(0.3), "select_label": np.uint8(2)}.get(next(iter(options), ""), np.uint8(1))
    for case in range(3):
        for name in NAMES:
            path = mask_path(root, f"case-{case:02}", name)
            data = np.asanyarray(nib.load(path).dataobj) * marks
            if "missing" in options:
                data[:2] = np.nan
            save(path, data)
    fused(root, out, keep_index=True, **options)
    assert len(counting) == 9
    counting.clear()
    fused(root, out, keep_index=True, **options)
    assert counting == set()
    save(mask_path(root, "case-01", "Dan"), new_mask() * marks)
    fused(root, out, keep_index=True, **options)
    assert counting == {"case-01/masks/Dan.nii.gz"}
    counting.clear()
    save(mask_path(root, "case-01", "Zoe"), new_mask(8) * marks)  # beside the index that has just been made
    fused(root, out, keep_index=True, **options)
    assert counting == {"case-01/masks/Zoe.nii.gz"}
    fused(root, tmp_path / "fresh", **options)
    assert tables(out) == tables(tmp_path / "fresh")
    assert not (tmp_path / "fresh" / "index").exists()


@quiet
def test_region_is_that_of_the_mask(tmp_path: Path, counting: set[str]) -> None:
    root, out = make_cohort(tmp_path / "in", 2), tmp_path / "out"
    lines = ["case\trater\tpath\tmask"]
    brain = np.zeros(SHAPE, np.uint8)
    brain[2:8, 2:8, 2:7] = 1
    save(root / "brain.nii.gz", brain)

    def listed(raters: dict[str, tuple[str, ...]]) -> Path:
        rows = [
            f"{case}\t{name}\t{case}/masks/{name}.nii.gz\tbrain.nii.gz"
            for case in raters
            for name in raters[case]
        ]
        (root / "cases.tsv").write_text("\n".join([*lines, *rows]))
        return root / "cases.tsv"

    read = {"case-00": NAMES, "case-01": NAMES}
    fuse_cohort(root, out, keep_index=True, method="staple", replicates=10, table=listed(read))
    counting.clear()
    outside = np.where(brain == 1, new_mask(), 5)  # nothing is checked there
    save(mask_path(root, "case-00", "Dan"), outside.astype(np.uint8))
    read["case-00"] = (*NAMES, "Dan")
    fuse_cohort(root, out, keep_index=True, method="staple", replicates=10, table=listed(read))
    assert counting == {"cases.tsv", "case-00/masks/Dan.nii.gz"} or counting == {"case-00/masks/Dan.nii.gz"}
    fuse_cohort(root, tmp_path / "fresh", method="staple", replicates=10, table=root / "cases.tsv")
    assert tables(out) == tables(tmp_path / "fresh")


@quiet
@pytest.mark.parametrize(
    "what", ["changed", "options", "damaged", "stale", "removed", "margin", "votes", "place", "text"]
)
def test_all_files_are_read_where_the_index_does_not_serve(
    tmp_path: Path, counting: set[str], what: str
) -> None:
    root, out = make_cohort(tmp_path / "in", 1), tmp_path / "out"
    more: dict[str, Any] = {"roi": 3.0} if what == "margin" else {}
    fused(root, out, keep_index=True, **more)
    index = out / "index" / "case-00.npz"
    assert index.exists() == (what != "margin")
    save(mask_path(root, "case-00", "Dan"), new_mask())
    if what == "changed":
        save(mask_path(root, "case-00", "Eve"), new_mask(9))
    if what == "options":
        more = {"missing": "nan"}
    if what == "damaged":
        index.write_bytes(index.read_bytes()[:-100])
    wrong = {"votes": ("patterns", 2.0), "place": ("affine", np.nan), "text": ("patterns", "1")}.get(what)
    if wrong:
        entry, value = wrong
        kept = dict(np.load(index))
        kept[entry] = np.full(kept[entry].shape, value)
        np.savez(index, **kept)
    if what == "stale":  # a run without indices has made the table that is there
        save(mask_path(root, "case-00", "Bob"), new_mask(9))
        fused(root, out)
    if what == "removed":
        mask_path(root, "case-00", "Bob").unlink()
    counting.clear()
    fused(root, out, keep_index=True, **more)
    if what != "stale":
        assert len(counting) == (3 if what == "removed" else 4)
    fused(root, tmp_path / "fresh", **more)
    assert tables(out) == tables(tmp_path / "fresh")


@quiet
def test_new_file_that_lies_elsewhere_is_placed_or_refused(tmp_path: Path, counting: set[str]) -> None:
    root, out = make_cohort(tmp_path / "in", 2), tmp_path / "out"
    fused(root, out, keep_index=True)
    path = mask_path(root, "case-00", "Dan")
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = AFFINE[0, 0] * (SHAPE[0] - 1)
    nib.save(nib.Nifti1Image(new_mask()[::-1], flipped), path)  # the same place, stored from right to left
    fused(root, out, keep_index=True)
    fused(root, tmp_path / "fresh")
    assert tables(out) == tables(tmp_path / "fresh")
    save(mask_path(root, "case-01", "Dan"), new_mask()[:-1])
    found = fused(root, out, keep_index=True)
    assert "Dan" in found.failed["case-01"]


@quiet
def test_a_new_rater_whose_votes_do_not_repeat(tmp_path: Path) -> None:
    """All files are read, as in a fresh folder, and the case goes by its masses."""
    shape, rng = (60, 60, 60), np.random.default_rng(0)
    soft = {"method": "soft-staple", "m_step": "em", "prior": "estimate", "max_iter": 20}
    root, out = tmp_path / "in", tmp_path / "out"
    for rater in ("Ann", "Bob"):
        save(mask_path(root, "case-00", rater), (rng.random(shape) < 0.1).astype(np.uint8))
    fused(root, out, keep_index=True, **soft)
    save(mask_path(root, "case-00", "Dan"), rng.random(shape, np.float32))
    found = fused(root, out, keep_index=True, **soft)
    assert not found.failed
    fused(root, tmp_path / "fresh", **soft)
    assert tables(out) == tables(tmp_path / "fresh")


def test_index_tells_the_table() -> None:
    rng = np.random.default_rng(0)
    votes = [np.round(rng.random((9, 8, 7)) * (rng.random((9, 8, 7)) < 0.2), 1) for _ in range(4)]
    votes[1][:2] = np.nan
    for vote in votes:
        vote[0, 0, :3] = np.nan  # on which nobody votes, until somebody does
    grid = Grid("votes", (9, 8, 7), np.eye(4))

    def index_of(given: list[Any], names: list[str]) -> VoteIndex:
        return VoteIndex.of(Case.of(Votes(given, names=names), Options(missing="nan")), names, grid, None)

    names = list("abcd")
    whole = index_of(votes, names)
    assert whole.table(names) == tabulate(votes, missing="nan", names=names)
    grown = index_of(votes[:2], names[:2]).joined(votes[2:], names[2:])
    np.testing.assert_array_equal(grown.rows, whole.rows)
    np.testing.assert_array_equal(grown.patterns, whole.patterns)
    full = np.ones((9, 8, 7))
    everywhere = whole.joined([full], ["e"]).table([*names, "e"])
    assert everywhere == tabulate([*votes, full], missing="nan", names=[*names, "e"])
    assert whole.rows.dtype == np.uint8


def test_flag_is_checked(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="keep_index is 'yes': it must be True or False"):
        fuse_cohort(tmp_path, tmp_path / "out", keep_index="yes")  # type: ignore[arg-type]
