"""Images of grey values given as raters, told from scaled votes where one can."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import fastfuse
from fastfuse import FusionWarning
from fastfuse.inputs.looks import looks_grey

SHAPE = (40, 44, 36)
RNG = np.random.default_rng(2)
GRID = np.indices(SHAPE)
DISTANCE = sum(((GRID[a] - SHAPE[a] / 2) / (SHAPE[a] * 0.38)) ** 2 for a in range(3))
HEAD = DISTANCE < 1
LESIONS = (gaussian_filter(RNG.normal(size=SHAPE), 2) > 0.09) & HEAD
LOOKS = "looks like an image, such as FLAIR, rather than a map of votes"


def flair(top: float, noise: float = 0.08) -> np.ndarray:
    """Return a head from 0 to ``top``: fluid, two tissues, and lesions, with noise; 0 outside."""
    tissue = np.where(gaussian_filter(RNG.normal(size=SHAPE), 4) > 0, 0.45, 0.6)
    tissue = np.where(DISTANCE < 0.03, 0.2, tissue) + 0.3 * LESIONS
    values = gaussian_filter(tissue, 0.5) + RNG.normal(0, noise, SHAPE)
    return np.where(HEAD, np.clip(values, 0.02, 1), 0) * top


def network(sharp: float, floor: float = 0.0) -> np.ndarray:
    """Return the probabilities of a network: a sigmoid of a smooth distance to the lesions."""
    logit = sharp * (gaussian_filter(LESIONS * 2.0 - 1, 1.0) + 0.2 + RNG.normal(0, 0.05, SHAPE))
    return floor + (1 - floor) / (1 + np.exp(-logit))


NETWORKS = {
    "sure": network(40),
    "less-sure": network(6),
    "hardly-sure": network(3),
    "of-an-organ": 1 / (1 + np.exp(np.clip(6 * (DISTANCE - 1), -50, 50))),
    "with-a-floor": network(10, 0.03),
    "smooth": gaussian_filter(LESIONS * 1.0, 1.5),
    "inside-the-head": np.where(HEAD, network(8), 0),
    "mean-of-masks": np.mean([np.roll(LESIONS, i, axis=0) for i in range(5)], axis=0),
    "mask": LESIONS * 1.0,
}


@pytest.mark.parametrize("scale", [100, 255])
@pytest.mark.parametrize("kind", NETWORKS)
def test_maps_of_networks_pass(kind: str, scale: int) -> None:
    values = np.rint(NETWORKS[kind] * scale).astype(np.uint8)
    assert not looks_grey(values, scale)
    raters = [values, np.roll(values, 1, axis=1)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fastfuse.fuse(raters, "majority", scale=scale)
    assert LOOKS not in " ".join(str(one.message) for one in caught)


@pytest.mark.parametrize("scale", [1.0, 100, 255, 4095])
@pytest.mark.parametrize("noise", [0.03, 0.08, 0.12])
def test_images_of_heads_are_told(scale: float, noise: float) -> None:
    values = flair(scale, noise)
    if scale > 1:
        values = np.rint(values).astype(np.uint16)
    assert looks_grey(values, scale)
    with pytest.warns(FusionWarning, match=f"rater 0: it {LOOKS}"):
        fastfuse.fuse([values, values * 0], "majority", scale=scale)


@pytest.mark.parametrize("given", [{"scale": "auto"}, {"scale": 255}])
@pytest.mark.parametrize("inside", [False, True])
def test_an_image_among_scaled_maps(given: dict[str, Any], inside: bool) -> None:
    """It is taken as the caller says, and the rater who looks like an image is named; none of the others is."""
    maps = [np.rint(NETWORKS[kind] * 255).astype(np.uint8) for kind in ("sure", "less-sure")]
    raters = [maps[0], np.rint(flair(255)).astype(np.uint8), maps[1]]
    with pytest.warns(FusionWarning) as caught:
        fastfuse.fuse(raters, "majority", mask=HEAD if inside else None, **given)
    said = str(caught[0].message)
    assert f"rater 1: it {LOOKS}" in said
    assert said.count(LOOKS) == 1


@pytest.mark.parametrize("method", ["soft-staple", "majority", "staple"])
def test_a_refusal_without_a_scale(method: Any) -> None:
    """An image is not advised to be scaled first of all; a network's map is."""
    image, votes = np.rint(flair(255)).astype(np.uint8), np.rint(NETWORKS["less-sure"] * 255).astype(np.uint8)
    with pytest.raises(ValueError, match=f"it {LOOKS}.*of probabilities times 255"):
        fastfuse.fuse([image, image], method)
    with pytest.raises(ValueError, match="probabilities times 255") as refused:
        fastfuse.fuse([votes, votes], method)
    assert LOOKS not in str(refused.value)


def test_auto_of_an_image_beyond_its_scales() -> None:
    image = np.rint(flair(900)).astype(np.int16)
    with pytest.raises(
        ValueError, match=f"goes up to [0-9]+, and it {LOOKS}: leave it out if so.*scale=1000"
    ):
        fastfuse.fuse([image, image], "majority", scale="auto")
