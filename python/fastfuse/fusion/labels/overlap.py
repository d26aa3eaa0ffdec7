"""Structures that may overlap: a fusion of masks for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...inputs.arrays import Array, as_array, name_of
from ...inputs.names import counted
from ..options import Options
from ..pipeline import fuse_votes
from ..registry import Method
from ..result import Fusion
from ..votes import Votes
from .chosen import Labels, checked_labels
from .declared import LABEL_OPTIONS, AskedLabels

OF_ALL = ("labels", "overlap")
Overlapping = dict[int | str, Fusion]


def fuse_overlapping(
    votes: Votes, method: Method, options: Options, asked: AskedLabels
) -> tuple[Overlapping, list[str]]:
    """Return the fusion of each structure by its name, or its label; and what makes them doubtful.

    Raises
    ------
    ValueError, TypeError
        Naming the rater who has no mask of each structure, and options that fusions of masks do not have.
    """
    check_overlapping(options, asked)
    if votes.out is not None:
        raise ValueError(
            "out is given, and overlap is True: there is a volume for each structure; leave it out"
        )
    votes = votes.listed()
    labels = in_given_order(asked.labels)
    called: list[int | str] = list(labels.names or labels.values)
    stacks = [
        None if rater is None else _stack(rater, name_of(i, votes.names), labels)
        for i, rater in enumerate(votes.raters)
    ]
    if all(stack is None for stack in stacks):
        raise ValueError("all raters are None: give at least one stack of masks")
    found: Overlapping = {}
    remarks: list[str] = []
    for place, (label, name) in enumerate(zip(labels.values, called, strict=True)):
        masks = [None if stack is None else stack[place] for stack in stacks]
        of_one = replace(options, prior=prior_of(options.prior, label, name))
        fusion, said = fuse_votes(replace(votes, raters=masks), method, of_one)
        found[name] = fusion
        remarks += [f"{name}: {remark}" for remark in said]
    return found, remarks


def check_overlapping(options: Options, asked: AskedLabels) -> None:
    """Refuse what is for label maps alone, and what chooses structures in another way."""
    for name, one in LABEL_OPTIONS.items():
        if name not in OF_ALL and one.differs(getattr(asked, name)):
            raise ValueError(
                f"{name} is given, and overlap is True: each structure is fused by itself, as masks are; leave one of both out"
            )
    for name in ("max_memory", "executor"):
        if getattr(options, name) is not None:
            raise ValueError(
                f"{name} is given, and overlap is True: votes are read block by block one structure at a time; leave it out"
            )
    if options.select_label is not None:
        raise ValueError(
            "select_label is given, and overlap is True: labels name the structures; leave it out"
        )


def in_given_order(asked: Any) -> Labels:
    """Return the labels in the order of the masks."""
    checked = checked_labels(asked)
    if checked is None:
        raise ValueError(
            "labels is 'all', and overlap is True: name the structures in the order of the masks, as labels={1: 'tumour', 2: 'core'}"
        )
    assert isinstance(asked, Iterable)
    values = tuple(int(label) for label in asked)
    return Labels(values, tuple(asked.values()) if isinstance(asked, Mapping) else ())


def _stack(rater: Any, name: str, labels: Labels) -> Array:
    array = as_array(rater, name)
    if array.ndim < 2 or array.shape[0] != len(labels.values):
        raise ValueError(
            f"{name} has shape {array.shape}: with overlap=True each rater gives {counted(len(labels.values), 'mask')}, an array "
            f"of shape ({len(labels.values)}, ...), in the order of labels"
        )
    return array


def prior_of(prior: Any, label: int, name: int | str) -> Any:
    """Return the prior of one structure: the same of all, or that which a mapping has."""
    if not isinstance(prior, Mapping):
        return prior
    for key in (name, label):
        if key in prior:
            return prior[key]
    raise ValueError(f"prior has none for label {name}: give one for each structure")
