"""What a sidecar says of the options of a fusion of label maps, and where such a fusion comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..native.kind import kind_of
from ..native.origin import Origin
from ..native.remembered import held_of
from ..votes import Votes
from .declared import RESAMPLING
from .fuse import came_to
from .options import LabelOptions
from .prior_map import is_prior_map
from .result import LabelFusion

OF_EM = ("prior", "init", "performance_prior", "tol", "max_iter", "acceleration")
OF_MAPS = ("candidates", "confusion", "knows")
OF_SOFT = {"soft-staple": ("m_step", "truncation"), "simplified-soft-staple": ("m_step", "likelihood")}


def recorded(
    options: LabelOptions,
    labels: Any,
    fusion: LabelFusion,
    *,
    prior: Any = None,
    label_names: str | None = None,
) -> dict[str, object]:
    """Return what the sidecar says of the options: what "auto" came to, too.

    Parameters
    ----------
    options : LabelOptions
        As they were given.
    labels : "all", sequence of int, or mapping
        As they were given.
    prior : object
        What it says of the prior, where that is maps.
    label_names : str or None
        The file of the labels' names.
    """
    by_em = fusion.method != "majority"
    plain: dict[str, object] = {}
    if by_em:
        plain = {name: plain_option(getattr(options, name)) for name in OF_EM if name != "prior"}
        told = "a map" if prior is None and is_prior_map(options.prior) else options.prior
        plain |= {"prior": plain_option(told if prior is None else prior), "roi": options.roi}
        plain |= came_to(replace(options, knows={}, prior="mean").checked(), fusion)
    if isinstance(labels, Mapping):
        labels = {str(label): name for label, name in labels.items()}
    asked = {name: plain_option(getattr(options, name)) for name in (*OF_MAPS, "weights")}
    asked["knows"] = asked["knows"] or None
    return {
        "labels": labels if isinstance(labels, (str, dict)) else list(labels),
        "label_names": label_names,
        **plain,
        **{name: getattr(options, name) for name in OF_SOFT.get(fusion.method, ())},
        **({} if options.intervals == "none" else {name: getattr(options, name) for name in RESAMPLING}),
        "missing": options.missing,
        **{name: plain.get(name, asked[name]) for name in (OF_MAPS if by_em else ("weights",))},
        "undecided": options.undecided,
    }


def plain_option(value: Any) -> Any:
    """Return an option as JSON has it."""
    if isinstance(value, Mapping):
        return {str(name): plain_option(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_option(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value


def with_origin_of_labels(
    fusion: LabelFusion, votes: Votes, options: LabelOptions, labels: Any, remarks: Sequence[str]
) -> LabelFusion:
    """Return the fusion with where it comes from; ``votes`` are listed."""
    held, mask, present = held_of(votes)
    origin = Origin(
        kind=kind_of(votes.raters),
        names=fusion.raters,
        options=recorded(options, labels, fusion),
        remarks=tuple(remarks),
        masked=votes.mask is not None,
        partial=votes.present is not None,
        held=held,
        mask=mask,
        present=present,
    )
    return replace(fusion, _origin=origin)
