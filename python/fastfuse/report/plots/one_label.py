"""One label of label maps, or several together, as figures of masks draw it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.labels.chosen import Labels
from ...fusion.labels.estimate import LabelEstimate
from ...fusion.labels.result import LabelFusion
from ...fusion.native.maps import maps_for
from ...fusion.result import divided
from ...inputs.names import enumerated, quoted

Label = int | str | Sequence[int | str]
Rates = NDArray[np.float64]


def codes_of(found: Any, label: Label | None, figure: str) -> list[int] | None:
    """Return the places of the labels that a figure of label maps draws; None of masks, which have none.

    Raises
    ------
    ValueError
        If label maps lack ``label``, or it is none of theirs; or masks have one.
    """
    if not isinstance(found, (LabelFusion, LabelEstimate)):
        if label is not None:
            raise ValueError(f"label is {quoted(label)}, and this is a fusion of masks: leave it out")
        return None
    labels = Labels(found.labels, found.label_names)
    if label is None:
        held = enumerated([str(one) for one in labels.called])
        raise ValueError(
            f"label is not given: plots.{figure} draws one label of label maps; give it, such as label={labels.called[-1]!r}; there are {held}"
        )
    return labels.codes(label, "label")


def confusion_of(found: LabelFusion | LabelEstimate) -> Rates:
    """Return the raters' confusion matrices; nan where nothing tells a rate."""
    return found._shown_confusion() if isinstance(found, LabelFusion) else found.confusion


def rates_of(found: LabelFusion | LabelEstimate, codes: Sequence[int]) -> tuple[Rates, Rates]:
    """Return each rater's sensitivity and specificity for these labels against all others, m of each.

    Both are of the confusion matrices, whose rows are weighted by the prior; rows that are undefined are left out.
    """
    inside, shown = np.isin(np.arange(len(found.labels)), codes), confusion_of(found)

    def share(these: NDArray[np.bool_]) -> Rates:
        rows = shown[:, these][:, :, these].sum(axis=2)
        weights = np.where(np.isnan(rows), 0.0, found.prior[these])
        return divided(np.nansum(rows * weights, axis=1), weights.sum(axis=1))

    return share(inside), share(~inside)


def volumes_of(
    fusion: LabelFusion, codes: Sequence[int], raters: Any
) -> tuple[NDArray[Any], list[NDArray[np.bool_]]]:
    """Return the probability of these labels, and where each rater gives one of them."""
    values = [fusion.labels[code] for code in codes]
    probability = fusion.probability(values)
    return probability, [np.isin(one, values) for one in maps_for(fusion, raters, probability.shape)]
