"""Outputs for 3-D Slicer and for DICOM: the consensus, the counts and the raters as named segments; a probability."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fusion.result import Fusion
from ..images.image import Image
from ..images.written.endings import CONSENSUS
from ..images.written.seg_nrrd import Layer, Named, from_hex, hue, ramp, seg_nrrd_bytes

COLOUR = (0.2, 0.8, 0.3)  # of the consensus


def segments_of_masks(
    mask: NDArray[np.integer],
    counts: NDArray[np.integer],
    marks: Iterable[NDArray[Any]],
    names: Sequence[str],
    like: Image,
) -> bytes:
    """Serialise the consensus, how many raters mark each voxel, and what each rater marks, as segments in layers."""
    return seg_nrrd_bytes(list(_layers(mask, counts, marks, names)), like)


def _layers(
    mask: NDArray[np.integer],
    counts: NDArray[np.integer],
    marks: Iterable[NDArray[Any]],
    names: Sequence[str],
) -> Iterator[Layer]:
    raters = len(names)
    yield Layer(mask, [Named(CONSENSUS, 1, COLOUR)])
    shares = [
        Named(f"marked by {count} of {raters}", count, ramp((count - 1) / max(1, raters - 1)))
        for count in range(1, raters + 1)
    ]
    yield Layer(counts, shares)
    for place, (name, marked) in enumerate(zip(names, marks, strict=True)):
        yield Layer(marked, [Named(name, 1, hue(place))])


def segments_of_map(
    label_map: NDArray[np.integer],
    labels: Sequence[tuple[int, str]],
    colours: Mapping[int, str],
    like: Image,
) -> bytes:
    """Serialise a label map with its labels' names and colours; 0 is no segment."""
    named = [
        Named(name, label, from_hex(colours[label]) if label in colours else hue(place))
        for place, (label, name) in enumerate(labels)
        if label != 0
    ]
    return seg_nrrd_bytes([Layer(label_map, named)], like)


def probability_as_dicom(fusion: Fusion, like: Image) -> bytes:
    """Serialise the probability as a fractional DICOM segmentation."""
    from ..images.written.dicom_seg import fractional_seg_bytes
    from ..images.written.versions import version_of

    values: Any = fusion.probability
    return fractional_seg_bytes(
        values, like, name=CONSENSUS, how=fusion.method, version=version_of("fastfuse")
    )
