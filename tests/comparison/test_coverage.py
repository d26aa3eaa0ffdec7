"""Intervals over lesions say where their coverage has been measured to be low, and nowhere else."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.doubts.coverage import HELD

from ..border.draws import contours

SAID = "95 % intervals over lesions by"
OPTIONS: dict[str, Any] = {"intervals": "lesions", "replicates": 5, "spacing_mm": (1, 1, 1), "roi": 4}


def remarks(fuse: Any, *given: Any, **options: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", fastfuse.FusionWarning)
        fuse(*given, **options)
    found = [remark for one in caught for remark in getattr(one.message, "remarks", ())]
    return [remark for remark in found if remark.startswith(SAID)]


@pytest.fixture(scope="module")
def drawn() -> Any:
    return contours([-1.5, -0.5, 0.0, 0.5, 1.5])


def flips() -> list[Any]:
    rng = np.random.default_rng(0)
    truth = np.zeros((40, 40, 40), bool)
    for corner in rng.integers(2, 34, (30, 3)):
        truth[tuple(slice(at, at + 4) for at in corner)] = True
    return [np.where(rng.random(truth.shape) < 0.97, truth, ~truth) for _ in range(5)]


def test_of_contours(drawn: Any) -> None:
    (staple,) = remarks(fastfuse.staple, drawn.masks, **OPTIONS)
    assert "by staple held 63 to 94 % of sensitivities and 68 to 79 % of specificities against" in staple
    (border,) = remarks(fastfuse.border_staple, drawn.masks, **OPTIONS)
    assert "by border-staple held 47 to 83 % of sensitivities and 42 to 97 % of specificities" in border
    (image,) = remarks(fastfuse.border_staple, drawn.masks, drawn.image, **OPTIONS)
    assert "told by an image, held 89 to 100 % of specificities" in image
    assert "of sensitivities" not in image


def test_ranges_are_those_of_the_tables() -> None:
    """Of WHICH.md's two cohorts with contours."""
    page = Path(fastfuse.__file__).with_name("fusion") / "WHICH.md"
    text = page.read_text().split("## How far intervals hold")[1].split("Raters who err voxel by voxel")[0]
    rows = re.findall(
        r"^\| ([a-z-]+)(, image)?(?:, prior \w+)? \| ([\d.]+) .*? \| ([\d.]+) ", text, re.MULTILINE
    )
    found = defaultdict(list)
    for method, image, *shares in rows:
        found[method + (", its border told by an image," if image else "")].append(
            [float(one) for one in shares]
        )
    assert len(rows) == 8
    for what, ends in HELD.items():
        assert tuple((min(one), max(one)) for one in zip(*found[what], strict=True)) == ends


def test_not_where_it_is_not_known(drawn: Any) -> None:
    masks = drawn.masks
    assert remarks(fastfuse.staple, flips(), **{**OPTIONS, "roi": "all"}, prior="estimate") == []
    assert remarks(fastfuse.staple, masks, **OPTIONS, classes=3) == []
    assert remarks(fastfuse.staple, masks, **{**OPTIONS, "intervals": "bootstrap"}) == []
    assert remarks(fastfuse.staple, masks, spacing_mm=(1, 1, 1), roi=4) == []
    assert remarks(fastfuse.simplified_soft_staple, masks, **OPTIONS) == []


def test_the_result_keeps_it(drawn: Any, tmp_path: Any) -> None:
    nib = pytest.importorskip("nibabel")
    paths = []
    for i, mask in enumerate(drawn.masks):
        paths.append(tmp_path / f"r{i}.nii.gz")
        nib.save(nib.Nifti1Image(np.asarray(mask, np.uint8), np.eye(4)), paths[-1])
    with pytest.warns(fastfuse.FusionWarning, match=SAID):
        fastfuse.fuse_files(
            paths, tmp_path / "c.nii.gz", method="staple", roi=4, intervals="lesions", replicates=5
        )
    assert SAID in (tmp_path / "c.json").read_text()
