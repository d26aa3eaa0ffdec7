"""Versions of packages that are installed, for sidecars."""

from __future__ import annotations

import sys
from pathlib import Path


def version_of(package: str) -> str:
    """Return a package's version, as importlib.metadata does, which takes longer to load than a small image to fuse."""
    for folder in sys.path:
        for found in sorted(Path(folder or ".").glob(f"{package}-*.dist-info/METADATA")):
            told = _version_in(found)
            if told:
                return told
    from importlib.metadata import version

    return version(package)


def _version_in(metadata: Path) -> str:
    """Return the version that a package's description gives; nothing where it gives none."""
    with metadata.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                break
            if name.lower() == "version":
                return value.strip()
    return ""
