"""Fused cohorts in MSSEG-2016's layout: folds by centre, as the experiment's own; and two exports at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.errors import OutputError
from fastfuse.train.nnunet.dataset import free_in

from ...cohort.files import SHAPE, masks, save
from ...command import run_here
from .common import CHANNELS, exported

PLACES = {"Patient_01": 1, "Patient_02": 7, "Patient_03": 1, "Patient_04": 7}


@pytest.mark.parametrize("of_2016", [False, True])
def test_folds_by_centre(tmp_path: Path, of_2016: bool) -> None:
    """Dealt by name, each of two folds would have one centre."""
    for case, centre in PLACES.items():
        folder = tmp_path / "data/Training" / f"Center_{centre:02}" / case
        if of_2016:
            folder = tmp_path / "data" / f"{centre:02}0{case[-2:]}AB"
        for rater, mask in enumerate(masks(int(case[-2:])), 1):
            save(folder / "Masks" / f"ManualSegmentation_{rater}.nii.gz", mask)
        save(folder / "Preprocessed_Data/FLAIR_preprocessed.nii.gz", np.zeros(SHAPE, np.int16))
    fastfuse.fuse_cohort(tmp_path / "data", tmp_path / "fused", method="staple", replicates=10)
    images = ("--images", "data", "--channel", "FLAIR=**/{case}/Preprocessed_Data/FLAIR_preprocessed.nii.gz")
    done = run_here(tmp_path, "export", "nnunet", "fused", "--out", "raw", *images, "--folds", "2")
    assert done.returncode == 0, done.stderr
    splits = json.loads((tmp_path / "raw/Dataset501_fused/splits_final.json").read_text())
    names = sorted(one.name for one in (tmp_path / "fused/cases").iterdir())
    by_name = dict(zip(names, names if of_2016 else PLACES, strict=True))
    centres = [[name[:2] if of_2016 else PLACES[by_name[name]] for name in one["val"]] for one in splits]
    assert all(len({*one}) == len(one) == 2 for one in centres)
    assert "folds hold the cases of 2 centres as evenly as may be" in done.stdout


def test_two_exports_at_once(of_masks: Path, tmp_path: Path) -> None:
    """The second is refused before it writes; a data set of another number is not, nor one after it."""
    assert of_masks == tmp_path
    raw = tmp_path / "raw"
    with free_in(raw, 501):
        done = run_here(tmp_path, "export", "nnunet", "fused", "--out", "raw", *CHANNELS)
        assert done.returncode == 2
        assert done.stderr.strip().splitlines()[-1] == (
            "error: raw: another export writes data set 501 there; wait for its end, or choose another number (--dataset-id)"
        )
        with free_in(raw, 502):
            assert len([*raw.iterdir()]) == 2
    assert not raw.exists()
    assert exported(tmp_path).is_dir()
    with pytest.raises(OutputError, match="a data set of this number is there"), free_in(raw, 501):
        pass
    assert [one.name for one in raw.iterdir()] == ["Dataset501_fused"]
