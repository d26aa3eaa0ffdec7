"""Remarks on labels that few raters know, or that some never give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...inputs.names import MOST_TOLD, enumerated
from .chosen import Labels
from .options import BACKGROUND, OF_MEAN_LABEL, LabelOptions, dirichlet_for, unknown_flags
from .result import LabelFusion

OF_BACKGROUND = 0.8  # of all votes: as much has no structure, but what is around all
Flags = NDArray[np.bool_]


def on_knowledge(fusion: LabelFusion, options: LabelOptions) -> list[str]:
    """Say which labels one rater alone knows, few give though others may know them, and have a sensitivity without a vote."""
    given = Labels(fusion.labels, fusion.label_names)
    votes = fusion.volume > 0
    reads = np.asarray(votes.any(axis=1))
    unknown = unknown_flags(options.knows, given, fusion.raters, fusion.volume)
    return [
        *_on_lone_raters(fusion, given, reads, unknown, is_given=not isinstance(options.prior, str)),
        *_on_few(fusion, given, reads, silent=reads & ~_named(fusion, options)),
        *_on_the_belief_alone(fusion, given, options),
        *_on_the_background(fusion, given, options),
    ]


def _on_lone_raters(
    fusion: LabelFusion, labels: Labels, reads: Flags, unknown: Flags, *, is_given: bool
) -> list[str]:
    """Say of labels that one rater alone knows that nobody can confirm them; ``is_given``: the prior is."""
    knowing = reads[:, None] & ~unknown
    lone = np.flatnonzero((knowing.sum(axis=0) == 1) & fusion.volume.any(axis=0) & unknown.any(axis=0))
    remedy = (
        "the prior that you give decides how many of them count"
        if is_given
        else "give a prior (prior=[...], --prior P,P,...) with the share of each label that you expect, as in that rater's map"
    )
    return [
        f"label {labels.called[code]} is known to 1 of {np.count_nonzero(reads)} raters, "
        f"{fusion.raters[int(np.argmax(knowing[:, code]))]}: nobody confirms their votes for it, so that most are taken for "
        f"errors; {remedy}"
        for code in lone.tolist()
    ]


def _named(fusion: LabelFusion, options: LabelOptions) -> Flags:
    """Return of which raters it is said what they know."""
    named = np.zeros(len(fusion.raters), bool)
    for rater in options.knows:
        named[fusion.raters.index(rater) if isinstance(rater, str) else rater] = True
    return named


def _on_few(fusion: LabelFusion, labels: Labels, reads: Flags, silent: Flags) -> list[str]:
    """Doubt labels that at most half of the raters give, but these in earnest: maybe the others do not know them.

    ``silent``: raters of whom nothing is said.
    """
    votes = fusion.volume > 0
    foreground = np.asarray(fusion.labels) != 0
    if not votes[:, foreground].any():
        return []
    givers = votes.sum(axis=0)
    size = fusion.volume.sum(axis=0) / np.maximum(givers, 1)
    usual = float(size[foreground & (givers > 0)].mean())
    lacking = (silent[:, None] & ~votes).any(axis=0)
    few = foreground & (givers > 0) & (2 * givers <= reads.sum()) & lacking
    codes = np.flatnonzero(few & (size >= OF_MEAN_LABEL * usual)).tolist()
    if not codes:
        return []
    told = [f"{labels.called[code]} ({givers[code]} of {np.count_nonzero(reads)})" for code in codes]
    it = "it" if len(codes) == 1 else "them"
    said = (
        f"few raters give label {enumerated(told)}: if the others do not know {it}, say so by knows={{rater: labels}} "
        f"(--knows RATER=LABELS), or their silence votes against {it}"
    )
    return [said]


def _on_the_belief_alone(fusion: LabelFusion, labels: Labels, options: LabelOptions) -> list[str]:
    """Say of which labels that a rater never gives the belief in raters alone makes a sensitivity."""
    if dirichlet_for(options.performance_prior, labels, fusion.volume, float(fusion.n_voxels)) is None:
        return []
    made = (fusion.volume == 0) & np.isfinite(fusion.sensitivity) & (fusion.consensus_volume >= 1)
    return belief_told(fusion.raters, labels, fusion.sensitivity, made)


def _on_the_background(fusion: LabelFusion, labels: Labels, options: LabelOptions) -> list[str]:
    """Doubt the belief in raters where label 0 is none, and another label looks like the background: its voxels make the belief strong."""
    votes = fusion.volume.sum(axis=0)
    if options.performance_prior != "auto" or votes[np.asarray(labels.values) == BACKGROUND].any():
        return []
    largest = int(votes.argmax())
    voxels = float(fusion.n_voxels)
    found = dirichlet_for("auto", labels, fusion.volume, voxels)
    better = dirichlet_for("auto", labels, fusion.volume, voxels, labels.values[largest])
    if found is None or better is None or votes[largest] < OF_BACKGROUND * votes.sum():
        return []
    name, share = labels.called[largest], 100 * votes[largest] / votes.sum()
    said = (
        f"label {name} has {share:.0f} % of all votes, and none is 0, which alone counts as background: the belief of performance_prior "
        f"'auto' is {found[0]:.3g} voxels in each row, which draws rates of the other labels to {found[1]:g}; set label {name} to 0 in "
        f"the maps, or give performance_prior=({better[0]:.3g}, {better[1]:g}) (--performance-prior {better[0]:.3g} {better[1]:g})"
    )
    return [said]


def belief_told(
    names: Sequence[str], labels: Labels, sensitivity: NDArray[np.float64], made: Flags
) -> list[str]:
    """Say at which labels the belief in raters alone makes a rater's sensitivity; ``made``: where."""
    told = [
        f"{names[rater]} at {labels.called[code]} ({sensitivity[rater, code]:.3f})"
        for rater, code in np.argwhere(made).tolist()
    ]
    if not told:
        return []
    return [
        f"the sensitivity is that of performance_prior alone where a rater never gives a label: {enumerated(told, MOST_TOLD)}"
    ]
