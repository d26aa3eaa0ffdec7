"""Makes DICOM segmentations, and .seg.nrrd files as 3-D Slicer writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SEG, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
LITTLE = "1.2.840.10008.1.2.1"


def dicom_seg(
    path: Path,
    masks: Mapping[str, np.ndarray],
    *,
    spacing: Sequence[float] = (1.0, 2.0, 3.0),
    origin: Sequence[float] = (10.0, 20.0, 30.0),
    turn: np.ndarray | None = None,
    fractional: bool = False,
    label_map: bool = False,
    empty: bool = False,
    **fields: Any,
) -> Path:
    """Write masks (x, y, z) as segments 1, 2, ...; slices that are empty are left out, unless ``empty``.

    ``turn`` holds the directions of the axes x, y, z in its columns (LPS).
    """
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence as Items

    turn = np.eye(3) if turn is None else turn
    found = Dataset()
    found.file_meta = FileMetaDataset()
    kind = LABEL_MAP if label_map else SEG
    found.file_meta.MediaStorageSOPClassUID, found.file_meta.TransferSyntaxUID = kind, LITTLE
    found.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    found.SOPClassUID, found.SOPInstanceUID, found.Modality = kind, "1.2.3", "SEG"
    found.SegmentationType = "LABELMAP" if label_map else "FRACTIONAL" if fractional else "BINARY"
    items, frames, pixels = [], [], []
    for number, (name, mask) in enumerate(masks.items(), start=1):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel = number, name
        items.append(segment)
        for z in range(mask.shape[2]) if not label_map else ():
            if empty or mask[:, :, z].any():
                frames.append((z, number))
                pixels.append(mask[:, :, z].T)
    if label_map:
        labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
        for number, mask in enumerate(masks.values(), start=1):
            labels[mask > 0] = number
        frames = [(z, 0) for z in range(labels.shape[2])]
        pixels = [labels[:, :, z].T for z in range(labels.shape[2])]
    found.SegmentSequence = Items(items)
    found.Rows, found.Columns = pixels[0].shape
    found.NumberOfFrames = len(frames)
    found.SamplesPerPixel, found.PhotometricInterpretation, found.PixelRepresentation = 1, "MONOCHROME2", 0
    stack = np.stack(pixels)
    if fractional:
        found.MaximumFractionalValue, found.SegmentationFractionalType = 200, "PROBABILITY"
        stack = np.rint(stack * 200).astype(np.uint8)
    bits = 8 if fractional or label_map else 1
    found.BitsAllocated, found.BitsStored, found.HighBit = bits, bits, bits - 1
    content = stack.tobytes() if bits == 8 else np.packbits(stack.ravel() > 0, bitorder="little").tobytes()
    found.PixelData = content + b"\0" * (len(content) % 2)
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [spacing[1], spacing[0]], spacing[2]
    measures.SpacingBetweenSlices = spacing[2]
    orientation.ImageOrientationPatient = [*map(float, turn[:, 0]), *map(float, turn[:, 1])]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Items([measures]), Items([orientation])
    found.SharedFunctionalGroupsSequence = Items([shared])
    groups = []
    for z, number in frames:
        group, place, which = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [float(x) for x in np.array(origin) + turn[:, 2] * (z * spacing[2])]
        group.PlanePositionSequence = Items([place])
        if not label_map:
            which.ReferencedSegmentNumber = number
            group.SegmentIdentificationSequence = Items([which])
        groups.append(group)
    found.PerFrameFunctionalGroupsSequence = Items(groups)
    for name, value in fields.items():
        setattr(found, name, value)
    pydicom.dcmwrite(path, found, enforce_file_format=True)
    return path


def seg_nrrd(path: Path, layers: np.ndarray, segments: Sequence[tuple[str, int, int]] = ()) -> Path:
    """Write layers (layer, x, y, z), or one image (x, y, z), with segments (name, label, layer)."""
    layered = layers.ndim == 4
    lines = [
        "NRRD0004",
        "type: unsigned char",
        f"dimension: {layers.ndim}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, layers.shape))}",
        f"space directions: {'none ' * layered}(1,0,0) (0,1,0) (0,0,2)",
        f"kinds: {'list ' * layered}domain domain domain",
        "encoding: gzip",
        "space origin: (90,120,-60)",
        "Segmentation_MasterRepresentation:=Binary labelmap",
    ]
    for k, (name, label, layer) in enumerate(segments):
        lines += [
            f"Segment{k}_ID:=Segment_{k + 1}",
            f"Segment{k}_Name:={name}",
            f"Segment{k}_LabelValue:={label}",
            f"Segment{k}_Layer:={layer}",
            f"Segment{k}_Extent:=0 {layers.shape[-3] - 1} 0 {layers.shape[-2] - 1} 0 {layers.shape[-1] - 1}",
            f"Segment{k}_Tags:=Segmentation.Status:inprogress|TerminologyEntry:a~b^c|",
        ]
    import gzip

    content = gzip.compress(layers.astype(np.uint8).tobytes(order="F"))
    path.write_bytes(("\n".join(lines) + "\n\n").encode() + content)
    return path
