"""``fastfuse compare``: what is printed and written is what the function on arrays finds."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.comparison.scores import scores_of

from ..cli.common import AFFINE, MASKS, case_in, load, save
from ..command import run_here

SIDES = tuple(np.diag(AFFINE)[:3].tolist())
ALL = ["--mask", "brain.nii.gz", "--image", "flair.nii.gz", "--truth", MASKS[0], "--roi", "3"]
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return case_in(tmp_path_factory.mktemp("case"))


def same(found: fastfuse.Comparison, facts: dict[str, Any]) -> None:
    assert [(way["method"], way["prior"] or "", way["voxels"]) for way in facts["ways"]] == [
        (way.method, way.prior, way.voxels) for way in found.ways
    ]
    np.testing.assert_allclose(facts["dice"], found.dice, atol=1e-12)
    assert facts["disputed"]["voxels"] == found.disputed
    assert facts["differing"]["voxels"] == found.differing
    assert facts["region_voxels"] == found.region
    if facts["truth"] is None:
        assert [way["scores"] for way in facts["ways"]] == [None] * len(found.ways)
        return
    for way, wanted in zip(facts["ways"], found.ways, strict=True):
        for name in ("dice", "brier", "log", "ece"):
            value = getattr(wanted.scores, name)
            told = way["scores"][name]
            assert (told is None) == np.isnan(value)
            assert told is None or told == pytest.approx(value, abs=1e-9)


def of_arrays(case: Path) -> fastfuse.Comparison:
    return fastfuse.compare(
        [load(case / name) for name in MASKS],
        load(case / "flair.nii.gz"),
        truth=load(case / MASKS[0]),
        mask=load(case / "brain.nii.gz"),
        roi=3,
        spacing_mm=SIDES,
    )


def test_files_are_as_arrays(case: Path, tmp_path: Path) -> None:
    done = run_here(case, "compare", *MASKS, *ALL, "-o", str(tmp_path / "a.csv"), "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts == json.loads((tmp_path / "a.json").read_text())
    same(of_arrays(case), facts)
    assert facts["raters"][1]["marked"]["voxels"] == np.sum(
        load(case / MASKS[1]) * load(case / "brain.nii.gz")
    )
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["method"], row["prior"]) for row in rows] == [
        (way["method"], way["prior"] or "") for way in facts["ways"]
    ]
    for row, way, pairs in zip(rows, facts["ways"], facts["dice"], strict=True):
        assert float(row["ml"]) == way["ml"]
        assert row["brier"] == ("" if way["scores"]["brier"] is None else str(way["scores"]["brier"]))
        assert [float(value) for name, value in row.items() if name.startswith("dice with")] == pairs


def test_the_same_in_python(case: Path, tmp_path: Path) -> None:
    found = fastfuse.compare_files([case / name for name in MASKS], output=tmp_path / "a.json", roi="all")
    facts = json.loads((tmp_path / "a.json").read_text())
    same(found, facts)
    assert facts["truth"] is None
    assert facts["options"]["roi"] == "all"
    assert found.names == tuple(MASKS)
    assert found.voxel_ml == pytest.approx(np.prod(SIDES) / 1000)
    assert set(facts["left_out"].values()) == {"needs an image"}


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("words", [ALL, []], ids=["all", "masks alone"])
def test_it_fits(case: Path, words: list[str], columns: int) -> None:
    done = run_here(case, "compare", *MASKS, *words, columns=columns)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if len(line) > columns] == []
    assert "…" not in done.stdout
    facts = json.loads(run_here(case, "compare", *MASKS, *words, "--json").stdout)
    lines = done.stdout.splitlines()
    for i, way in enumerate(facts["ways"], 1):  # each number is there, whatever the width
        rows = [line for line in lines if line.strip().startswith(f"{i} {way['method']}")]
        told = " ".join(rows).split()
        assert f"{way['ml']:.2f}" in told
        for value in (way["scores"] or {}).values():
            assert value is None or f"{value:.4f}" in told
    pair = "Dice of each two" if columns > 100 or not words else "Dice with the others"
    assert pair in done.stdout or "Dice with the others" in done.stdout


def test_left_out_and_said(case: Path) -> None:
    told = " ".join(run_here(case, "compare", *MASKS[:2], columns=100).stdout.split())
    assert "Left out, needs 4 raters: staple, three classes." in told
    assert "Left out, needs 3 raters: border-staple; border-staple, image; border-staple, evidence." in told
    assert "Left out, needs an image: soft-staple; simplified-soft-staple; dilated-staple." in told


def test_outputs_are_whole_or_not_there(case: Path, tmp_path: Path) -> None:
    out = ["-o", str(tmp_path / "a.csv")]
    (tmp_path / "a.json").write_text("mine")
    refused = run_here(case, "compare", *MASKS, *out)
    assert refused.returncode == 2
    assert "a.json: exists already" in refused.stderr
    assert not (tmp_path / "a.csv").exists()
    assert run_here(case, "compare", *MASKS, *out, "--overwrite").returncode == 0
    assert json.loads((tmp_path / "a.json").read_text())["method"] == "comparison"


def test_label_maps_and_what_is_no_mask(case: Path, tmp_path: Path) -> None:
    """The label is taken of the truth, too."""
    for name in (*MASKS, "brain.nii.gz", "flair.nii.gz"):
        values = load(case / name)
        save(tmp_path / name, 7 * values if name in MASKS else values)
    wanted = of_arrays(case)
    for words in (["--select-label", "7"], ["--binarize"]):
        done = run_here(tmp_path, "compare", *MASKS, *ALL, *words, "--json")
        assert done.returncode == 0, done.stderr
        same(wanted, json.loads(done.stdout))
    refused = run_here(tmp_path, "compare", *MASKS)
    assert refused.returncode == 2
    assert "--select-label K" in refused.stderr
    soft = [f"network_{i}.nii.gz" for i in range(4)]
    refused = run_here(case, "compare", *soft, columns=300)
    assert refused.returncode == 2
    assert "compare takes masks of 0 and 1; give --threshold 0.5" in refused.stderr
    assert run_here(case, "compare", *soft, "--threshold", "0.5").returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (MASKS[:1], "there is 1 rater (ManualSegmentation_1.nii.gz): compare takes at least two"),
        ([*MASKS, "--roi", "-1"], "--roi is -1.0: it must be a margin in mm of at least 0"),
        ([*MASKS, "--roi", "disputed"], "--roi is 'disputed': it must be 'all' or a margin in mm"),
        ([*MASKS, "-o", "a.txt"], "a.txt: the name of an output must end in .csv or .json"),
        ([*MASKS, "-o", "none/a.json"], "the folder none does not exist"),
        ([*MASKS, "--truth", "none.nii.gz"], "none.nii.gz"),
        ([*MASKS, "--truth", "flair.nii.gz"], "the truth (flair.nii.gz) holds 300 at voxel (0, 0, 0)"),
        ([*MASKS, "--names", "ann,bob"], "names has 2 entries for 4 raters"),
    ],
)
def test_refusals(case: Path, words: list[str], said: str) -> None:
    done = run_here(case, "compare", *words, columns=300)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_truth_elsewhere(case: Path, tmp_path: Path) -> None:
    import nibabel as nib

    moved = AFFINE.copy()
    moved[0, 3] += 0.5
    nib.save(nib.Nifti1Image(load(case / MASKS[0]), moved), tmp_path / "moved.nii.gz")
    done = run_here(case, "compare", *MASKS, "--truth", str(tmp_path / "moved.nii.gz"), columns=300)
    assert done.returncode == 2
    assert "moved.nii.gz" in done.stderr


def warnings_of(case: Path, *words: str) -> list[str]:
    done = run_here(case, "compare", *words, "--json")
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)["warnings"]
    return said


OPTIONS_OF_FUSE = (
    "max_iter",
    "prior=",
    "m_step",
    "method=",
    "acceleration",
    "a fixed prior",
    "a region of interest",
)


@pytest.mark.parametrize("odd", ["inverted", "empty", "noise", "flat image"])
def test_remarks_name_their_method_and_no_option_that_compare_lacks(
    case: Path, tmp_path: Path, odd: str
) -> None:
    first = load(case / MASKS[0])
    odd_mask = {
        "inverted": 1 - first,
        "empty": 0 * first,
        "noise": (np.random.default_rng(0).random(first.shape) < 0.005).astype(np.uint8),
        "flat image": load(case / MASKS[1]),
    }[odd]
    save(tmp_path / "odd.nii.gz", odd_mask)
    save(tmp_path / "flat.nii.gz", 0 * first + 1)
    image = ["--image", str(tmp_path / "flat.nii.gz")] if odd == "flat image" else []
    said = warnings_of(case, *MASKS, str(tmp_path / "odd.nii.gz"), *image)
    of_methods = [
        one
        for one in said
        if any(word in one for word in ("chance", "stopped", "guide", "far from", "anchor"))
    ]
    assert of_methods
    for remark in of_methods:
        assert remark.startswith(("mean vote", "staple", "soft-staple", "border-staple", "dilated-staple"))
        told = remark.replace("stopped at max_iter = 1000", "")
        assert not [word for word in OPTIONS_OF_FUSE if word in told]
    assert len(set(said)) == len(said)


def test_what_all_fusions_say_stands_once(case: Path, tmp_path: Path) -> None:
    save(tmp_path / "empty.nii.gz", 0 * load(case / MASKS[0]))
    said = warnings_of(case, *MASKS, str(tmp_path / "empty.nii.gz"))
    assert [one for one in said if "marks nothing" in one] == [
        "empty.nii.gz marks nothing: leave them out if they did not read, keep them if they did"
    ]


@pytest.mark.parametrize("share", [0.4, 0.002, 1e-4])
def test_a_truth_below_the_cut_is_told_with_what_helps(case: Path, tmp_path: Path, share: float) -> None:
    truth = ["--truth", str(tmp_path / "faint.nii.gz")]
    save(tmp_path / "faint.nii.gz", (share * load(case / MASKS[0])).astype(np.float32))
    (said,) = [one for one in warnings_of(case, *MASKS, *truth) if "faint.nii.gz" in one]
    assert f"its highest value is {share:.3g}, and so none reaches the cut 0.5: it is taken as empty" in said
    assert "; --binarize takes all that is above 0" in said
    mended = json.loads(run_here(case, "compare", *MASKS, *truth, "--binarize", "--json").stdout)
    assert mended["truth_volume"]["voxels"] == np.count_nonzero(load(case / MASKS[0]))


@pytest.mark.parametrize("share", [0.4, 0.5, 0.7])
def test_a_rater_between_0_and_1_is_refused(case: Path, tmp_path: Path, share: float) -> None:
    faint = str(tmp_path / "faint.nii.gz")
    save(tmp_path / "faint.nii.gz", (share * load(case / MASKS[0])).astype(np.float32))
    for words in (["compare", *MASKS], ["evaluate", MASKS[1], *MASKS[1:]]):
        done = run_here(case, *words, faint, columns=300)
        assert done.returncode == 2
        assert f"faint.nii.gz: a vote is {share:g}" in done.stderr


def test_the_clip_of_the_log_score_is_told(case: Path) -> None:
    """A sure error costs ln 1000, as the line below the table says."""
    done = run_here(case, "compare", *MASKS, "--truth", MASKS[0], columns=200)
    assert "log with probabilities kept in 0.001 to 0.999" in done.stdout
    label = np.array([True, False])
    assert scores_of(label, label.astype(float), ~label, label | ~label).log == pytest.approx(
        2 * np.log(1000)
    )


def test_names_and_one_file_twice(case: Path) -> None:
    done = run_here(case, "compare", MASKS[0], MASKS[0], MASKS[1], "--names", "ann,bob,cid", "--json")
    assert done.returncode == 0
    assert "warning" in done.stderr
    assert [one["name"] for one in json.loads(done.stdout)["raters"]] == ["ann", "bob", "cid"]
