"""Networks' probabilities as files: classes and regions, with the segmentation that was made of them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (9, 8, 7)
AFFINE = np.diag([-1.0, 1.5, 2.0, 1.0])


def blob(centre: tuple[float, ...], radius: float, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return a ball, and in a corner rods of three lengths: no turn leaves it as it is."""
    axes = np.meshgrid(*map(np.arange, shape), indexing="ij")
    inside = np.asarray(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) <= radius**2)
    inside[0, 0, :4] = inside[0, :3, 0] = inside[:2, 0, 0] = True
    return inside


def soft(mask: np.ndarray, seed: int) -> np.ndarray:
    """Return a network's probability of a mask: above 0.5 inside, below outside."""
    noise = np.random.default_rng(seed).uniform(0, 0.4, mask.shape)
    return np.where(mask, 1 - noise, noise).astype(np.float32)


def classes(seed: int, count: int = 3, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return probabilities of classes, shape (classes, x, y, z), the background first."""
    inner = [blob((3 + k, 2 + k, 2), 2.2 - 0.6 * k, shape) for k in range(count - 1)]
    labels = np.zeros(shape, int)
    for k, mask in enumerate(inner, start=1):
        labels[mask] = k
    logits = np.random.default_rng(seed).normal(size=(count, *shape))
    logits += 6 * (labels == np.arange(count)[:, None, None, None])
    exponents = np.exp(logits)
    return (exponents / exponents.sum(axis=0)).astype(np.float32)


def regions(seed: int, count: int = 3, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return probabilities of nested regions, the largest first."""
    return np.stack([soft(blob((4, 3, 2), 3 - 0.8 * k, shape), 10 * seed + k) for k in range(count)])


def labels_of(values: np.ndarray, order: tuple[int, ...] | None = None) -> np.ndarray:
    """Return the label map that is made of regions: each next one over the last, with the labels in this order."""
    labels = np.zeros(values.shape[1:], np.uint8)
    for channel, label in zip(values, order or range(1, len(values) + 1), strict=True):
        labels[channel > 0.5] = label
    return labels


def save_pair(folder: Path, values: np.ndarray, labels: np.ndarray, key: str = "probabilities") -> Path:
    """Write CASE.npz as nnU-Net does, the channels first and then z, y, x; and the segmentation beside it."""
    folder.mkdir(exist_ok=True, parents=True)
    np.savez_compressed(folder / "case.npz", **{key: values.transpose(0, 3, 2, 1)})
    nib.save(nib.Nifti1Image(labels, AFFINE), folder / "case.nii.gz")
    return folder / "case.npz"
