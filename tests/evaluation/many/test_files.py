"""Several raters' files: the shell, its JSON and Python's functions say one thing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import OutputError

from ...cli.common import AFFINE, MASKS, case_in, colours_in, load, save
from ...command import run_here

SPACING = tuple(np.diag(AFFINE)[:3].tolist())
NETWORK = "network_0.nii.gz"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return case_in(tmp_path_factory.mktemp("case"))


def of_arrays(case: Path, **options: Any) -> fastfuse.RaterEvaluation:
    raters = [load(case / name) for name in MASKS]
    return fastfuse.evaluate_against_raters(load(case / NETWORK), raters, spacing_mm=SPACING, **options)


def same(found: fastfuse.RaterEvaluation, facts: dict[str, Any]) -> None:
    for name in ("dice", "confidence", "ece", "crps_ml", "prediction_ml", "prediction_mask_ml"):
        assert facts[name] == pytest.approx(getattr(found, name), rel=1e-6), name
    for name, values in (
        ("dice", found.dice_by_rater),
        ("ece", found.ece_by_rater),
        ("volume_ml", found.volume_ml),
    ):
        assert [one[name] for one in facts["raters"]] == pytest.approx(list(values), rel=1e-6)
    assert facts["reliability"]["voxels"] == found.reliability.voxels.tolist()
    assert facts["reliability"]["error"] == pytest.approx(found.reliability.error, abs=1e-9)
    assert (facts["agreed_voxels"], facts["disputed_voxels"]) == (found.n_agreed, found.n_disputed)
    assert facts["voxels"] == found.n_voxels


@pytest.mark.parametrize("roi", [None, 3.0])
@pytest.mark.parametrize("masked", [False, True])
def test_files_are_as_arrays(case: Path, tmp_path: Path, roi: float | None, masked: bool) -> None:
    brain = {"mask": load(case / "brain.nii.gz")} if masked else {}
    wanted = of_arrays(case, roi=roi, **brain)
    words = [*([] if roi is None else ["--roi", str(roi)]), *(["--mask", "brain.nii.gz"] if masked else [])]
    done = run_here(case, "evaluate", NETWORK, *MASKS, *words, "--json", "-o", str(tmp_path / "a.json"))
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts == json.loads((tmp_path / "a.json").read_text())
    same(wanted, facts)
    given = {"mask": case / "brain.nii.gz"} if masked else {}
    found = fastfuse.evaluate_against_rater_files(
        case / NETWORK, [case / name for name in MASKS], roi=roi, **given
    )
    assert (found.ece, found.names) == (pytest.approx(wanted.ece, abs=1e-12), tuple(MASKS))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_what_is_printed(case: Path, columns: int) -> None:
    done = run_here(case, "evaluate", NETWORK, *MASKS, "--roi", "3", columns=columns)
    wanted = of_arrays(case, roi=3)
    for title, value in (("Dice where all agree", wanted.dice), ("calibration error", wanted.ece)):
        row = next(line for line in done.stdout.splitlines() if title in line)
        assert row.split()[-1] == f"{value:.4f}"
    assert [line for line in done.stdout.splitlines() if len(line) > columns] == []
    assert "within 3 mm of what anybody marks" in re.sub(r"\s+", " ", done.stdout)


def test_both_volumes_of_a_map_are_told(case: Path) -> None:
    done = run_here(case, "evaluate", NETWORK, *MASKS, "--cut", "0.4")
    found = of_arrays(case, cut=0.4)
    assert abs(found.prediction_mask_ml - found.prediction_ml) > 0.01
    for what, ml in (("cut 0.4", found.prediction_mask_ml), ("expected", found.prediction_ml)):
        assert re.search(rf"\n prediction, {what} +{ml:.2f}\n", done.stdout), done.stdout
    assert "Expected: the sum of the prediction's probabilities" in done.stdout
    mask = run_here(case, "evaluate", MASKS[0], *MASKS[1:])
    assert re.search(r"\n prediction +\d", mask.stdout)
    assert "xpected" not in mask.stdout


def test_reliability_curve(case: Path, tmp_path: Path) -> None:
    picture = tmp_path / "r.png"
    done = run_here(case, "evaluate", NETWORK, *MASKS, "--figure", str(picture))
    assert done.returncode == 0, done.stderr
    image = matplotlib.image.imread(picture)
    assert min(image.shape[:2]) > 300
    assert colours_in(image) > 20
    again = run_here(case, "evaluate", NETWORK, *MASKS, "--figure", str(picture))
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    found = of_arrays(case)
    curves = {"one": found.reliability, "near": of_arrays(case, roi=3).reliability}
    with pytest.raises(OutputError, match="exists already"):
        fastfuse.plots.reliability(picture, curves)
    fastfuse.plots.reliability(picture, curves, overwrite=True)
    assert not np.array_equal(matplotlib.image.imread(picture), image)


def test_one_truth_is_as_before(case: Path) -> None:
    facts = json.loads(run_here(case, "evaluate", NETWORK, MASKS[0], "--json").stdout)
    assert facts["method"] == "evaluation"
    found = fastfuse.evaluate(load(case / NETWORK), load(case / MASKS[0]), spacing_mm=SPACING)
    assert facts["dice"] == found.dice


def test_masks_labels_places_and_names(case: Path, tmp_path: Path) -> None:
    """Rater's labels of 4, the first of them cropped; a prediction of 255."""
    files = [save(tmp_path / f"r{i}.nii.gz", 4 * load(case / name)) for i, name in enumerate(MASKS)]
    save(tmp_path / "n.nii.gz", (255 * load(case / NETWORK)).astype(np.float32))
    words = ["--scale", "255", "--truth-select-label", "4", "--names", "a,b,c,d"]
    done = run_here(tmp_path, "evaluate", "n.nii.gz", *[one.name for one in files], *words, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["dice"] == pytest.approx(of_arrays(case).dice)
    assert facts["ece"] == pytest.approx(of_arrays(case).ece, abs=1e-6)
    assert [one["name"] for one in facts["raters"]] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([NETWORK, *MASKS, "--save-lesions", "l.nii.gz"], "--save-lesions is given, and there are several truths"),
        ([NETWORK, *MASKS, "--min-voxels", "3"], "--min-voxels is given, and there are several truths"),
        ([NETWORK, *MASKS, "--least-mm3", "0"], "--least-mm3 is given, and there are several truths"),
        ([NETWORK, *MASKS, "--match", "any"], "--match is given, and there are several truths"),
        ([NETWORK, *MASKS, "--connectivity", "26"], "--connectivity is given, and there are several truths"),
        ([NETWORK, *MASKS, "--tolerance-mm", "1"], "--tolerance-mm is given, and there are several truths"),
        ([NETWORK, MASKS[0], "--roi", "4"], "--roi is given, and there is one truth: name several raters"),
        ([NETWORK, MASKS[0], "--names", "a"], "--names is given, and there is one truth"),
        ([NETWORK, MASKS[0], "--figure", "a.png"], "--figure is given, and there is one truth"),
        ([NETWORK, *MASKS, "--roi", "-2"], "roi is -2.0: it must be a margin in mm of at least 0"),
        ([NETWORK, *MASKS, "--names", "a,b"], "names has 2 entries for 4 raters"),
        ([NETWORK, *MASKS, "-o", "a.csv"], "a.csv: the name of an output must end in .json"),
        ([NETWORK, MASKS[0], "flair.nii.gz"], "flair.nii.gz"),
        (["flair.nii.gz", *MASKS], "flair.nii.gz"),
        ([NETWORK, *MASKS, "."], "is a folder, and there are several truths"),
        ([NETWORK, *MASKS, "none.nii.gz"], "none.nii.gz"),
    ],
)  # fmt: skip
def test_refusals(case: Path, words: list[str], said: str) -> None:
    done = run_here(case, "evaluate", *words, columns=200)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_rater_twice_and_the_prediction_among_them(case: Path) -> None:
    done = run_here(case, "evaluate", MASKS[0], MASKS[0], MASKS[1], MASKS[1], columns=200)
    assert done.returncode == 0, done.stderr
    assert f"{MASKS[0]} is one of the raters too" in done.stderr
    assert "twice" in done.stderr
