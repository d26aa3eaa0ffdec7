"""The benches on cohorts, on small ones: their tables are what is computed here, their contours what is drawn."""

from __future__ import annotations

import csv
import importlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..border.draws import dice

ROOT = Path(__file__).parents[2]
pytest.importorskip("matplotlib")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import a module of the benches."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("cohorts", "readers", "trust"):
            del sys.modules[name]


def small_cohort(folder: Path) -> list[tuple[list[Any], Any, Any]]:
    """Write two cases with truth; return masks, brain and truth of each."""
    rng = np.random.default_rng(0)
    cases = []
    at = np.stack(np.meshgrid(*map(np.arange, (20, 18, 14)), indexing="ij"), axis=-1)
    (folder / "truth").mkdir(parents=True)
    for k in range(2):
        distance = np.min([np.linalg.norm(at - rng.uniform(5, 11, 3), axis=-1) for _ in range(2)], axis=0)
        masks = [distance + rng.normal(0, 0.3, distance.shape) < r for r in (2.2, 2.6, 3.0, 3.4, 2.8)]
        truth, brain = distance < 3, np.ones(distance.shape, bool)
        brain[:2] = False
        case = folder / "Training" / "Center_01" / f"Patient_0{k}"
        for part in ("Masks", "Preprocessed_Data"):
            (case / part).mkdir(parents=True)

        def save(path: Path, data: Any) -> None:
            nib.save(nib.Nifti1Image(data.astype(np.int16), np.diag([2, 2, 2, 1])), path)

        for i, mask in enumerate(masks, 1):
            save(case / "Masks" / f"ManualSegmentation_{i}.nii.gz", mask)
        save(case / "Masks" / "Brain_Mask.nii.gz", brain)
        save(case / "Preprocessed_Data" / "FLAIR_preprocessed.nii.gz", 300 + 200 * (distance < 3))
        save(folder / "truth" / f"{case.name}.nii.gz", truth)
        cases.append((masks, brain, truth & brain))
    return cases


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_trust(tmp_path: Path) -> None:
    cases = small_cohort(tmp_path / "cohort")
    words = [str(tmp_path / "cohort"), str(tmp_path / "out"), "--replicates", "10"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "trust.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "trust.md").read_text() in done.stdout
    rows = list(csv.DictReader((tmp_path / "out" / "trust.csv").read_text().splitlines()))
    assert len(rows) == 2 * 18
    found = {row["case"]: row for row in rows if row["method"] == "staple, prior estimate"}
    means = []
    for k, (masks, brain, truth) in enumerate(cases):
        row = found[f"Patient_0{k}"]
        fusion = fastfuse.staple(masks, prior="estimate", mask=brain, roi=4, spacing_mm=(2, 2, 2))
        region = fastfuse.border_staple(masks, mask=brain, spacing_mm=(2, 2, 2)).probability > 0
        assert float(row["Dice"]) == pytest.approx(dice(fusion.label(), truth))
        assert float(row["volume / truth"]) == pytest.approx(fusion.label().sum() / truth.sum())
        assert float(row["recall"]) == pytest.approx((fusion.label() * truth).sum() / truth.sum())
        brier = ((fusion.probability - truth.astype(float)) ** 2)[brain].sum() / truth.sum()
        assert float(row["Brier"]) == pytest.approx(brier, abs=1e-6)
        true = np.array([mask[truth & region].mean() for mask in masks])
        wanted = np.abs(fusion.sensitivity - true).mean()
        assert float(row["error of sensitivity"]) == pytest.approx(wanted, abs=1e-9)
        means.append(float(row["Dice"]))
    assert f"| staple, prior estimate | {np.mean(means):.3f} (" in done.stdout
    shares = list(csv.DictReader((tmp_path / "out" / "coverage.csv").read_text().splitlines()))
    assert len(shares) == 2 * 4
    assert all(0 <= float(row["sensitivity"]) <= 1 for row in shares)


def square(low: int, high: int) -> str:
    """Return a square outline as the database keeps it: x,y in lines."""
    side = range(low, high)
    points = [(low, k) for k in side] + [(k, high) for k in side]
    points += [(high, k) for k in range(high, low, -1)] + [(k, low) for k in range(high, low, -1)]
    return "\n".join(f"{x + 50},{y + 30}" for x, y in points)


def database(path: Path, readers: int, *, apart: int = 0) -> None:
    """Write one scan of ten slices with a square of each reader; the last one's lies apart."""
    with closing(sqlite3.connect(path)) as data, data:
        data.executescript(
            "CREATE TABLE scans (id, slice_thickness, pixel_spacing); CREATE TABLE zvals (scan_id, val);"
            "CREATE TABLE annotations (id, scan_id);"
            "CREATE TABLE contours (id, annotation_id, image_z_position, inclusion, coords);"
            "INSERT INTO scans VALUES (1, 2.0, 0.5)"
        )
        data.executemany("INSERT INTO zvals VALUES (1, ?)", [(-100 + 2.0 * k,) for k in range(10)])
        for reader in range(readers):
            data.execute("INSERT INTO annotations VALUES (?, 1)", (reader,))
            away = apart * (reader == readers - 1)
            for k in (3, 4):
                text = square(0 + away, 6 + reader + away)
                data.execute(
                    "INSERT INTO contours VALUES (?, ?, ?, 1, ?)",
                    (10 * reader + k, reader, -100 + 2.0 * k, text),
                )
        data.execute("INSERT INTO contours VALUES (99, 0, -94.0, 0, ?)", (square(1, 4),))


def test_contours(bench: Any, tmp_path: Path) -> None:
    """What lies strictly inside, holes out; slices by their place in mm."""
    lidc = bench("cohorts.lidc")
    database(tmp_path / "d.sqlite", 4)
    (nodule,) = lidc.nodules(4.0, tmp_path / "d.sqlite")
    assert nodule.spacing_mm == (0.5, 0.5, 2.0)
    areas = [mask.sum(axis=(0, 1)) for mask in nodule.masks]
    assert [area[area > 0].tolist() for area in areas[1:]] == [[36, 36], [49, 49], [64, 64]]
    hole = 4 * 4  # the hole's outline and all within it
    assert areas[0][areas[0] > 0].tolist() == [25 - hole, 25]
    assert min(nodule.masks.shape[1:3]) >= 10 + 2 * 8  # the margin is there on both sides


def test_who_belongs_together(bench: Any, tmp_path: Path) -> None:
    lidc = bench("cohorts.lidc")
    for name, readers, apart, nodules in (("a", 3, 0, 0), ("b", 5, 0, 0), ("c", 5, 40, 1), ("d", 4, 40, 0)):
        database(tmp_path / name, readers, apart=apart)
        assert len(list(lidc.nodules(4.0, tmp_path / name))) == nodules, name


def test_forecasts(bench: Any, tmp_path: Path) -> None:
    """Of the mean vote: what is predicted is the share of marks, what happens is counted voxel by voxel."""
    lidc, readers = bench("cohorts.lidc"), bench("readers")
    database(tmp_path / "d.sqlite", 4)
    (nodule,) = lidc.nodules(4.0, tmp_path / "d.sqlite")
    held = [[readers.held_out(nodule, reader) for reader in range(4)]]
    found = readers.of_nodules(held, readers.METHODS["mean vote"])
    np.testing.assert_allclose(found.predicted, [0, 1 / 3, 2 / 3, 1])
    voxels, marked = np.zeros(4), np.zeros(4)
    for reader in range(4):
        others = np.delete(nodule.masks, reader, axis=0).sum(axis=0)
        for k in (1, 2, 3):
            voxels[k] += np.sum(others == k)
            marked[k] += np.sum(nodule.masks[reader] & (others == k))
    np.testing.assert_array_equal(found.voxels[1:], voxels[1:])
    np.testing.assert_allclose(found.happened[1:], marked[1:] / voxels[1:])
    for name, method in readers.METHODS.items():
        p = readers.of_the_sum(held, method).predicted
        assert ((p >= 0) & (p <= 1)).all(), name
        assert (np.diff(p) > -1e-9).all(), name


def test_bootstrap_over_cases(bench: Any) -> None:
    scores = bench("cohorts.scores")
    values = np.random.default_rng(0).normal(3, 1, 200)
    mean, low, high = scores.interval_of_mean([*values, np.nan, np.inf])
    assert mean == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(200)
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.03)
    assert scores.calibration_error(np.array([0.15, 0.95]), np.array([0.25, 1.0]), np.array([3, 1])) == (
        pytest.approx((3 * 0.1 + 0.05) / 4)
    )


def test_calibration_where_in_doubt(bench: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By hand: three voxels in doubt, one of them lesion, and two sure ones; then a table of a cohort."""
    study = bench("cohorts.calibration")
    p, truth = [0.0, 0.05, 0.1, 0.5, 0.6, 0.9, 1.0, 1.0], [0, 0, 0, 1, 0, 1, 1, 0]
    share, said, true, off, ece, sure, p_sure, true_sure, whole = study.measured(p, truth)
    assert (share, said, true) == (pytest.approx(3 / 8), pytest.approx(0.4), pytest.approx(1 / 3))
    assert off == pytest.approx(0.4 - 1 / 3)
    assert ece == pytest.approx((0.1 + 0.5 + 0.6) / 3)
    assert (sure, p_sure, true_sure) == (pytest.approx(3 / 8), pytest.approx(2.9 / 3), pytest.approx(2 / 3))
    assert whole == pytest.approx((0.05 + 0.1 + 0.5 + 0.6 + (2.9 - 2)) / 8)
    assert np.isnan(study.measured([0, 1], [0, 1])[1:5]).all()
    small_cohort(tmp_path / "cohort")
    study.print_table("here", study.patients(tmp_path / "cohort"))
    printed = capsys.readouterr().out
    assert "2 cases, here" in printed
    assert all(f"| {name} |" in printed for name in study.METHODS)
