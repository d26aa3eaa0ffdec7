"""Segments that files call by different names: one of several names, case, and what is said of either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import ImageError
from fastfuse.images import reading
from fastfuse.images.formats.segments import Segment, check_segments, fitting, named
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from ...cli.test_cli import run
from ...files.common import save
from ..segmentations import dicom_seg, seg_nrrd

RNG = np.random.default_rng(5)
A, B, C = ((RNG.random((7, 5, 6)) < 0.4).astype(np.uint8) for _ in range(3))
EITHER = "tumour|Tumor|GTV"


def readers(folder: Path) -> list[Path]:
    """Files of one structure under three names, labels and layers."""
    return [
        seg_nrrd(folder / "a.seg.nrrd", np.where(A, 1, 2), [("tumour", 1, 0), ("rest", 2, 0)]),
        seg_nrrd(folder / "b.seg.nrrd", np.where(B, 2, 1), [("rest", 1, 0), ("Tumor", 2, 0)]),
        seg_nrrd(folder / "c.seg.nrrd", np.stack([A, C]), [("rest", 1, 0), ("GTV", 1, 1)]),
    ]


def taken(path: Path, *names: str) -> np.ndarray:
    return reading.read(path, wanted=Wanted(Foreground(segments=check_segments(names)))).data


def test_one_of_several_names(tmp_path: Path) -> None:
    fused = fastfuse.fuse_files(
        readers(tmp_path), tmp_path / "c.nii", method="majority", select_segment=EITHER
    )
    np.testing.assert_allclose(fused.probability, np.mean([A, B, C], 0))
    assert json.loads((tmp_path / "c.json").read_text())["options"]["select_segment"] == [EITHER]


@pytest.mark.parametrize("command", ["fuse", "agreement", "compare", "evaluate", "soften", "cohort fuse"])
def test_in_every_command(tmp_path: Path, command: str) -> None:
    """Each command takes it; one name alone is refused with what to type, which then works."""
    names = [path.name for path in readers(tmp_path)]
    image = reading.read(tmp_path / "a.seg.nrrd", wanted=Wanted(Foreground(binarize=True)))
    save(tmp_path / "flair.nii.gz", RNG.random(A.shape), image.affine)
    rows = [("case", "rater", "path"), *(("x", str(place), name) for place, name in enumerate(names))]
    (tmp_path / "cases.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    words = {
        "fuse": ["fuse", *names, "-o", "c.nii"],
        "agreement": ["agreement", *names],
        "compare": ["compare", *names],
        "evaluate": ["evaluate", *names[:2]],
        "soften": ["soften", *names, "--image", "flair.nii.gz", "--out-dir", "soft"],
        "cohort fuse": [
            "cohort",
            "fuse",
            ".",
            "--out",
            "out",
            "--table",
            "cases.tsv",
            "--method",
            "majority",
        ],
    }[command]
    refused = run(tmp_path, *words, "--select-segment", "tumour")
    assert refused.returncode != 0
    told = " ".join((refused.stderr + refused.stdout).split())
    if command == "cohort fuse":
        told += "".join(path.read_text() for path in (tmp_path / "out").rglob("*.json"))
    assert "as in --select-segment 'tumour|Tumor'" in told or "select_segment='tumour|Tumor'" in told
    given = ["--refresh"] if command == "cohort fuse" else []
    done = run(tmp_path, *words, "--select-segment", EITHER, *given)
    assert done.returncode == 0, done.stderr
    assert "segment" not in done.stderr


@pytest.mark.parametrize(
    ("asked", "held", "offered"),
    [
        ("GTV", ["CTV", "PTV", "GTV_AK"], "GTV_AK"),
        ("GTV", ["CTV", "PTV", "gtv 1"], "gtv 1"),
        ("GTV|gtv 1", ["PTV", "GTVp"], "GTVp"),
        ("GTV_AK", ["PTV", "GTV"], "GTV"),
        ("GTV Prostata", ["PTV", "Gtv_Prostata"], "Gtv_Prostata"),
        ("Prostata", ["Rektum", "Prostate"], "Prostate"),
        ("GTV", ["CTV", "PTV"], "NAME"),
        ("GTV 1", ["GTV 2", "GTV 10"], "NAME"),
        ("Parotid_L", ["Parotid_R", "Cord"], "NAME"),
        ("parotid left", ["parotid right"], "NAME"),
        ("GTV", ["PTV", "GTV_AK", "GTVn"], "NAME"),
    ],
)
def test_what_is_typed_names_no_other_structure(asked: str, held: list[str], offered: str) -> None:
    """A name is offered where it can hardly mean another structure; and those that may be meant are listed first."""
    segments = [Segment(f"ROI {k}", k + 1) for k in range(20)]
    segments += [Segment(name, 21 + k) for k, name in enumerate(held)]
    with pytest.raises(ImageError, match="there is no segment") as caught:
        named(Path("a.dcm"), segments, [asked])
    assert f"select_segment='{asked}|{offered}'" in str(caught.value)
    if offered != "NAME":
        assert f"it holds {offered}, ROI 0, " in str(caught.value)


def test_the_same_of_every_format(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    network = save(tmp_path / "b.nii.gz", 2 * A)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "rest": 1, "Tumor": 2}}))
    for path in (
        dicom_seg(tmp_path / "a.dcm", {"rest": 1 - A, "Tumor": A}),
        dicom_seg(tmp_path / "c.dcm", {"rest": 1 - A, "Tumor": A}, label_map=True),
        network,
    ):
        np.testing.assert_array_equal(taken(path, "tumour|Tumor"), A)
    remark = reading.read(network, wanted=Wanted(Foreground(segments=("tumour|tumor",)))).remark
    assert remark is not None
    assert "by dataset.json 'Tumor' is label 2" in remark


def test_two_of_them_in_one_file(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", np.where(A, 1, 2 * B), [("Tumor", 1, 0), ("GTV", 2, 0)])
    with pytest.raises(
        fastfuse.ImageError,
        match=r"a\.seg\.nrrd: it holds 'Tumor' \(label 1\) and 'GTV' \(label 2\), of which 'tumour\|",
    ):
        taken(path, EITHER)
    np.testing.assert_array_equal(taken(path, "Tumor", "GTV"), A | B)  # the union of both, as before


def test_names_that_hold_the_sign_themselves(tmp_path: Path) -> None:
    whole = seg_nrrd(tmp_path / "a.seg.nrrd", np.where(A, 1, 2), [("left|right", 1, 0), ("left", 2, 0)])
    np.testing.assert_array_equal(taken(whole, "left|right"), A)
    np.testing.assert_array_equal(taken(whole, "Left|RIGHT"), A)
    other = seg_nrrd(tmp_path / "b.seg.nrrd", np.where(A, 1, 2), [("left|right", 1, 0), ("rest", 2, 0)])
    np.testing.assert_array_equal(taken(other, "both|left|right"), A)
    with pytest.raises(fastfuse.ImageError, match=r"there is no segment '\|'; it holds left\|right"):
        taken(other, "|")


def test_case_is_told(tmp_path: Path) -> None:
    paths = [
        seg_nrrd(tmp_path / f"{k}.seg.nrrd", np.where(mask, 1, 2), [(name, 1, 0), ("rest", 2, 0)])
        for k, (name, mask) in enumerate([("tumour", A), ("TUMOUR", B), ("TUMOUR", C)])
    ]
    told = r"^.*1\.seg\.nrrd, .*2\.seg\.nrrd: each: its segment 'TUMOUR' was taken for 'tumour', as case does not count"
    with pytest.warns(fastfuse.FusionWarning, match=told):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", method="majority", select_segment="tumour")
    with pytest.warns(fastfuse.FusionWarning, match=r"1\.seg\.nrrd: its segment 'TUMOUR' was taken for"):
        fastfuse.evaluate_files(*paths[:2], select_segment="tumour")
    fastfuse.fuse_files(paths, tmp_path / "d.nii", method="majority", select_segment="tumour|TUMOUR")


def test_label_maps_ignore_case_too(tmp_path: Path) -> None:
    names: list[Any] = [[("tumour", 1, 0), ("rest", 2, 0)], [("TUMOUR", 1, 0), ("Rest", 2, 0)]]
    paths = [
        seg_nrrd(tmp_path / f"{k}.seg.nrrd", np.where(mask, 1, 2), named)
        for k, (mask, named) in enumerate(zip((A, B), names, strict=True))
    ]
    given: Any = {"method": "majority", "labels": "all", "save_probability": {"Tumour": tmp_path / "t.nii"}}
    fastfuse.fuse_files(paths, tmp_path / "c.nii", **given)
    np.testing.assert_allclose(nib.load(tmp_path / "t.nii").get_fdata(), np.mean([A, B], 0))


def test_structures_by_one_of_several_names(tmp_path: Path) -> None:
    found: Any = fastfuse.fuse_files(
        readers(tmp_path), tmp_path / "o.nii", method="majority", labels={1: EITHER}, overlap=True
    )
    np.testing.assert_allclose(found[EITHER].probability, np.mean([A, B, C], 0))


@pytest.mark.parametrize("layered", [False, True])
@pytest.mark.parametrize("overlap", [False, True])
def test_two_names_of_one_file_that_differ_in_case_alone(
    tmp_path: Path, layered: bool, overlap: bool
) -> None:
    """With overlap the second was left out without a word."""
    values = np.stack([A, 2 * B]) if layered else np.where(A, 1, 2 * B)
    named = [("tumour", 1, 0), ("Tumour", 2, int(layered))]
    paths = [seg_nrrd(tmp_path / f"{k}.seg.nrrd", values, named) for k in range(2)]
    message = r"0\.seg\.nrrd: .*'Tumour'.*rename" if overlap or not layered else "overlap"
    with pytest.raises(fastfuse.ImageError, match=message):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", method="majority", labels="all", overlap=overlap)
    np.testing.assert_array_equal(taken(paths[0], "Tumour"), values[1] == 2 if layered else values == 2)


def test_remark_on_one_label_says_what_to_type(tmp_path: Path) -> None:
    paths = [
        seg_nrrd(tmp_path / f"{k}.seg.nrrd", mask, [(name, 1, 0)])
        for k, (name, mask) in enumerate([("tumour", A), ("Tumor", B), ("TUMOR", C)])
    ]
    names = [path.name for path in paths]
    told = run(tmp_path, "fuse", *names, "-o", "a.nii", "--select-label", "1")
    assert "or choose it with --select-segment 'tumour|Tumor'" in " ".join(told.stderr.split())
    quoted = seg_nrrd(tmp_path / "d.seg.nrrd", A, [("left's (1)", 1, 0)])
    told = run(tmp_path, "fuse", names[0], quoted.name, "-o", "b.nii", "--select-label", "1")
    assert "or choose it with --select-segment 'NAME|OTHER'" in " ".join(told.stderr.split())


def test_a_consensus_in_other_case_is_no_rater_s(tmp_path: Path) -> None:
    fastfuse.fuse_files(
        readers(tmp_path), tmp_path / "own.seg.nrrd", method="majority", select_segment=EITHER
    )
    paths = [tmp_path / "a.seg.nrrd", tmp_path / "own.seg.nrrd"]
    for name in ("tumour|CONSENSUS", "tumour|consensus"):
        with pytest.warns(fastfuse.FusionWarning, match=r"own\.seg\.nrrd is a consensus that fastfuse wrote"):
            fastfuse.fuse_files(
                paths, tmp_path / "d.nii", method="majority", select_segment=name, overwrite=True
            )


def test_exact_names_come_before_those_in_another_case(tmp_path: Path) -> None:
    """A file may hold both spellings: what is written as it is there is taken, and two of them are told as two."""
    both = [Segment("TUMOUR", 1), Segment("Tumour", 2)]
    assert [one.label for one in fitting(both, "Tumour|GTV")] == [2]
    assert [one.label for one in fitting(both, "tumour|Tumour")] == [2]
    assert [one.label for one in fitting([Segment("Tumour", 1), Segment("GTV", 2)], "tumour|GTV")] == [1, 2]
    with pytest.raises(ImageError, match=r"it holds 'TUMOUR' \(label 1\) and 'Tumour' \(label 2\), of which"):
        named(tmp_path / "a.seg.nrrd", both, ["TUMOUR|Tumour"])
    with pytest.raises(ImageError, match="2 segments are called 'tumour'"):
        named(tmp_path / "a.seg.nrrd", both, ["tumour"])
