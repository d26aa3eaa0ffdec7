"""Fuses networks' probabilities of all labels: the mean, as nnU-Net's own ensembling takes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...fusion.labels.chosen import Labels, checked_labels, smallest_type
from ...fusion.labels.declared import AskedLabels
from ...fusion.labels.networks import Against, Mean, MeanConsensus, RegionConsensus, fusion_of, painted
from ...fusion.labels.options import weights_for
from ...fusion.labels.result import LabelFusion, same_undecided
from ...fusion.options import Options
from ...images.checks import check_memory, check_regular
from ...images.dataset_json import NAME, fault_of, has_regions, painting_of, regions_in
from ...images.formats.label_names import LabelNames
from ...images.nnunet import Predicted, channels_in, checksum_of, companion_of, read_channels
from ...images.paths import shown
from ...images.wanted import Wanted
from ...inputs.lattice import Turn
from ...inputs.names import enumerated, grouped
from ...inputs.raters import remarks_on_same_votes
from ..job import Inputs, Job
from .asked import Group, as_values, names_for, probability_of, said_of_unnamed
from .datasets import beside
from .job import LabelJob, Volumes

Say = Callable[[str], None]


@dataclass
class Networks:
    """What is known of the networks' files while they are read.

    Attributes
    ----------
    mean : Mean
    turns : list of Turn
        How each network's channels come onto the grid.
    labels : dict of int to int
        Of classes, the label of each channel.
    classes, count : bool, int
        Whether channels are classes, and their number.
    """

    mean: Mean = field(default_factory=Mean)
    turns: list[Turn] = field(default_factory=list)
    labels: dict[int, int] = field(default_factory=dict)
    classes: bool = True
    count: int = 0
    first: Path | None = None

    def add(self, path: Path, found: Predicted, weight: float) -> None:
        """Take one network's channels, which must be those of the others."""
        channels = found.channels
        if self.first is None:
            self.first, self.classes, self.count = path, channels.classes, len(channels.values)
            check_memory(path, 4 * channels.values.size)
        if (channels.classes, len(channels.values)) != (self.classes, self.count):
            raise ImageError(
                f"{shown(self.first)} holds {_kind(self.count, classes=self.classes)}, and {shown(path)} "
                f"{_kind(len(channels.values), classes=channels.classes)}: fuse networks of one dataset"
            )
        for channel, label in channels.labels.items():
            if self.labels.setdefault(channel, label) != label:
                raise ImageError(
                    f"{shown(path)}: channel {channel} is label {label} in the segmentation beside it, and label "
                    f"{self.labels[channel]} in those before: fuse networks of one dataset"
                )
        self.turns.append(found.turn)
        self.mean.add(found.turned(), weight)


def fuse_networks(
    job: LabelJob, asked: AskedLabels, options: Options, say: Say
) -> tuple[LabelFusion, Inputs, LabelNames, Volumes, list[str]]:
    """Return the fusion of networks' probabilities, on the grid of the segmentations beside them."""
    _check(job, options)
    files = job.files
    weights = weights_for(asked.weights, len(files.raters)) or [1.0] * len(files.raters)
    inputs = _segmentations(job, options, say)
    networks = Networks()
    for path, companion, weight in zip(files.raters, inputs.raters, weights, strict=True):
        say(f"reading {shown(path.name)}")
        found, said = read_channels(path, replace(companion, remark=None))
        inputs.remarks += said
        networks.add(path, found, weight)
    say("fusing")
    outside = None if inputs.region is None else np.asarray(inputs.region == 0)
    names = names_for(job.names, asked.labels, beside(files.raters))
    told = [] if networks.classes else list(regions_in(_dataset(job), networks.count))
    if networks.classes and job.names is None and (fault := fault_of(files.raters[0].parent / NAME)):
        inputs.remarks.append(f"{fault}, so that it names no labels")
    make = _of_classes if networks.classes else _of_regions
    labels, consensus, votes_of = make(job, asked, networks, outside)
    labels = labels if labels.names else labels.named(names.names)
    same_undecided(asked.undecided, labels)
    against = _against(job, networks, consensus, len(labels.values), votes_of, outside, say)
    voxels = int(np.count_nonzero(~outside)) if outside is not None else inputs.raters[0].data.size
    fusion = fusion_of(against, consensus, labels, files.names, voxels, asked.undecided)
    known = dict(zip(labels.values, labels.names, strict=False))
    groups = {group: _saved(group, told, known, fusion) for group in job.probabilities}
    remarks = [
        *grouped(inputs.remarks),
        *_on_copies(files),
        *said_of_unnamed(fusion.labels, job.names, names),
    ]
    if len(files.raters) == 1:
        remarks.append("there is one rater only: the consensus can only repeat their votes")
    return fusion, inputs, names, groups, remarks


def _on_copies(files: Job) -> list[str]:
    """Say whose probabilities are the same."""
    keys = [checksum_of(path) for path in files.raters]
    marks = [math.inf] * len(keys)  # none are told from the others by what they mark
    same = lambda one, other: keys[one] == keys[other]
    return remarks_on_same_votes(marks, same, files.holders, hints=keys, files=files.identities)


def _saved(
    group: Group, told: Sequence[str], known: Mapping[int, str], fusion: LabelFusion
) -> Callable[[], NDArray[Any]]:
    """Return what makes the probability of labels, or of a region by its name; ``told`` are the regions' names."""
    consensus = fusion.consensus
    if isinstance(consensus, RegionConsensus) and len(group) == 1 and group[0] in told:
        return partial(consensus.region, list(told).index(str(group[0])))
    return partial(probability_of, fusion, as_values(group, known, "save_probability"))


def _check(job: LabelJob, options: Options) -> None:
    """Refuse what is for label maps alone."""
    for name, given in (
        ("intervals", options.intervals != "none"),
        ("missing", options.missing != "error"),
        ("present", any(job.files.present)),
        ("grid", job.files.placing.grid is not None),
        ("resample", job.files.placing.resample != "none"),
    ):
        if given:
            raise ValueError(
                f"{name} is given: not for networks' probabilities of all classes; leave it out, or fuse the segmentations "
                "beside them"
            )


def _segmentations(job: LabelJob, options: Options, say: Say) -> Inputs:
    """Read the segmentation beside each file, all of which must lie on one grid."""
    files = job.files
    for path in files.raters:
        check_regular(path)
    beside = replace(files, raters=[companion_of(path) for path in files.raters])
    inputs = beside.read(say, options.threads, Wanted(use=files.placing.use, offers_use=True), of_labels=True)
    moved = [
        shown(path) for path, image in zip(files.raters, inputs.raters, strict=True) if image.own is not None
    ]
    if moved:
        raise ImageError(
            f"{enumerated(moved)}: the segmentation beside it lies on another grid than the first rater's: networks' "
            "probabilities are fused on one grid; predict the same image"
        )
    return inputs


def _dataset(job: LabelJob) -> Path:
    """Return the dataset.json that tells of regions: the one that was given, else that beside the first file."""
    given = job.names
    is_given = given is not None and given.suffix.lower() == ".json"
    return given if given is not None and is_given else job.files.raters[0].parent / NAME


def _kind(count: int, *, classes: bool) -> str:
    what = ("class" if count == 1 else "classes") if classes else f"region{'s' * (count != 1)}"
    return f"{count} {what}"


VotesOf = Callable[[Sequence[NDArray[Any]]], NDArray[Any]]


def _of_classes(
    job: LabelJob, asked: AskedLabels, networks: Networks, outside: NDArray[np.bool_] | None
) -> tuple[Labels, MeanConsensus, VotesOf]:
    """Return the labels of classes, their mean, and how a network's channels become votes."""
    path = job.files.raters[0]
    if has_regions(_dataset(job)) and painting_of(_dataset(job)):
        raise ImageError(
            f"{shown(path)}: its channels sum to 1, as classes do, and dataset.json beside it tells of regions "
            "(regions_class_order): put the dataset.json that belongs to it beside it"
        )
    of_channel = _labels_of_channels(path, networks)
    labels = _asked_for(asked.labels, sorted(of_channel), path)
    order = [of_channel.index(label) for label in labels.values]
    mean = networks.mean.done()
    if order != sorted(order):
        mean = mean[order]
    return (
        labels,
        MeanConsensus(mean, labels.values, outside),
        lambda channels: np.stack([channels[at] for at in order]),
    )


def _labels_of_channels(path: Path, networks: Networks) -> list[int]:
    """Return the label of each channel: as the segmentations show, else its number where others have theirs."""
    known, count = networks.labels, networks.count
    if all(channel == label for channel, label in known.items()):
        return list(range(count))
    unknown = [channel for channel in range(count) if channel not in known]
    left = sorted(set(range(count)) - set(known.values()))
    if len(unknown) == len(left) == 1:
        known = {**known, unknown[0]: left[0]}
    elif unknown:
        raise ImageError(
            f"{shown(path)}: channels have other labels than their numbers, and which that of channel {unknown[0]} is, no "
            "segmentation shows; save it as NIfTI, with the channels in the order of the labels"
        )
    return [known[channel] for channel in range(count)]


def _asked_for(asked: Any, held: Sequence[int], path: Path) -> Labels:
    """Return the labels of networks, which must be those that were asked for."""
    labels = checked_labels(asked) or Labels(tuple(held))
    if list(labels.values) != list(held):
        given, have = (enumerated([str(label) for label in some]) for some in (labels.values, held))
        raise ValueError(
            f"labels is {given}, and {shown(path)} has the labels {have}: give these, or labels='all'"
        )
    return labels


def _of_regions(
    job: LabelJob, asked: AskedLabels, networks: Networks, outside: NDArray[np.bool_] | None
) -> tuple[Labels, RegionConsensus, VotesOf]:
    """Return the labels that regions are painted with, their mean, and how a network's channels become votes."""
    path = job.files.raters[0]
    paints = _painting(job.files.raters, _dataset(job), networks)
    regions = [tuple(sorted(held)) for held in regions_in(_dataset(job), networks.count).values()]
    if asked.undecided is not None:
        raise ValueError(
            "undecided is given: regions are painted where they are above 0.5, so that none are tied; leave it out"
        )
    if job.confidence is not None:
        raise ValueError(
            "save_confidence is given: regions may overlap, so that labels have no confidence; leave it out"
        )
    labels = _asked_for(asked.labels, sorted({0, *paints}), path)
    values = np.asarray(labels.values)
    kind = smallest_type(labels.values)
    consensus = RegionConsensus(networks.mean.done(), paints, regions, labels.values, outside)
    return labels, consensus, lambda channels: painted(channels, paints, kind) == values[:, None, None, None]


def _painting(paths: Sequence[Path], dataset: Path, networks: Networks) -> tuple[int, ...]:
    """Return the labels that regions are painted with, by the dataset.json beside the first file, or that is given.

    Raises
    ------
    ImageError
        If it does not tell, another one tells otherwise, or the segmentations show other labels.
    """
    path, count = paths[0], networks.count
    paints = painting_of(dataset)
    if paints is None or len(paints) != count:
        why = (
            f"dataset.json does not tell, since {fault}"
            if (fault := fault_of(dataset))
            else "no dataset.json beside it tells"
            if paints is None
            else f"{shown(dataset)} tells of {len(paints)} only"
            if len(paints) < count
            else f"{shown(dataset)} tells of {len(paints)}"
        )
        mend = (
            "put nnU-Net's dataset.json beside it"
            if paints is None
            else "mend it, or put the one that belongs to it there"
        )
        raise ImageError(
            f"{shown(path)}: its {_kind(count, classes=False)} (channels that do not sum to 1) are painted in an order that "
            f"{why} (regions_class_order): {mend}, or name it by label_names=FILE (--label-names FILE)"
        )
    if 0 in paints or len(set(paints)) < count:
        raise ImageError(
            f"{shown(path)}: dataset.json beside it paints regions with labels {', '.join(map(str, paints))}; mend it"
        )
    for other in paths[1:]:
        theirs = painting_of(other.parent / NAME)
        if theirs not in (None, paints):
            raise ImageError(
                f"dataset.json beside {shown(path)} and beside {shown(other)} paint regions in another order: fuse networks of "
                "one dataset"
            )
    for place, label in networks.labels.items():
        if paints[place - 1] != label:
            raise ImageError(
                f"{shown(path)}: dataset.json beside it paints region {place} with label {paints[place - 1]}, and the "
                f"segmentations show label {label}: put the dataset.json that belongs to it beside it"
            )
    return paints


def _against(
    job: LabelJob,
    networks: Networks,
    consensus: Any,
    count: int,
    votes_of: VotesOf,
    outside: NDArray[np.bool_] | None,
    say: Say,
) -> Against:
    """Hold each network against the consensus; its file is read once more, so that only one is in memory."""
    inside = slice(None) if outside is None else ~outside.reshape(-1)
    flat = _flat(_truths(consensus, votes_of), inside)
    against = Against(count)
    for path, turn in zip(job.files.raters, networks.turns, strict=True):
        say(f"comparing {shown(path.name)}")
        values = channels_in(path, consensus.mean.shape[1:])
        votes = _flat(votes_of([turn.of(channel) for channel in values]), inside)
        against.add(
            lambda piece: flat[:, piece].astype(np.float64),
            lambda piece, votes=votes: votes[:, piece].astype(np.float64),  # type: ignore[misc]
            flat.shape[1],
        )
    return against


def _truths(consensus: MeanConsensus | RegionConsensus, votes_of: VotesOf) -> NDArray[Any]:
    """Return the mean of classes; of regions, which label is painted where."""
    return consensus.mean if isinstance(consensus, MeanConsensus) else votes_of(list(consensus.mean))


def _flat(volumes: NDArray[Any], inside: Any) -> NDArray[Any]:
    return volumes.reshape(len(volumes), -1)[:, inside]
