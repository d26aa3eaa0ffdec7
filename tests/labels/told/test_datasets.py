"""Networks and label maps whose files call labels differently are refused by name; copies are told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse

from ...images.networks import classes, regions
from ...images.segmentations import seg_nrrd
from ..files import load, raters, save
from ..test_networks import NAMES, ORDER, REGIONS, ensemble, predicted

EXCHANGED = {"background": 0, "liver": 2, "spleen": 1, "aorta": 3}


def call_labels(path: Path, labels: Any, **more: Any) -> None:
    path.with_name("dataset.json").write_text(json.dumps({"labels": labels, **more}))


@pytest.mark.parametrize("given", [False, True], ids=["", "label_names"])
@pytest.mark.parametrize(
    ("named", "told"),
    [
        (EXCHANGED, r"'liver' is label 1 in .*fold_0/dataset\.json and label 2 in .*fold_1/dataset\.json"),
        ({"background": 0, "liver": 1, "spleen": 3, "aorta": 2}, "'spleen' is label 2 in .* and label 3 in"),
        ({"background": 0, "Liver": 2, "kidney": 1, "aorta": 3}, "'Liver' is label 1 in .* and label 2 in"),
        ({"0": "background", "1": "spleen", "2": "liver", "3": "aorta"}, "'spleen' is label 2 in .* and label 1"),
        ({"background": 0, "liver": [1, 2], "spleen": 2, "aorta": 3}, "'liver' is label 1 in .* and labels 1, 2 in"),
    ],
)  # fmt: skip
def test_one_name_of_two_labels(tmp_path: Path, named: Any, told: str, given: bool) -> None:
    """Names that a file gives do not make one structure of two."""
    paths = predicted(tmp_path, [classes(seed, 4) for seed in range(2)], NAMES)
    names = shutil.copy(paths[0].with_name("dataset.json"), tmp_path / "names.json") if given else None
    call_labels(paths[1], named)
    for ending in (".npz", ".nii.gz"):
        files = [path.with_name(f"case{ending}") for path in paths]
        with pytest.raises(fastfuse.ImageError, match=told) as caught:
            fastfuse.fuse_files(files, tmp_path / "o.nii", labels="all", method="majority", label_names=names)
        assert "overlap" not in str(caught.value)  # which goes by segments' names
        assert not (tmp_path / "o.nii").exists()


def test_two_names_of_one_label(tmp_path: Path) -> None:
    """They may be one structure: who says so by label_names has them fused."""
    paths = predicted(tmp_path, [classes(seed, 4) for seed in range(2)], NAMES)
    names = Path(shutil.copy(paths[0].with_name("dataset.json"), tmp_path / "names.json"))
    call_labels(paths[1], {"background": 0, "Leber": 1, "spleen": 2, "aorta": 3})
    with pytest.raises(
        fastfuse.ImageError, match=r"label 1 is 'liver' in .* and 'Leber' in .*label_names=FILE"
    ):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", label_names=names)
    assert fusion.label_names == tuple(NAMES)
    np.testing.assert_array_equal(fusion.label(), ensemble(paths)[1].T)


def test_what_names_may_differ_in(tmp_path: Path) -> None:
    """Case, blanks, the name of 0, what is ignored, and files without names; names come from the first that has any."""
    paths = predicted(tmp_path, [classes(seed, 4) for seed in range(3)], NAMES)
    paths[0].with_name("dataset.json").unlink()
    call_labels(paths[2], {"rest": 0, " LIVER ": 1, "Spleen": 2, "aorta": 3, "ignore": 4})
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    assert fusion.label_names == tuple(NAMES)


def test_regions_of_other_labels(tmp_path: Path) -> None:
    paths = predicted(tmp_path, [regions(seed) for seed in range(2)], REGIONS, order=ORDER)
    call_labels(paths[1], {**REGIONS, "whole": [1, 2]}, regions_class_order=list(ORDER))
    with pytest.raises(fastfuse.ImageError, match=r"'whole' is labels 1, 2, 4 in .* and labels 1, 2 in"):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")


def test_segments_exchanged(tmp_path: Path) -> None:
    """Of .seg.nrrd too, and with label_names; colours of the raters' files arrive in the table."""
    names = tmp_path / "names.tsv"
    names.write_text("index\tname\n0\tbackground\n1\tnecrosis\n2\tedema\n")
    maps = [np.where(one == 4, 0, one) for one in raters(3)]
    paths = []
    for k, votes in enumerate(maps):
        called = [("necrosis", 1, 0), ("edema", 2, 0)] if k < 2 else [("edema", 1, 0), ("necrosis", 2, 0)]
        paths.append(tmp_path / f"r{k}.seg.nrrd")
        seg_nrrd(paths[-1], votes, called)
    for given in (None, names):
        with pytest.raises(fastfuse.ImageError, match=r"'edema' is label 2 in .* and label 1 in"):
            fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", label_names=given)
    text = paths[0].read_bytes().replace(b"_Name:=edema", b"_Name:=edema\nSegment1_Color:=0 1 0.2")
    paths[0].write_bytes(text)
    fastfuse.fuse_files(paths[:2], tmp_path / "o.nii", labels="all", method="majority")
    assert "2\tedema\t#00ff33" in (tmp_path / "o.tsv").read_text()


def test_classes_with_an_order_of_regions(tmp_path: Path) -> None:
    """Nnu-Net takes a dataset for one of regions if some name has several labels; an order alone makes none."""
    models = [classes(seed, 4) for seed in range(2)]
    named: list[Any] = [NAMES, {"background": 0, "liver": [1], "spleen": 2, "aorta": [3]}]
    for k, labels in enumerate(named):
        paths = predicted(tmp_path / str(k), models, labels)
        for path in paths:
            call_labels(path, labels, regions_class_order=[1, 2, 3])
        fusion = fastfuse.fuse_files(paths, tmp_path / f"{k}.nii", labels="all")
        np.testing.assert_array_equal(fusion.label(), ensemble(paths)[1].T)


def test_regions_by_a_dataset_json_that_is_given(tmp_path: Path) -> None:
    paths = predicted(tmp_path, [regions(seed) for seed in range(2)], None, order=ORDER)
    given = tmp_path / "dataset.json"
    given.write_text(json.dumps({"labels": REGIONS, "regions_class_order": list(ORDER)}))
    with pytest.raises(fastfuse.ImageError, match=r"or name it by label_names=FILE"):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")
    with pytest.warns(fastfuse.FusionWarning, match="labels 1, 2 have no name"):
        fusion = fastfuse.fuse_files(
            paths, tmp_path / "o.nii", labels="all", label_names=given, save_probability={"core": tmp_path / "c.nii"},
        )  # fmt: skip
    np.testing.assert_array_equal(fusion.label(), ensemble(paths, ORDER)[1].T)
    np.testing.assert_allclose(load(tmp_path / "c.nii"), (regions(0) + regions(1))[1] / 2, atol=1e-6)
    given.write_text(json.dumps({"labels": REGIONS, "regions_class_order": [1, 2]}))
    with pytest.raises(fastfuse.ImageError, match=r"dataset\.json tells of 2 only .*mend it"):
        fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all", label_names=given)


@pytest.mark.parametrize("models", [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
def test_a_networks_copy_is_told(tmp_path: Path, models: list[int]) -> None:
    paths = predicted(tmp_path, [classes(seed, 4) for seed in models], NAMES)
    same = [f"fold_{k}/case.npz" for k in range(3) if models[k] == 0]
    told = f"{same[0]} and {same[1]} hold the same votes: they count as 2 raters"
    with pytest.warns(fastfuse.FusionWarning, match=told):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all")


def test_label_maps_of_other_datasets(tmp_path: Path) -> None:
    """A dataset.json above labelsTr is none of theirs; names of one that lies beside them are not taken unasked."""
    for k, votes in enumerate(raters(3)):
        path = save(tmp_path / f"m{k}" / "case.nii.gz", votes.astype(np.uint8))
        call_labels(path, {"background": 0, "a": 1, "b": 2, "c": 4})
    files = sorted(tmp_path.glob("m*/case.nii.gz"))
    fusion = fastfuse.fuse_files(files, tmp_path / "o.nii", labels="all", method="majority")
    assert fusion.label_names == ()


@pytest.mark.parametrize("ending", [".npz", ".nii.gz"])
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_one_label_of_exchanged_names(tmp_path: Path, ending: str) -> None:
    """Of one label at a time, too: it would be liver in one file and spleen in the other; a name chooses rightly."""
    paths = predicted(tmp_path, [classes(seed, 4) for seed in range(2)], NAMES)
    call_labels(paths[1], EXCHANGED)
    files = [path.with_name(f"case{ending}") for path in paths]
    with pytest.raises(
        fastfuse.ImageError, match=r"label 1 is 'liver', which is label 2 in .*choose the structure"
    ):
        fastfuse.fuse_files(files, tmp_path / "o.nii", method="majority", select_label=1)
    fastfuse.fuse_files(files, tmp_path / "o.nii", method="majority", select_label=3)
    fusion = fastfuse.fuse_files(files, tmp_path / "s.nii", method="majority", select_segment="spleen")
    if ending == ".npz":
        np.testing.assert_allclose(fusion.probability, (classes(0, 4)[2] + classes(1, 4)[1]) / 2, atol=1e-6)


def test_one_label_of_other_names_is_told(tmp_path: Path) -> None:
    paths = predicted(tmp_path, [classes(seed, 4) for seed in range(2)], NAMES)
    call_labels(paths[1], {"background": 0, "Leber": 1, "spleen": 2, "aorta": 3})
    with pytest.warns(
        fastfuse.FusionWarning, match=r"label 1 is 'liver' in .*, 'Leber' in .*check that they are one"
    ):
        fastfuse.fuse_files(paths, tmp_path / "o.nii", method="majority", select_label=1)
