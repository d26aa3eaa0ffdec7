"""The demo, small; at full size it is the README's first command."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import cli
from fastfuse.demo import case as demo
from fastfuse.demo import phantom, printing
from fastfuse.demo.cohort import make_cohort
from fastfuse.evaluation.overlap import overlap

SMALL = {"shape": (48, 56, 48), "spacing_mm": 3.8}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, demo.DemoResult]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo.run(folder, **SMALL)


def test_case_is_laid_out_as_msseg(made: tuple[Path, demo.DemoResult]) -> None:
    folder, _ = made
    patient = folder / "Training" / "Center_01" / "Patient_01"
    case = phantom.make_case(0, **SMALL)
    for name in ("FLAIR", "T1", "GADO", "DP", "T2"):
        image = nib.load(patient / "Preprocessed_Data" / f"{name}_preprocessed.nii.gz")
        np.testing.assert_array_equal(np.asanyarray(image.dataobj), case.images[name])
        np.testing.assert_allclose(image.affine, case.affine, atol=1e-5)
    for i, mask in enumerate(case.masks, start=1):
        image = nib.load(patient / "Masks" / f"ManualSegmentation_{i}.nii.gz")
        np.testing.assert_array_equal(np.asanyarray(image.dataobj), mask)
    truth = nib.load(folder / "truth" / "Patient_01.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(truth.dataobj), case.lesions)


@pytest.mark.filterwarnings("ignore:.*the model does not fit")
def test_figures_are_those_of_the_files(made: tuple[Path, demo.DemoResult]) -> None:
    """What the demo prints can be found again from what it wrote."""
    folder, result = made
    masks = folder / "Training" / "Center_01" / "Patient_01" / "Masks"
    truth = np.asanyarray(nib.load(folder / "truth" / "Patient_01.nii.gz").dataobj)
    assert [row.method for row in result.methods] == [method.name for method in demo.METHODS]
    for row in result.methods:
        consensus = np.asanyarray(nib.load(masks / f"Consensus_{row.method}.nii.gz").dataobj)
        assert overlap(consensus >= 0.5, truth).dice == row.overlap.dice
        assert row.overlap.dice > 0.5
    binary = [nib.load(masks / f"ManualSegmentation_{i}.nii.gz") for i in range(1, 8)]
    brain = np.asanyarray(nib.load(masks / "Brain_Mask.nii.gz").dataobj)
    again = fastfuse.staple(binary, mask=brain)
    staple = next(row for row in result.methods if row.method == "staple")
    np.testing.assert_array_equal(again.sensitivity, staple.fusion.sensitivity)


@pytest.mark.filterwarnings("ignore:.*the model does not fit")
def test_all_are_compared_within_one_margin(made: tuple[Path, demo.DemoResult]) -> None:
    folder, result = made
    masks = folder / "Training" / "Center_01" / "Patient_01" / "Masks"
    truth = np.asanyarray(nib.load(folder / "truth" / "Patient_01.nii.gz").dataobj)
    binary = [nib.load(masks / f"ManualSegmentation_{i}.nii.gz") for i in range(1, 8)]
    soft = [nib.load(masks / f"SoftSegmentation_{i}.nii.gz") for i in range(1, 8)]
    flair = nib.load(folder / "Training/Center_01/Patient_01/Preprocessed_Data/FLAIR_preprocessed.nii.gz")
    same = {"mask": nib.load(masks / "Brain_Mask.nii.gz"), "roi": 4}
    wanted = {
        "staple": fastfuse.staple(binary, **same),
        "dilated-staple": fastfuse.dilated_staple(binary, flair, **same),
        "soft-staple": fastfuse.soft_staple(soft, **same),
        "simplified-soft-staple": fastfuse.simplified_soft_staple(soft, **same),
        "border-staple": fastfuse.border_staple(binary, flair, **same),
        "majority": fastfuse.majority_vote(binary, mask=same["mask"]),
    }
    dice = {row.method: row.near.dice for row in result.methods}
    assert dice == {method: overlap(fusion.label(), truth).dice for method, fusion in wanted.items()}
    assert dice["staple"] > next(row for row in result.methods if row.method == "staple").overlap.dice
    ranked = sorted(dice, key=lambda method: -dice[method])
    assert ", ".join(f"{method} {dice[method]:.3f}" for method in ranked) in result.note


def test_estimates_rank_the_raters(made: tuple[Path, demo.DemoResult]) -> None:
    _, result = made
    true = [rater.overlap.recall for rater in result.raters]
    for row in result.methods:
        assert np.corrcoef(true, row.fusion.sensitivity)[0, 1] > 0.8


def test_what_is_kept_of_the_soft_rings(made: tuple[Path, demo.DemoResult]) -> None:
    """As the paper observes: soft-STAPLE keeps more of the rings than the simplified one."""
    folder, result = made
    masks = folder / "Training" / "Center_01" / "Patient_01" / "Masks"
    votes = [np.asanyarray(nib.load(masks / f"SoftSegmentation_{i}.nii.gz").dataobj) for i in range(1, 8)]
    case = phantom.make_case(0, **SMALL)
    for vote, mask in zip(votes, case.masks, strict=True):
        soft = fastfuse.conditional_dilation(mask, case.images["FLAIR"], roi=case.brain)
        np.testing.assert_array_equal(vote, soft.values)
    labels = {row.method: row.fusion.label() == 1 for row in result.methods}
    kept = {
        method: [np.count_nonzero(label & (vote > 0) & (vote < 1)) for vote in votes]
        for method, label in labels.items()
    }
    assert sum(kept["soft-staple"]) > sum(kept["simplified-soft-staple"])


def test_figure(made: tuple[Path, demo.DemoResult]) -> None:
    image = matplotlib.image.imread(made[1].figure)
    assert min(image.shape[:2]) > 500
    assert image[..., :3].std() > 0.1


def test_report(
    made: tuple[Path, demo.DemoResult], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    printing.print_demo(made[1])
    printed = capsys.readouterr().out
    for row in made[1].methods:
        assert f"{row.overlap.dice:.3f}" in printed
        assert f"{row.near.dice:.3f}" in printed
    for rater in made[1].raters:
        assert f"{rater.overlap.recall:.4f}" in printed
    assert "…" not in printed, "no column is cut at 80 characters"


def test_existing_case_is_kept(made: tuple[Path, demo.DemoResult]) -> None:
    with pytest.raises(
        fastfuse.OutputError, match="exists already; choose another folder or pass overwrite=True"
    ):
        demo.run(made[0], **SMALL)


PATIENT = Path("Training", "Center_01", "Patient_01")
OF_THE_CASE = [
    "consensus.png",
    "truth/Patient_01.nii.gz",
    PATIENT / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz",
    PATIENT / "Masks" / "Brain_Mask.nii.gz",
    PATIENT / "Masks" / "ManualSegmentation_7.nii.gz",
    PATIENT / "Masks" / "SoftSegmentation_3.nii.gz",
    PATIENT / "Masks" / "Consensus_staple.nii.gz",
]


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_file_that_is_written_was_looked_for(made: tuple[Path, demo.DemoResult]) -> None:
    """Each one alone, where it is there already, keeps the demo from writing."""
    folder, _ = made
    written = {path.relative_to(folder) for path in files_below(folder)}
    assert len(written) > 20
    assert {Path(name) for name in OF_THE_CASE} <= written
    for name in written:
        with TemporaryDirectory() as other:
            precious = Path(other, name)
            precious.parent.mkdir(parents=True, exist_ok=True)
            precious.write_bytes(b"precious")
            with pytest.raises(fastfuse.OutputError, match=f"{name.name}: exists already; choose another"):
                demo.run(Path(other), **SMALL)
            assert files_below(Path(other)) == {precious: b"precious"}


def test_a_case_of_another_origin_is_not_mixed(tmp_path: Path) -> None:
    mine = tmp_path / PATIENT / "Masks" / "Consensus.nii.gz"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(fastfuse.OutputError, match="Patient_01: holds files that are not the demo's"):
        demo.run(tmp_path, **SMALL)
    assert files_below(tmp_path) == {mine: b"mine"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_case_is_not_written_into_a_cohort(tmp_path: Path, overwrite: bool) -> None:
    make_cohort(tmp_path, per_center=1, spacing_mm=8)
    before = files_below(tmp_path)
    with pytest.raises(fastfuse.OutputError, match="holds a cohort, not one case; choose another folder"):
        demo.run(tmp_path, overwrite=overwrite, **SMALL)
    assert files_below(tmp_path) == before


def test_overwrite_replaces_the_case_and_nothing_else(made: tuple[Path, demo.DemoResult]) -> None:
    folder, _ = made
    before = files_below(folder)
    mine = folder / PATIENT / "Masks" / "mine.nii.gz"
    mine.write_bytes(b"mine")
    damaged = folder / PATIENT / "Masks" / "ManualSegmentation_2.nii.gz"
    damaged.write_bytes(b"damaged")
    demo.run(folder, overwrite=True, **SMALL)
    after = files_below(folder)
    assert after.pop(mine) == b"mine"
    mine.unlink()
    assert after == before


def test_a_cohort_spares_the_truth_of_others(tmp_path: Path) -> None:
    precious = tmp_path / "truth" / "Patient_02.nii.gz"
    precious.parent.mkdir()
    precious.write_bytes(b"precious")
    with pytest.raises(fastfuse.OutputError, match=r"Patient_02\.nii\.gz: exists already"):
        make_cohort(tmp_path, per_center=1, spacing_mm=8)
    assert files_below(tmp_path) == {precious: b"precious"}


def test_without_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("fastfuse.demo.case", "fastfuse.report.plots"))
    ]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    monkeypatch.setattr(sys, "argv", ["fastfuse", "demo", str(tmp_path / "case")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert "pip install '.[demo]'" in capsys.readouterr().err
    assert not (tmp_path / "case").exists()


def test_overlap() -> None:
    found = overlap([1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0])
    assert (found.both, found.only_mask, found.only_truth, found.neither) == (2, 1, 1, 2)
    assert (found.dice, found.precision, found.recall) == (pytest.approx(2 / 3),) * 3
    assert found.specificity == pytest.approx(2 / 3)
    assert overlap([0, 0], [0, 0]).dice == 1
    assert np.isnan(overlap([0, 0], [1, 0]).precision)
    with pytest.raises(ValueError, match="shape"):
        overlap([0, 1], [0, 1, 1])


@pytest.mark.parametrize("below", ["", "case", "a/b"])
@pytest.mark.parametrize("words", [[], ["--cohort"], ["--labels"]])
def test_a_file_is_no_folder(
    tmp_path: Path,
    words: list[str],
    below: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which is told before the work, not after it."""
    file = tmp_path / "r0.nii.gz"
    file.write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["fastfuse", "demo", *words, str(file / below)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "is a file: name a folder" in " ".join(capsys.readouterr().err.split())
