"""fuse_files with labels=: the same as on arrays, what is written beside it, and what is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from .files import AFFINE, LABELS, NAMES, SHAPE, TSV, load, raters, save, saved

pytestmark = pytest.mark.filterwarnings("ignore:.*never gives label")


def test_files_are_arrays(tmp_path: Path) -> None:
    """Any integer type, and floats that are whole: label map, probabilities, confidence, and rates."""
    paths = saved(tmp_path)
    plain = fastfuse.staple(raters(), labels="all")
    out = tmp_path / "o.nii.gz"
    fusion = fastfuse.fuse_files(
        paths, out, labels="all",
        save_probability={4: tmp_path / "four.nii.gz", (1, 4): tmp_path / "core.nii"},
        save_confidence=tmp_path / "sure.nii.gz",
    )  # fmt: skip
    label_map = nib.load(out)
    assert label_map.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(load(out), plain.label())
    np.testing.assert_allclose(label_map.affine, AFFINE)
    np.testing.assert_array_equal(load(tmp_path / "four.nii.gz"), plain.probability(4))
    np.testing.assert_array_equal(load(tmp_path / "core.nii"), plain.probability([1, 4]))
    np.testing.assert_array_equal(load(tmp_path / "sure.nii.gz"), plain.confidence())
    np.testing.assert_array_equal(fusion.confusion, plain.confusion)
    assert fusion.raters == ("r0.nii.gz", "r1.nii.gz", "r2.nii.gz", "r3.nii.gz")


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int64, np.uint32, np.float64])
def test_every_type_is_read(tmp_path: Path, kind: Any) -> None:
    paths = saved(tmp_path, (kind,))
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels=LABELS, method="majority")
    np.testing.assert_array_equal(fusion.label(), fastfuse.majority_vote(raters(), labels=LABELS).label())


@pytest.mark.parametrize(
    ("label", "kind"), [(4, np.uint8), (300, np.uint16), (70_000, np.uint32), (-3, np.int16)]
)
def test_smallest_type(tmp_path: Path, label: int, kind: Any) -> None:
    maps = [np.where(one == 4, label, one) for one in raters()]
    maps[0][0, 0, 0] = 200
    paths = [save(tmp_path / f"r{i}.nii", one.astype(np.int32)) for i, one in enumerate(maps)]
    fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", method="majority")
    assert nib.load(tmp_path / "o.nii").get_data_dtype() == kind


def test_table_and_sidecar(tmp_path: Path) -> None:
    paths, names = saved(tmp_path), tmp_path / "names.tsv"
    names.write_text(TSV)
    out = tmp_path / "o.nii.gz"
    fusion = fastfuse.fuse_files(
        paths, out, labels="all", label_names=names, knows={"r3": ["background", 1, "edema"]}
    )
    assert (tmp_path / "o.tsv").read_text() == TSV.replace("#FF0000", "#ff0000")
    facts = json.loads((tmp_path / "o.json").read_text())
    assert (facts["method"], facts["converged"]) == ("staple", True)
    assert facts["options"]["knows"] == {"r3": ["background", 1, "edema"]}
    assert facts["outputs"] == {"consensus": "o.nii.gz", "labels": "o.tsv"}
    labels = load(out)
    for place, one in enumerate(facts["labels"]):
        assert (one["label"], one["name"]) == (LABELS[place], NAMES[LABELS[place]])
        assert one["voxels"] == np.count_nonzero(labels == one["label"])
        assert one["ml"] == pytest.approx(one["voxels"] * 3.6e-3, rel=1e-4)
    rows = {(row["rater"], row["name"]): row for row in fusion.table()}
    for rater in facts["raters"]:
        for one in rater["labels"]:
            row = rows[rater["name"], one["name"]]
            for what in ("sensitivity", "ppv", "dice", "voxels"):
                assert one[what] == (None if np.isnan(row[what]) else row[what])
    assert fusion.label_names == tuple(NAMES.values())


def test_who_does_not_know(tmp_path: Path) -> None:
    """By name, file, path and place it is one rater; the remark goes away."""
    paths = saved(tmp_path)
    plain = fastfuse.staple(raters(), labels="all", knows={3: [0, 1, 2]})
    for k, rater in enumerate(("r3", "r3.nii.gz", str(paths[3]), "3", 3)):
        fusion = fastfuse.fuse_files(paths, tmp_path / f"o{k}.nii", labels="all", knows={rater: [0, 1, 2]})
        np.testing.assert_array_equal(fusion.confusion, plain.confusion)
    named = fastfuse.fuse_files(
        paths, tmp_path / "n.nii", labels="all", names=["a", "b", "c", "r0"], knows={"r0": [0, 1, 2]}
    )
    np.testing.assert_array_equal(named.confusion, plain.confusion)  # a name comes before a file


def test_the_right_doubt(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    with pytest.warns(
        fastfuse.FusionWarning, match=r"r3\.nii\.gz never gives label 4.*knows=\{rater: labels\}, or"
    ) as told:
        fastfuse.fuse_files(paths, tmp_path / "a.nii", labels="all")
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", fastfuse.FusionWarning)
        fastfuse.fuse_files(paths, tmp_path / "b.nii", labels="all", knows={"r3": [0, 1, 2]})
    copies = [*paths[:3], save(tmp_path / "copy.nii.gz", raters()[0].astype(np.int64))]
    with pytest.warns(fastfuse.FusionWarning, match=r"r0\.nii\.gz and copy\.nii\.gz hold the same votes"):
        fastfuse.fuse_files(copies, tmp_path / "c.nii", labels="all")


def test_consensus_is_no_rater(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    fastfuse.fuse_files(paths, tmp_path / "o.nii.gz", labels="all")
    with pytest.warns(fastfuse.FusionWarning, match=r"o\.nii\.gz is a consensus that fastfuse wrote"):
        fastfuse.fuse_files([*paths, tmp_path / "o.nii.gz"], tmp_path / "p.nii.gz", labels="all")


def test_mask_missing_and_present(tmp_path: Path) -> None:
    maps = [one.astype(np.float32) for one in raters()]
    maps[1][5, 5, :] = np.nan
    paths = [save(tmp_path / f"r{i}.nii.gz", one) for i, one in enumerate(maps)]
    mask, seen = np.zeros(SHAPE, np.uint8), np.ones(SHAPE, np.uint8)
    mask[1:, 1:, 1:] = 1
    seen[:, :, 6:] = 0
    options: dict[str, Any] = {"labels": "all", "missing": "nan"}
    plain = fastfuse.staple(maps, mask=mask, present=[None, None, seen, None], **options)
    fusion = fastfuse.fuse_files(
        paths, tmp_path / "o.nii.gz", mask=save(tmp_path / "m.nii", mask),
        present=[None, None, save(tmp_path / "s.nii", seen), None], **options,
    )  # fmt: skip
    np.testing.assert_array_equal(load(tmp_path / "o.nii.gz"), plain.label())
    np.testing.assert_array_equal(fusion.confusion, plain.confusion)
    with pytest.raises(ValueError, match=r"r1\.nii\.gz.*nan"):
        fastfuse.fuse_files(paths, tmp_path / "p.nii.gz", labels="all")


def test_grids(tmp_path: Path) -> None:
    """Cropped and turned maps come onto one grid; what lies between its voxels is refused, or the nearest one."""
    maps = raters()
    paths = saved(tmp_path)
    cropped = maps[1][1:, 1:, :]
    moved = AFFINE.copy()
    moved[:3, 3] = [1.0, 1.2, 0]
    turned = AFFINE @ np.diag([-1.0, 1, 1, 1])
    turned[0, 3] = SHAPE[0] - 1
    images = [paths[0], save(tmp_path / "cropped.nii", cropped.astype(np.uint8), moved)]
    images += [save(tmp_path / "turned.nii", maps[2][::-1].astype(np.int16), turned), paths[3]]
    maps[1][0], maps[1][:, 0] = 0, 0
    grid: dict[str, Any] = {"grid": paths[0], "labels": "all", "method": "majority"}
    with pytest.warns(fastfuse.FusionWarning):
        fusion = fastfuse.fuse_files(images, tmp_path / "o.nii.gz", **grid)
    np.testing.assert_array_equal(fusion.label(), fastfuse.majority_vote(maps, labels="all").label())
    between = AFFINE.copy()
    between[:3, 3] = [0.4, 0, 0]
    images[3] = save(tmp_path / "between.nii", raters()[3].astype(np.uint8), between)
    with pytest.raises(fastfuse.GridError, match=r"between\.nii"):
        fastfuse.fuse_files(images, tmp_path / "p.nii.gz", **grid)
    with pytest.warns(fastfuse.FusionWarning):
        nearest = fastfuse.fuse_files(images, tmp_path / "p.nii.gz", resample="nearest", **grid)
    assert set(np.unique(nearest.label())) <= set(LABELS)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"labels": [0, 1, 2]}, r"r1\.nii\.gz holds 4 at voxel .*not in labels \(0, 1, 2\)"),
    ({"labels": "some"}, "labels is 'some'"),
    ({"undecided": 2}, "undecided is 2, which is one of the labels"),
    ({"roi": "disputed"}, "roi is 'disputed': label maps take a margin in mm"),
    ({"mrf": 0.1}, "mrf is 0.1: label maps take no such option"),
    ({"prior": "smooth:4"}, "prior is 'smooth:4'"),
    (
        {"save_label": "x.nii"},
        "save_label is 'x.nii': not for label maps: the consensus is a label map already",
    ),
    ({"save_counts": "x.nii"}, "save_counts is 'x.nii': not for label maps"),
    ({"cut": 0.3}, "cut is 0.3: not for label maps"),
    ({"image": "x.nii"}, "image is 'x.nii': not for label maps"),
    ({"soften": True}, "soften is True: not for label maps"),
    ({"select_segment": "a"}, "select_segment is 'a': not for label maps"),
    ({"select_label": 1}, "select_label is 1: label maps take no such option"),
    ({"method": "soft-staple"}, "labels is 'all': soft-staple has no such option"),
    ({"knows": {"zoe": [1]}}, r"knows names 'zoe': the raters are r0\.nii\.gz"),
    ({"knows": {9: [1]}}, "knows names rater 9: there are 4"),
    ({"knows": {"r3": ["edema"]}}, r"knows\['r3'\] names 'edema', and the labels have no names"),
    ({"knows": {"r0": [0, 1, 2]}}, r"r0\.nii\.gz holds label 4 at .* voxels: knows says"),
    (
        {"save_probability": {"edema": "e.nii"}},
        "save_probability names 'edema', and the labels have no names",
    ),
    ({"save_probability": {9: "e.nii"}}, "save_probability names label 9: the labels are 0, 1, 2, 4"),
    (
        {"labels": NAMES, "save_probability": {"oedema": "e.nii"}},
        "save_probability names 'oedema', and no label",
    ),
    ({"labels": NAMES, "label_names": "n.tsv"}, "labels gives names, and label_names too"),
    ({"weights": [1, 1, 1, 2]}, "weights is .*: staple has no such option"),
    ({"method": "majority", "candidates": "all"}, "candidates is 'all': majority has no such option"),
]


@pytest.mark.parametrize(("options", "told"), REFUSED, ids=[told[:30] for _, told in REFUSED])
def test_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], told: str
) -> None:
    """And nothing is written."""
    monkeypatch.chdir(tmp_path)
    paths = saved(tmp_path)
    Path("n.tsv").write_text(TSV)
    before = sorted(tmp_path.iterdir())
    with pytest.raises((ValueError, TypeError), match=told):
        fastfuse.fuse_files(paths, "o.nii.gz", **{"labels": "all", **options})
    assert sorted(tmp_path.iterdir()) == before


def test_files_that_are_no_label_maps(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    soft = save(tmp_path / "soft.nii", raters()[0].astype(np.float32) * 0.3)
    with pytest.raises(ValueError, match=r"soft\.nii.*a label map holds whole numbers"):
        fastfuse.fuse_files([*paths, soft], tmp_path / "o.nii", labels="all")
    rng = np.random.default_rng(0)
    many = save(tmp_path / "many.nii", rng.permutation(70_000).reshape(70, 100, 10).astype(np.int32))
    with pytest.raises(ValueError, match="more than 65,535 different labels"):
        fastfuse.fuse_files([many, many], tmp_path / "o.nii", labels="all")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label_names", "n.tsv"),
        ("save_probability", {1: "p.nii"}),
        ("save_confidence", "c.nii"),
        ("knows", {0: [1]}),
    ],
)
def test_for_label_maps_alone(tmp_path: Path, name: str, value: Any) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=rf"{name} is .*: it is for label maps; give labels too"):
        fastfuse.fuse_files(saved(tmp_path), tmp_path / "o.nii", method="staple", **options)


def test_outputs_are_apart(tmp_path: Path) -> None:
    paths = saved(tmp_path)
    out = tmp_path / "o.nii.gz"
    with pytest.raises(fastfuse.OutputError, match="is to hold two outputs"):
        fastfuse.fuse_files(paths, out, labels="all", save_confidence=out)
    with pytest.raises(fastfuse.OutputError, match="is one of the inputs"):
        fastfuse.fuse_files(paths, out, labels="all", save_probability={1: paths[0]})
    (tmp_path / "o.tsv").write_text("mine")
    with pytest.raises(fastfuse.OutputError, match=r"o\.tsv: exists already"):
        fastfuse.fuse_files(paths, out, labels="all")
    assert not out.exists()
    fastfuse.fuse_files(paths, out, labels="all", overwrite=True)
    assert (tmp_path / "o.tsv").read_text().startswith("index\tname\n0\t0\n")
