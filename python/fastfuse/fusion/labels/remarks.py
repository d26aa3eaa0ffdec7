"""Remarks on fusions of label maps that are legal but doubtful."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from ...inputs.names import counted, enumerated, told
from ...inputs.raters import Same, remarks_on_same_votes
from ..doubts.remedies import IF_EMPTY
from ..prior_map import LEAST
from .chosen import Labels
from .knowledge import on_knowledge
from .options import BACKGROUND, LabelOptions, excluded_by, prior_for
from .result import LabelFusion

SAME = 0.05  # by how much rates of raters who tell nothing differ
REMEDY = (
    "if they do not know it, say so by knows={rater: labels} (--knows RATER=LABELS), or it may be voted down"
)


def remarks_on(
    fusion: LabelFusion, options: LabelOptions, places: Sequence[int], *, soft: bool = False
) -> list[str]:
    """Say what is doubtful, and what to do; nothing for a fusion that can be taken as it is.

    ``places``: those of the raters who read the case. ``soft``: votes are soft.
    """
    remarks = _on_labels(fusion)
    readers = int(np.count_nonzero(fusion.volume.sum(axis=1)))
    if readers == 1:
        return [
            *remarks,
            *on_intervals(fusion),
            "there is one rater only: the consensus can only repeat their votes",
        ]
    remarks += on_intervals(fusion)
    if fusion.method == "majority":
        return remarks
    if not identified(len(fusion.labels), readers):
        remarks.append(
            f"{counted(readers, 'rater')} {'does' if readers == 1 else 'do'} not determine confusion matrices of "
            f"{counted(len(fusion.labels), 'label')}: other ones explain the "
            "votes as well; ask more raters, or take the majority vote"
        )
    if soft and not _says_nothing(fusion):
        remarks += _on_votes(fusion)
    elif soft:
        remarks.append(
            "no rater's votes depend on the truth that EM found, so that the consensus is the prior: take the majority vote"
            + ("" if options.m_step == "em" else ", or try m_step='em'")
        )
    remarks += _on_prior(fusion, options)
    remarks += [*_on_raters(fusion, options, places), *on_knowledge(fusion, options)]
    if not fusion.converged:
        faster = "" if options.acceleration == "squarem" else ", or choose acceleration='squarem'"
        remarks.append(
            f"EM has not converged after {counted(fusion.n_iter, 'iteration')}: raise max_iter{faster}"
        )
    return remarks


def remarks_on_copies(fusion: LabelFusion, same: Same, files: Sequence[Hashable] = ()) -> list[str]:
    """Say who give the same labels; ``files``: which file each rater's labels are of."""
    hints = [tuple(volume) for volume in fusion.volume.tolist()]
    marks = fusion.volume @ (np.asarray(fusion.labels) != BACKGROUND)
    return remarks_on_same_votes(marks.tolist(), same, fusion.raters, hints=hints, files=files)


def on_votes(fusion: LabelFusion, places: Sequence[int]) -> list[str]:
    """Say of a fusion by rates that are known who has no vote, or none but background, of the raters at ``places``; and if one has all."""
    reads = fusion.volume.sum(axis=1) > 0
    silent = [fusion.raters[i] for i in places if not reads[i]]
    said = [told(silent, "has no vote", "have no vote")] if silent else []
    marks = fusion.volume @ (np.asarray(fusion.labels) != BACKGROUND) > 0
    if np.count_nonzero(marks) > np.count_nonzero(reads & ~marks):
        empty = [fusion.raters[i] for i in np.flatnonzero(reads & ~marks)]
        what = f"label {BACKGROUND} alone: {IF_EMPTY}"
        said += [told(empty, f"gives {what}", f"give {what}")] if empty else []
    if np.count_nonzero(reads) == 1:
        said.append("there is one rater only: the consensus rests on their votes alone")
    return said


def on_intervals(fusion: LabelFusion) -> list[str]:
    """Say where intervals that were asked for are defined for no rater and label."""
    if fusion.intervals is None or np.isfinite(fusion.intervals.sensitivity).any():
        return []
    why = "there is too little to resample: fewer than two raters, two labels or some voxels of a label"
    return [f"intervals={fusion.intervals.kind!r} are not defined here: {why}"]


def _says_nothing(fusion: LabelFusion) -> bool:
    """Tell whether every rater votes alike whatever is true, of labels that hold a voxel; undefined rates tell nothing."""
    held = fusion.consensus_volume >= 1
    if held.sum() < 2:
        return False
    rates = fusion.confusion[~np.isnan(fusion.confusion).all(axis=(1, 2))][:, held]
    gone = np.isnan(rates)
    spread = np.where(gone, -np.inf, rates).max(axis=1) - np.where(gone, np.inf, rates).min(axis=1)
    return bool((spread <= SAME).all())


def _on_votes(fusion: LabelFusion) -> list[str]:
    """Say that the consensus is the same whatever is voted, unless it is what most votes are for anyway."""
    mass, votes = fusion.consensus_volume, fusion.volume.sum(axis=0)
    share = mass / max(float(mass.sum()), 1.0)
    gap = np.abs(fusion.ppv - share)[fusion.volume > 0]
    if gap.max(initial=0) > SAME or 2 * votes[int(np.argmax(share))] >= votes.sum():
        return []
    return ["the consensus hardly depends on the votes: look at them, or take the majority vote"]


def identified(labels: int, raters: int) -> bool:
    """Tell whether the votes have as many degrees of freedom as the model: K^m - 1 >= m K (K - 1) + K - 1."""
    return bool(labels**raters - 1 >= raters * labels * (labels - 1) + labels - 1)


def _on_labels(fusion: LabelFusion) -> list[str]:
    given = Labels(fusion.labels, fusion.label_names)
    unseen = [
        name
        for name, voted in zip(given.called, np.any(fusion.volume > 0, axis=0).tolist(), strict=True)
        if not voted
    ]
    if unseen:
        return [f"nobody votes for label {enumerated(unseen)}: the probability is 0 everywhere"]
    if len(fusion.labels) == 1:
        return [f"all raters give label {given.called[0]} everywhere"]
    return []


def _on_prior(fusion: LabelFusion, options: LabelOptions) -> list[str]:
    """Say which labels a prior of numbers excludes, although somebody votes for them."""
    given = Labels(fusion.labels, fusion.label_names)
    excluded = [given.called[code] for code in excluded_by(prior_for(options.prior, given), fusion.volume)]
    if not excluded:
        return []
    one = len(excluded) == 1
    said = (
        f"prior is 0 for label{'' if one else 's'} {enumerated(excluded)}, which {'is' if one else 'are'} voted for: taken as "
        f"{LEAST:g}, as where all vote for it nothing else can be true"
    )
    return [said]


def _on_raters(fusion: LabelFusion, options: LabelOptions, places: Sequence[int]) -> list[str]:
    """Doubt raters who never give a label that most others give: maybe they do not know it."""
    given = Labels(fusion.labels, fusion.label_names)
    votes = fusion.volume > 0
    reads = np.asarray(votes.any(axis=1))
    common = votes[reads].mean(axis=0) > 0.5
    told_already = {str(rater) for rater in options.knows}
    remarks = []
    for i, name in enumerate(fusion.raters):
        lacking = [given.called[a] for a in np.flatnonzero(common & ~votes[i])]
        if reads[i] and lacking and not told_already & {name, str(i)}:
            remarks.append(
                f"{name} never gives label {enumerated(lacking)}, which most others give: {REMEDY}"
            )
    silent = [fusion.raters[i] for i in places if not reads[i]]
    if silent:
        remarks.append(told(silent, "has no vote", "have no vote"))
    return remarks
