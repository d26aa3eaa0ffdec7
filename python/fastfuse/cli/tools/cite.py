"""``fastfuse cite``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ...errors import FastfuseError
from ..common import answer
from ..switches import choice
from ..words.declared import Argument

if TYPE_CHECKING:
    from ...report.citing import Cited

EXAMPLES = (
    "fastfuse cite consensus.json",
    "fastfuse cite soft-staple squarem --style bibtex",
    "fastfuse cite",
)


class Style(str, Enum):
    """How references are written."""

    text = "text"
    bibtex = "bibtex"


def cite(
    used: Annotated[
        list[str] | None,
        Argument(
            metavar="[NAME|FILE]...",
            help="Methods and options by name, or the .json beside a result; nothing: the software and all methods.",
            show_default=False,
        ),
    ] = None,
    style: Annotated[Style, choice("text, or bibtex.")] = Style.text,
) -> None:
    """Tell what to cite for methods, or for what a result was made with."""
    from ...report.citing import as_bibtex, as_text, cited_for

    cited = cited_for(_subjects(used or ()))
    lines = as_bibtex(cited) if style is Style.bibtex else as_text(cited)
    answer(lambda: [_facts(one) for one in cited], lambda: _write(lines), wrote=False)


def _write(lines: str) -> None:
    sys.stdout.write(f"{lines}\n")


def _subjects(used: Sequence[str]) -> list[str]:
    """Return methods and options by name, those of a result from its JSON."""
    from ...fusion.registry import NAMES
    from ...images.written.endings import OF_CONSENSUS
    from ...report.citing import subjects_of

    found: list[str] = [] if used else [*NAMES, "label-maps"]
    for name in used:
        if name.lower().endswith((".json", *OF_CONSENSUS)):
            found += subjects_of(_result(Path(name)))
        else:
            found.append(name.strip().lower().replace("_", "-"))
    return found


def _result(path: Path) -> dict[str, Any]:
    """Return the JSON beside a result, or of it."""
    from ...images.paths import shown
    from ...images.sidecar import json_of, sidecar_path

    file = path if path.suffix.lower() == ".json" else sidecar_path(path)
    facts = json_of(file)
    if not file.is_file():
        raise FastfuseError(
            f"{shown(file)}: there is no such file; name the .json beside a result, or methods"
        )
    if not isinstance(facts, dict) or "method" not in facts:
        raise FastfuseError(
            f"{shown(file)}: it is no result of fastfuse; name the .json beside one, or methods"
        )
    return facts


def _facts(one: Cited) -> dict[str, Any]:
    found = one.reference
    return {
        "for": list(one.subjects),
        "text": found.text,
        "doi": found.doi or None,
        "bibtex": found.bibtex,
    }
