"""Which labels are fused, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...inputs.checks import whole_number
from ...inputs.names import check_in_one_line, enumerated, quoted

MOST_LABELS = 65535


@dataclass(frozen=True)
class Labels:
    """The labels of a fusion.

    Attributes
    ----------
    values : tuple of int
        In ascending order; a label's code is its place.
    names : tuple of str
        What they are called; empty without names.
    """

    values: tuple[int, ...]
    names: tuple[str, ...] = ()

    @property
    def called(self) -> list[str]:
        """What messages and tables call the labels."""
        return list(self.names) or [str(value) for value in self.values]

    def named(self, names: Mapping[int, str]) -> Labels:
        """Return the same with these names; a label without one is called by its number."""
        if not names:
            return self
        for value in self.values:
            other = next(
                (one for one in self.values if names.get(one) == str(value) and value not in names), None
            )
            if other is not None:
                raise ValueError(
                    f"label {other} is called {names[other]!r}, and label {value} has no name but its number: give it one"
                )
        return _of_names({value: names.get(value, str(value)) for value in self.values})

    def code(self, label: object, what: str = "label") -> int:
        """Return the code of a label or of its name; ``what`` is the option that names it.

        Raises
        ------
        ValueError, TypeError
            Naming it, if it is none of the labels.
        """
        if isinstance(label, str):
            if label in self.names:
                return self.names.index(label)
            known = (
                f"the names are {enumerated([*map(repr, self.names)])}"
                if self.names
                else "the labels have no names"
            )
            raise ValueError(f"{_naming(what)} {quoted(label)}: {known}")
        value = whole_number(label, what)
        if value not in self.values:
            known = f"the labels are {enumerated([str(one) for one in self.values])}"
            raise ValueError(f"{_naming(what)} {value}: {known}")
        return self.values.index(value)

    def codes(self, labels: Any, what: str = "labels") -> list[int]:
        """Return the codes of one label, or of several."""
        if isinstance(labels, str) or not isinstance(labels, Iterable):
            return [self.code(labels, what)]
        found = [self.code(label, what) for label in labels]
        if not found:
            raise ValueError(f"{what} is empty: give at least one label")
        return list(dict.fromkeys(found))


def _naming(what: str) -> str:
    """Begin a message on a label that an option names."""
    return f"{what} is" if what == "label" else f"{what} names label"


def smallest_type(values: Iterable[int]) -> np.dtype[Any]:
    """Return the smallest integer type that holds the values and 0; unsigned unless one is negative."""
    held = [0, *values]
    if min(held) >= 0:
        return np.min_scalar_type(max(held))
    return np.promote_types(
        np.min_scalar_type(min(held)), np.min_scalar_type(-max(held) - 1 if max(held) > 0 else -1)
    )


def listed(labels: Any) -> Any:
    """Return labels that were asked for as they are, but an iterator as a list, which can be read twice."""
    if isinstance(labels, Iterable) and not isinstance(labels, (str, Mapping)):
        return list(labels)
    return labels


def checked_labels(labels: Any) -> Labels | None:
    """Return the labels that were asked for; None for all that occur.

    Raises
    ------
    TypeError, ValueError
        Naming what is no label, or stands there twice.
    """
    if isinstance(labels, str):
        if labels != "all":
            raise ValueError(
                f"labels is {quoted(labels)}: it must be 'all', a list of integers, or a mapping of them to names"
            )
        return None
    if isinstance(labels, Mapping):
        return _of_names(labels)
    if not isinstance(labels, Iterable):
        raise TypeError(
            f"labels is {quoted(labels)}: it must be 'all', a list of integers, or a mapping of them to names"
        )
    return Labels(_sorted(labels))


def _of_names(names: Mapping[Any, Any]) -> Labels:
    values = _sorted(names)
    by_value = {whole_number(label, "labels"): name for label, name in names.items()}
    called = [by_value[value] for value in values]
    for value, name in zip(values, called, strict=True):
        if not isinstance(name, str) or not name:
            raise TypeError(f"labels[{value}] is {quoted(name)}: a name is a text")
        check_in_one_line(name, f"labels[{value}]")
        if called.count(name) > 1:
            raise ValueError(
                f"labels holds the name {quoted(name)} twice: each label needs a name of its own"
            )
    return Labels(values, tuple(called))


def _sorted(labels: Iterable[Any]) -> tuple[int, ...]:
    values = [whole_number(label, "labels") for label in labels]
    if not values:
        raise ValueError("labels is empty: give the labels to fuse, or 'all'")
    found = tuple(sorted(set(values)))
    if len(found) < len(values):
        twice = next(value for value in found if values.count(value) > 1)
        raise ValueError(f"labels holds {twice} twice")
    if len(found) > MOST_LABELS:
        raise ValueError(f"labels holds {len(found)} labels: at most {MOST_LABELS:,} can be fused")
    if abs(found[0]) > 2**53 or abs(found[-1]) > 2**53:
        raise ValueError("labels holds a number beyond 2^53: labels there can no longer be told apart")
    return found
