"""Which voxels numbers are of: all of a volume, or the box of cropped files alone; what was padded is no doubt."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.cohort.fuse import fuse_cohort
from fastfuse.images.grids.words import is_note

from ...command import run_here
from ...files.common import SHAPE, save
from ...files.test_lattice import balls, cropped, tight
from ..common import Page

BOX = "the box that holds all files"
HINT = "--grid FILE takes the whole volume of the scan, on which prior, specificity and kappa depend"
FILES = ["p0.nii.gz", "p1.nii.gz", "p2.nii.gz"]
COMMANDS: dict[str, tuple[list[str], str, str]] = {  # words, what is said of the box, and of the whole volume
    "fuse": (["fuse", *FILES, "-o", "c.nii"], f"voxels ({BOX}), prior", "voxels (the whole volume), prior"),
    "labels": (
        ["fuse", *FILES, "-o", "c.nii", "--labels", "all"],
        f"voxels ({BOX})",
        "voxels (the whole volume)",
    ),
    "structures": (
        ["fuse", *FILES, "-o", "c.nii", "--labels", "1", "--overlap"],
        f"voxels ({BOX}), prior",
        "voxels (the whole volume), prior",
    ),
    "evaluate": (["evaluate", *FILES[:2]], f"voxels ({BOX}), cut", "voxels (the whole volume), cut"),
    "raters": (["evaluate", *FILES], f"({BOX}); cut", "(the whole volume); cut"),
    "agreement": (["agreement", *FILES], "box of all files", "whole volume"),
    "compare": (["compare", *FILES, "--roi", "all"], f"voxels, {BOX}.", "voxels, the whole volume."),
}


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Marks in crops, none of which holds the others, and the scan of which they are parts."""
    masks = []
    for radius, shift, place in ((3, -1, 2), (3.2, 1, 3), (3.5, 0, 3)):
        beside = balls(2.2, centre=(place, 4, 5))[0]  # so that no crop fits better when it is mirrored
        masks.append(np.maximum(np.roll(balls(radius)[0], shift, axis=1), beside))
    for i, mask in enumerate(masks):
        save(tmp_path / f"p{i}.nii.gz", *cropped(mask, tight(mask)))
        save(tmp_path / f"w{i}.nii.gz", mask)
    save(tmp_path / "scan.nii.gz", np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))
    return tmp_path


def done(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    found = run_here(folder, *words, columns=300)
    assert found.returncode == 0, found.stderr
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_the_box_of_crops_is_no_whole_volume(command: str, crops: Path) -> None:
    words, of_box, of_whole = COMMANDS[command]
    found = done(crops, *words)
    assert of_box in found.stdout
    assert "whole volume" not in found.stdout
    assert HINT in found.stderr
    facts = json.loads(done(crops, *words, "--json", *(["--overwrite"] if "-o" in words else [])).stdout)
    assert facts["grid"]["extent"] == "files"
    assert any(HINT in one for one in facts["warnings"])
    more = ["--overwrite"] if "-o" in words else []
    asked = done(crops, *words, "--grid", "scan.nii.gz", *more)  # the remedy
    assert of_whole in asked.stdout
    assert "box" not in asked.stdout
    assert "--grid" not in asked.stderr
    whole = done(crops, *[one.replace("p", "w", 1) if one in FILES else one for one in words], *more)
    assert of_whole in whole.stdout
    assert "--grid" not in whole.stderr


def test_numbers_follow_what_is_said(crops: Path) -> None:
    """The prior of the box is not that of the scan's volume, which --grid gives."""
    box = fused(crops)
    whole = fused(crops, grid=crops / "scan.nii.gz")
    assert box["region"]["voxels"] < whole["region"]["voxels"] == np.prod(SHAPE)
    assert whole["prior"] * np.prod(SHAPE) == pytest.approx(box["prior"] * box["region"]["voxels"], rel=1e-3)
    assert "extent" not in whole["grid"]


def fused(folder: Path, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"overwrite": True, "method": "majority", **options}
    with pytest.warns(fastfuse.FusionWarning):
        fastfuse.fuse_files([folder / name for name in FILES], folder / "c.nii", **given)
    facts: dict[str, Any] = json.loads((folder / "c.json").read_text())
    return facts


def test_a_margin_ends_at_the_box(crops: Path) -> None:
    words = ["fuse", *FILES, "-o", "c.nii", "--roi", "4"]
    assert f"voxels (within 4 mm of what anybody marks, in {BOX}), prior" in done(crops, *words).stdout
    found = done(crops, *words, "--overwrite", "--grid", "scan.nii.gz").stdout
    assert "voxels (within 4 mm of what anybody marks), prior" in found
    assert (
        "voxels, within 4 mm of what anybody marks."
        in done(crops, "compare", *FILES, "--grid", "scan.nii.gz").stdout
    )


def test_a_margin_of_label_maps_is_told(crops: Path) -> None:
    """It was called the whole volume."""
    words = ["fuse", "w0.nii.gz", "w1.nii.gz", "-o", "c.nii", "--labels", "all", "--report", "r.html"]
    for more, said in (
        ([], "within 2 mm of what anybody marks"),
        (["--mask", "w0.nii.gz", "--overwrite"], "inside w0.nii.gz, within 2 mm of what anybody marks"),
    ):
        assert f"voxels ({said}), " in done(crops, *words, "--roi", "2", *more).stdout
        assert f"({said})" in Page.of((crops / "r.html").read_text(encoding="utf-8")).text


def test_a_crop_that_holds_the_others_tells_no_more(tmp_path: Path) -> None:
    """One reader's crop is the box of all; a file with room around its marks is a volume."""
    masks = balls(2, 3, 4)
    for i, mask in enumerate(masks):
        save(tmp_path / f"p{i}.nii.gz", *cropped(mask, tight(mask)))
    assert (
        "voxels (the box of p2.nii.gz, which holds all files), prior"
        in done(tmp_path, "fuse", *FILES, "-o", "c.nii").stdout
    )
    save(tmp_path / "p2.nii.gz", masks[2])
    found = done(tmp_path, "fuse", *FILES, "-o", "c.nii", "--overwrite")
    assert "voxels (the whole volume), prior" in found.stdout
    assert "p0.nii.gz, p1.nii.gz: padded with 0 onto the grid of p2.nii.gz" in found.stderr
    assert "--grid" not in found.stderr


def test_a_mask_tells_the_region(crops: Path) -> None:
    save(crops / "brain.nii.gz", *cropped(np.ones(SHAPE, np.uint8), tight(balls(4)[0])))
    found = done(crops, "fuse", *FILES, "-o", "c.nii", "--mask", "brain.nii.gz")
    assert "voxels (inside brain.nii.gz), prior" in found.stdout
    assert "--grid" not in found.stderr


def test_pages_say_the_same(crops: Path) -> None:
    voxels = fused(crops)["region"]["voxels"]
    for words, said in (
        (["fuse", *FILES, "-o", "c.nii"], f"{voxels:,} ({BOX})"),
        (["evaluate", *FILES[:2]], BOX),
        (["evaluate", *FILES], BOX),
        (["agreement", *FILES], "box of all files"),
    ):
        done(crops, *words, "--report", "r.html", "--overwrite")
        page = Page.of((crops / "r.html").read_text(encoding="utf-8"))
        cells = [one.text.strip() for one in page.elements if one.tag in ("th", "td")]
        assert said in cells
        assert "whole volume" not in " ".join(cells)
        assert page.all("section", id="warnings") == []  # a note is nothing to look at first
        assert HINT in " ".join(page.one("section", id="notes").text.split())


def test_a_doubt_is_looked_at_first_and_a_note_is_not(crops: Path) -> None:
    save(crops / "empty.nii.gz", np.zeros(SHAPE, np.uint8))
    done(crops, "fuse", *FILES, "empty.nii.gz", "-o", "c.nii", "--report", "r.html")
    page = Page.of((crops / "r.html").read_text(encoding="utf-8"))
    assert "empty.nii.gz marks nothing" in page.one("section", id="warnings").text
    assert "padded" not in page.one("section", id="warnings").text
    assert "padded with 0" in page.one("section", id="notes").text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("a, b: padded with 0 onto the grid of c", True),
        ("a: axes turned (axes 0, 1 reversed), padded with 0, cropped onto the grid of c", True),
        ("case 1: a: cropped onto the grid of c", True),
        ("a: padded with 0, cropped by 3 voxels that are not 0 onto the grid of c", False),
        ("a: resampled by the nearest voxel onto the grid of c", False),
        ("a marks nothing", False),
    ],
)
def test_what_is_a_note(said: str, expected: bool) -> None:
    assert is_note(said) is expected


@pytest.mark.parametrize("all_of_them", [True, False])
def test_folders(all_of_them: bool, crops: Path) -> None:
    for folder, name in (("found", "p0"), ("true", "p1")):
        (crops / folder).mkdir()
        for case in ("a", "b"):
            source = name if all_of_them or case == "a" else name.replace("p", "w")
            (crops / folder / f"{case}.nii.gz").write_bytes((crops / f"{source}.nii.gz").read_bytes())
    found = done(crops, "evaluate", "found", "true", "-o", "s.json", "--report", "r.html")
    said = (
        "the boxes that hold the files of each case" if all_of_them else f"the whole volumes, of 1 case {BOX}"
    )
    assert f"{said}, cut 0.5" in found.stdout
    assert json.loads((crops / "s.json").read_text())["cropped"] == (["a", "b"] if all_of_them else ["a"])
    assert said in Page.of((crops / "r.html").read_text(encoding="utf-8")).text
    again = done(crops, "evaluate", "found", "true", "--grid", "scan.nii.gz", "-o", "g.json")
    assert "the whole volumes, cut 0.5" in again.stdout
    assert "cropped" not in json.loads((crops / "g.json").read_text())


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_cohort_has_no_grid_to_name(crops: Path, tmp_path: Path) -> None:
    (crops / "cases" / "one").mkdir(parents=True)
    for name in FILES:
        (crops / "cases" / "one" / name).write_bytes((crops / name).read_bytes())
    made = fuse_cohort(
        crops / "cases", tmp_path / "out", glob="{case}/{rater}.nii.gz", method="staple", pool="none"
    )
    (told,) = [one for one in made.facts["warnings"]["one"] if "padded" in one]
    assert told.endswith("; a mask tells what counts, on which prior, specificity and kappa depend")
    assert "grid" not in told.replace("onto the grid", "")
