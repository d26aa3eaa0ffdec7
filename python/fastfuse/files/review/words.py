"""What labels are called in a list, and which label a reviewer means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...inputs.names import enumerated


def told_apart(names: Sequence[str]) -> list[str]:
    """Return raters' names with a number behind those that are there already, as of a file that is given twice."""
    found: list[str] = []
    for name in names:
        times = 1 + sum(one == name or one.startswith(f"{name} (") for one in found)
        found.append(name if times == 1 else f"{name} ({times})")
    return found


@dataclass(frozen=True)
class LabelWords:
    """Labels, and what some of them are called."""

    labels: Sequence[int]
    called: Mapping[int, str]

    def of(self, code: int) -> str:
        """Return the name of a label; its number without one."""
        value = self.labels[code]
        return self.called.get(value, str(value))

    def code(self, text: str) -> int:
        """Return the code of the label that a word names: by its name, of whatever case if that is one label's, or its number.

        Raises
        ------
        ValueError
            Saying what to write.
        """
        names = [self.of(code) for code in range(len(self.labels))]
        for like in (lambda one: one, str.casefold):
            found = [code for code, name in enumerate(names) if like(name) == like(text)]
            if len(found) == 1:
                return found[0]
        try:
            return list(self.labels).index(int(text))
        except ValueError:
            raise ValueError(f"write one of the labels ({enumerated(names)}), or leave it empty") from None
