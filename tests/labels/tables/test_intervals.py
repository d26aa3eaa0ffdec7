"""Intervals of sensitivity for each label, by resampled voxels."""

from __future__ import annotations

import json
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import estimate, tabulate

from .common import SHAPE, maps_of, with_gaps

BOOTSTRAP: dict[str, Any] = {"labels": "all", "intervals": "bootstrap"}


def test_of_its_seed_and_of_no_number_of_threads() -> None:
    maps = maps_of()
    found = [
        fastfuse.staple(maps, **BOOTSTRAP, replicates=10, seed=seed, threads=threads).intervals
        for seed, threads in ((1, 1), (1, 2), (2, 1))
    ]
    ends = [one.sensitivity for one in found if one is not None]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert (ends[0] != ends[2]).any()
    by_table = estimate(tabulate(maps, labels="all"), "staple", intervals="bootstrap", replicates=10, seed=1)
    assert by_table.intervals is not None
    np.testing.assert_array_equal(by_table.intervals.sensitivity, ends[0])


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("options", [{}, {"init": "vote", "candidates": "all", "performance_prior": None}])
def test_replicates_are_fits_of_drawn_voxels(options: dict[str, Any]) -> None:
    """Each replicate, fused from the start on voxels drawn in NumPy, has the same rates."""
    maps = with_gaps(maps_of(5, accuracy=0.85))
    asked = {"missing": "nan", **options, "tol": 1e-10}
    if not options:
        asked["performance_prior"] = (10.0, 0.9)
    table = tabulate(maps, labels="all", missing="nan")
    held = table.counts > 0
    found = fastfuse.staple(maps, **BOOTSTRAP, replicates=20, seed=3, **asked).intervals
    rng, rates = np.random.default_rng(3), []
    for _ in range(20):
        drawn = rng.multinomial(table.voxels, table.counts[held] / table.voxels)
        sample = list(np.repeat(table.patterns[held], drawn, axis=0).T)
        rates.append(fastfuse.staple(sample, labels="all", **asked).sensitivity)
    assert found is not None
    near = 1e-3 if not options else 0.1  # without a prior, EM may end at another maximum
    np.testing.assert_allclose(found.sensitivity_error, np.std(rates, axis=0, ddof=1), rtol=near)
    np.testing.assert_allclose(
        found.sensitivity, np.moveaxis(np.percentile(rates, [2.5, 97.5], axis=0), 0, -1), atol=near / 10
    )


def test_majority_and_its_table() -> None:
    maps = maps_of()
    fused = fastfuse.majority_vote(maps, **BOOTSTRAP, replicates=30)
    assert fused.intervals is not None
    ends = fused.intervals.sensitivity
    assert ((ends[..., 0] < fused.sensitivity) & (fused.sensitivity < ends[..., 1])).all()
    row = fused.table()[5]
    assert (row["sensitivity_low"], row["sensitivity_high"]) == tuple(ends[1, 1])
    by_table = estimate(tabulate(maps, labels="all"), "majority", intervals="bootstrap", replicates=30)
    assert by_table.intervals is not None
    np.testing.assert_array_equal(by_table.intervals.sensitivity, ends)
    with pytest.raises(ValueError, match="intervals is 'bootstrap': majority has no such option"):
        fastfuse.majority_vote([one > 0 for one in maps], intervals="bootstrap")  # type: ignore[call-overload]


@pytest.mark.parametrize("method", ["staple", "majority"])
def test_two_labels(method: Any) -> None:
    maps = maps_of(values=np.array([3, 8]))
    found = fastfuse.fuse(maps, method, **BOOTSTRAP, replicates=15)
    assert found.intervals is not None
    assert found.intervals.sensitivity.shape == (4, 2, 2)
    rates = estimate(tabulate(maps, labels="all"), method, intervals="bootstrap", replicates=15)
    assert rates.intervals is not None
    np.testing.assert_array_equal(rates.intervals.sensitivity, found.intervals.sensitivity)
    if method == "staple":
        masks = fastfuse.staple([one == 8 for one in maps], intervals="bootstrap", replicates=15).intervals
        assert masks is not None
        np.testing.assert_array_equal(found.intervals.sensitivity[:, 1], masks.sensitivity)
        np.testing.assert_array_equal(found.intervals.sensitivity[:, 0], masks.specificity)


def test_undetermined_is_nan() -> None:
    maps = maps_of()
    maps[1][maps[1] == 4] = 0
    for one in maps:
        one[one == 2035] = 1
        one[0, 0, 0] = 2035  # one voxel: a third of the samples lack it
    found = fastfuse.staple([*maps, None], **BOOTSTRAP, replicates=30, knows={1: [0, 1, 2035]}).intervals
    assert found is not None
    undetermined = np.zeros((5, 4), bool)
    undetermined[:, 3] = undetermined[4] = undetermined[1, 2] = True
    np.testing.assert_array_equal(np.isnan(found.sensitivity_error), undetermined)
    np.testing.assert_array_equal(np.isnan(found.sensitivity).all(axis=-1), undetermined)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("method", ["staple", "majority"])
def test_no_interval_without_its_rate(method: Any) -> None:
    """A rater who votes nowhere where a label is thought true has no sensitivity for it, and no interval by the belief alone."""
    maps = [one.astype(np.float32) for one in maps_of()]
    maps[0][np.any([one == 4 for one in maps], axis=0)] = np.nan
    found = fastfuse.fuse(maps, method, **BOOTSTRAP, missing="nan", replicates=20)
    assert found.intervals is not None
    np.testing.assert_array_equal(np.isnan(found.sensitivity), np.isnan(found.intervals.sensitivity_error))
    np.testing.assert_array_equal(
        np.isnan(found.sensitivity), np.isnan(found.intervals.sensitivity).all(axis=-1)
    )
    assert np.isnan(found.sensitivity).sum() == 1


@pytest.mark.parametrize("case", ["one rater", "one label"])
def test_too_little_to_resample(case: str) -> None:
    maps = maps_of(1) if case == "one rater" else [np.ones(SHAPE, np.uint8)] * 3
    with pytest.warns(fastfuse.FusionWarning, match="intervals='bootstrap' are not defined here"):
        found = fastfuse.staple(maps, **BOOTSTRAP).intervals
    assert found is not None
    assert np.isnan(found.sensitivity).all()


def test_what_has_no_intervals_is_refused_by_name() -> None:
    maps = maps_of()
    for kind in ("information", "lesions"):
        with pytest.raises(ValueError, match=f"intervals is '{kind}': label maps have those of 'bootstrap'"):
            fastfuse.staple(maps, labels="all", intervals=kind)  # type: ignore[call-overload]
    remedy = fastfuse.staple(maps, select_label=4, intervals="information")
    assert remedy.intervals is not None
    for replicates in (1, 0, 2.5):
        with pytest.raises((TypeError, ValueError), match="replicates"):
            fastfuse.staple(maps, **BOOTSTRAP, replicates=replicates)
    soft = [np.eye(3)[np.random.default_rng(i).integers(0, 3, 50)].T * 0.8 + 0.2 / 3 for i in range(3)]
    with pytest.raises(ValueError, match="intervals is 'bootstrap': soft votes of labels have none"):
        fastfuse.simplified_soft_staple(soft, labels=[0, 1, 2], intervals="bootstrap")  # type: ignore[call-overload]
    prior = np.full((4, *SHAPE), 0.25)
    with pytest.raises(ValueError, match=r"intervals is 'bootstrap': .*map of priors"):
        fastfuse.staple(maps, **BOOTSTRAP, prior=prior)


def test_files_say_them(tmp_path: Path) -> None:
    paths = []
    for i, one in enumerate(maps_of()):
        paths.append(tmp_path / f"rater{i}.nii.gz")
        nib.save(nib.Nifti1Image(one.astype(np.int16), np.eye(4)), paths[-1])
    fusion = fastfuse.fuse_files(paths, tmp_path / "out.nii.gz", **BOOTSTRAP, replicates=5)
    said = json.loads((tmp_path / "out.json").read_text())
    assert isinstance(fusion, fastfuse.LabelFusion)
    assert fusion.intervals is not None
    assert said["options"]["intervals"] == "bootstrap"
    assert (said["options"]["replicates"], said["options"]["seed"]) == (5, 0)
    rates = said["raters"][1]["labels"][2]
    assert rates["sensitivity_95"] == pytest.approx(fusion.intervals.sensitivity[1, 2].tolist(), abs=1e-6)
    assert rates["sensitivity_error"] > 0


SLOW = """
import numpy as np, fastfuse
rng = np.random.default_rng(0)
maps = [rng.integers(0, 9, 20000) for _ in range(5)]
print("begun", flush=True)
fastfuse.staple(maps, labels="all", intervals="bootstrap", replicates=10**6)
"""


def test_interrupted() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline().strip() == b"begun"
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(2)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=20)
        assert b"KeyboardInterrupt" in errors


@pytest.mark.slow
def test_simulated_coverage() -> None:
    """Without a belief intervals hold the truth as often as they say; the default's pull does not fade with voxels."""
    path = Path(__file__).parents[3] / "bench" / "studies" / "label_intervals.py"
    study = runpy.run_path(str(path))
    coverage = study["coverage"]
    for voxels in (500, 8_000):
        for way in ("no belief", "plain EM"):
            found = coverage(voxels, draws=60, **study["WAYS"][way])
            assert 0.9 <= found.all <= 0.98  # 1200 intervals, those of a draw not independent
            assert 0.87 <= found.rarest <= 0.99
    pulled = coverage(32_000, draws=30)
    assert 0.6 <= pulled.all <= 0.85
    assert pulled.bias > 0.9
