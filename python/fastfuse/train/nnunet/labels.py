"""What consensuses are as labels of a data set: of masks 0, 1 and ignore; of label maps consecutive numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FastfuseError, ImageError
from ...files.facts import mask_told
from ...fusion.result import check_label_cut
from ...images.image import Image
from ...images.paths import shown
from ...images.reading import read
from ...inputs.names import enumerated
from .dataset import IGNORE, LESION, check_ignore, labels_of
from .fused import FusedCase, FusedCohort

MOST_MOVED = 8


@dataclass(frozen=True)
class Labels:
    """How consensuses become labels: of masks 0 and 1; of label maps consecutive numbers.

    Attributes
    ----------
    names : dict
        Each label of the data set by its name, as dataset.json has it.
    new : dict
        The number that a label of the consensuses gets; of masks nothing.
    cut : float or None
        Of masks; None for the fusion's.
    ignore : tuple of float, optional
        Of masks.
    """

    names: dict[str, int]
    new: dict[int, int] = field(default_factory=dict)
    cut: float | None = None
    ignore: tuple[float, float] | None = None

    @property
    def renumbered(self) -> dict[int, int]:
        """The labels that get another number."""
        return {old: new for old, new in self.new.items() if old != new}

    def of(self, case: FusedCase) -> Image:
        """Return a case's consensus with labels in the place of its values.

        Raises
        ------
        ImageError
            If it cannot be read, or holds something else; it names the file.
        """
        image = read(case.consensus)
        data = self._renumbered(case, image.data) if self.new else self._cut(case, image.data)
        return replace(image, data=data, scaled=False)

    def _cut(self, case: FusedCase, values: NDArray[Any]) -> NDArray[np.uint8]:
        if not (values.min() >= 0 and values.max() <= 1):
            raise ImageError(
                f"{shown(case.consensus)}: holds other values than probabilities; run fastfuse cohort fuse again"
            )
        told = {"options": {**case.facts["options"], "cut": case.cut(self.cut)}}
        return labels_of(values, self.ignore, mask_told(values, told))

    def _renumbered(self, case: FusedCase, values: NDArray[Any]) -> NDArray[Any]:
        held = np.unique(values)
        if odd := [value for value in held.tolist() if value not in self.new]:
            raise ImageError(
                f"{shown(case.consensus)}: holds {odd[0]:g}, which is none of the labels that were fused; run fastfuse cohort fuse again"
            )
        kind = np.min_scalar_type(max(self.new.values()))
        numbers = np.array([self.new[int(value)] for value in held], kind)
        return np.asarray(numbers[np.searchsorted(held, values)])


def labels_for(
    fused: FusedCohort, cut: float | None = None, ignore: tuple[float, float] | None = None
) -> Labels:
    """Return how the consensuses become labels.

    Raises
    ------
    FastfuseError
        For what label maps do not have, bounds that do not hold the cut, and labels that cases call otherwise.
    """
    if not fused.of_labels:
        if cut is not None:
            check_label_cut(cut, "foreground")
        for case in fused.cases:
            check_ignore(ignore, case.cut(cut), "" if cut is not None else f"{case.name}: ")
        return Labels(
            {"background": 0, "foreground": LESION, **({} if ignore is None else {"ignore": IGNORE})},
            cut=cut,
            ignore=ignore,
        )
    if cut is not None or ignore is not None:
        option = "cut" if cut is not None else "ignore"
        raise FastfuseError(
            f"{option} is given, which is of probabilities, and {shown(fused.folder)} holds label maps; leave it out"
        )
    called = _names_in(fused.cases)
    new = {old: number for number, old in enumerate([0, *sorted(set(called) - {0})])}
    return Labels(_unique({old: called.get(old, "") for old in new}, new), new)


def _names_in(cases: Iterable[FusedCase]) -> dict[int, str]:
    """Return the labels of all cases, with their names; refuse one that cases call otherwise."""
    called: dict[int, str] = {}
    by: dict[int, str] = {}
    for case in cases:
        for one in case.facts["labels"]:
            label, name = int(one["label"]), str(one["name"])
            if called.setdefault(label, name) != name:
                raise FastfuseError(
                    f"{case.name}: label {label} is called {name}, and {called[label]} in {by[label]}: fuse again with one list of "
                    "names (fastfuse cohort fuse --label-names FILE)"
                )
            by.setdefault(label, case.name)
    return called


def _unique(called: Mapping[int, str], new: Mapping[int, int]) -> dict[str, int]:
    """Return labels by names of which none is there twice; nnU-Net keeps two names for itself."""
    found: dict[str, int] = {"background": 0}
    for old, name in called.items():
        if old == 0:
            continue
        own = f"label {old}" if name == str(old) else name
        found[f"{own} ({old})" if own in (*found, "ignore") else own] = new[old]
    return found


def said_of_labels(labels: Labels) -> str | None:
    """Say which labels got other numbers."""
    moved = [f"{old} is now {new}" for old, new in labels.renumbered.items()]
    if not moved:
        return None
    return f"labels are numbered without gaps, as nnU-Net needs: {enumerated(moved, MOST_MOVED)}; dataset.json keeps the numbers before"
