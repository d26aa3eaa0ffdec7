"""What of a fused cohort is refused or told, by the name of the case, the file or the option."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ...cohort.files import SHAPE, fused, mask_path
from ...command import run_here
from .common import CASES, CHANNELS, refused, voxels, with_images


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ("T1={case}/t2.nii.gz", "data: lacks images of case-00 (channel T1: no case-00/t2.nii.gz), case-01 "),
        (
            "T1={case}/*.nii.gz",
            "case-00: case-00/flair.nii.gz, case-00/t1.nii.gz fit the pattern of channel T1",
        ),
        ("T1", "--channel is 'T1': give a name, = and paths below --images with {case} in them, as 'FLAIR="),
        ("T1=T1w", "or of BIDS 'FLAIR=**/{case}_*FLAIR.nii.gz'"),
        ("T1={case}/{rater}.nii.gz", "--channel is 'T1={case}/{rater}.nii.gz': give a name"),
        ("T1=../{case}/t1.nii.gz", "must lie below the folder --images"),
        ("FLAIR={case}/t1.nii.gz", "--channel FLAIR: is given twice"),
    ],
)
def test_channels_refused(masks: Path, channel: str, message: str) -> None:
    words = ("--images", "data", "--channel", channel, "--channel", "FLAIR={case}/flair.nii.gz")
    assert message in refused(masks, "fused", "--out", "raw", *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--cut", "0.9", "--ignore", "0.2", "0.8"),
            "ignore is 0.2 0.8: a probability below 0.9 and one above",
        ),
        (("--ignore", "0.6", "0.8"), "case-00: --ignore is 0.6 0.8: a probability below 0.5"),
        (("--cut", "0"), "--cut is 0.0: it must be a number in (0, 1]"),
        (("--folds", "6"), "5 cases do not fill 6 folds; ask for fewer (--folds)"),
        (("--folds", "1"), "folds is 1: at least 2 are needed"),
        (("--name", "a b"), "--name is 'a b': letters, digits, - and _ are needed"),
        (
            ("--method", "staple"),
            "--method is given, which is for a cohort in MSSEG-2016's layout: fused is fused already",
        ),
        (("--set", "a=b"), "--set is given, which is for a cohort in MSSEG"),
    ],
)
def test_options_refused(masks: Path, words: tuple[str, ...], message: str) -> None:
    assert message in refused(masks, "fused", "--out", "raw", *CHANNELS, *words)


def test_folders_refused(of_masks: Path, tmp_path: Path) -> None:
    """A wrong folder says which two are taken, and what to do; so does a kind of cohort without what it needs."""
    of_fused = refused(tmp_path, "data", "--out", "raw", *CHANNELS)
    assert (
        "--images is given, which is for a fused cohort: give the folder that fastfuse cohort fuse wrote into"
        in of_fused
    )
    for path in (tmp_path / "data").glob("*/*.nii.gz"):
        path.rename(path.with_name(f"my-{path.name}"))
    said = refused(tmp_path, "data", "--out", "raw", *CHANNELS)
    assert "data: is neither a cohort in MSSEG-2016's layout nor what fastfuse cohort fuse wrote" in said
    assert "fastfuse cohort fuse data --out fused, with --glob or --table" in said
    assert "nowhere: no such folder; give the one that fastfuse cohort fuse wrote into" in refused(
        tmp_path, "nowhere", "--out", "raw"
    )
    assert "--images is given, which is for a fused cohort: there is no folder nowhere" in refused(
        tmp_path, "nowhere", "--out", "raw", *CHANNELS
    )
    assert "--images is missing" in refused(tmp_path, "fused", "--out", "raw")
    assert "no channel is given" in refused(tmp_path, "fused", "--out", "raw", "--images", "data")
    assert "nowhere: no such folder" in refused(
        tmp_path, "fused", "--out", "raw", "--images", "nowhere", *CHANNELS[2:]
    )
    (tmp_path / "fused/cohort.json").write_text("[]")
    assert "fused/cohort.json: is damaged" in refused(tmp_path, "fused", "--out", "raw", *CHANNELS)
    (tmp_path / "fused/cohort.json").unlink()
    said = refused(tmp_path, "fused", "--out", "raw", *CHANNELS)
    assert "fused: fastfuse cohort fuse has not ended there, as cohort.json is missing" in said
    (tmp_path / "msseg/Training/Center_01/Patient_01/Masks").mkdir(parents=True)
    (tmp_path / "msseg/Training/Center_01/Patient_01/Masks/ManualSegmentation_1.nii.gz").touch()
    assert "say by which method, as --method soft-staple" in refused(tmp_path, "msseg", "--out", "raw")
    said = refused(tmp_path, "msseg", "--out", "raw", "--method", "staple", "--cut", "0.4")
    assert "--cut is given, which is for a fused cohort: give the folder" in said


def test_cases_that_failed(tmp_path: Path) -> None:
    """Refused by name with the reason; --force leaves them out, which is said and recorded."""
    data = with_images(tmp_path / "data", 4)
    mask_path(data, "case-02", "Ann").write_bytes(b"no image")
    fused(data, tmp_path / "fused")
    said = refused(tmp_path, "fused", "--out", "raw", *CHANNELS)
    assert "fused: 1 of 4 cases has no consensus of its present files (case-02); case-02: " in said
    assert "Ann.nii.gz" in said
    assert said.endswith("run fastfuse cohort fuse again, or leave them out (--force)")
    done = run_here(
        tmp_path, "export", "nnunet", "fused", "--out", "raw", *CHANNELS, "--folds", "3", "--force", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert "warning: fused: case-02: left out, without a consensus of its present files" in done.stderr
    assert json.loads(done.stdout)["left_out"] == ["case-02"]
    told = json.loads((tmp_path / "raw/Dataset501_fused/export.json").read_text())
    assert "Ann.nii.gz" in told["left_out"]["case-02"]
    assert [*told["cases"]] == ["case-00", "case-01", "case-03"]


def test_a_consensus_that_is_gone_or_damaged(of_masks: Path, tmp_path: Path) -> None:
    place = tmp_path / "fused/cases/case-01"
    (place / "consensus.nii.gz").rename(tmp_path / "kept.nii.gz")
    said = refused(tmp_path, "fused", "--out", "raw", *CHANNELS)
    assert "case-01: fused/cases/case-01/consensus.nii.gz: there is no such file" in said
    (place / "consensus.nii.gz").write_bytes(b"no image")
    assert "case-01: fused/cases/case-01/consensus.nii.gz: cannot be read" in refused(
        tmp_path, "fused", "--out", "raw", *CHANNELS
    )
    shutil.copy(tmp_path / "kept.nii.gz", place / "consensus.nii.gz")
    (place / "consensus.json").write_text("{")
    said = refused(tmp_path, "fused", "--out", "raw", *CHANNELS)
    assert "fused/cases/case-01/consensus.json: is missing, or damaged" in said


def test_earlier_rates_and_changed_files(tmp_path: Path) -> None:
    """Consensuses of earlier rates, and those that somebody has changed, are taken, and told."""
    data = with_images(tmp_path / "data", 5)
    (tmp_path / "later").mkdir()
    (data / "case-04").rename(tmp_path / "later/case-04")
    fused(data, tmp_path / "fused")
    (tmp_path / "later/case-04").rename(data / "case-04")
    with pytest.warns(fastfuse.FusionWarning, match="rests on rates that were estimated before"):
        fused(data, tmp_path / "fused")
    path = tmp_path / "fused/cases/case-04/consensus.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.float32), image.affine), path)
    done = run_here(tmp_path, "export", "nnunet", "fused", "--out", "raw", *CHANNELS)
    assert done.returncode == 0, done.stderr
    assert (
        "warning: fused: case-00, case-01, case-02, case-03: the consensus rests on rates that were estimated before these: "
        "fastfuse cohort fuse with --refresh writes it anew"
    ) in done.stderr
    assert "warning: fused: case-04: the consensus has changed since fastfuse wrote it" in done.stderr
    folder = tmp_path / "raw" / "Dataset501_fused"
    assert voxels(folder / "labelsTr/case-04.nii.gz").all()
    told = json.loads((folder / "export.json").read_text())
    assert (told["of_earlier_rates"], told["changed_since_written"]) == (CASES[:4], ["case-04"])
