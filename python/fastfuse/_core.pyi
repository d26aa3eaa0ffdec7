from collections.abc import Sequence
from typing import Any, TypedDict, type_check_only

import numpy as np
from numpy.typing import NDArray

most_device_raters: int

class BadInput(ValueError): ...
class DeviceError(RuntimeError): ...
class OutOfMemory(DeviceError): ...
class Unavailable(RuntimeError): ...

def why_no_cuda() -> str: ...
def fuse_on_device(
    raters: Sequence[Any],
    shape: Sequence[int],
    wide: bool,
    out: Any,
    *,
    mask: Any,
    device: int,
    stream: int,
    options: dict[str, Any],
) -> tuple[Result, Any]: ...

@type_check_only
class Result(TypedDict):
    sensitivity: list[float]
    specificity: list[float]
    prior: float
    log_likelihood: list[float]
    iterations: int
    converged: bool
    voxels: float
    disputed: float
    volume: list[float]
    read: list[float]
    marked_by: list[float]
    seen_by: list[float]
    information: NDArray[Any]
    variability: NDArray[Any]
    lowest: float
    highest: float

@type_check_only
class Dilated(TypedDict):
    cut: list[float]
    mask_voxels: int
    ring_voxels: int

def dilate(
    mask: NDArray[Any],
    image: NDArray[Any],
    out: NDArray[Any],
    *,
    rank_step: Sequence[int],
    roi: NDArray[Any] | None = None,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    radius_mm: float | None = None,
    spacing_mm: Sequence[float] = [1.0, 1.0, 1.0],
    cut: str = "adaptive",
    intensity: float = 0.0,
    scaling: tuple[float, float] | None = None,
    per_lesion: bool = False,
    connected: bool = False,
    binarize: bool = False,
    threads: int = 0,
) -> Dilated: ...
def find_scaling(
    image: NDArray[Any], *, roi: NDArray[Any] | None = None, threads: int = 0
) -> tuple[float, float] | None: ...
def near(
    mask: NDArray[Any], *, radius_mm: float, spacing_mm: Sequence[float], threads: int = 0
) -> NDArray[np.bool_]: ...
def fuse(
    raters: Sequence[NDArray[Any]],
    out: NDArray[Any],
    *,
    mask: NDArray[Any] | None = None,
    prior_map: NDArray[Any] | None = None,
    present: Sequence[NDArray[Any] | None] = (),
    options: dict[str, Any],
) -> Result: ...
def tabulate(
    raters: Sequence[NDArray[Any]],
    *,
    mask: NDArray[Any] | None = None,
    present: Sequence[NDArray[Any] | None] = (),
    options: dict[str, Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None: ...
def fit(
    vote: NDArray[Any],
    count: NDArray[Any],
    sensitivity: Sequence[float],
    specificity: Sequence[float],
    prior: float,
    *,
    options: dict[str, Any],
) -> tuple[list[float], list[float]]: ...
