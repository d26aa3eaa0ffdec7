"""The options that label maps alone take, each declared once. Loads neither NumPy nor the core."""
# ruff: noqa: RUF009 - each option is declared by a call, as a dataclass's field

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from ...inputs.kinds import VoxelsLike
from ...inputs.names import quoted
from ..declared import Flag, OneOf, declared, option
from ..option_checks import as_given, check_flag
from ..registry import Method, in_help_order

Label: TypeAlias = "int | str"
LabelsLike: TypeAlias = 'Literal["all"] | Sequence[int] | Mapping[int, str]'
Candidates = Literal["auto", "voted", "all"]
ConfusionModel = Literal["full", "class"]
Knows: TypeAlias = "Mapping[int | str, Sequence[Label]]"
LabelInit = Literal["auto", "plurality", "vote", "itk"]
LabelPrior: TypeAlias = 'Literal["mean", "estimate"] | Sequence[float] | Mapping[Label, float] | Mapping[Label, VoxelsLike] | VoxelsLike'
LabelRoi: TypeAlias = 'Literal["all"] | float'
LabelIntervalKind = Literal["none", "bootstrap"]
Dirichlet: TypeAlias = 'Literal["auto"] | tuple[float, float] | None'

# Options of all fusions that those of label maps take too.
SHARED = (
    "prior",
    "init",
    "roi",
    "spacing_mm",
    "missing",
    "performance_prior",
    "tol",
    "max_iter",
    "acceleration",
    "intervals",
    "replicates",
    "seed",
    "threads",
)
RESAMPLING = ("intervals", "replicates", "seed")  # of all methods, majority too


def all_or_labels(text: str) -> Any:
    """Return "all", or the labels that were typed, as in 0,1,2,4."""
    return text if text.strip() == "all" else [_integer(label, "labels", text) for label in text.split(",")]


def names_or_labels(text: str) -> tuple[Label, ...]:
    """Return labels that were typed as numbers or by name, with commas between them."""
    found = [part.strip() for part in text.split(",")]
    if "" in found:
        raise ValueError(
            f"{quoted(text)} holds an empty label: give numbers or names with commas between them"
        )
    return tuple(int(part) if _is_integer(part) else part for part in found)


def as_typed(value: Any) -> Any:
    """Return what the shell makes of lists and pairs as they were typed, for messages: 1,4 and moose=0,5."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and value and all(isinstance(one, tuple) and len(one) == 2 for one in value):
        return " ".join(f"{rater}={as_typed(labels)}" for rater, labels in value)
    kinds: Any = str if isinstance(value, list) else (int, str)  # lists of numbers are Python's own
    if value and isinstance(value, (tuple, list)) and all(isinstance(one, kinds) for one in value):
        return ",".join(map(str, value))
    return value


def known_by_rater(text: str) -> list[tuple[str, tuple[Label, ...]]]:
    """Return a rater and the labels that they know, as in moose=0,5,6."""
    rater, sign, labels = text.rpartition("=")
    if not (rater and sign and labels):
        raise ValueError(
            f"knows is {quoted(text)}: it must name a rater and their labels, as in moose.nii.gz=0,5,6"
        )
    return [(rater, names_or_labels(labels))]


def weights_typed(text: str) -> list[float]:
    """Return weights that were typed with commas between them."""
    try:
        return [float(weight) for weight in text.split(",")]
    except ValueError:
        raise ValueError(
            f"weights is {quoted(text)}: it must hold a number for each rater, as in 1,1,2"
        ) from None


def _is_integer(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit()


def _integer(label: str, name: str, text: str) -> int:
    if not _is_integer(label.strip()):
        raise ValueError(
            f"{name} is {quoted(text)}: it must be all, or integers with commas between them, as in 0,1,2,4"
        )
    return int(label)


def by_em(method: Method) -> bool:
    """Say that methods with EM take an option that fuse label maps."""
    return method.estimates and not method.grows and not method.of_levels


def by_enumeration(method: Method) -> bool:
    """Say that soft-STAPLE takes an option."""
    return method.name == "soft-staple"


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
        raters to tell their errors apart. ``prior``: a probability for each label, or a map for each, an array of shape
        (K, ...) in ascending order of the labels, or a mapping of labels to maps, which sum to 1; "mean" is each label's
        share among all votes. ``roi``: a margin around
        all that is not label 0. Where errors are displaced borders, as after registration of atlases,
        the majority vote is hard to beat; where raters confuse labels at random, STAPLE is better.""",
        methods=of_maps,
        flag=Flag(
            "Fuse label maps, all their labels at once: all that occur, or these; by staple, or majority.",
            all_or_labels,
            main=True,
            metavar="all|K,K,...",
        ),
    )
    candidates: Candidates = option(
        "auto",
        OneOf(*get_args(Candidates)),
        '{"auto", "voted", "all"}',
        """Labels that may be true at a voxel: those that somebody votes there, or all. With "all" and many labels, EM
        gives some voxels a label that nobody votes. "auto": "voted" for more than two labels. With the exact expectation of
        :func:`soft_staple`, "voted" is by tuple: the labels in each tuple that the votes allow.""",
        methods=by_em,
        flag=Flag(
            "Labels that may be true at a voxel: those voted there, or all; auto: voted for more than two."
        ),
    )
    confusion: ConfusionModel = option(
        "full",
        OneOf(*get_args(ConfusionModel)),
        '{"full", "class"}',
        """Model of a rater who errs, of label maps: "full", a probability of each vote for each truth; "class", one
        sensitivity for each label, and wrong votes as frequent as the labels are.""",
        methods=by_em,
        flag=Flag("Errors: full, a rate for each vote and truth; or class, one rate for each label."),
    )
    knows: Knows | None = option(
        None,
        as_given,
        "mapping of int or str to sequence of labels",
        """Labels that a rater knows, by the rater's index (or name, "rater 0"), for raters who do not know all: a network
        that was not trained on lesions. Without it, a label that they never give may be voted down. In soft votes it is 0.
        Their sensitivity, Dice and PPV for the others are undefined (nan), as they are no errors of theirs. Where the truth
        is such a label, what they say there still counts as wrong in the PPV and Dice of the label that they say.""",
        methods=by_em,
        flag=Flag(
            "Labels that a rater knows, who does not know all; once for each such rater. Their rates for others are undefined.",
            known_by_rater,
            metavar="RATER=K,K,...",
            several=True,
        ),
    )
    weights: Sequence[float] | None = option(
        None,
        as_given,
        "sequence of m float",
        "What each rater's vote counts, of label maps; all alike without it.",
        methods=by_vote,
        flag=Flag("What each rater's vote counts, by majority.", weights_typed, metavar="X,X,..."),
    )
    undecided: int | None = option(
        None,
        as_given,
        "int",
        """Written by ``label()`` of label maps where labels are tied, in the place of the largest of them. It must be none
        of the labels.""",
        methods=of_maps,
        flag=Flag("Written where labels are tied.", int, metavar="L"),
    )

    truncation: float | None = option(
        None,
        as_given,
        "float in [0, 0.5]",
        """Of soft votes of labels with many values, such as a softmax: probabilities up to this are dropped, except the
        largest, and the rest is scaled to 1. The exact expectation over all tuples of labels needs it. Where more than
        2.7e8 tuples remain, it rises, with a warning. The consensus is off by at most ``most_dropped`` of the result.""",
        methods=by_enumeration,
    )

    overlap: bool = option(
        False,
        check_flag,
        "bool",
        """Structures may overlap: each rater gives an array of shape (K, ...), a mask of each, in the order of ``labels``. Each is
        fused by itself, as masks are, with their options, and not as a label map; the result is a dict of :class:`Fusion`, by the structures'
        names, or their labels. ``prior``: the same of all, or a mapping of labels.""",
        methods=of_maps,
        flag=Flag(
            "Structures may overlap: each label, or segment, that is chosen is fused by itself, into one image of four axes.",
            bool,
        ),
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
                    f"{name} is {quoted(as_typed(value))}: {method.name} has no such option; leave it out, or choose {others}"
                )
            if self.labels is None:
                raise ValueError(
                    f"{name} is {quoted(as_typed(value))}: it is for label maps; give labels too, as labels='all'"
                )


LABEL_OPTIONS = declared(AskedLabels)
LABEL_ENTRIES = {name: one.entry for name, one in LABEL_OPTIONS.items()}
