"""The list of a review as CSV, as it is written for the reviewer."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...images.written.cells import csv_bytes

COLUMNS = (
    "lesion", "decision", "ras_x_mm", "ras_y_mm", "ras_z_mm", "ml", "marked_by", "marks", "looked", "posterior",
    "consensus", "change_ml", "stake_ml", "votes",
)  # fmt: skip
CASE, CANDIDATES = "case", "candidates"  # of a cohort, before the others; of label maps, after the decision


@dataclass(frozen=True)
class Contested:
    """A lesion of the list.

    Attributes
    ----------
    number : int
        Of the lesion, in its case.
    centre_mm : tuple of 3 float
        RAS+.
    ml : float
        Volume that anybody marks.
    marked_by : tuple of str
        Who marks any of it.
    looked : int
        Raters who looked there.
    posterior : float
        Mean probability of its core.
    consensus : bool
        Whether the consensus marks any of it.
    change_ml : float
        By how much the volume of the consensus would change if it were decided otherwise.
    stake_ml : float
        The same without sign, times the share of raters who say otherwise.
    decision : bool or None
        What an earlier review decided: whether it is a lesion.
    case : str
        Of a cohort, the case.
    """

    number: int
    centre_mm: tuple[float, float, float]
    ml: float
    marked_by: tuple[str, ...]
    looked: int
    posterior: float
    consensus: bool
    change_ml: float
    stake_ml: float
    decision: bool | None = None
    case: str = ""

    @property
    def name(self) -> str:
        """What tells it from all others of the list."""
        return f"{self.case}: {self.number}" if self.case else str(self.number)

    @property
    def marks(self) -> int:
        """How many raters mark any of it."""
        return len(self.marked_by)

    @property
    def seen(self) -> str:
        """What the consensus holds there, as the list has it."""
        return "yes" if self.consensus else "no"

    @property
    def who(self) -> str:
        """Who marks any of it."""
        return "; ".join(self.marked_by)

    @property
    def change(self) -> str:
        """The change of the consensus, as the list has it."""
        return f"{self.change_ml:+.4f}"

    @property
    def is_contested(self) -> bool:
        """Whether some raters who looked there mark none of it, or the consensus has none of it."""
        return len(self.marked_by) < self.looked or not self.consensus

    @property
    def word(self) -> str:
        """The decision as the list has it; empty where there is none."""
        return "" if self.decision is None else "yes" if self.decision else "no"

    @property
    def said(self) -> str:
        """Who marks it, in numbers."""
        return f"{self.marks} of {self.looked}"

    @property
    def described(self) -> str:
        """All that is known of it, in a sentence."""
        otherwise = "no lesion" if self.consensus else "a lesion"
        return (
            f"{self.ml:.3f} ml, marked by {', '.join(self.marked_by)}; posterior {self.posterior:.3f}; as {otherwise} the consensus "
            f"changes by {self.change_ml:+.3f} ml"
        )

    def facts(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            **({CASE: self.case} if self.case else {}),
            "lesion": self.number,
            "ras_mm": list(self.centre_mm),
            "ml": self.ml,
            "marked_by": list(self.marked_by),
            "looked": self.looked,
            "posterior": self.posterior,
            "consensus": self.consensus,
            "change_ml": self.change_ml,
            "stake_ml": self.stake_ml,
            "decision": self.word or None,
        }


@dataclass(frozen=True, kw_only=True)
class ContestedLabels(Contested):
    """A place of label maps; ``marked_by`` are those who say what the consensus says.

    Attributes
    ----------
    says : dict of str to str
        What each rater says who looked there.
    label, other : str
        What the consensus holds there, and what it would be if it were decided otherwise.
    candidates : tuple of str
        The labels that raters say, those first that most say.
    chosen : str
        What an earlier review decided; empty if nothing.
    """

    says: dict[str, str]
    label: str
    other: str
    candidates: tuple[str, ...]
    chosen: str = ""

    @property
    def seen(self) -> str:
        """What the consensus holds there, as the list has it."""
        return self.label

    @property
    def who(self) -> str:
        """Who says what."""
        return "; ".join(
            f"{', '.join(name for name, says in self.says.items() if says == one)}: {one}"
            for one in self.candidates
        )

    @property
    def change(self) -> str:
        """The volume whose label would change, as the list has it."""
        return f"{self.change_ml:.4f}"

    @property
    def is_contested(self) -> bool:
        """Whether raters disagree: of every place they do."""
        return True

    @property
    def word(self) -> str:
        """The decision as the list has it; empty where there is none."""
        return self.chosen

    @property
    def said(self) -> str:
        """Who says what, in numbers."""
        said = list(self.says.values())
        return ", ".join(f"{one} {said.count(one)}" for one in self.candidates)

    @property
    def described(self) -> str:
        """All that is known of it, in a sentence."""
        return (
            f"{self.ml:.3f} ml; {self.who}; the consensus says {self.label}, posterior {self.posterior:.3f}; as {self.other} "
            f"{self.change_ml:.3f} ml of it change"
        )

    def facts(self) -> dict[str, Any]:
        """Return it as plain data."""
        own = {
            "says": self.says,
            "candidates": list(self.candidates),
            "consensus": self.label,
            "other": self.other,
        }
        return {**super().facts(), **own}


def sheet_bytes(lesions: Sequence[Contested], votes: Mapping[str, str]) -> bytes:
    """Return the list as CSV; the column for decisions holds those that were made before.

    ``votes``: the fingerprint of each case's; of what is no cohort, that of "".
    """
    of_cases, of_labels = list(votes) != [""], any(isinstance(one, ContestedLabels) for one in lesions)
    head = [*([CASE] if of_cases else []), *COLUMNS]
    if of_labels:
        head.insert(head.index("decision") + 1, CANDIDATES)
    rows = [{**_row(one), CASE: one.case, "votes": votes[one.case]} for one in lesions]
    list_ = csv_bytes([head, *([row[name] for name in head] for row in rows)])
    return list_ if list_.isascii() else codecs.BOM_UTF8 + list_  # by which Excel knows accented letters


def _row(one: Contested) -> dict[str, Any]:
    candidates = one.candidates if isinstance(one, ContestedLabels) else ()
    return {
        "lesion": one.number,
        "decision": one.word,
        CANDIDATES: "; ".join(candidates),
        **{f"ras_{axis}_mm": f"{place:.1f}" for axis, place in zip("xyz", one.centre_mm, strict=True)},
        "ml": f"{one.ml:.4f}",
        "marked_by": one.who,
        "marks": one.marks,
        "looked": one.looked,
        "posterior": f"{one.posterior:.4f}",
        "consensus": one.seen,
        "change_ml": one.change,
        "stake_ml": f"{one.stake_ml:.4f}",
    }
