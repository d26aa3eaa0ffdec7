"""Options of the benches."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--small", action="store_true", help="small problems: to test the benches, not the speed"
    )


def pytest_configure(config: pytest.Config) -> None:
    # the votes are drawn as contours, which STAPLE does not fit: speed is asked for here
    config.addinivalue_line("filterwarnings", "ignore:.*the model does not fit")
    if config.getoption("--small"):
        os.environ["FASTFUSE_BENCH_SMALL"] = "1"  # before common is imported, and for what it starts
