"""A test that is skipped everywhere proves nothing: what tests ask for comes with an extra or a group."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# module -> the requirement that brings it, where the two have not one name
BROUGHT_BY = {
    "PIL": "Pillow",
    "crowdkit": "crowd-kit",
    "jsonschema": "myst-nb",
    "nrrd": "pynrrd",
    "pandas": "statsmodels",
    "rattler_build": "py-rattler-build",
    "yaml": "PyYAML",
}
OWN = {"fastfuse", "rivals"}
NEEDS_A_GPU = {"cupy"}


def asked_for() -> set[str]:
    """The modules without which a test or a bench is skipped."""
    files = [*ROOT.joinpath("tests").rglob("*.py"), *ROOT.joinpath("bench").rglob("*.py")]
    return {
        name.partition(".")[0]
        for file in files
        for name in re.findall(r'importorskip\(\s*"([\w.]+)"', file.read_text("utf-8"))
    }


def requirements() -> set[str]:
    """The names of all that pyproject.toml installs, of whatever extra."""
    text = ROOT.joinpath("pyproject.toml").read_text("utf-8")
    return {spelled(name) for name in re.findall(r'"([A-Za-z][\w.-]*)(?:\[[\w,]+\])?\s*[><=~!]=?\s*\d', text)}


def spelled(name: str) -> str:
    """As package indices compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_tests_ask_for_can_be_installed() -> None:
    modules = asked_for() - OWN - NEEDS_A_GPU - set(sys.stdlib_module_names)
    assert len(modules) > 25
    assert {one for one in modules if spelled(BROUGHT_BY.get(one, one)) not in requirements()} == set()


def test_nobody_is_named_in_vain() -> None:
    assert set(BROUGHT_BY) | OWN | NEEDS_A_GPU <= asked_for()
