"""border-STAPLE of files and in the shell."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..command import run_here
from .draws import SPACING, contours


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    drawn = contours([1.5, 1.0, 0.8, 0.5, 0.0])
    affine = np.diag([*SPACING, 1])
    volumes = {f"rater{i}": mask for i, mask in enumerate(drawn.masks)}
    for name, data in {**volumes, "flair": drawn.image, "brain": drawn.brain}.items():
        nib.save(nib.Nifti1Image(data, affine), tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_files_are_arrays_with_a_grid(folder: Path) -> None:
    drawn = contours([1.5, 1.0, 0.8, 0.5, 0.0])
    raters = sorted(folder.glob("rater*"))
    given = {"method": "border-staple", "mask": folder / "brain.nii.gz", "overwrite": True}
    for image in (None, folder / "flair.nii.gz"):
        found = fastfuse.fuse_files(raters, folder / "out.nii.gz", image=image, **given)
        expected = fastfuse.border_staple(
            drawn.masks, None if image is None else drawn.image, mask=drawn.brain, spacing_mm=SPACING
        )
        np.testing.assert_allclose(found.probability, expected.probability, rtol=0, atol=1e-6)
        facts = json.loads((folder / "out.json").read_text())
        assert facts["options"]["roi"] == 4.0
        assert facts["options"]["tol"] == 1e-4
        assert facts["anchor"]["from"] == ("votes" if image is None else "image")
        assert facts["anchor"]["level"] == pytest.approx(expected.anchor)
        assert [rater["offset"] for rater in facts["raters"]] == pytest.approx(list(expected.offsets))


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_here(folder, "fuse", *words)


def test_in_the_shell(folder: Path) -> None:
    words = [*map(str, sorted(folder.glob("rater*"))), "-o", "out.nii.gz", "--method", "border-staple"]
    words += ["--image", "flair.nii.gz", "--mask", "brain.nii.gz"]
    told = run(folder, *words, "--evidence")
    assert told.returncode == 0, told.stderr
    assert "half maximum on the image" in told.stdout
    assert json.loads((folder / "out.json").read_text())["options"]["evidence"] is True
    three = run(folder, *words[2:], "--overwrite", "--evidence")
    assert three.returncode == 0, three.stderr
    two = run(folder, *words[3:], "--overwrite")
    assert two.returncode == 2
    assert "three raters or more, and has those of 2" in two.stderr
    assert two.stderr.count("\n") == 1
    line = [word for word in words if word not in ("--method", "border-staple")]
    for wrong, said in (
        (["--evidence", "--method", "staple"], "--evidence is given: staple has no such option"),
        (["--method", "staple"], "nothing grows"),
    ):
        found = run(folder, *line, "--overwrite", *wrong)
        assert found.returncode == 2
        assert said in found.stderr


def test_borders_are_told_from_the_consensus(folder: Path) -> None:
    """Levels have no origin: the terminal, the page, a notebook and print() say how far from the anchor a border lies."""
    raters = list(map(str, sorted(folder.glob("rater*"))))
    words = [*raters, "-o", "out.nii.gz", "--method", "border-staple", "--image", "flair.nii.gz"]
    told = run(folder, *words, "--mask", "brain.nii.gz", "--report", "page.html")
    assert told.returncode == 0, told.stderr
    facts = json.loads((folder / "out.json").read_text())
    beside = np.array([rater["offset"] for rater in facts["raters"]]) - facts["anchor"]["level"]
    assert (
        f"the raters' lie {', '.join(f'{one:+.2f}' for one in beside)} levels of depth from it"
        in " ".join(told.stdout.split())
    )
    page = (folder / "page.html").read_text()
    assert all(f">{one:+.2f}<" in page for one in beside)
    assert "How much farther in (+, a smaller mask) or out (-) than the consensus a rater draws" in page
    drawn = contours([1.5, 1.0, 0.8, 0.5, 0.0])
    fusion = fastfuse.border_staple(drawn.masks, drawn.image, mask=drawn.brain, spacing_mm=SPACING)
    assert f"offsets - anchor {np.array2string(beside, precision=2)}" in repr(fusion)
    assert all(f">{one:.4f}<" in fusion._repr_html_() for one in beside)


def test_evidence_that_is_not_used_is_not_recorded(folder: Path) -> None:
    flair = nib.load(folder / "flair.nii.gz")
    nib.save(nib.Nifti1Image(400 - flair.get_fdata(), flair.affine), folder / "dark.nii.gz")
    words = [path.name for path in sorted(folder.glob("rater*"))] + [
        "-o",
        "out.nii.gz",
        "--mask",
        "brain.nii.gz",
    ]
    told = run(folder, *words, "--method", "border-staple", "--image", "dark.nii.gz", "--evidence")
    assert told.returncode == 0, told.stderr
    assert "evidence is not used" in told.stderr
    assert "is the image bright on lesions?" in told.stderr
    assert json.loads((folder / "out.json").read_text())["options"]["evidence"] is False


def test_copies_count_once(folder: Path) -> None:
    """Said as it is: by border-STAPLE where three differ, and not of two and a copy."""
    files = [path.name for path in sorted(folder.glob("rater*"))]
    (folder / "copy.nii.gz").write_bytes((folder / files[0]).read_bytes())
    words = ["-o", "out.nii.gz", "--mask", "brain.nii.gz", "--overwrite", "--method"]
    copies = f"{files[0]} and copy.nii.gz hold the same votes: they count as"
    told = run(folder, *files, "copy.nii.gz", *words, "border-staple").stderr
    assert f"{copies} one rater" in told
    assert "the others are copies" not in told
    assert f"{copies} 2 raters" in run(folder, *files, "copy.nii.gz", *words, "staple").stderr
    two = run(folder, *files[:2], "copy.nii.gz", *words, "border-staple").stderr
    assert f"{copies} 2 raters" in two
    assert "of 3 raters 2 differ, the others are copies: border-staple needs 3" in two
