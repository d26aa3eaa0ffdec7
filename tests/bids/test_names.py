"""Names of raters in derivatives of BIDS: no folders of the machine that wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from ..cli.common import ran
from .test_derivatives import SHAPE, masks_of, raw, save  # noqa: F401 - a fixture


def test_a_name_of_a_rater_tells_no_folders(raw: Path, tmp_path: Path) -> None:  # noqa: F811
    """Files of one name are told apart by their folders, and so may be by users' names; a typed name stays as it is."""
    raters = [tmp_path / "home" / who / "study" / "m.nii.gz" for who in ("anna", "bert", "carla")]
    for source, path in zip(masks_of(raw), raters, strict=True):
        path.parent.mkdir(parents=True)
        shutil.copy(source, path)
    save(raters[0], np.zeros(SHAPE, np.uint8))  # a warning names it
    words = ["--method", "staple", "--bids-case", "sub-01"]
    made = ran(tmp_path, "fuse", *raters, "-o", "c.nii.gz", *words, "--bids", "d")
    assert made.returncode == 0, made.stderr
    kept = json.loads((tmp_path / "c.json").read_text())
    assert [one["name"] for one in kept["raters"]] == [
        f"{who}/study/m.nii.gz" for who in ("anna", "bert", "carla")
    ]
    assert any("anna/study" in one for one in kept["warnings"])
    for path in (tmp_path / "d").rglob("*_*.json"):
        if path.name != "dataset_description.json":  # which says where the sources lie
            assert not [who for who in ("anna", "bert", "carla") if who in path.read_text()], path
    about = json.loads(next((tmp_path / "d").rglob("*_dseg.json")).read_text())
    assert [one["name"] for one in about["Fastfuse"]["raters"]] == about["Sources"]
    names = ["a/1", "b/2", "c/3"]
    made = ran(
        tmp_path, "fuse", *raters, "-o", "named.nii.gz", *words, "--bids", "e", "--names", ",".join(names)
    )
    assert made.returncode == 0, made.stderr
    about = json.loads(next((tmp_path / "e").rglob("*_dseg.json")).read_text())
    assert [one["name"] for one in about["Fastfuse"]["raters"]] == names
