"""The fit in the sidecar and on the terminal; ``--method auto``."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..border.draws import SPACING, Drawn, contours
from ..command import run_here
from .draws import flips

AFFINE = np.diag([*SPACING, 1])


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return contours([0.6, 0.3, 0.0, -0.2, 0.1, 0.4, -0.3], shape=(64, 64, 32))


@pytest.fixture
def files(drawn: Drawn, tmp_path: Path) -> dict[str, Any]:
    def save(name: str, data: Any) -> str:
        nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / name)
        return str(tmp_path / name)

    masks = [save(f"r{i}.nii.gz", mask) for i, mask in enumerate(drawn.masks)]
    return {
        "masks": masks,
        "brain": save("brain.nii.gz", drawn.brain),
        "image": save("flair.nii.gz", drawn.image),
    }


def shell(folder: Path, *words: str, columns: int = 80) -> tuple[str, int]:
    """Return what a command prints, and its exit code."""
    done = run_here(folder, *words, columns=columns)
    return done.stderr + done.stdout, done.returncode


def sidecar(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(path.read_text())
    return facts


@pytest.mark.parametrize("image", [True, False])
def test_auto_in_files_is_auto_of_arrays(
    image: bool, files: dict[str, Any], drawn: Drawn, tmp_path: Path
) -> None:
    out = tmp_path / "out.nii.gz"
    given = {"image": files["image"]} if image else {}
    fusion = fastfuse.fuse_files(files["masks"], out, method="auto", mask=files["brain"], **given)
    here = {"image": drawn.image} if image else {}
    expected = fastfuse.fuse(drawn.masks, "auto", mask=drawn.brain, spacing_mm=SPACING, **here)
    np.testing.assert_array_equal(fusion.probability, expected.probability)
    facts = sidecar(tmp_path / "out.json")
    assert facts["method"] == expected.method == ("border-staple" if image else "staple")
    assert facts["options"]["roi"] == 4.0
    assert facts["options"].get("classes") == (None if image else 3)
    assert facts["auto"]["took"] == facts["fit"]["used"] == ("border-staple" if image else "three classes")
    assert facts["auto"]["instead_of"] == "staple"
    assert facts["auto"]["gain"] > 0.1
    assert expected.fit is not None
    used = facts["fit"]["models"][facts["fit"]["used"]]
    np.testing.assert_allclose(used["expected"], expected.fit.models[expected.fit.used].expected, atol=0.006)
    np.testing.assert_array_equal(facts["fit"]["observed"], expected.fit.observed)


def test_auto_of_flips_records_staple(tmp_path: Path) -> None:
    paths = []
    for i, mask in enumerate(flips(5)[1]):
        paths.append(tmp_path / f"{i}.nii")
        nib.save(nib.Nifti1Image(mask.reshape(60, 50, 20), np.eye(4)), paths[-1])
    output, code = shell(
        tmp_path, "fuse", *map(str, paths), "-o", str(tmp_path / "o.nii"), "--method", "auto"
    )
    assert code == 0, output
    facts = sidecar(tmp_path / "o.json")
    assert (facts["method"], facts["options"]["prior"]) == ("staple", "estimate")
    assert "does not fit" not in output
    assert "Auto took staple: it fits better than three classes by 0.00" in output


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_table_fits_the_terminal(columns: int, files: dict[str, Any], tmp_path: Path) -> None:
    words = [
        "fuse",
        *files["masks"],
        "-o",
        str(tmp_path / "o.nii.gz"),
        "--method",
        "staple",
        "--mask",
        files["brain"],
    ]
    output, code = shell(tmp_path, *words, columns=columns)
    assert code == 0, output
    table = output.partition("fit: voxels by number of marks\n")[2].partition("\n\n\n")[0]
    lines = [line for line in output.splitlines() if not line.startswith(("warning", "wrote"))]
    shown = lines[: lines.index("fit: voxels by number of marks") + 14]
    assert max(len(line) for line in shown if str(tmp_path.parent) not in line) <= columns
    fit = sidecar(tmp_path / "o.json")["fit"]
    for count in fit["observed"]:
        assert re.search(rf"(?<![\d,]){count:,.0f}(?![\d,])", table)
    assert "the model does not fit" in output.replace("\n", " ")
    assert "--method border-staple" in output
    assert set(fit["models"]) == {"staple, prior fixed", "staple", "three classes"}


def test_many_raters_share_cells(tmp_path: Path) -> None:
    paths = []
    for i, mask in enumerate(flips(23, voxels=8000, prevalence=0.3)[1]):
        paths.append(tmp_path / f"{i}.nii")
        nib.save(nib.Nifti1Image(mask.reshape(20, 20, 20), np.eye(4)), paths[-1])
    output, code = shell(
        tmp_path, "fuse", *map(str, paths), "-o", str(tmp_path / "o.nii"), "--method", "staple"
    )
    assert code == 0, output
    head = output.partition("fit: voxels by number of marks\n\n")[2].splitlines()
    assert head[0].split() == ["marks", "0", "1–4", "5–8", "9–12", "13–16", "17–20", "21–22", "23"]
    counts = [int(text.replace(",", "")) for text in head[2].split()[1:]]
    assert sum(counts) == 8000


def test_no_table_where_nothing_was_fitted(files: dict[str, Any], tmp_path: Path) -> None:
    out = str(tmp_path / "o.nii.gz")
    output, code = shell(
        tmp_path, "fuse", *files["masks"], "-o", out, "--method", "majority", "--mask", files["brain"]
    )
    assert code == 0, output
    assert "fit:" not in output
    assert sidecar(tmp_path / "o.json")["fit"]["used"] is None
    output, code = shell(tmp_path, "fuse", *files["masks"], "-o", out, "--mrf", "0.3", "--overwrite")
    assert code == 0, output
    assert sidecar(tmp_path / "o.json")["fit"] is None


def test_what_auto_does_not_go_with(files: dict[str, Any], tmp_path: Path) -> None:
    words = ["fuse", *files["masks"], "-o", str(tmp_path / "o.nii.gz"), "--method", "auto"]
    for more, said in {
        ("--soften", "--image", files["image"]): "is of masks as they were drawn: name the method",
        ("--prior", "estimate"): "auto has no such option",
        ("--labels", "all"): "choose staple or majority",
        ("--labels", "1", "--overlap"): "auto has no such option",
    }.items():
        output, code = shell(tmp_path, *words, *more)
        assert code == 2, output
        assert said in output.replace("\n", " "), output


@pytest.mark.parametrize("how", ["again", "copy"])
@pytest.mark.parametrize("slabs", [False, True])
def test_a_rater_given_twice_does_not_silence_it(
    how: str, slabs: bool, files: dict[str, Any], tmp_path: Path
) -> None:
    first = Path(files["masks"][0])
    more = first if how == "again" else Path(shutil.copy(first, tmp_path / "copy.nii.gz"))
    words = ["fuse", *files["masks"], str(more), "-o", str(tmp_path / "o.nii.gz"), "--method", "staple"]
    words += ["--mask", files["brain"], *(["--max-memory", "1G"] if slabs else [])]
    output, code = shell(tmp_path, *words)
    assert code == 0, output
    facts = sidecar(tmp_path / "o.json")
    (told,) = [one for one in facts["warnings"] if one.startswith("the model does not fit")]
    assert "(copies counted once)" in told
    marks, there, expected = re.search(
        r": (\d) of 8 raters marks? ([\d,]+) voxels, .* expects ([\d,]+) ", told
    ).groups()
    fit = facts["fit"]
    assert int(there.replace(",", "")) == fit["observed"][int(marks)]
    wanted = fit["models"][fit["used"]]["expected"][int(marks)]
    assert int(expected.replace(",", "")) == round(wanted)
    assert "border-staple" in fit["models"]


def test_a_gain_in_words_is_less_than_the_table_s_and_that_is_said(
    files: dict[str, Any], tmp_path: Path
) -> None:
    """A warning counts the parameters' price, which the nats of table and page leave out."""
    pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
    words = ("fuse", *files["masks"], "-o", "c.nii.gz", "--method", "staple", "--mask", files["brain"])
    said, code = shell(tmp_path, *words, "--report", "r.html", columns=300)
    assert code == 0, said
    facts = sidecar(tmp_path / "c.json")
    (told,) = re.findall(r"fits better, by ([\d.e-]+) nats a marked voxel", said)
    models = facts["fit"]["models"]
    best = max(one["log_likelihood_per_mark"] for one in models.values())
    gap = best - models[facts["fit"]["used"]]["log_likelihood_per_mark"]
    assert float(told) < gap
    line = "is told with the price of its parameters (BIC), which these numbers leave out."
    assert line in said
    assert line in (tmp_path / "r.html").read_text()
    fits, _ = shell(
        tmp_path, *words[:-4], "--method", "border-staple", *words[-2:], "--overwrite", columns=300
    )
    assert "nats" not in fits
    assert line not in fits
