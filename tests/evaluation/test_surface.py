"""Distances between surfaces, worked by hand and against other programs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastfuse.evaluation.space import Space
from fastfuse.evaluation.surface import surface_distances

SHAPE = (24, 19, 15)
SPACINGS = [(1, 1, 1), (0.7, 1.2, 3.0)]


def blobs(seed: int, share: float = 0.2) -> np.ndarray:
    """Smooth noise above a threshold: several blobs, some of which touch the border."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 1.5)
    return noise > np.quantile(noise, 1 - share)


def voxels(*places: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros((20, 8, 8), np.uint8)
    mask[tuple(np.transpose(places))] = 1
    return mask


@pytest.mark.parametrize(("place", "distance"), [((6, 2, 2), 2.8), ((2, 6, 2), 4.8), ((2, 5, 6), 12.5283)])
def test_two_voxels(place: tuple[int, int, int], distance: float) -> None:
    found = surface_distances(voxels((2, 2, 2)), voxels(place), (0.7, 1.2, 3.0))
    assert (found.hd95_mm, found.assd_mm) == (
        pytest.approx(distance, abs=1e-4),
        pytest.approx(distance, abs=1e-4),
    )


def test_a_row_and_its_end() -> None:
    """0, 1, ..., 19 mm one way, whose 95th percentile is 18.05; 0 mm the other way."""
    row, end = voxels(*[(x, 3, 3) for x in range(20)]), voxels((0, 3, 3))
    for found in (surface_distances(row, end), surface_distances(end, row)):
        assert found.hd95_mm == pytest.approx(18.05)
        assert found.assd_mm == pytest.approx(190 / 21)


@pytest.mark.parametrize("margin", [0, 2])
def test_a_cube_and_its_centre(margin: int) -> None:
    """The centre is no surface voxel of the cube; beyond the volume's border all is outside."""
    cube, centre = np.ones((3, 3, 3)), np.zeros((3, 3, 3))
    centre[1, 1, 1] = 1
    found = surface_distances(np.pad(cube, margin), np.pad(centre, margin))
    assert found.hd95_mm == pytest.approx(math.sqrt(3))
    assert found.assd_mm == pytest.approx((6 + 12 * math.sqrt(2) + 8 * math.sqrt(3) + 1) / 27)


def test_empty_masks() -> None:
    some, none = voxels((1, 2, 3)), np.zeros((20, 8, 8))
    both = surface_distances(none, none)
    assert (both.hd95_mm, both.assd_mm) == (0, 0)
    for one in (surface_distances(some, none), surface_distances(none, some)):
        assert (one.hd95_mm, one.assd_mm) == (math.inf, math.inf)


def test_surface_dice_of_empty_masks() -> None:
    some, none = voxels((1, 2, 3)), np.zeros((20, 8, 8))
    shares = [
        surface_distances(one, two, tolerance_mm=3).surface_dice
        for one, two in ((none, none), (some, none), (none, some), (some, some))
    ]
    assert shares == [1, 0, 0, 1]
    assert surface_distances(some, some).surface_dice is None


@pytest.mark.parametrize("mm", [0.1, 0.3, 0.7])
def test_a_distance_of_the_tolerance_is_within_it(mm: float) -> None:
    """Three steps of 0.1 mm are 0.30000000000000004 mm."""
    step = round(mm * 10)
    apart = surface_distances(voxels((2, 2, 2)), voxels((2 + step, 2, 2)), (0.1, 1, 1), tolerance_mm=mm)
    assert apart.surface_dice == 1
    assert (
        surface_distances(
            voxels((2, 2, 2)), voxels((3 + step, 2, 2)), (0.1, 1, 1), tolerance_mm=mm
        ).surface_dice
        == 0
    )


@pytest.mark.parametrize("side", [0.3, 0.4, 0.6, 0.8, 1.1])
@pytest.mark.parametrize("turned", [False, True])
def test_a_tolerance_of_whole_voxels_holds_for_sides_of_headers(side: float, turned: bool) -> None:
    """NIfTI holds the sides, or the matrix, in single precision: 0.4 mm is 0.40000000596 mm."""
    from scipy.spatial.transform import Rotation

    affine = np.diag([side] * 3)
    if turned:
        affine = Rotation.from_rotvec([0.3, 0.2, -0.1]).as_matrix() @ affine
    space = Space.of_affine(affine.astype(np.float32))
    ones = np.zeros((20, 8, 8), bool)
    ones[3:9, 2:6, 2:6] = True
    twos = np.roll(ones, 2, 0)
    assert surface_distances(ones, twos, space, tolerance_mm=2 * side).surface_dice == 1
    assert surface_distances(ones, twos, space, tolerance_mm=1.99 * side).surface_dice < 1


def test_a_tolerance_holds_for_sides_of_six_digits() -> None:
    """Text headers, as of MetaImage, write a sixth of a mm as 0.166667."""
    apart = surface_distances(voxels((2, 2, 2)), voxels((8, 2, 2)), (0.166667, 1, 1), tolerance_mm=1)
    assert apart.surface_dice == 1


def test_same_mask() -> None:
    same = surface_distances(blobs(0), blobs(0) * 7.0)
    assert (same.hd95_mm, same.assd_mm) == (0, 0)


def surface_of(mask: np.ndarray) -> np.ndarray:
    """Surface voxels, said otherwise: marked, and a face neighbour is not."""
    padded = np.pad(mask, 1)
    core = mask.copy()
    for axis in range(3):
        for step in (-1, 1):
            core &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return mask & ~core


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.8])
def test_as_all_pairs(spacing: tuple[float, ...], share: float) -> None:
    a, b = blobs(1, share), blobs(2, share)
    one, two = (np.argwhere(surface_of(mask)) * spacing for mask in (a, b))
    apart = np.linalg.norm(one[:, None] - two, axis=2)
    there, back = apart.min(axis=1), apart.min(axis=0)
    found = surface_distances(a, b, spacing, tolerance_mm=1.5)
    assert found.hd95_mm == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert found.assd_mm == pytest.approx((there.sum() + back.sum()) / (len(there) + len(back)))
    assert found.hd100_mm == pytest.approx(max(there.max(), back.max()))
    assert found.surface_dice == ((there <= 1.5).sum() + (back <= 1.5).sum()) / (len(there) + len(back))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_as_simpleitk(spacing: tuple[float, ...], seed: int) -> None:
    """Maurer's distance map of one surface, read at the other's voxels: the same definition."""
    sitk = pytest.importorskip("SimpleITK")
    a, b = surface_of(blobs(seed)), surface_of(blobs(seed + 50))

    def to(surface: np.ndarray) -> np.ndarray:
        image = sitk.GetImageFromArray(surface.T.astype(np.uint8))
        image.SetSpacing([float(side) for side in spacing])
        distances = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
        return np.maximum(sitk.GetArrayFromImage(distances).T, 0)  # it is negative inside

    there, back = to(b)[a], to(a)[b]
    found = surface_distances(blobs(seed), blobs(seed + 50), spacing)
    assert found.hd95_mm == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-5)
    assert found.assd_mm == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_as_monai(spacing: tuple[float, ...], seed: int) -> None:
    """The same definition, in single precision."""
    metrics = pytest.importorskip("monai.metrics", reason="needs MONAI, of the extra oracles")
    a, b = blobs(seed), blobs(seed + 50)
    batch = [np.stack([~mask, mask])[None].astype(np.float32) for mask in (a, b)]
    torch = pytest.importorskip("torch")
    one, two = (torch.from_numpy(masks) for masks in batch)
    hd95 = metrics.compute_hausdorff_distance(one, two, percentile=95, spacing=spacing)
    assd = metrics.compute_average_surface_distance(one, two, symmetric=True, spacing=spacing)
    hd100 = metrics.compute_hausdorff_distance(one, two, spacing=spacing)
    agree = {
        mm: metrics.compute_surface_dice(one, two, [mm], spacing=spacing) for mm in (0.0, 0.5, 1.3, 2.5, 7.0)
    }
    found = surface_distances(a, b, spacing)
    assert found.hd95_mm == pytest.approx(float(hd95), rel=1e-5)
    assert found.assd_mm == pytest.approx(float(assd), rel=1e-5)
    assert found.hd100_mm == pytest.approx(float(hd100), rel=1e-5)
    for mm, theirs in agree.items():
        ours = surface_distances(a, b, spacing, tolerance_mm=mm).surface_dice
        assert ours == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(3))
def test_near_to_surface_distance(spacing: tuple[float, ...], seed: int) -> None:
    """Surfaces between the voxels, weighted by their area: another definition, within a voxel's diagonal."""
    theirs = pytest.importorskip("surface_distance", reason="needs surface-distance, of the extra oracles")
    a, b = blobs(seed), blobs(seed + 50)
    distances = theirs.compute_surface_distances(b, a, spacing)
    found = surface_distances(a, b, spacing)
    near = float(np.linalg.norm(spacing))
    assert found.hd95_mm == pytest.approx(theirs.compute_robust_hausdorff(distances, 95), abs=near)
    assert found.assd_mm == pytest.approx(
        np.mean(theirs.compute_average_surface_distance(distances)), abs=near
    )


@pytest.mark.parametrize(
    ("truth", "spacing", "message"),
    [
        (np.ones((2, 3, 4)), (1, 1, 1), r"the mask has shape .*, the truth has shape \(2, 3, 4\)"),
        (np.ones(3), (1, 1, 1), r"the truth has shape \(3,\): a 2-D slice or a 3-D volume is needed"),
        (np.ones((20, 8)), (1, 1, 1), r"the mask has shape .*, the truth has shape \(20, 8, 1\)"),
        (np.ones((20, 8, 8)), (1, 1), r"spacing_mm is \(1, 1\)"),
        (np.ones((20, 8, 8)), (1, 0, 1), r"spacing_mm\[1\] is 0"),
    ],
)
def test_bad_input(truth: np.ndarray, spacing: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        surface_distances(voxels((0, 0, 0)), truth, spacing)


def test_whole_brains_take_a_moment() -> None:
    import time

    index = np.indices((182, 218, 182), dtype=np.float32)
    one, two = (
        sum(((index[axis] - 91 - shift) / radius) ** 2 for axis, radius in enumerate((70, 85, 65))) < 1
        for shift in (0, 2)
    )
    begin = time.perf_counter()
    surface_distances(one, two)
    assert time.perf_counter() - begin < 1.5
