"""A reviewer's decisions on the cases of a cohort: one list, of which each case takes its lines."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import CohortError
from ...files.review.answers import of_cases
from ...images.paths import recorded, shown
from ...images.sidecar import json_of, sidecar_path
from ...images.written.hashes import hash_of
from ...inputs.names import composed, enumerated
from ..cases import CohortCase
from ..place import Place


@dataclass(frozen=True)
class CohortDecisions:
    """The list, and what of it concerns each case.

    Attributes
    ----------
    path : Path or None
    lines : dict of str to str
        Of each case with a decision, its decisions as one text, by which a change is found.
    """

    path: Path | None = None
    lines: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path | None, cases: Iterable[CohortCase]) -> CohortDecisions:
        """Read the list.

        Raises
        ------
        CohortError, FastfuseError
            Naming the list, and a case that there is none of.
        """
        if path is None:
            return cls()
        rows = of_cases(path)
        called = {composed(case.name): case.name for case in cases}
        strange = sorted(rows.keys() - called.keys())
        if strange:
            raise CohortError(
                f"{shown(path)}: is of the case{'s' * (len(strange) > 1)} {enumerated(strange)}, which the cohort does not have: give the list of this cohort "
                "(fastfuse review OUT)"
            )
        decided = {
            called[case]: [f"{row['lesion']}={row['decision']}" for _, row in lines if row["decision"]]
            for case, lines in rows.items()
        }
        return cls(path, {case: "\n".join(lines) for case, lines in decided.items() if lines})

    def of_case(self, case: str) -> Path | None:
        """Return the list, if a case has decisions in it."""
        return self.path if case in self.lines else None

    def facts_but(self, failed: Container[str], place: Place) -> dict[str, Any]:
        """Return what the summary says of the list, without cases that failed; nothing without a list.

        What was decided is told as the cases' sidecars in ``place`` have it.
        """
        if self.path is None:
            return {}
        cases = sorted(case for case in self.lines if case not in failed)
        sidecars = {case: json_of(sidecar_path(place.consensus(case))) for case in cases}
        found = {
            "file": recorded(self.path),
            "sha256": hash_of(self.path),
            "cases": cases,
            "lesions": {
                case: one.get("decisions", {}).get("lesions", [])
                for case, one in sidecars.items()
                if isinstance(one, dict)
            },
        }
        return {"decisions": found}

    def undone(self, facts: Path) -> list[str]:
        """Say which cases an earlier run decided, whose summary this is, and this one does not."""
        try:
            earlier = json_of(facts)["decisions"]
            names, file = [str(case) for case in earlier["cases"]], str(earlier["file"])
        except (LookupError, TypeError):
            return []
        gone = [case for case in names if case not in self.lines]
        if not gone:
            return []
        said = f"{enumerated(gone)}: decided by {file} in an earlier run, and by nothing in this one"
        mend = f"give decisions={file} (--decisions {file}) to keep what was decided"
        return [f"{said}: the consensus is that of the votes alone; {mend}"]

    @property
    def remarks(self) -> list[str]:
        """Say so if nothing is decided."""
        if self.path is None or self.lines:
            return []
        return [f"{shown(self.path)}: holds no decision: every consensus is that of the votes alone"]
