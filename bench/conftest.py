"""Options of the benches."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--small", action="store_true", help="small problems: to test the benches, not the speed"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--small"):
        os.environ["FASTFUSE_BENCH_SMALL"] = "1"  # before common is imported, and for what it starts
