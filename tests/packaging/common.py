"""What tests of packages share."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "python" / "packaging"


@cache
def project() -> dict[str, Any]:
    """Return what pyproject.toml holds."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def parsed(path: Path) -> Any:
    """Return what a file of YAML holds."""
    yaml = pytest.importorskip("yaml", reason="needs PyYAML: pip install '.[test]'")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def run(*words: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """Run a command that must succeed; return what it prints."""
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def tool(name: str) -> str:
    """Return the path of a program, beside this interpreter or elsewhere; skip the test where it is not."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: pip install . --group packages")
    return found


def tracked() -> set[str]:
    """Return the files that belong to the repository, those not yet committed too."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a clone: what belongs to it, git tells")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}
