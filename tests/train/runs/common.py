"""The options of these tests' runs: one method, two folds, two epochs."""

from __future__ import annotations

from pathlib import Path

from fastfuse.train.options import ExperimentOptions

from ..common import options

TABLES = ("metrics.csv", "table1.csv", "table1.md", "table1.tex")


def small(*more: str) -> ExperimentOptions:
    return options("methods=staple", "training.epochs=2", "training.validate_every=1", *more)


def tables_of(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in TABLES]
