"""What a fusion answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .options import check_cut

Method = Literal["staple", "soft-staple", "simplified-soft-staple", "majority"]
METHODS: tuple[Method, ...] = ("soft-staple", "simplified-soft-staple", "staple", "majority")


@dataclass(frozen=True, eq=False)
class Fusion:
    """A consensus and what it says of the raters.

    Attributes
    ----------
    probability : ndarray of float32 or float64, the raters' shape
        p(truth 1 | votes) of each voxel, in [0, 1]; 0 outside the mask.
    sensitivity : ndarray of float64, shape (m,)
        p(vote 1 | truth 1) of each rater, within 1e-12 of [0, 1]'s ends at most; nan if nobody marks anything.
    specificity : ndarray of float64, shape (m,)
        p(vote 0 | truth 0) of each rater; nan if everybody marks everything.
    prior : float
        p(truth 1) that was used, before any vote; the last estimate for ``prior="estimate"``, the mean
        inside the mask for a map.
    log_likelihood : ndarray of float64, shape (n_iter,)
        Of all votes, in nats; entry k is the value at the parameters after M-step k + 1.
    n_iter : int
        M-steps done.
    converged : bool
        Whether no sensitivity or specificity moved by more than ``tol`` in the last M-step.
    method : str
        "staple", "soft-staple", "simplified-soft-staple" or "majority".
    n_voxels : int
        Voxels that were fused: those inside the mask.
    volume : ndarray of float64, shape (m,)
        Sum of each rater's votes inside the mask, in voxels; of soft votes too.
    """

    probability: NDArray[Any]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]
    prior: float
    log_likelihood: NDArray[np.float64]
    n_iter: int
    converged: bool
    method: Method
    n_voxels: int
    volume: NDArray[np.float64]

    def label(self, cut: float = 0.5) -> NDArray[np.uint8]:
        """Return the consensus as a mask: 1 where ``probability >= cut``.

        Parameters
        ----------
        cut : float, default 0.5
            In (0, 1].

        Returns
        -------
        ndarray of uint8, the raters' shape
        """
        return (self.probability >= check_cut(cut)).astype(np.uint8)

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        return (
            f"Fusion({self.method}, {len(self.sensitivity)} raters, shape {self.probability.shape}, "
            f"prior {self.prior:.4g}, {self.n_iter} iterations, {state})\n"
            f"  sensitivity {np.array2string(self.sensitivity, precision=4)}\n"
            f"  specificity {np.array2string(self.specificity, precision=4)}"
        )
