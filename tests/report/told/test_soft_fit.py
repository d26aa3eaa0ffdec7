"""Soft votes are no marks that were observed, and a margin is around small ones too: said where the numbers stand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.report.words.region import LEAST_VOTE, region_of

from ...command import run_here
from ...files.common import AFFINE, save
from ...files.test_lattice import balls
from ..common import Page

COUNTS = "a soft vote counts as a mark with that probability"
FILES = ["r0.nii.gz", "r1.nii.gz", "r2.nii.gz"]


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    shape = (24, 24, 14)
    for i, mask in enumerate(balls(3, 4, 4.5, centre=(12, 12, 7), shape=shape)):
        save(tmp_path / f"r{i}.nii.gz", mask)
    distance = np.linalg.norm(np.indices(shape) - np.array([12, 12, 7])[:, None, None, None], axis=0)
    save(tmp_path / "scan.nii.gz", (100 - 5 * distance).astype(np.float32))
    return tmp_path


def shell(folder: Path, *words: str) -> str:
    done = run_here(folder, *words, columns=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("soft", [True, False])
def test_terminal_sidecar_and_page(soft: bool, masks: Path) -> None:
    more = ["--soften", "--image", "scan.nii.gz"] if soft else []
    words = ["fuse", *FILES, "-o", "c.nii.gz", "--roi", "4", "--report", "c.html", *more]
    said = shell(masks, *words)
    table = said.partition("fit: voxels by number of marks")[2]
    assert (" soft votes " in table) == soft
    assert (" observed " in table) != soft
    assert (f"Fit: {COUNTS}; masks have other numbers of marks." in said) == soft
    assert ("(within 4 mm of any vote above 0.1)" in said) == soft
    assert ("(within 4 mm of what anybody marks)" in said) != soft
    facts = json.loads((masks / "c.json").read_text())
    assert facts["fit"].get("soft", False) is soft
    drawn = sum(fastfuse.inputs.arrays.as_array(votes, "votes") for votes in loaded(masks))
    counts = np.bincount(drawn[drawn > 0].astype(int), minlength=4)[1:]
    assert np.allclose(counts, facts["fit"]["observed"][1:]) != soft  # what is said to be other is
    page = Page.of((masks / "c.html").read_text(encoding="utf-8"))
    fit = " ".join(page.one("section", id="fit").text.split())
    assert (f"that so many raters mark, where {COUNTS}; markers are" in fit) == soft
    assert (f"Voxels by the number of raters who mark them; {COUNTS}." in fit) == soft
    heads = [one.text.strip() for one in page.all("th")]
    assert ("soft votes" in heads, "observed" in heads) == (soft, not soft)
    made = page.one("section", id="made").text
    assert f"(within 4 mm of {'any vote above 0.1' if soft else 'what anybody marks'})" in made
    assert "whole volume" not in made


def loaded(folder: Path) -> list[np.ndarray]:
    import nibabel as nib

    return [np.asarray(nib.load(folder / name).dataobj) for name in FILES]


def test_python_and_the_figure(masks: Path) -> None:
    votes = loaded(masks)
    soft = [np.where(one == 1, 1, 0.3 * np.roll(one, 1, axis=0)).astype(np.float32) for one in votes]
    for given, called in ((soft, "soft votes"), (votes, "observed")):
        fusion = fastfuse.soft_staple(given)
        fit = fusion.fit
        assert fit is not None
        assert fit.soft == (given is soft)
        assert f"\n  {called} " in repr(fit)
        ax = fastfuse.plots.fit(fusion)
        assert ax.containers[0].get_label() == called
        assert ("by probability" in ax.get_xlabel()) == (given is soft)


def test_the_margin_is_around_votes_above_the_least(masks: Path) -> None:
    """A ring of 0.3 is in the region, votes of 0.1 are not."""
    far = np.zeros((24, 24, 14), np.float32)
    at = (2, 2, 2)
    for value, held in ((0.3, True), (np.float32(LEAST_VOTE), False)):
        far[at] = value
        votes = [np.maximum(one, far).astype(np.float32) for one in loaded(masks)]
        fusion = fastfuse.soft_staple(votes, roi=2.0, spacing_mm=np.abs(np.diag(AFFINE)[:3]).tolist())
        assert (fusion.probability[at] > 0) == held
    assert region_of(None, 2.0, {}, soft=True) == "within 2 mm of any vote above 0.1"


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("soft", [True, False])
def test_cohort(soft: bool, masks: Path, tmp_path: Path) -> None:
    for case in ("one", "two"):
        (tmp_path / "cases" / case).mkdir(parents=True)
        for name in (*FILES, "scan.nii.gz"):
            (tmp_path / "cases" / case / name).write_bytes((masks / name).read_bytes())
    rows = [
        "\t".join((case, name[:2], f"cases/{case}/{name}", f"cases/{case}/scan.nii.gz"))
        for case in ("one", "two")
        for name in FILES
    ]
    (tmp_path / "t.tsv").write_text("\n".join(["case\trater\tpath\timage", *rows]) + "\n")
    made = fastfuse.fuse_cohort(
        tmp_path, tmp_path / "out", table=tmp_path / "t.tsv", method="soft-staple" if soft else "staple", soften=soft,
        report=tmp_path / "r.html", replicates=2,
    )  # fmt: skip
    assert not made.failed
    assert [one.get("soft", False) for one in made.facts["fit"].values()] == [soft, soft]
    page = Page.of((tmp_path / "r.html").read_text(encoding="utf-8"))
    fit = " ".join(page.one("section", id="fit").text.split())
    assert (f"of all cases that so many raters mark, where {COUNTS}; markers" in fit) == soft
    assert ("soft votes" in fit) == soft
    cases = " ".join(page.one("section", id="fit-of-cases").text.split())
    assert (f"raters who mark them ({COUNTS}); below" in cases) == soft
