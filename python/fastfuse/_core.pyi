from collections.abc import Sequence
from typing import Any, TypedDict, type_check_only

from numpy.typing import NDArray

class BadVotes(ValueError): ...

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

def fuse(
    raters: Sequence[NDArray[Any]],
    out: NDArray[Any],
    *,
    method: str,
    mask: NDArray[Any] | None = None,
    prior_map: NDArray[Any] | None = None,
    prior: float | None = None,
    estimate_prior: bool = False,
    em_m_step: bool = False,
    init: float | None = None,
    select_label: float | None = None,
    tol: float = 1e-7,
    max_iter: int = 1000,
    threads: int = 0,
    pattern_capacity: int = -1,
) -> Result: ...
