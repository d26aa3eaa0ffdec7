"""The doors to the inside of the package that tests use: any method, with options that it need not have."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import fastfuse
from fastfuse.errors import warn
from fastfuse.fusion.options import Options
from fastfuse.fusion.pipeline import fuse_votes
from fastfuse.fusion.registry import method_called
from fastfuse.fusion.votes import Votes

OF_VOTES = {one.name for one in fields(Votes)}


def fuse_arrays(raters: Any, method: str, **given: Any) -> tuple[fastfuse.Fusion, list[str]]:
    """Return a fusion, and what makes it doubtful; ``route`` says what EM runs on."""
    votes = {name: value for name, value in given.items() if name in OF_VOTES}
    options = {name: value for name, value in given.items() if name not in OF_VOTES}
    return fuse_votes(Votes(raters, **votes), method_called(method), Options(**options))


def fuse_by_name(raters: Any, method: str, **given: Any) -> fastfuse.Fusion:
    """Return a fusion, and warn of what makes it doubtful."""
    fusion, remarks = fuse_arrays(raters, method, **given)
    warn(remarks)
    return fusion
