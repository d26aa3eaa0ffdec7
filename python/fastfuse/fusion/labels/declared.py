"""The options that label maps alone take, each declared once. Loads neither NumPy nor the core."""
# ruff: noqa: RUF009 - each option is declared by a call, as a dataclass's field

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..declared import declared, option
from ..option_checks import as_given
from ..registry import Method, in_help_order

Label: TypeAlias = "int | str"
LabelsLike: TypeAlias = 'Literal["all"] | Sequence[int] | Mapping[int, str]'
Candidates = Literal["auto", "voted", "all"]
ConfusionModel = Literal["full", "class"]
Knows: TypeAlias = "Mapping[int | str, Sequence[Label]]"
LabelInit = Literal["auto", "plurality", "vote", "itk"]
LabelPrior: TypeAlias = 'Literal["mean", "estimate"] | Sequence[float] | Mapping[Label, float]'
Dirichlet: TypeAlias = 'Literal["auto"] | tuple[float, float] | None'

# Options of all fusions that those of label maps take too.
SHARED = ("prior", "init", "missing", "performance_prior", "tol", "max_iter", "acceleration", "threads")


def by_em(method: Method) -> bool:
    """Say that STAPLE of label maps takes an option."""
    return method.name == "staple"


def by_vote(method: Method) -> bool:
    """Say that the majority vote of label maps takes an option."""
    return method.name == "majority"


def of_maps(method: Method) -> bool:
    """Say that methods take an option that fuse label maps."""
    return by_em(method) or by_vote(method)


@dataclass(frozen=True)
class AskedLabels:
    """What is asked of label maps."""

    labels: LabelsLike | None = option(
        None,
        as_given,
        '"all", sequence of int, or mapping of int to str',
        """Fuse label maps, all labels at once: those that occur ("all"), these, or these with names. A label that is not
        among them is refused. The result is a :class:`LabelFusion`. Two labels are fused as masks are, bit for bit, and
        for more some defaults differ: see ``init``, ``candidates`` and ``performance_prior``. STAPLE needs at least three
        raters to tell their errors apart. Where errors are displaced borders, as after registration of atlases,
        the majority vote is hard to beat; where raters confuse labels at random, STAPLE is better.""",
        methods=of_maps,
    )
    candidates: Candidates = option(
        "auto",
        as_given,
        '{"auto", "voted", "all"}',
        """Labels that may be true at a voxel: those that somebody votes there, or all. With "all" and many labels, EM
        gives some voxels a label that nobody votes. "auto": "voted" for more than two labels.""",
        methods=by_em,
    )
    confusion: ConfusionModel = option(
        "full",
        as_given,
        '{"full", "class"}',
        """Model of a rater who errs, of label maps: "full", a probability of each vote for each truth; "class", one
        sensitivity for each label, and wrong votes as frequent as the labels are.""",
        methods=by_em,
    )
    knows: Knows | None = option(
        None,
        as_given,
        "mapping of int or str to sequence of labels",
        """Labels that a rater knows, by the rater's index (or name, "rater 0"), for raters who do not know all: a network
        that was not trained on lesions. Without it, a label that they never give is voted down.""",
        methods=by_em,
    )
    weights: Sequence[float] | None = option(
        None,
        as_given,
        "sequence of m float",
        "What each rater's vote counts, of label maps; all alike without it.",
        methods=by_vote,
    )
    undecided: int | None = option(
        None,
        as_given,
        "int",
        """Written by ``label()`` of label maps where labels are tied, in the place of the largest of them. It must be none
        of the labels.""",
        methods=of_maps,
    )

    def check_method(self, method: Method) -> None:
        """Refuse an option that the method does not have, and what only label maps take where none are fused."""
        for name, one in LABEL_OPTIONS.items():
            value = getattr(self, name)
            if not one.differs(value):
                continue
            if not one.methods(method):
                others = " or ".join(row.name for row in in_help_order() if one.methods(row))
                raise ValueError(
                    f"{name} is {_short(value)}: {method.name} has no such option; leave it out, or choose {others}"
                )
            if self.labels is None:
                raise ValueError(
                    f"{name} is {_short(value)}: it is for label maps; give labels too, as labels='all'"
                )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


LABEL_OPTIONS = declared(AskedLabels)
LABEL_ENTRIES = {name: one.entry for name, one in LABEL_OPTIONS.items()}
