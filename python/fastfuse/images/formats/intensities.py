"""Scales of the stored numbers that a header states, and that no reader applies, as ITK does not either."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..paths import shown


def ignored_scale(given: Mapping[str, Sequence[str]], neutral: Mapping[str, float]) -> str:
    """Say which fields ask for other numbers than are stored; nothing if none does.

    Parameters
    ----------
    given : mapping of str to sequence of str
        The words of each field, by its name; none where it is not there.
    neutral : mapping of str to float
        The value of each field that changes no number.
    """
    told = [
        f"{name} {shown(' '.join(words))[:40]}"
        for name, words in given.items()
        if words and not _is_neutral(words, neutral[name])
    ]
    if not told:
        return ""
    return f"its {' and '.join(told)} {'is' if len(told) == 1 else 'are'} ignored: no scaling"


def _is_neutral(words: Sequence[str], neutral: float) -> bool:
    """Tell whether a field changes nothing; nan stands for a field that is not set."""
    try:
        value = float(words[0])
    except ValueError:
        return False
    return len(words) == 1 and (math.isnan(value) or value == neutral)
