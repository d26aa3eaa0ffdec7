"""The demo of label maps: files, figures, what --knows does, and its command; and drawn confusion matrices."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import fastfuse
from fastfuse.demo import labels, organs

from ..cli.common import colours_in
from ..command import run_here
from .files import load, raters

pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> labels.LabelDemo:
    return labels.run_labels(tmp_path_factory.mktemp("demo"))


def test_what_it_shows_is_in_its_files(made: labels.LabelDemo) -> None:
    truth = load(made.folder / "truth.nii.gz")
    assert set(np.unique(truth)) == set(organs.NAMES)
    for name, file in (
        ("majority", "fused/majority"),
        ("staple, knows", "fused/staple_knows"),
        ("dora", "raters/dora"),
    ):
        found = load(made.folder / f"{file}.nii.gz")
        for label, dice in made.dice[name].items():
            both = np.count_nonzero((found == label) & (truth == label))
            assert dice == pytest.approx(2 * both / (np.sum(found == label) + np.sum(truth == label)))
    assert not np.any(load(made.folder / "raters" / "network.nii.gz") == organs.UNKNOWN)
    assert matplotlib.image.imread(made.figure).shape[2] == 4


def test_knows_keeps_the_sensitivity(made: labels.LabelDemo) -> None:
    """Of those who know the structure: as if the other one had not read the case."""
    alone = made.sensitivity["without network"]
    assert abs(made.sensitivity["staple, knows"] - alone) <= 0.02
    lesion = organs.UNKNOWN
    assert made.dice["staple, knows"][lesion] > made.dice["majority"][lesion] + 0.05
    assert made.accuracy["majority"] > made.accuracy["staple"]  # of displaced borders


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_the_truth_stands_beside_what_is_estimated(made: labels.LabelDemo) -> None:
    truth = load(made.folder / "truth.nii.gz") == organs.UNKNOWN
    paths = [made.folder / "raters" / f"{name}.nii.gz" for name in ("anna", "bert", "carla", "dora")]
    recall = np.mean([np.mean(load(path)[truth] == organs.UNKNOWN) for path in paths])
    assert made.sensitivity["truth"] == pytest.approx(recall)
    maps = [*(load(path) for path in paths), load(made.folder / "raters" / "network.nii.gz")]
    for knows in (None, {4: range(8)}):
        found = fastfuse.staple(maps, labels="all", performance_prior=None, knows=knows)
        name = "staple, no prior" if knows is None else "staple, knows, no prior"
        assert made.sensitivity[name] == pytest.approx(found.sensitivity[:4, organs.UNKNOWN].mean())


@pytest.mark.parametrize(
    ("estimates", "said"),
    [
        ({"a": 0.8, "b": 0.65, "c": 0.6}, "nearest: b (0.650); farthest: a (0.800)"),
        ({"a": 0.8, "b": 0.65, "c": 0.45}, "nearest: b (0.650); farthest: c (0.450)"),
        ({"a": 0.61, "b": 0.75, "c": 0.5}, "nearest: a (0.610) and b (0.750); farthest: c (0.500)"),
    ],
)
def test_its_note_says_what_the_numbers_say(
    made: labels.LabelDemo, estimates: dict[str, float], said: str
) -> None:
    dice = {
        "majority": dict.fromkeys(made.dice["staple"], 0.5),
        "staple": dict.fromkeys(made.dice["staple"], 0.4),
    }
    dice["staple"] |= {5: 0.6, 8: 0.5}
    note = replace(made, sensitivity={"truth": 0.68, **estimates}, dice=dice).note
    assert f"true sensitivity is 0.680 on average; of the estimates, {said}." in note
    assert (
        "staple has the higher Dice in stomach; the majority has the higher Dice in liver, spleen, " in note
    )
    assert note.endswith("pancreas, aorta.")


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_its_command_runs(made: labels.LabelDemo) -> None:
    paths = sorted(str(path) for path in (made.folder / "raters").iterdir())
    words = [word for part in shlex.split(made.command)[1:] for word in (paths if "*" in part else [part])]
    done = run_here(made.folder, *words)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(
        load(made.folder / "consensus.nii.gz"), load(made.folder / "fused/staple_knows.nii.gz")
    )
    facts = json.loads((made.folder / "consensus.json").read_text())
    assert [one["color"] for one in facts["labels"]] == list(organs.COLOURS.values())


def test_in_the_shell(tmp_path: Path) -> None:
    done = run_here(tmp_path, "demo", "--labels", "here", columns=60)
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if len(line) > 60 and "*" not in line] == []
    assert "--knows network=0,1,2,3,4,5,6,7" in " ".join(done.stdout.split())
    again = run_here(tmp_path, "demo", "--labels", "here")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    both = run_here(tmp_path, "demo", "--labels", "--cohort", "c")
    assert (both.returncode, "give --labels or --cohort, not both" in both.stderr) == (2, True)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("count", [4, 32, pytest.param(60, marks=pytest.mark.slow)])
def test_confusion_matrices_are_drawn(tmp_path: Path, count: int) -> None:
    """Few labels with numbers, many without; one that is never true is grey."""
    maps = raters()
    if count > 4:
        rng = np.random.default_rng(0)
        maps = [rng.integers(0, count, 4000) for _ in range(2)]
    names = {label: f"label {label}" for label in (range(count) if count > 4 else (0, 1, 2, 4, 5))}
    fastfuse.plots.confusion(tmp_path / "c.png", fastfuse.majority_vote(maps, labels=names))
    image = matplotlib.image.imread(tmp_path / "c.png")
    grey = np.all(np.abs(image[..., :3] - 0xB0 / 255) < 1e-3, axis=-1)
    assert (grey.mean() > 0.01) == (count == 4)
    assert colours_in(image) > 20
