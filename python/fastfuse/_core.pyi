from collections.abc import Sequence
from typing import Any, final

from numpy.typing import NDArray

class BadVotes(ValueError): ...

@final
class Result:
    @property
    def sensitivity(self) -> list[float]: ...
    @property
    def specificity(self) -> list[float]: ...
    @property
    def prior(self) -> float: ...
    @property
    def log_likelihood(self) -> list[float]: ...
    @property
    def iterations(self) -> int: ...
    @property
    def converged(self) -> bool: ...
    @property
    def voxels(self) -> float: ...
    @property
    def disputed(self) -> float: ...
    @property
    def volume(self) -> list[float]: ...

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
