"""Reports of evaluations: of two files, of folders, against several raters."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ..cli.common import MASKS, case_in
from ..command import run_here
from .common import Page, assert_loads_nothing

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")


def evaluated(folder: Path, *words: str) -> tuple[Page, dict]:
    """Evaluate with a JSON and a report; a second time without --overwrite is refused."""
    given = ["evaluate", *words, "-o", "e.json", "--report", "r.html"]
    done = run_here(folder, *given)
    assert done.returncode == 0, done.stderr
    assert "r.html" in done.stdout
    again = run_here(folder, *given)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    page = Page.of((folder / "r.html").read_text(encoding="utf-8"))
    assert_loads_nothing(page)
    return page, json.loads((folder / "e.json").read_text())


def test_two_files(tmp_path: Path) -> None:
    case_in(tmp_path)
    page, facts = evaluated(tmp_path, MASKS[0], MASKS[1], "--mask", "brain.nii.gz")
    for name in ("dice", "precision", "recall", "specificity", "lesion_f1"):
        assert f"{facts[name]:.4f}" in page.text, name
    assert f"{facts['hd95_mm']:.2f}" in page.text
    rows = [one.text for one in page.all("tr")]
    for lesion in facts["lesions"][:5]:
        at = ", ".join(f"{value:.1f}" for value in lesion["place_mm"])
        assert [row for row in rows if lesion["kind"] in row and at in row]
    data = json.loads(page.one("script", id="scan").text)
    assert (data["raters"], data["maps"]) == (["prediction", "truth"], False)
    assert [one["name"] for one in data["labels"]] == ["none", "found", "missed", "false"]
    for name in (MASKS[0], MASKS[1], "brain.nii.gz"):
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() in page.text


def test_folders(tmp_path: Path) -> None:
    case_in(tmp_path)
    for folder, names in (("p", MASKS[:3]), ("t", MASKS[1:])):
        (tmp_path / folder).mkdir()
        for k, name in enumerate(names):
            (tmp_path / folder / f"case{k}.nii.gz").write_bytes((tmp_path / name).read_bytes())
    (tmp_path / "t" / "more.nii.gz").write_bytes((tmp_path / MASKS[0]).read_bytes())
    page, facts = evaluated(tmp_path, "p", "t")
    rows = [one.text for one in page.all("tr")]
    for name, one in facts["cases"].items():
        (row,) = (row for row in rows if name in row)
        assert f"{one['dice']:.4f}" in row
        assert f"{one['hd95_mm']:.2f}" in row
    assert f"{facts['summary']['dice']['mean']:.4g}" in page.text
    assert "without a prediction" in page.one("section", id="warnings").text
    assert len(page.all("circle")) == 3


def test_several_raters(tmp_path: Path) -> None:
    case_in(tmp_path)
    page, facts = evaluated(tmp_path, "network_0.nii.gz", *MASKS, "--roi", "4")
    for one in facts["raters"]:
        assert f"{one['dice']:.4f}" in page.text
        assert f"{one['ece']:.4f}" in page.text
    assert f"{facts['reliability']['error']:.4f}" in page.text
    known = [value for value in facts["reliability"]["predicted"] if value is not None]
    assert len(page.all("circle")) == len(known)


def test_a_measure_that_is_undefined_is_told_so(tmp_path: Path) -> None:
    import nibabel as nib
    import numpy as np

    case_in(tmp_path)
    empty = nib.load(tmp_path / MASKS[0])
    nib.save(nib.Nifti1Image(np.zeros(empty.shape, np.uint8), empty.affine), tmp_path / "empty.nii.gz")
    page, facts = evaluated(tmp_path, "empty.nii.gz", MASKS[0])
    assert facts["hd95_mm"] is None
    assert f"HD95 (mm){facts['status']['hd95_mm']}" in page.text
