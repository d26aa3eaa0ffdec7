"""What the numbers of a fit test are: those that there are, and those of each model."""

from __future__ import annotations

BY_PROBABILITY = "a soft vote counts as a mark with that probability"
OF_AXIS = "The scale is logarithmic; what is below one voxel lies on the axis."
STAPLE, ESTIMATED = "staple", "staple, prior estimated"


def there_called(*, soft: bool) -> str:
    """Return what the voxels are called that there are: of soft votes no marks are observed."""
    return "soft votes" if soft else "observed"


def model_called(name: str) -> str:
    """Return what a model is called: of STAPLE, which prior it has."""
    return ESTIMATED if name == STAPLE else name


def bars_are(of: str = "", *, soft: bool) -> str:
    """Say what a chart's bars are; ``of``: of which cases."""
    return f"Bars are the voxels{of} that so many raters mark{f', where {BY_PROBABILITY}' if soft else ''}"
