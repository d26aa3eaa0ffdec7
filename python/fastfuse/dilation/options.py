"""Options of conditional dilation, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, TypedDict, get_args

import numpy as np

from ..errors import said
from ..inputs.checks import check_choice, check_count, check_flag, check_number, check_spacing

Threshold: TypeAlias = Literal["adaptive", "exact"] | float
Scope = Literal["volume", "lesion"]


class DilationOptions(TypedDict, total=False):
    """Options of conditional dilation as a mapping, for :func:`fuse_files`; the voxel's size is in the headers."""

    size: float
    label: float
    iterations: int
    threshold: Threshold
    scope: Scope
    connected: bool
    radius_mm: float | None
    normalize: bool
    binarize: bool


@dataclass(frozen=True)
class Dilation:
    """Options of conditional dilation, checked; see :func:`conditional_dilation`."""

    size: float = 1.2
    label: float = 0.3
    iterations: int = 6
    threshold: Threshold = "adaptive"
    scope: Scope = "volume"
    connected: bool = False
    radius_mm: float | None = None
    spacing_mm: tuple[float, float, float] | None = None
    normalize: bool = True
    binarize: bool = False

    @classmethod
    def checked(cls, **options: Any) -> Dilation:
        """Check each option; raise ValueError or TypeError with the name and value of a wrong one."""
        unknown = sorted(set(options) - {field.name for field in fields(cls)})
        if unknown:
            known = ", ".join(field.name for field in fields(cls))
            raise TypeError(f"{unknown[0]} is no option of a dilation: it has {known}")
        given = cls(**options)
        if given.radius_mm is not None and given.spacing_mm is None:
            raise ValueError("radius_mm needs spacing_mm, the voxel's size along each axis in mm")
        threshold: Any = given.threshold
        return cls(
            size=check_number(given.size, "size", "a number of at least 1", lambda x: x >= 1),
            label=check_number(
                given.label,
                "label",
                "in (0, 1) in single precision, 0 and 1 excluded",
                lambda x: bool(0 < np.float32(x) < 1),
            ),
            iterations=check_count(given.iterations, "iterations", least=1),
            threshold=_word(threshold, "threshold", ("adaptive", "exact"), "a number")
            if isinstance(threshold, str)
            else check_number(
                threshold, "threshold", "'adaptive', 'exact' or a finite number", lambda _: True
            ),
            scope=_word(given.scope, "scope", get_args(Scope)),
            connected=check_flag(given.connected, "connected"),
            radius_mm=None
            if given.radius_mm is None
            else check_number(given.radius_mm, "radius_mm", "a number above 0", lambda x: x > 0),
            spacing_mm=None if given.spacing_mm is None else check_spacing(given.spacing_mm),
            normalize=check_flag(given.normalize, "normalize"),
            binarize=check_flag(given.binarize, "binarize"),
        )

    def check_use(self) -> None:
        """Refuse options that others make useless."""
        if self.radius_mm is not None and self.iterations != Dilation.iterations:
            raise ValueError(
                said(
                    f"iterations is {self.iterations}: radius_mm (--ring-radius-mm) says which voxels are candidates; leave one of both out"
                )
            )
        if not isinstance(self.threshold, str) and self.size != Dilation.size:
            raise ValueError(
                said(
                    f"size is {self.size:g}: a threshold (--ring-threshold) that is an intensity makes rings of any size; leave one of both out"
                )
            )

    @property
    def scales(self) -> bool:
        """Whether the image is scaled before it is compared with a cut."""
        return self.normalize and self.threshold == "adaptive"


def _word(value: Any, name: str, choices: tuple[str, ...], otherwise: str = "") -> Any:
    """Return one of the choices, checked."""
    return check_choice(value, name, choices, otherwise)
