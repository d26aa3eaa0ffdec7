"""Reads probabilities as nnU-Net saves them: CASE.npz, on the grid of CASE.nii.gz beside it.

Version 2 (``--save_probabilities``) writes "probabilities", version 1 (``--save_npz``) writes "softmax", both of
shape (channels, z, y, x). Channels are classes or regions, and some readers write the segmentation back in the
orientation of the file but leave the probabilities in their own: so each file is held against its segmentation.
Version 1 saves only the cropped part of the volume; files that really were cropped are refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError, reason_of
from ..inputs.arrays import labels_in
from ..inputs.foreground import Foreground
from ..inputs.lattice import Turn
from ..inputs.looks import SCALES
from ..inputs.names import counted, enumerated
from .channels import EXP, NEARLY_ALL, Channels, Kind, are_logarithms, kind_of, share_of_none
from .checks import check_memory
from .dataset_json import NAME, fault_of, regions_of
from .image import Image
from .paths import shown
from .turns import Match, in_words, matches, turns_onto

CHANNELS_AS_NIFTI = "save the channel of every network as NIfTI, and leave out select_label (--select-label)"
ARRAYS = ("probabilities", "softmax")
COMPANIONS = (".nii.gz", ".nii", ".nrrd", ".mha", ".png", ".tif", ".tiff")
VOLUMES = 4  # of these; the others may be pictures of a case
A_FEW = 0.01  # of the values: more beyond [0, 1] are no slips
LEAST_SHARE = 0.9  # of what is marked must agree: the segmentation may have lost small components since
OVERSHOOT = 0.1  # beyond [0, 1], as resampling may leave it
EXACT_SHARE = 0.999  # less is told


def companion_of(path: Path) -> Path:
    """Return the segmentation that nnU-Net writes beside an .npz: the same name, with the ending of an image.

    Raises
    ------
    ImageError
        If there is none.
    """
    for ending in COMPANIONS:
        beside = path.with_name(path.name[: -len(".npz")] + ending)
        if beside.exists():
            return beside
    raise ImageError(
        f"{shown(path)}: no image of the same name ({', '.join(COMPANIONS)}) lies beside it to tell where its voxels are"
    )


def _beside_too(path: Path, taken: Path) -> list[str]:
    """Say which other volumes of the same name lie beside an .npz, of which the first one counts."""
    found = [path.with_name(path.name[: -len(".npz")] + ending) for ending in COMPANIONS[:VOLUMES]]
    others = [shown(one.name) for one in found if one != taken and one.exists()]
    if not others or taken not in found:
        return []
    return [
        f"{shown(path)}: its segmentation is {shown(taken.name)}; {enumerated(others)} beside it was left aside"
    ]


def read_probabilities(path: Path, companion: Image, foreground: Foreground) -> Image:
    """Read the probability of what counts as foreground.

    Parameters
    ----------
    path : Path
        The .npz.
    companion : Image
        The segmentation beside it, which has the grid and shows what the channels are.
    foreground : Foreground
        Its label is that of a class, or the place of a region from 1 on; needed unless there is one such only.

    Raises
    ------
    ImageError
        If the file holds no such probabilities, or is not that of the segmentation beside it.
    """
    found, remarks = read_channels(path, companion)
    data, taken = found.channels.chosen(foreground, remarks)
    return Image(
        path,
        found.turn.of(data),
        companion.affine,
        companion.header,
        remark="; ".join(remarks) or None,
        is_channel=True,
        held=taken,
    )


@dataclass(frozen=True)
class Predicted:
    """All channels of a network, with their labels as far as they are known, and how they lie.

    Attributes
    ----------
    channels : Channels
    turn : Turn
        Of the channels onto the segmentation.
    """

    channels: Channels
    turn: Turn

    def turned(self) -> list[NDArray[Any]]:
        """Return the channels as the segmentation lies."""
        return [self.turn.of(channel) for channel in self.channels.values]


def read_channels(path: Path, companion: Image) -> tuple[Predicted, list[str]]:
    """Read all channels, held against the segmentation beside the file; return what is to be said, too."""
    values = channels_in(path, companion.data.shape)
    kind = kind_of(values)
    remarks = _beside_too(path, companion.path)
    remarks += [] if companion.remark is None else [companion.remark]
    channels, match = _held_against(_may_be(path, values, kind), companion, remarks)
    if channels.classes:
        remarks += _said_of_classes(path, values, kind)
        return Predicted(replace(channels, labels=match.labels), match.turn), remarks
    labels = {place: own for place, own in match.labels.items() if place}
    told = regions_of(path.parent, len(values))
    if fault := fault_of(path.parent / NAME):
        remarks.append(f"{fault}, so that it names no regions")
    return Predicted(replace(channels, labels=labels, regions=told), match.turn), remarks


def _may_be(path: Path, values: NDArray[Any], kind: Kind) -> list[Channels]:
    """Return what the channels may be; of classes that are all 0 at some voxels, each may be the background there."""
    several = share_of_none(values) > 1 - NEARLY_ALL
    classes = [
        Channels(path, values, classes=True, none=none) for none in range(len(values) if several else 1)
    ]
    regions = [Channels(path, values, classes=False)]
    return {"classes": classes, "regions": regions}.get(kind) or [*classes, *regions]


def _said_of_classes(path: Path, values: NDArray[Any], kind: Kind) -> list[str]:
    """Say where classes tell nothing, and that they do not sum to 1."""
    share = share_of_none(values)
    said = []
    if share > 1 - NEARLY_ALL:
        said.append(
            f"{shown(path)}: at {share:.0%} of the voxels it gives all classes 0: none is taken there"
        )
    if kind == "neither":
        sums = values.sum(axis=0, dtype=np.float64)
        said.append(
            f"{shown(path)}: its channels show the classes of the segmentation, and sum to {np.median(sums[sums != 0]):.3g}, not to 1"
        )
    return said


def channels_in(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the probabilities, shape (channels, x, y, z), of a segmentation of that shape or turned."""
    values = _array(path)
    if values.ndim != 4 or values.dtype.kind != "f" or not len(values):
        raise ImageError(
            f"{shown(path)}: {values.dtype} of shape {values.shape}; floats of shape (classes, z, y, x) are needed{_of_integers(values)}"
        )
    values = _channels_first(values, shape).transpose(0, 3, 2, 1)
    for index, channel in enumerate(values):
        if not np.isfinite(channel).all():
            x, y, z = (int(one) for one in np.argwhere(~np.isfinite(channel))[0])
            raise ImageError(
                f"{shown(path)}: its channel {index} holds {channel[x, y, z]:g} at voxel ({x}, {y}, {z}), so that its "
                "probabilities are not all finite; predict the case again, or save the channel that is meant as NIfTI, "
                "of which missing='nan' (--missing nan) takes nan for no vote"
            )
    return values


def checksum_of(path: Path) -> tuple[int, int]:
    """Return the checksum and the size that an .npz names of its probabilities; those of copies are one."""
    with zipfile.ZipFile(path) as file:
        one = next(file.getinfo(f"{name}.npy") for name in ARRAYS if f"{name}.npy" in file.namelist())
    return one.CRC, one.file_size


def _of_integers(values: NDArray[Any]) -> str:
    """Say what makes floats of probabilities that were stored as integers; a scale is for images of one class each."""
    if values.ndim != 4 or values.dtype.kind not in "iu" or not values.size or values.max() <= 1:
        return ""
    top = next((scale for scale in SCALES if values.max() <= scale), int(values.max()))
    return (
        f": probabilities times {top:g}, which they may be, are saved so by numpy.savez(FILE, probabilities=values / "
        f"numpy.float32({top:g})); scale (--scale) is not for .npz"
    )


def _channels_first(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the probabilities with the channels first, where only their last axis can be those."""
    first, last = (any(turns_onto(extents, shape)) for extents in (values.shape[1:], values.shape[:3]))
    return np.moveaxis(values, 3, 0) if last and not first else values


def _held_against(kinds: Sequence[Channels], companion: Image, remarks: list[str]) -> tuple[Channels, Match]:
    """Return how the probabilities lie, and which label each channel has, by the segmentation beside them.

    ``kinds`` is what the channels may be; the one is returned that fits best.
    """
    path, shape, name = kinds[0].path, kinds[0].values.shape[1:], shown(companion.path.name)
    if not any(turns_onto(shape, companion.data.shape)):
        raise ImageError(
            f"{shown(path)}: its probabilities have shape {shape}, {name} has {companion.data.shape}; nnU-Net v1 leaves "
            "out what it cropped away: put it back first, with zeros (numpy.pad), or use v2"
        )
    _check_values(kinds[0], A_FEW)
    segmentation = _segmentation(companion, path)
    tried = [(one, matches(one.levels(), segmentation)) for one in kinds]
    channels, found = min(tried, key=lambda way: -way[1][0].share)
    best = found[0]
    if best.share < LEAST_SHARE:
        _check_values(channels)
        raise ImageError(_not_its_own(channels, name, best))
    _check_fits_one(channels, best, tried, name)
    ways = _ways(channels, [match.turn for match in found if match.wrong == best.wrong])
    if best.turn != Turn():
        _check_one_way(channels, name, ways)
        remarks.append(
            f"{shown(path)}: the probabilities lie turned against {name} ({in_words(best.turn)}) and were turned back"
        )
    elif best.marked and len(ways) > 1:
        remarks.append(
            f"{shown(path)}: its probabilities fit {name} in {len(ways)} ways ({_in_words(ways)}) and were taken as they "
            f"are; if that is wrong, {CHANNELS_AS_NIFTI}"
        )
    if not best.marked:
        remarks.append(f"{name} marks nothing, so that the orientation of {shown(path)} could not be checked")
    elif best.share < EXACT_SHARE:
        remarks.append(
            f"{shown(path)}: the probabilities say other than {name} at {counted(best.wrong, 'voxel')}"
        )
    if channels.classes and any(channel != label for channel, label in best.labels.items()):
        order = ", ".join(
            f"channel {channel} is label {label}" for channel, label in sorted(best.labels.items())
        )
        remarks.append(f"{shown(path)}: by {name}, {order}")
    return channels, best


def _check_fits_one(
    channels: Channels, best: Match, tried: Sequence[tuple[Channels, Sequence[Match]]], name: str
) -> None:
    """Refuse channels that fit the segmentation as classes and as regions."""
    others = [found[0] for one, found in tried if one.classes != channels.classes]
    if any(other.share >= LEAST_SHARE and other.wrong <= best.wrong for other in others):
        raise ImageError(
            f"{shown(channels.path)}: its channels fit {name} as classes, the first of them the background, and as regions: "
            "save the channel that is meant as NIfTI"
        )


def _segmentation(companion: Image, path: Path) -> NDArray[np.integer[Any]]:
    """Return the labels of the segmentation as integers."""
    labels = companion.data
    whole = np.rint(labels)
    if labels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            sound = bool(np.all(np.abs(labels - whole) <= 1e-4))
        if not sound:
            raise ImageError(
                f"{shown(companion.path)}: the segmentation of {shown(path.name)} is no label map (values that occur: "
                f"{labels_in(labels)}); put the one that belongs to it beside it"
            )
    return np.asarray(whole, dtype=np.int64)


def _check_values(channels: Channels, most: float = 0) -> None:
    """Refuse values that are no probabilities, if they are more than this share."""
    values = channels.values
    beyond = np.count_nonzero((values < -OVERSHOOT) | (values > 1 + OVERSHOOT))
    if beyond > most * values.size:
        lowest, highest = float(values.min()), float(values.max())
        logarithms = are_logarithms(channels.values)
        what = "logarithms of probabilities (log-softmax)" if logarithms else "logits"
        remedy = f": {EXP}" if logarithms else "; save probabilities in [0, 1]"
        raise ImageError(
            f"{shown(channels.path)}: it holds values from {lowest:.3g} to {highest:.3g}, as {what} do{remedy}"
        )


def _not_its_own(channels: Channels, name: str, best: Match) -> str:
    kind = "classes" if channels.classes else "regions"
    return (
        f"{shown(channels.path)}: its {counted(len(channels.values), 'channel')}, taken as {kind}, {'is' if len(channels.values) == 1 else 'are'} not {'that' if len(channels.values) == 1 else 'those'} of {name}: "
        f"{best.share:.0%} of what either marks agrees, however they are turned; put the segmentation that belongs to it "
        f"beside it, or {CHANNELS_AS_NIFTI}"
    )


def _ways(channels: Channels, turns: Sequence[Turn]) -> list[Turn]:
    """Return those of some turns that differ in what they make of the probabilities."""
    first, *others = turns
    return [
        first,
        *(
            other
            for other in others
            if not all(np.array_equal(first.of(channel), other.of(channel)) for channel in channels.values)
        ),
    ]


def _check_one_way(channels: Channels, name: str, ways: Sequence[Turn]) -> None:
    """Refuse probabilities that fit the segmentation only turned, and so in several ways."""
    if len(ways) > 1:
        raise ImageError(
            f"{shown(channels.path)}: its probabilities fit {name} in {len(ways)} ways ({_in_words(ways)}): save the channel "
            "as NIfTI in the orientation that is right"
        )


def _in_words(ways: Sequence[Turn]) -> str:
    return "; ".join(in_words(turn) for turn in ways[:3])


def _array(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            for name in ARRAYS:
                if name in found:
                    check_memory(path, 2 * found.zip.getinfo(f"{name}.npy").file_size)
                    array: NDArray[Any] = found[name]
                    return array
            held = ", ".join(found.files) or "nothing"
    except ImageError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError, AttributeError) as error:
        objects = "Object arrays" in str(error)
        remedy = "save one array of numbers, all of one shape" if objects else "is it a complete .npz?"
        why = "it holds Python objects" if objects else reason_of(error)
        raise ImageError(f"{shown(path)}: cannot be read ({why}); {remedy}") from error
    raise ImageError(f"{shown(path)}: it holds {held}; an array named {' or '.join(ARRAYS)} is needed")
