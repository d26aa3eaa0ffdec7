"""The README's table of what other tools mean: its figures, where the tools are installed."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from fastfuse.evaluation.surface import surface_distances

README = Path(__file__).parents[2] / "python" / "fastfuse" / "evaluation" / "README.md"
SIDES = (1.0, 1.0, 3.0)


def ellipsoid(centre: tuple[int, ...], radii_mm: tuple[int, ...]) -> np.ndarray:
    index = np.indices((64, 64, 32))
    return sum(((index[i] - centre[i]) * SIDES[i] / radii_mm[i]) ** 2 for i in range(3)) <= 1


TRUTH = ellipsoid((32, 32, 16), (14, 14, 20))
PREDICTION = ellipsoid((34, 31, 17), (13, 16, 17))


def row_of(tool: str) -> list[str]:
    """The cells of a tool's row."""
    found = re.search(rf"^\| {re.escape(tool)}[^|]*\|(.*)\|$", README.read_text(), re.MULTILINE)
    assert found is not None
    return [cell.strip() for cell in found[1].split("|")]


def figures(tool: str) -> tuple[str, str]:
    """What the README says of HD95 (or the Hausdorff distance) and ASSD."""
    cells = row_of(tool)
    return cells[2], cells[4]


def test_ours() -> None:
    found = surface_distances(PREDICTION, TRUTH, SIDES, tolerance_mm=1)
    assert figures("fastfuse") == (f"{found.hd95_mm:.2f}", f"{found.assd_mm:.2f}")
    assert f"that of fastfuse: {found.surface_dice:.2f} at 1 mm" in README.read_text()


@pytest.mark.filterwarnings("ignore")
def test_monai() -> None:
    metrics = pytest.importorskip("monai.metrics", reason="needs MONAI, of the extra oracles")
    torch = pytest.importorskip("torch")
    pair = [
        torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32)) for mask in (PREDICTION, TRUTH)
    ]
    hd95 = float(metrics.compute_hausdorff_distance(*pair, percentile=95, spacing=SIDES))
    one_way, both = (
        float(metrics.compute_average_surface_distance(*pair, symmetric=symmetric, spacing=SIDES))
        for symmetric in (False, True)
    )
    assert figures("MONAI") == (f"{hd95:.2f}", f"{both:.2f} ({one_way:.2f})")
    by_area = float(metrics.compute_surface_dice(*pair, [1.0], spacing=SIDES, use_subvoxels=True))
    assert f"runs between voxels: {by_area:.2f}." in README.read_text()


def test_simpleitk() -> None:
    sitk = pytest.importorskip("SimpleITK")
    pair = [sitk.GetImageFromArray(mask.T.astype(np.uint8)) for mask in (PREDICTION, TRUTH)]
    for image in pair:
        image.SetSpacing(SIDES)
    distance = sitk.HausdorffDistanceImageFilter()
    distance.Execute(*pair)
    expected = f"{distance.GetHausdorffDistance():.2f}", f"{distance.GetAverageHausdorffDistance():.2f}"
    assert figures("SimpleITK, ITK") == expected
    assert figures("EvaluateSegmentation")[1] == expected[1]


def test_seg_metrics() -> None:
    """By the filters of SimpleITK that it calls."""
    sitk = pytest.importorskip("SimpleITK")
    pair = [sitk.GetImageFromArray(mask.T.astype(np.uint8)) for mask in (PREDICTION, TRUTH)]
    for image in pair:
        image.SetSpacing(SIDES)
    options = {"squaredDistance": False, "useImageSpacing": True}
    maps = [sitk.GetArrayFromImage(sitk.Abs(sitk.SignedMaurerDistanceMap(one, **options))) for one in pair]
    contours = [sitk.GetArrayFromImage(sitk.LabelContour(one, fullyConnected=True)) > 0 for one in pair]
    distances = np.concatenate([maps[1][contours[0]], maps[0][contours[1]]])
    assert figures("seg-metrics") == (f"{np.percentile(distances, 95):.2f}", f"{distances.mean():.2f}")


def test_medpy() -> None:
    """By its own formula: both directions' distances together."""
    from scipy import ndimage

    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (PREDICTION, TRUTH)]
    both = np.concatenate([
        ndimage.distance_transform_edt(~other, sampling=SIDES)[one]
        for one, other in (surfaces, surfaces[::-1])
    ])  # fmt: skip
    assert figures("MedPy") == (f"{np.percentile(both, 95):.2f}", f"{both.mean():.2f}")


def test_surface_distance() -> None:
    theirs = pytest.importorskip("surface_distance", reason="needs surface-distance, of the extra oracles")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distances = theirs.compute_surface_distances(TRUTH, PREDICTION, SIDES)
    hd95 = theirs.compute_robust_hausdorff(distances, 95)
    average = np.mean(theirs.compute_average_surface_distance(distances))
    assert figures("DeepMind surface-distance") == (f"{hd95:.2f}", f"{average:.2f}")


def test_peers_differ_by_more_than_rounding() -> None:
    ours, *others = (float(figures(tool)[0]) for tool in ("fastfuse", "MedPy", "DeepMind", "seg-metrics"))
    assert max(abs(other / ours - 1) for other in others) > 0.15
