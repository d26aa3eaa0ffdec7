"""``fastfuse agreement``: what is printed, written and drawn is what the function on arrays finds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

import fastfuse

from ..cli.common import AFFINE, MASKS, case_in, colours_in, load, save
from ..command import run_here

SPACING = tuple(np.diag(AFFINE)[:3].tolist())


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return case_in(tmp_path_factory.mktemp("case"))


def of_arrays(case: Path, **options: Any) -> fastfuse.Agreement:
    return fastfuse.agreement([load(case / name) for name in MASKS], **options)


def same(found: fastfuse.Agreement, facts: dict[str, Any]) -> None:
    for name, one in (("everywhere", found.everywhere), ("region", found.region)):
        assert facts[name]["voxels"] == one.n_voxels
        for coefficient in ("fleiss_kappa", "krippendorff_alpha", "gwet_ac1"):
            assert facts[name][coefficient] == pytest.approx(getattr(one, coefficient), abs=1e-12)
    np.testing.assert_allclose(facts["dice"], found.dice, atol=1e-12)
    assert facts["conformity"] == pytest.approx(found.conformity, abs=1e-12)


@pytest.mark.parametrize("roi", [None, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_files_are_as_arrays(case: Path, tmp_path: Path, roi: float | None, masked: bool) -> None:
    words = [*([] if roi is None else ["--roi", f"{roi}"]), *(["--mask", "brain.nii.gz"] if masked else [])]
    wanted = of_arrays(
        case,
        roi=roi,
        spacing_mm=SPACING if roi else None,
        mask=load(case / "brain.nii.gz") if masked else None,
    )
    done = run_here(case, "agreement", *MASKS, *words, "--json", "-o", str(tmp_path / "a.json"))
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts == json.loads((tmp_path / "a.json").read_text())
    same(wanted, facts)
    given = {"mask": case / "brain.nii.gz"} if masked else {}
    found = fastfuse.agreement_files([case / name for name in MASKS], roi=roi, **given)
    np.testing.assert_array_equal(found.dice, wanted.dice)
    assert found.names == tuple(MASKS)
    assert facts["raters"][1]["marked_voxels"] == np.sum(
        load(case / MASKS[1]) * (load(case / "brain.nii.gz") if masked else 1)
    )


def test_which_numbers_are_printed(case: Path) -> None:
    done = run_here(case, "agreement", *MASKS, "--roi", "3", columns=100)
    wanted = of_arrays(case, roi=3, spacing_mm=SPACING)
    rows = {line.split("  ")[0].strip(): line.split() for line in done.stdout.splitlines() if line.strip()}
    for name, value in (("Fleiss' kappa", "fleiss_kappa"), ("Gwet's AC1", "gwet_ac1")):
        pair = [f"{getattr(one, value):.4f}" for one in (wanted.everywhere, wanted.region)]
        assert rows[name][-2:] == pair
    assert rows["voxels"][-2:] == [f"{one.n_voxels:,}" for one in (wanted.everywhere, wanted.region)]
    head = next(line for line in done.stdout.splitlines() if "whole volume" in line)
    assert head.split()[-5:] == ["within", "3", "mm", "of", "marks"]
    fourth = next(line for line in done.stdout.splitlines() if line.startswith(" 4 "))
    assert fourth.split()[2:5] == [f"{wanted.dice[3, j]:.4f}" for j in range(3)]
    assert f"mean {wanted.mean_dice:.4f}" in done.stdout


def crowd(folder: Path, count: int) -> list[str]:
    """Write masks with long names."""
    rng = np.random.default_rng(0)
    truth = np.zeros((12, 12, 6), bool)
    truth[3:9, 3:9, 1:5] = True
    names = [
        f"sub-01_ses-baseline_rater-{i * 7:04d}x_desc-manual_segmentation_v{i % 3}.nii.gz"
        for i in range(count)
    ]
    for name in names:
        save(folder / name, (truth ^ (rng.random(truth.shape) < 0.05)).astype(np.uint8))
    return names


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("count", [2, 3, 8, 30])
def test_it_fits(tmp_path: Path, count: int, columns: int) -> None:
    names = crowd(tmp_path, count)
    done = run_here(tmp_path, "agreement", *names, columns=columns)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if len(line) > columns] == [
        line for line in done.stdout.splitlines() if len(line) > columns and " " not in line.strip()
    ]
    found = fastfuse.agreement_files([tmp_path / name for name in names])
    for i in range(count):  # a row each, with the mean of their Dice
        mean = np.delete(found.dice[i], i).mean()
        row = next(line for line in done.stdout.splitlines() if re.match(rf" {i + 1}( |$)", line))
        assert f"{mean:.4f}" in row or f"{mean:.2f}"[1:] in row.split()
    assert "rater" in done.stdout
    told = re.sub(r"\s+", " ", done.stdout)
    if count > 2:
        low, high = (
            f"{value:.4f}"
            for value in (found.dice.min(), np.sort(found.dice[~np.eye(count, dtype=bool)])[-1])
        )
        assert f"from {low} (raters" in told
        assert f"to {high} (raters" in told


@pytest.mark.parametrize("count", [2, 17, pytest.param(30, marks=pytest.mark.slow)])
def test_heat_map(tmp_path: Path, count: int) -> None:
    names = crowd(tmp_path, count)
    done = run_here(tmp_path, "agreement", *names, "--figure", "heat.png")
    assert done.returncode == 0, done.stderr
    assert "wrote heat.png" in done.stdout
    image = matplotlib.image.imread(tmp_path / "heat.png")
    assert min(image.shape[:2]) > 300
    assert colours_in(image) > 20
    again = run_here(tmp_path, "agreement", *names, "--figure", "heat.png")
    assert again.returncode == 2
    assert "heat.png: exists already" in again.stderr


def test_names_places_and_presence(case: Path, tmp_path: Path) -> None:
    """A cropped file is padded; where a rater did not look, their vote is missing."""
    brain = load(case / "brain.nii.gz")
    words = [
        "--names",
        "ann, bob,cid,dora",
        "--present",
        "-",
        "--present",
        "brain.nii.gz",
        "--present",
        "-",
        "--present",
        "-",
    ]
    done = run_here(case, "agreement", *MASKS, *words, "--json")
    votes = [load(case / name) for name in MASKS]
    same(fastfuse.agreement(votes, present=[None, brain, None, None]), json.loads(done.stdout))
    assert [one["name"] for one in json.loads(done.stdout)["raters"]] == ["ann", "bob", "cid", "dora"]
    wrong = run_here(case, "agreement", *MASKS, "--names", "ann,bob")
    assert wrong.returncode == 2
    assert "names has 2 entries for 4 raters" in wrong.stderr


def test_label_maps_and_what_is_no_mask(case: Path, tmp_path: Path) -> None:
    files = [save(tmp_path / f"r{i}.nii.gz", 7 * load(case / name)) for i, name in enumerate(MASKS)]
    names = [path.name for path in files]
    for words in (["--select-label", "7"], ["--binarize"], ["--threshold", "3"]):
        done = run_here(tmp_path, "agreement", *names, *words, "--json")
        assert done.returncode == 0, done.stderr
        same(of_arrays(case), json.loads(done.stdout))
    refused = run_here(tmp_path, "agreement", *names)
    assert refused.returncode == 2
    assert re.search(r"r\d.nii.gz holds 7 .*--select-label K", refused.stderr)
    soft = [f"network_{i}.nii.gz" for i in range(4)]
    refused = run_here(case, "agreement", *soft, columns=300)
    assert refused.returncode == 2
    assert re.search(
        r"network_\d.nii.gz: a vote is \S+: agreement takes masks of 0 and 1; give --threshold 0\.5",
        refused.stderr,
    )
    assert run_here(case, "agreement", *soft, "--threshold", "0.5").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (MASKS[:1], "there is 1 rater who votes (ManualSegmentation_1.nii.gz): agreement takes at least two"),
        ([*MASKS, "--roi", "-1"], "--roi is -1.0: it must be a margin in mm of at least 0"),
        ([*MASKS, "-o", "a.txt"], "a.txt: the name of an output must end in .json"),
        ([*MASKS, "--figure", "a.jpg"], "a.jpg: the name of an output must end in .png"),
        ([*MASKS, "-o", "none/a.json"], "the folder none does not exist"),
        ([*MASKS[:2], "none.nii.gz"], "none.nii.gz"),
    ],
)
def test_refusals(case: Path, words: list[str], said: str) -> None:
    done = run_here(case, "agreement", *words, columns=200)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_file_twice_and_nobody(case: Path, tmp_path: Path) -> None:
    done = run_here(case, "agreement", MASKS[0], MASKS[0], columns=200)
    assert done.returncode == 0
    assert "warning" in done.stderr
    names = [save(tmp_path / f"r{i}.nii.gz", np.zeros((5, 5, 5), np.uint8)).name for i in range(3)]
    empty = run_here(tmp_path, "agreement", *names, "--figure", "e.png", columns=60)
    assert empty.returncode == 0, empty.stderr
    assert "neither marks anything" in empty.stdout
    facts = json.loads(run_here(tmp_path, "agreement", *names, "--json").stdout)
    assert facts["everywhere"]["fleiss_kappa"] is None
    assert facts["mean_dice"] is None
