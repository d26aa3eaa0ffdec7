"""A few slices of one case, on which a network is tried before any work."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...cohort.msseg import Case
from ..cohort.common_grid import brain_of
from ..cohort.loading import load_case
from .slices import Frame, common_size, normalised


def sample_of(case: Case, count: int, multiple: int, *, fix_flips: bool = False) -> tuple[Tensor, Tensor]:
    """Return the slices with most lesion, shape (n, channels, x, y), and the raters' mean vote, (n, 1, x, y).

    Parameters
    ----------
    case : Case
    count : int
        Number of slices.
    multiple : int
        Of which the slices' extents are multiples.
    fix_flips : bool
        As of :func:`fastfuse.train.cohort.loading.load_case`.
    """
    loaded = load_case(case, fix_flips=fix_flips, gaps=True)
    brain = brain_of(loaded.brain, loaded.images["FLAIR"])
    around = Frame.around(brain, loaded.like.affine)
    frame = around.widened(common_size([around], multiple))
    votes = frame.cut(np.asarray(np.mean(loaded.masks, axis=0), np.float32))
    images = normalised(loaded.images, brain, frame)
    most = np.sort(np.argsort(-votes.sum(axis=(1, 2)), kind="stable")[:count])
    return torch.from_numpy(images[most]), torch.from_numpy(votes[most])[:, None]
