"""What a label table holds, sums of tables, and their files."""

from __future__ import annotations

import copy
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import LabelTable, VoteTable, tabulate

from .common import SHAPE, VALUES, maps_of, with_gaps


@pytest.mark.parametrize("missing", [False, True])
def test_counts_are_those_of_the_votes(missing: bool) -> None:
    maps = with_gaps(maps_of()) if missing else maps_of()
    table = tabulate(maps, labels="all", missing="nan")
    flat = np.stack([one.ravel() for one in maps], axis=1)
    flat = flat[~np.isnan(flat).all(axis=1)]
    rows, counts = np.unique(np.nan_to_num(flat, nan=9999), axis=0, return_counts=True)
    held = table.counts > 0
    np.testing.assert_array_equal(np.nan_to_num(table.patterns[held], nan=9999), rows)
    np.testing.assert_array_equal(table.counts[held], counts)
    assert table.labels == tuple(VALUES)
    assert table.voxels == len(flat)
    wanted = [[np.count_nonzero(one == label) for label in VALUES] for one in maps]
    np.testing.assert_array_equal(table.volume, wanted)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_parts_of_a_volume_add_up(threads: int) -> None:
    maps = with_gaps(maps_of())
    maps[0][:3][maps[0][:3] == 2035] = 0
    for one in maps[1:]:
        one[:3][one[:3] == 2035] = 0  # a label that the first part has not
    options: dict[str, Any] = {"missing": "nan", "threads": threads}
    whole = tabulate(maps, labels="all", **options)
    first, second = (
        tabulate([one[part] for one in maps], labels="all", **options) for part in (slice(3), slice(3, None))
    )
    assert len(first.labels) == 3
    assert first + second == second + first == sum([first, second]) == whole
    assert first != whole
    nothing = tabulate(maps, labels="all", mask=np.zeros(SHAPE), **options)
    assert (nothing.voxels, nothing.labels) == (0, ())
    assert nothing + whole == whole


def test_names_of_labels_are_united() -> None:
    one = tabulate([[0, 1], [0, 1]], labels={0: "ground", 1: "liver"})
    other = tabulate([[0, 5], [0, 5]], labels=[0, 5])
    both = one + other
    assert (both.labels, both.label_names) == ((0, 1, 5), ("ground", "liver", "5"))
    third = tabulate([[5, 5], [0, 5]], labels={0: "ground", 5: "spleen"})
    assert (both + third).label_names == (one + (other + third)).label_names == ("ground", "liver", "spleen")
    with pytest.raises(ValueError, match="call label 1 'liver' and 'spleen'"):
        one + tabulate([[0, 1], [0, 1]], labels={0: "ground", 1: "spleen"})
    with pytest.raises(ValueError, match=r"labels 5 and 1 both 'liver'|labels 1 and 5 both 'liver'"):
        one + tabulate([[0, 5], [0, 5]], labels={0: "ground", 5: "liver"})


def test_raters_must_agree() -> None:
    maps = maps_of(2)
    one, other = (tabulate(maps, labels="all", names=names) for names in (["Ann", "Bob"], ["Bob", "Ann"]))
    assert (one + other).names == ("Ann", "Bob")
    assert one != other
    for wrong in (1, tabulate([[0, 1], [0, 1]])):
        with pytest.raises(TypeError, match="unsupported operand"):
            one + wrong  # type: ignore[operator]


def test_drop() -> None:
    maps = maps_of()
    table = tabulate(maps, labels="all", names=list("ABCD"))
    assert table.drop("B") == table.drop(1) == tabulate(
        [maps[0], *maps[2:]], labels="all", names=["A", "C", "D"]
    )  # fmt: skip
    with pytest.raises(ValueError, match="no rater 'F': the table has A, B, C, D"):
        table.drop("F")
    with pytest.raises(ValueError, match="one rater only"):
        tabulate(maps[:1], labels="all").drop(0)
    alone = LabelTable([[3, np.nan], [1, 1]], [5, 2])
    assert alone.drop(0).voxels == 2
    assert alone.drop(0).labels == (1, 3)


def test_copies_pickles_files(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    for labels in ("all", {0: "ground", 1: "liver", 4: "夏", 2035: "cortex"}):
        table = tabulate(with_gaps(maps_of()), labels=labels, missing="nan", names=list("ABCD"))
        table.save(path)
        for other in (
            copy.copy(table),
            copy.deepcopy(table),
            pickle.loads(pickle.dumps(table)),
            LabelTable.load(path),
        ):
            assert other == table
            assert other.label_names == table.label_names
            assert (other + table).voxels == 2 * table.voxels


def test_files_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    tabulate(maps_of(), labels="all").save(path)
    with pytest.raises(
        fastfuse.FastfuseError, match=r"is a label table, not a vote table: fastfuse.LabelTable.load reads it"
    ):
        VoteTable.load(path)
    tabulate([[0, 1], [1, 1]]).save(path)
    with pytest.raises(
        fastfuse.FastfuseError, match=r"is a vote table, not a label table: fastfuse.VoteTable.load reads it"
    ):
        LabelTable.load(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": np.array(2)}, "is a label table of version 2, and this fastfuse reads version 1"),
        ({"version": None}, "holds no label table of fastfuse"),
        ({"format": np.array("other")}, "holds no label table of fastfuse"),
        ({"codes": None}, r"is damaged \(it holds no codes\)"),
        ({"codes": np.full((3, 4), 9)}, r"is damaged \(codes lie from 9 to 9, of 4 labels"),
        ({"codes": np.full((3, 4), -2)}, r"is damaged \(codes lie from -2"),
        ({"codes": np.zeros(3)}, r"is damaged \(codes holds float64"),
        ({"counts": np.array([1.0])}, "is damaged"),
        ({"counts": np.array([1e300])}, "is damaged"),
        ({"labels": np.array([0, 4, 1, 2035])}, r"is damaged \(labels do not rise\)"),
        ({"labels": np.array(["a"])}, "is damaged"),
        ({"label_names": np.array(["a"])}, "is damaged"),
        ({"names": np.array(["Ann"])}, "is damaged"),
    ],
)
def test_damaged_files(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    path = tmp_path / "labels.npz"
    tabulate(maps_of(), labels="all").save(path)
    with np.load(path) as held:
        content = {name: held[name] for name in held.files} | changes
    np.savez(path, **{name: value for name, value in content.items() if value is not None})
    with pytest.raises(fastfuse.FastfuseError, match=rf"labels\.npz: {sentence}"):
        LabelTable.load(path)


def test_any_byte_may_be_wrong(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    table = tabulate([[0, 1, 2], [0, 2, 2]], labels="all")
    table.save(path)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        with suppress(fastfuse.FastfuseError):
            assert LabelTable.load(path).names == table.names
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(fastfuse.FastfuseError, match=r"labels\.npz: "):
        LabelTable.load(path)


@pytest.mark.parametrize(
    ("patterns", "counts", "sentence"),
    [
        ([[0, 0], [0.5, 0]], [1, 1], "patterns holds 0.5 of Ann in row 1: give whole numbers"),
        ([[0, np.inf]], [1], "patterns holds inf of Bob in row 0"),
        ([[0, 7]], [1], r"patterns holds label 7 of Bob in row 0, which is not in labels \(0, 1\)"),
        ([0, 1], [1, 2], r"patterns has shape \(2,\)"),
        ([[0, 1]], [1, 2], r"counts has shape \(2,\) for 1 row of patterns"),
        ([[0, 1]], [-1], "counts holds -1 in row 0"),
        ([[0, 0], [0, 1]], [2**53, 1], "the table would hold 9007199254740993 voxels"),
    ],
)
def test_what_is_no_table(patterns: Any, counts: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{sentence}"):
        LabelTable(patterns, counts, ["Ann", "Bob"], labels=[0, 1])


def test_what_does_not_apply_is_refused_by_name() -> None:
    maps = maps_of()
    for name, value in {"select_label": 1, "binarize": True, "threshold": 0.5, "scale": 100.0}.items():
        with pytest.raises(ValueError, match=f"^{name} is"):
            tabulate(maps, labels="all", **{name: value})  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"rater 0 holds 1 at voxel .* not in labels"):
        tabulate(maps, labels=[0, 4, 2035])
    with pytest.raises(ValueError, match="raters hold soft votes of labels"):
        tabulate([np.full((3, 4, 5), 1 / 3)] * 3, labels=[0, 1, 2])


def test_a_margin_counts_as_in_a_fusion() -> None:
    maps = [np.zeros((12, 12, 12), np.uint8) for _ in range(3)]
    for i, one in enumerate(maps):
        one[3:5, 4:6, 5 : 7 + i] = 2
        one[3:5, 4:6, 4] = 1
    options: dict[str, Any] = {"labels": "all", "roi": 2.0, "spacing_mm": (1, 1, 1)}
    table, fusion = tabulate(maps, **options), fastfuse.staple(maps, **options)
    assert 0 < table.voxels == fusion.n_voxels < 12**3
    np.testing.assert_array_equal(fastfuse.estimate(table, "staple").confusion, fusion.confusion)
