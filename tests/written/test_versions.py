"""Versions are those that importlib.metadata tells."""

from __future__ import annotations

import importlib.metadata

import pytest

from fastfuse.images.written.versions import version_of


@pytest.mark.parametrize("package", ["fastfuse", "numpy", "nibabel", "typer"])
def test_versions_are_those_of_importlib(package: str) -> None:
    assert version_of(package) == importlib.metadata.version(package)


def test_a_package_that_is_not_installed_is_told_as_there() -> None:
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        version_of("no-such-package")
