"""Makes RT Structure Sets, and draws contours slowly and plainly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

RTSTRUCT, LITTLE = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.840.10008.1.2.1"
TO_LPS = np.array([-1.0, -1.0, 1.0])

Polygons = Sequence[np.ndarray]  # each (n, 3), in voxels


def rt_struct(
    path: Path,
    structures: Mapping[str, Polygons],
    affine: np.ndarray,
    *,
    kind: str = "CLOSED_PLANAR",
    numbers: Sequence[int] = (),
    frame: str = "1.2.6",
    **fields: Any,
) -> Path:
    """Write polygons of voxels of a grid (RAS+) as structures 1, 2, ... in the patient's coordinates."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence as Items

    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.MediaStorageSOPClassUID, found.file_meta.TransferSyntaxUID = RTSTRUCT, LITTLE
    found.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    found.SOPClassUID, found.SOPInstanceUID, found.Modality = RTSTRUCT, "1.2.3", "RTSTRUCT"
    found.PatientName, found.PatientID, found.StudyInstanceUID = "Doe^Jane", "id-7", "1.2.4"
    names, contours = [], []
    for number, (name, polygons) in zip(
        numbers or range(1, 1 + len(structures)), structures.items(), strict=True
    ):
        roi = Dataset()
        roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = number, name, "MANUAL"
        roi.ReferencedFrameOfReferenceUID = frame
        names.append(roi)
        item = Dataset()
        item.ReferencedROINumber, item.ROIDisplayColor = number, [255, 0, 0]
        item.ContourSequence = Items([_contour(polygon, affine, kind) for polygon in polygons])
        if not polygons:
            del item.ContourSequence
        contours.append(item)
    found.StructureSetROISequence, found.ROIContourSequence = Items(names), Items(contours)
    for name, value in fields.items():
        setattr(found, name, value)
    pydicom.dcmwrite(path, found, enforce_file_format=True)
    return path


def _contour(polygon: np.ndarray, affine: np.ndarray, kind: str) -> Any:
    from pydicom.dataset import Dataset

    points = (np.asarray(polygon, float) @ affine[:3, :3].T + affine[:3, 3]) * TO_LPS
    contour = Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
    contour.ContourData = [f"{number + 0.0:.6f}" for number in points.ravel()]
    return contour


def ct(path: Path, shape: Sequence[int], affine: np.ndarray) -> Path:
    """Write an image that is no mask, as CT is."""
    values = np.random.default_rng(1).integers(-1000, 1500, shape).astype(np.int16)
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


def flat(points: Any, slice_: float, axis: int = 2) -> np.ndarray:
    """Return a polygon of a plane, (n, 2), as points of voxels."""
    return np.insert(np.asarray(points, float), axis, slice_, axis=1)


def circle(middle: Sequence[float], radius: float, points: int = 200) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([middle[0] + radius * np.cos(turn), middle[1] + radius * np.sin(turn)])


def rectangle(x: tuple[float, float], y: tuple[float, float]) -> np.ndarray:
    return np.array([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])], float)


def slow(shape: Sequence[int], polygons: Polygons, axis: int = 2) -> np.ndarray:
    """Mark voxels by crossing numbers, one voxel and one edge at a time in effect; no centre must lie on an edge."""
    mask = np.zeros(shape, bool)
    inner = [at for at in range(3) if at != axis]
    x, y = np.meshgrid(*(np.arange(shape[at]) for at in inner), indexing="ij")
    for polygon in polygons:
        odd = np.zeros(x.shape, bool)
        for (x1, y1), (x2, y2) in zip(polygon[:, inner], np.roll(polygon[:, inner], -1, axis=0), strict=True):
            if y1 != y2:
                odd ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
        part = np.moveaxis(mask, axis, 2)[:, :, round(float(polygon[0, axis]))]
        part ^= odd
    return mask
