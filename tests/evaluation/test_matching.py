"""Files of two folders that belong together."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

import fastfuse
from fastfuse.evaluation.matching import case_name, images_in, pairs_in

from ..cohort.files import masks, save


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("prediction", "truth", "way"),
    [
        ("case_01.nii.gz", "case_01.nii.gz", "file name"),
        ("sub-01/anat/mask.nii.gz", "sub-01/anat/mask.nii.gz", "file name"),
        ("case_01.nii.gz", "case_01.nii", "name without its ending"),
        ("case_01.mha", "case_01.seg.nrrd", "name without its ending"),
        ("case_01.png", "case_01.TIF", "name without its ending"),
        ("case_01_pred.nii.gz", "case_01_gt.nii.gz", "case name"),
        ("case_01.nii.gz", "Case_01_seg.nii.gz", "case name"),
        ("case-01.prediction.nii.gz", "case-01-mask.nrrd", "case name"),
        ("sub-01_ses-2_desc-net_mask.nii.gz", "sub-01_ses-2_label-lesion_dseg.nii.gz", "case name"),
        ("sub-01_space-T1w_desc-net_probseg.nii.gz", "sub-01/anat/sub-01_dseg.nii.gz", "case name"),
        ("patient7/consensus.nii.gz", "patient7.nii.gz", "case name"),
        ("patient7/mask.nii.gz", "patient7/Consensus.nii.gz", "case name"),
        ("MS_007_0000.nii.gz", "MS_007.nii.gz", "case name without a channel"),
    ],
)
def test_names(tmp_path: Path, prediction: str, truth: str, way: str) -> None:
    """Beside another case, which is matched by its file name."""
    predictions = fill(tmp_path / "p", prediction, "z_other.nii.gz")
    truths = fill(tmp_path / "t", truth, "z_other.nii.gz")
    found = pairs_in(predictions, truths)
    assert (predictions / prediction, truths / truth) in found.files.values()
    assert (found.without_prediction, found.without_truth) == ([], [])
    assert {name: count for name, count in found.ways.items() if count} == (
        {"file name": 2} if way == "file name" else {"file name": 1, way: 1}
    )


@pytest.mark.parametrize(
    ("predictions", "truths"),
    [
        (["case_0001.nii.gz", "case_0002.nii.gz"], ["case_0003.nii.gz", "case_0004.nii.gz"]),
        (["sub-01_mask.nii.gz"], ["sub-02_mask.nii.gz"]),
        (["sub-01_ses-1_mask.nii.gz"], ["sub-01_ses-2_mask.nii.gz"]),
        (["a.nii.gz"], ["ab.nii.gz"]),
        (["case.1.nii.gz"], ["case.2.nii.gz"]),
    ],
)
def test_names_of_other_cases(tmp_path: Path, predictions: list[str], truths: list[str]) -> None:
    left, right = fill(tmp_path / "p", *predictions), fill(tmp_path / "t", *truths)
    with pytest.raises(fastfuse.FastfuseError, match=r"no file below .* has the name of one below"):
        pairs_in(left, right)


@pytest.mark.parametrize(
    ("predictions", "truths", "named"),
    [
        (["c.nii.gz"], ["c.nrrd", "c.mha"], ["c.mha", "c.nrrd", "c.nii.gz"]),
        (["c_pred.nii", "c_prediction.nii"], ["c_gt.nii"], ["c_pred.nii", "c_prediction.nii", "c_gt.nii"]),
        (
            ["sub-1_desc-a_mask.nii", "sub-1_desc-b_mask.nii"],
            ["sub-1_mask.nii"],
            ["sub-1_desc-a_mask.nii", "sub-1_desc-b_mask.nii", "sub-1_mask.nii"],
        ),
    ],
)
def test_names_that_fit_several_are_refused(
    tmp_path: Path, predictions: list[str], truths: list[str], named: list[str]
) -> None:
    left, right = fill(tmp_path / "p", *predictions), fill(tmp_path / "t", *truths)
    with pytest.raises(fastfuse.FastfuseError, match="both fit") as caught:
        pairs_in(left, right)
    assert all(name in str(caught.value) for name in named)


@pytest.mark.parametrize("as_truth", [True, False])
def test_a_consensus_counts_and_not_its_mask_beside_it(tmp_path: Path, as_truth: bool) -> None:
    """Its sidecar names the mask. Without the sidecar nobody knows which of the two counts."""
    cases = ("case-00", "case-01")
    for number, case in enumerate(cases):
        for rater, mask in zip("abc", masks(number), strict=True):
            save(tmp_path / "in" / case / f"{rater}.nii.gz", mask)
        save(tmp_path / "other" / f"{case}.nii.gz", masks(number)[0])
    fastfuse.fuse_cohort(
        tmp_path / "in",
        tmp_path / "fused",
        glob="{case}/{rater}.nii.gz",
        save_label=True,
        method="staple",
        replicates=2,
    )
    fused, other = tmp_path / "fused" / "cases", tmp_path / "other"
    assert (fused / "case-00" / "label.nii.gz").exists()
    found = pairs_in(other, fused) if as_truth else pairs_in(fused, other)
    pairs = [(other / f"{case}.nii.gz", fused / case / "consensus.nii.gz") for case in cases]
    assert [*found.files.values()] == (pairs if as_truth else [pair[::-1] for pair in pairs])
    assert (found.without_prediction, found.without_truth) == ([], [])
    assert fastfuse.evaluate_folders(other, fused).summary["dice"].mean > 0.5
    of_masks = fill(tmp_path / "masks", "case-00/label.nii.gz", "case-01/label.nii.gz")
    assert {path.name for _, path in pairs_in(of_masks, fused).files.values()} == {"label.nii.gz"}
    sidecar = fused / "case-01" / "consensus.json"
    sidecar.write_text(sidecar.read_text().replace('"consensus.nii.gz"', '"another.nii.gz"'))
    with pytest.raises(fastfuse.FastfuseError, match=r"consensus\.nii\.gz and .*label\.nii\.gz both fit"):
        pairs_in(other, fused)


def test_missing_files_are_named(tmp_path: Path) -> None:
    predictions = fill(tmp_path / "p", "a.nii.gz", "b.nii.gz", "extra.nii.gz")
    truths = fill(tmp_path / "t", "a.nii.gz", "b_gt.nii.gz", "lonely.nii.gz", "sub/lonely2.nii.gz")
    found = pairs_in(predictions, truths)
    assert list(found.files) == ["a", "b"]
    assert found.without_prediction == ["lonely.nii.gz", "sub/lonely2.nii.gz"]
    assert found.without_truth == ["extra.nii.gz"]


def test_what_is_no_case_is_left_out(tmp_path: Path) -> None:
    """Hidden files, a network's probabilities and notes beside its segmentation, plans and tables."""
    folder = fill(
        tmp_path / "p", "a.nii.gz", "a.npz", "a.pkl", "plans.json", "scores.csv", ".hidden.nii.gz", ".git/x.nii.gz",
        "only.npz", "pair.hdr", "pair.img",
    )  # fmt: skip
    assert list(images_in(folder)) == ["a.nii.gz", "only.npz", "pair.img"]
    with pytest.raises(fastfuse.FastfuseError, match="no image lies there"):
        images_in(fill(tmp_path / "none", "notes.txt"))


def test_two_formats_of_one_name_stay_two_cases(tmp_path: Path) -> None:
    names = ("c.nii.gz", "c.nrrd")
    found = pairs_in(fill(tmp_path / "p", *names), fill(tmp_path / "t", *names))
    assert len(found.files) == 2
    assert all(one.name == other.name for one, other in found.files.values())


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("a_seg_mask.nii.gz", "a"),
        ("mask.nii.gz", ""),
        ("x/mask.nii.gz", "x"),
        ("segment.nii", "segment"),
        ("v1.2.nii", "v1.2"),
    ],
)
def test_case_names(name: str, case: str) -> None:
    assert case_name(name) == case


@pytest.mark.parametrize("kind", ["link", "folder"])
@pytest.mark.parametrize("name", ["c.nii.gz", "sub/c.nrrd", "c.png"])
def test_what_has_the_name_of_an_image_and_is_none(tmp_path: Path, name: str, kind: str) -> None:
    folder = fill(tmp_path / "p", "a.nii.gz")
    path = folder / name
    if kind == "folder":
        path.mkdir(parents=True)
    else:
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(fastfuse.FastfuseError, match=f"{path.name}: it is a {kind}"):
        images_in(folder)
    if kind == "folder":
        fill(path, "inside.nii.gz")
        assert len(images_in(folder)) == 2


def test_accents_are_one_however_they_are_written(tmp_path: Path) -> None:
    """macOS writes them apart; where both lie in a folder, each goes with its own."""
    composed, apart = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    found = pairs_in(
        fill(tmp_path / "p", f"{composed}.nii.gz", f"{composed}2_pred.nii.gz"),
        fill(tmp_path / "t", f"{apart}.nii.gz", f"{apart}2_gt.nii.gz"),
    )
    assert (found.ways["file name"], found.ways["case name"], found.doubts) == (1, 1, [])
    both = [fill(tmp_path / side, f"{composed}.nii.gz", f"{apart}.nii.gz") for side in ("a", "b")]
    pairs = pairs_in(*both).files.values()
    assert len(pairs) == 2
    assert all(one.name == other.name for one, other in pairs)
