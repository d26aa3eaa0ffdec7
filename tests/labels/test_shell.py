"""fastfuse fuse --labels in the shell: flags, the table, widths, exit codes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import fastfuse

from ..command import run_here
from .files import TSV, load, raters, save, saved

RATERS = [f"r{i}.nii.gz" for i in range(4)]
ALL = ["fuse", *RATERS, "-o", "o.nii.gz", "--labels", "all", "--overwrite"]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    saved(folder)
    (folder / "names.tsv").write_text(TSV)
    return folder


def test_flags_are_options(case: Path) -> None:
    done = run_here(
        case, *ALL, "--label-names", "names.tsv", "--save-probability", "enhancing=four.nii.gz",
        "--save-probability", "necrosis,4=core.nii.gz", "--save-confidence", "sure.nii.gz", "--knows", "r3=0,necrosis,2",
        "--candidates", "all", "--confusion", "class", "--undecided", "9", "--init", "itk", "--performance-prior", "5", "0.8",
        "--prior", "estimate",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    plain = fastfuse.staple(
        raters(), labels="all", knows={3: [0, 1, 2]}, candidates="all", confusion="class", undecided=9, init="itk",
        performance_prior=(5, 0.8), prior="estimate",
    )  # fmt: skip
    np.testing.assert_array_equal(load(case / "o.nii.gz"), plain.label())
    np.testing.assert_array_equal(load(case / "four.nii.gz"), plain.probability(4))
    np.testing.assert_array_equal(load(case / "core.nii.gz"), plain.probability([1, 4]))
    np.testing.assert_array_equal(load(case / "sure.nii.gz"), plain.confidence())
    assert "wrote o.nii.gz, four.nii.gz, core.nii.gz, sure.nii.gz, o.tsv, o.json" in done.stdout
    assert "enhancing (4)" in done.stdout


def test_majority_and_listed_labels(case: Path) -> None:
    words = [*ALL[:-2], "0,1,2,4", "--overwrite", "--method", "majority", "--weights", "1,1,1,3"]
    assert run_here(case, *words).returncode == 0
    plain = fastfuse.majority_vote(raters(), labels=[0, 1, 2, 4], weights=[1, 1, 1, 3])
    np.testing.assert_array_equal(load(case / "o.nii.gz"), plain.label())


@pytest.mark.parametrize("colours", ["", "1"], ids=["a pipe", "colours"])
def test_names_of_labels_do_nothing_to_the_terminal(case: Path, colours: str) -> None:
    """Nor in a log, nor as a warning; what is there is shown."""
    names = case / f"hostile{colours}.tsv"
    names.write_text(
        "index\tname\n1\tx\x1b]0;taken\x07\x1b[8mgone\n2\ty\x9b2Jz\n3\t\u202egnp.exe\n4\tplain\n",
        encoding="utf-8",
    )
    words = [*ALL, "--label-names", names.name, "--log-file", f"log{colours}"]
    with mock.patch.dict(os.environ, FORCE_COLOR=colours):
        done = run_here(case, *words)
    assert done.returncode == 0, done.stderr
    assert "\x1b[8m" not in done.stdout + done.stderr
    told, warned = (
        re.sub(r"\x1b\[[\d;]*m", "", text) for text in (done.stdout, done.stderr)
    )  # colours of our own
    for text in (told, warned, (case / f"log{colours}").read_text(encoding="utf-8")):
        assert not set(text) & {*"\x1b\x07\x9b\u202e"}
    assert r"x\x1b]0;taken\x07\x1b[8mgone" in told
    rows = told[told.index("each label") :].splitlines()
    starts = {line.index(found[0]) for line in rows if (found := re.search(r"r\d\.nii\.gz", line))}
    assert len(starts) == 1  # escapes count for the width of a column


def test_json_is_the_sidecar(case: Path) -> None:
    done = run_here(case, *ALL, "--json")
    assert json.loads(done.stdout) == json.loads((case / "o.json").read_text())


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider(case: Path, columns: int) -> None:
    done = run_here(case, *ALL, "--label-names", "names.tsv", columns=columns)
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if len(line) > columns] == []
    assert all(f"{name} (" in done.stdout for name in ("background", "necrosis", "edema", "enhancing"))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_of_many_labels_the_worst(tmp_path: Path, columns: int) -> None:
    """Forty labels with long names and five raters with long names: the lowest twelve, the rest in the sidecar."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 40, (12, 12, 12))
    names = [f"sub-01_ses-baseline_rater-{i}_dseg.nii.gz" for i in range(5)]
    for i, name in enumerate(names):
        wrong = rng.random(true.shape) < 0.05 + 0.3 * ((true == 7) & (i == 2))
        save(tmp_path / name, np.where(wrong, rng.integers(0, 40, true.shape), true).astype(np.uint8))
    rows = [f"{label}\tctx-lh-superior-temporal-sulcus-number-{label}" for label in range(40)]
    (tmp_path / "n.tsv").write_text("\n".join(["index\tname", *rows]))
    done = run_here(
        tmp_path,
        "fuse",
        *names,
        "-o",
        "o.nii.gz",
        "--labels",
        "all",
        "--label-names",
        "n.tsv",
        columns=columns,
    )
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if len(line) > columns] == []
    assert "12 lowest in soft Dice, of 200" in done.stdout
    facts = json.loads((tmp_path / "o.json").read_text())
    dice = sorted(one["dice"] for rater in facts["raters"] for one in rater["labels"])
    assert len(dice) == 200
    shown = [line for line in done.stdout.partition("12 lowest")[2].splitlines() if f"{dice[0]:.4f}" in line]
    assert shown
    assert all(f"{value:.4f}" in done.stdout for value in dice[:12])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--labels", "0,1,x"], "labels is '0,1,x': it must be all, or integers with commas"),
        (["--labels", "0,1,2"], "which is not in labels (0, 1, 2): add it there, or --labels all takes"),
        (["--labels", "all", "--knows", "r3"], "knows is 'r3': it must name a rater and their labels"),
        (["--labels", "all", "--knows", "zoe=1"], "knows names 'zoe': the raters are r0.nii.gz"),
        (
            ["--labels", "all", "--save-probability", "x.nii"],
            "--save-probability is 'x.nii': it must be NAME=FILE",
        ),
        (
            ["--labels", "all", "--save-probability", "tumor=x.nii"],
            "names 'tumor', and the labels have no names",
        ),
        (
            ["--labels", "all", "--save-probability", "1=x.nii", "--save-probability", "1=y.nii"],
            "names 1 twice",
        ),
        (["--labels", "all", "--roi", "disputed"], "label maps take a margin in mm, or 'all'"),
        (["--labels", "all", "--save-label", "x.nii"], "the consensus is a label map already"),
        (["--labels", "all", "--weights", "a"], "weights is 'a': it must hold a number for each rater"),
        (["--knows", "r3=1"], "it is for label maps; give --labels too, as --labels all"),
        (
            ["--label-names", "names.tsv"],
            "--label-names is given: it is for label maps; give --labels too, as --labels all",
        ),
    ],
)
def test_one_line_and_exit_code_2(case: Path, words: list[str], told: str) -> None:
    done = run_here(case, "fuse", *RATERS, "-o", "new.nii.gz", "--method", "staple", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert told in done.stderr
    assert not (case / "new.nii.gz").exists()
