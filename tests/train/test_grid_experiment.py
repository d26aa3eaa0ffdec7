"""The experiment on cases of several voxel sizes, and targets of 0 and 1."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

import fastfuse
from fastfuse import FastfuseError
from fastfuse.cohort.msseg import find_cases
from fastfuse.demo.cohort import make_cohort
from fastfuse.train.cohort.common_grid import load_for
from fastfuse.train.cohort.loading import load_case
from fastfuse.train.experiment import run_experiment
from fastfuse.train.finished import notes_on
from fastfuse.train.network.batches import Pool
from fastfuse.train.options import METHODS, ConsensusOptions, EvaluationOptions, make_options
from fastfuse.train.predict import predict_cases
from fastfuse.train.results.printing import print_table
from fastfuse.train.results.scores import score_case
from fastfuse.train.tables import make_tables
from fastfuse.train.targets.consensus import consensus_of
from fastfuse.train.targets.prepare import Prepared, prepare
from fastfuse.train.targets.slices import Slices

from ..command import run_here
from ..shared import made_once
from .common import Told, command, options

pytestmark = pytest.mark.usefixtures("no_figures")


def finer(path: Path) -> None:
    """Halve an image's voxels along its first two axes, by the nearest voxel."""
    image = nib.load(path)
    data = np.asanyarray(image.dataobj).repeat(2, 0).repeat(2, 1)
    affine = image.affine @ np.diag([0.5, 0.5, 1, 1])
    affine[:3, 3] = image.affine[:3, 3] - image.affine[:3, :2].sum(axis=1) / 4
    nib.save(nib.Nifti1Image(data, affine), path)


def with_a_finer_centre(cohort: Path, out: Path) -> Path:
    shutil.copytree(cohort / "Training", out / "Training")
    centre = sorted((out / "Training").iterdir())[1]
    for path in centre.rglob("*.nii.gz"):
        finer(path)
    return out


@pytest.fixture(scope="module")
def mixed(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort with a finer centre, which no test changes."""
    return made_once(tmp_path_factory, "mixed", lambda out: with_a_finer_centre(cohort, out))


def points(run: Path) -> list[float]:
    """Return every value of Table 1, in points."""
    with (run / "table1.csv").open(newline="") as file:
        return [float(row["pooled"]) for row in csv.DictReader(file) if row["pooled"]]


def test_mixed_sizes_are_refused(mixed: Path, tmp_path: Path) -> None:
    done = run_here(tmp_path, *command(mixed, tmp_path / "r")[3:])
    assert done.returncode == 2
    assert "error: the cohort has 1 problem" in done.stderr
    assert "6 x 6 x 6 mm in Patient_01, Patient_02, Patient_03 and 3 more; 3 x 3 x 6 mm in" in done.stderr
    assert "--spacing 6" in done.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("force", [False, True])
def test_mixed_sizes_by_force(mixed: Path, tmp_path: Path, force: bool) -> None:
    """--force goes on with a missing rater, and not with mixed sizes: the refusal tells what is needed for each."""
    shutil.copytree(mixed, tmp_path / "c")
    find_cases(tmp_path / "c")[7].masks[2].unlink()
    chosen, told = options("methods=staple", "training.epochs=1"), Told()
    with pytest.raises(FastfuseError, match="voxels of one size are needed with --force, too") as refused:
        run_experiment(tmp_path / "c", tmp_path / "r", chosen, force=force, narrator=told)
    said = str(refused.value)
    assert said.startswith("the cohort has 2 problems (Patient_08 ManualSegmentation_3: missing: add")
    assert "--spacing 6 (grid.spacing_mm=6), or by --grid FILE" in said
    rest = "--force goes on with the other problem" if force else "the other problem: correct them, or go on"
    assert said.partition("--grid FILE; ")[2].startswith(rest)
    assert [line for line in told.lines if "3 x 3 x 6 mm in Patient_04" in line]
    assert not (tmp_path / "r").exists()


def test_the_remedies_work(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With both, the run begins; what it was begun with, and what the grid makes of masks, stands in its captions."""
    shutil.copytree(mixed, tmp_path / "c")
    cases = find_cases(tmp_path / "c")
    cases[7].masks[2].unlink()
    like = nib.load(cases[4].masks[5])
    fine = np.zeros(like.shape, np.uint8)
    fine[::2, ::2] = np.asanyarray(like.dataobj)[::2, ::2]  # a quarter of each voxel of 6 mm
    nib.save(nib.Nifti1Image(fine, like.affine), cases[4].masks[5])
    chosen, told = options("methods=staple", "training.epochs=1", "grid.spacing_mm=6"), Told()
    rows = run_experiment(tmp_path / "c", tmp_path / "r", chosen, force=True, narrator=told, jobs=1)
    record = json.loads((tmp_path / "r" / "run.json").read_text())
    changed = record["volumes_on_one_grid"]
    assert sorted(changed) == ["Patient_04", "Patient_05", "Patient_06"]
    assert changed["Patient_05"]["expert 6"] == 0
    assert changed["Patient_04"]["expert 6"] == 1
    masks = "ne grid changes the raters' masks of 1 of 9 cases: they have 0.00 to 1.00 times their own volume"
    [line] = [line for line in told.lines if masks in line]
    assert line.startswith(f"warning: o{masks}, the most changed is Patient_05, expert 6, with 0.00")
    problem = "Begun with --force, despite 1 problem of the cohort: Patient_08 ManualSegmentation_3: missing"
    for name in ("table1.md", "table1.tex"):
        text = (tmp_path / "r" / name).read_text().replace("\\_", "_")
        assert f"O{masks}" in text
        assert problem in text
    print_table(rows, tmp_path / "r", notes_on([tmp_path / "r"]))
    shown = " ".join(capsys.readouterr().out.split())
    assert problem in shown
    assert f"O{masks}" in shown


def test_check_notes_mixed_sizes(mixed: Path, tmp_path: Path) -> None:
    done = run_here(tmp_path, "check", str(mixed), columns=400)
    assert done.returncode == 0
    assert (
        "note: Patient_04 and 2 other cases: voxels of 3 x 3 x 6 mm, most cases have 6 x 6 x 6 mm: fastfuse experiment "
        "needs one size: --spacing 6" in " ".join(done.stdout.split())
    )


LEARNS = [
    "methods=soft-staple", "network.width=4", "training.epochs=12", "training.steps=6",
    "training.learning_rate=5e-3", "training.clip=0.5", "evaluation.cut=0.2",
]  # fmt: skip


@pytest.fixture(scope="module")
def spaced(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chosen = options(*LEARNS, "grid.spacing_mm=6")
    return made_once(tmp_path_factory, "spaced", lambda out: run_experiment(mixed, out, chosen))


@pytest.fixture(scope="module")
def plain(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "plain", lambda out: run_experiment(cohort, out, options(*LEARNS)))


def test_one_grid_gives_the_same_table(plain: Path, spaced: Path) -> None:
    assert len(points(plain)) == 6
    assert min(points(plain)) > 30
    np.testing.assert_allclose(points(spaced), points(plain), atol=0.5)


def test_new_cases_of_other_sizes(plain: Path, spaced: Path, mixed: Path, tmp_path: Path) -> None:
    """A run with a grid brings them to it; one without refuses them."""
    case = find_cases(mixed)[4]
    folder = case.images["FLAIR"].parents[1]
    with pytest.raises(
        FastfuseError, match=r"Patient_05: voxels of 3 x 3 x 6 mm, .* have learnt from 6 x 6 x 6 mm"
    ):
        predict_cases(plain, [folder], tmp_path / "a", device="cpu")
    [found] = predict_cases(spaced, [folder], tmp_path / "b", device="cpu")
    assert found.known_as == "Patient_05"
    assert nib.load(found.path).shape == nib.load(case.images["FLAIR"]).shape


def test_predictions_on_both_grids(spaced: Path, mixed: Path) -> None:
    """Files lie on each case's own grid, those that are scored, and what is fused, on that of all."""
    for case in find_cases(mixed):
        folder = spaced / "predictions" / "soft-staple"
        own, common = (
            nib.load(folder / f"{case.name}.nii.gz"),
            nib.load(folder / "common" / f"{case.name}.nii.gz"),
        )
        flair = nib.load(case.images["FLAIR"])
        assert own.shape == flair.shape
        np.testing.assert_allclose(own.affine, flair.affine)
        np.testing.assert_allclose(np.linalg.norm(common.affine[:3, :3], axis=0), 6)
        fused = nib.load(spaced / "consensus" / case.name / "soft-staple.nii.gz")
        assert fused.shape == common.shape
        brain = np.asanyarray(nib.load(case.brain).dataobj) > 0
        assert not own.get_fdata()[~brain].any()
        if own.shape == common.shape:
            np.testing.assert_array_equal(own.get_fdata(), common.get_fdata())
        else:
            assert own.get_fdata().sum() / 4 == pytest.approx(common.get_fdata().sum(), rel=0.1)


def test_a_lost_prediction_is_made_again(spaced: Path, mixed: Path, tmp_path: Path) -> None:
    shutil.copytree(spaced, tmp_path / "r")
    lost = tmp_path / "r" / "predictions" / "soft-staple" / "common" / "Patient_05.nii.gz"
    before = lost.read_bytes()
    lost.unlink()
    run_experiment(mixed, tmp_path / "r", options(*LEARNS, "grid.spacing_mm=6"), resume=True)
    assert lost.read_bytes() == before


def test_the_grid_is_part_of_the_run(mixed: Path, tmp_path: Path) -> None:
    """Another file of the same name is another grid."""
    grid = tmp_path / "grid.nii.gz"
    shutil.copy(find_cases(mixed)[0].images["FLAIR"], grid)
    chosen = options("methods=staple", f"grid.file={grid}")
    run_experiment(mixed, tmp_path / "r", chosen, only_folds=[1])
    found = nib.load(tmp_path / "r" / "consensus" / "Patient_05" / "staple.nii.gz")
    assert found.shape == nib.load(grid).shape
    finer(grid)
    with pytest.raises(FastfuseError, match="files of --grid have changed since the run began"):
        run_experiment(mixed, tmp_path / "r", chosen, only_folds=[1], resume=True)


def test_new_cases_on_the_grid_of_a_file(mixed: Path, tmp_path: Path) -> None:
    """A grid that is a case's FLAIR is not taken for the case; one that has changed is refused."""
    case = find_cases(mixed)[0]
    grid = shutil.copy(case.images["FLAIR"], tmp_path / "grid.nii.gz")
    chosen = options("methods=staple", "network.start=0.5", "training.epochs=1", f"grid.file={grid}")
    run_experiment(mixed, tmp_path / "r", chosen)
    folder = case.images["FLAIR"].parents[1]
    [found] = predict_cases(tmp_path / "r", [folder], tmp_path / "a", device="cpu")
    assert found.known_as == case.name
    assert found.seen_by == 1
    finer(grid)
    with pytest.raises(FastfuseError, match=r"grid\.nii\.gz: has changed since the run"):
        predict_cases(tmp_path / "r", [folder], tmp_path / "b", device="cpu")
    with pytest.raises(FastfuseError, match=r"grid\.nii\.gz: has changed since the run"):
        make_tables([tmp_path / "r"], evaluation={"cut": 0.3})


def test_flags(mixed: Path, tmp_path: Path) -> None:
    done = run_here(
        tmp_path, *command(mixed, tmp_path / "r", "--grid", "mni.nii.gz", "--only-folds", "1")[3:]
    )
    assert done.returncode == 2
    assert "mni.nii.gz: cannot be read" in done.stderr
    done = run_here(tmp_path, *command(mixed, tmp_path / "r", "--grid", "mni.nii.gz", "--spacing", "6")[3:])
    assert "grid.spacing_mm and grid.file are both given" in done.stderr


@pytest.mark.slow
def test_one_grid_at_2_mm(tmp_path: Path) -> None:
    make_cohort(tmp_path / "plain", per_center=3, spacing_mm=2.0)
    mixed = with_a_finer_centre(tmp_path / "plain", tmp_path / "mixed")
    few = ["folds=3", "methods=staple,soft-staple", "training.epochs=9"]
    with pytest.raises(FastfuseError, match="--spacing 2 "):
        run_experiment(mixed, tmp_path / "r", make_options("quick", None, few))
    run_experiment(tmp_path / "plain", tmp_path / "a", make_options("quick", None, few))
    run_experiment(mixed, tmp_path / "b", make_options("quick", None, [*few, "grid.spacing_mm=2"]))
    plain, spaced = points(tmp_path / "a"), points(tmp_path / "b")
    assert min(plain) > 30
    np.testing.assert_allclose(spaced, plain, atol=0.5)


# --- targets ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def consensus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("consensus")


def prepared(cohort: Path, consensus: Path, *more: str) -> Prepared:
    case = find_cases(cohort)[0]
    chosen = options(*more)
    return prepare([case], ["key"], chosen, consensus, lambda _: None, lambda _: None)[case.name]


@pytest.mark.parametrize(
    ("target", "binary"), [("method", {"staple"}), ("binary", set(METHODS)), ("soft", set())]
)
def test_targets(cohort: Path, consensus: Path, target: str, binary: set[str]) -> None:
    """STAPLE's network learns from its argmax, eq. (6), the others' from probabilities, unless all are alike."""
    assert make_options("paper").training.target == make_options("quick").training.target == "method"
    one = prepared(cohort, consensus, f"training.target={target}")
    soft = prepared(cohort, consensus, "training.target=soft")
    for method in METHODS:
        slices = one.slices(method, torch.device("cpu"))
        assert slices.binary == (method in binary)
        assert set(torch.unique(slices.target).tolist()) == {0.0, 1.0} or method not in binary
        expected = soft.targets[method]
        assert ((expected > 0.01) & (expected < 0.99)).any()
        torch.testing.assert_close(slices.target, (expected >= 0.5).float() if method in binary else expected)
        np.testing.assert_array_equal(slices.lesions, soft.slices(method, torch.device("cpu")).lesions)


def test_border_staple_is_a_target(cohort: Path, consensus: Path, tmp_path: Path) -> None:
    """By name alone: the paper's four are the default. FLAIR tells its border."""
    assert make_options("quick").methods == METHODS
    one = prepared(cohort, consensus, "methods=border-staple")
    assert set(one.targets) == {"staple", "border-staple"}
    case = find_cases(cohort)[0]
    loaded = load_case(case)
    fused = fastfuse.border_staple(
        loaded.masks, loaded.images["FLAIR"], mask=loaded.brain, spacing_mm=loaded.like.grid.spacing_mm
    )
    assert fused.anchor_from == "image"
    kept = np.asanyarray(nib.load(consensus / case.name / "border-staple.nii.gz").dataobj)
    np.testing.assert_array_equal(kept, fused.probability)
    assert not one.slices("border-staple", torch.device("cpu")).binary
    two = replace(case, masks=case.masks[:2])
    with pytest.raises(
        FastfuseError, match=f"{case.name}: 2 raters, and border-staple needs 3: leave it out"
    ):
        prepare([two], ["key"], options("methods=border-staple"), tmp_path, lambda _: None, lambda _: None)


@pytest.mark.parametrize("binary", [True, False])
def test_binary_targets_stay_binary(binary: bool) -> None:
    """A rotation interpolates; what is 0 and 1 is cut at 0.5, and keeps its size."""
    target = torch.zeros(4, 32, 40)
    target[:, 10:20, 12:25] = 1
    slices = Slices(torch.zeros(4, 2, 32, 40), target, (1.0, 2.0), np.ones(4, bool), binary)
    _, drawn = Pool([slices], 0.0, 20.0).draw(np.random.default_rng(0), 8)
    assert (set(torch.unique(drawn).tolist()) == {0.0, 1.0}) == binary
    np.testing.assert_allclose(drawn.sum(dim=(1, 2, 3)), 130, rtol=0.08)
    _, still = Pool([slices], 0.0, 0.0).draw(np.random.default_rng(0), 8)
    assert set(torch.unique(still).tolist()) == {0.0, 1.0}


# --- mm --------------------------------------------------------------------------------------------------------


def test_components_in_mm3_and_by_faces() -> None:
    """Two cubes of 8 voxels that share a corner are one component of 26 neighbours, and two of 6."""
    mask = np.zeros((6, 6, 6), np.float32)
    mask[:2, :2, :2] = mask[2:4, 2:4, 2:4] = 1
    truth = {"expert 1": mask > 0}

    def kept(spacing: float, **more: float) -> int:
        found = score_case(mask, truth, (spacing,) * 3, EvaluationOptions(**more))
        return found["expert 1"].true_positives

    assert kept(1.0) == 0
    assert kept(1.0, least_voxels=9) == 0
    assert kept(1.0, least_voxels=9, connectivity=26) == 16
    assert kept(1.0, least_mm3=9) == 0
    assert kept(2.0, least_mm3=9) == 16
    assert kept(2.0, least_mm3=64) == 16
    assert kept(2.0, least_mm3=65) == 0
    for joined, lesions in ((6, 2), (18, 2), (26, 1)):
        options = EvaluationOptions(least_voxels=1, connectivity=joined)
        assert score_case(mask, truth, (2.0,) * 3, options)["expert 1"].truth_lesions == lesions


def test_dilation_in_mm(cohort: Path, tmp_path: Path) -> None:
    """Candidates are the voxels within a radius, on voxels of any shape; STAPLE does not grow."""
    case = load_case(find_cases(cohort)[0])
    chosen = ConsensusOptions(size=5.0)
    methods = ["staple", "dilated-staple", "soft-staple"]
    by = {
        radius: consensus_of(case, methods, replace(chosen, radius_mm=radius), tmp_path / str(radius), key="")
        for radius in (0.0, 6.0, 13.0)
    }
    np.testing.assert_array_equal(by[6.0]["staple"], by[0.0]["staple"])
    for method in methods[1:]:
        sizes = [float(one[method].sum()) for one in by.values()]
        assert sizes[1] < sizes[2] < sizes[0]  # six dilations by 6 mm reach further
    once = replace(chosen, iterations=1)
    same = consensus_of(case, methods, once, tmp_path / "once", key="")
    for method in methods:  # one dilation by the cross is a ball of one voxel's edge
        np.testing.assert_array_equal(same[method], by[6.0][method])


@pytest.mark.parametrize("radius", ["-1", "inf", "nan"])
def test_radii_that_are_refused_early(radius: str) -> None:
    with pytest.raises((FastfuseError, ValueError), match=r"consensus\.radius_mm"):
        options(f"consensus.radius_mm={radius}")


def test_a_radius_that_reaches_nothing(cohort: Path, tmp_path: Path) -> None:
    case = load_for(find_cases(cohort)[0], options())
    with pytest.raises(FastfuseError, match=r"consensus\.radius_mm is 5: Patient_01 has voxels of 6 mm"):
        consensus_of(case, ["soft-staple"], ConsensusOptions(radius_mm=5.0), tmp_path, key="")
