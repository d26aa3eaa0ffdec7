"""Label maps with a map of priors: voxels of one tuple of labels share their likelihoods, each has a prior of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....inputs.arrays import named_raters
from ....inputs.in_memory import check_in_memory
from ...backends import labels as core
from ...backends.soft_labels import survey, with_priors
from ...votes import Votes
from ..chosen import checked_labels
from ..decisions import check_label_decisions
from ..fuse import as_masks, fuse_label_votes, placed
from ..options import LabelMethod, LabelOptions
from ..prior_map import is_prior_map, named_priors, prior_volumes
from ..result import LabelFusion
from .fuse import SoftCase, estimated, refusals_explained


def fuse_maps(
    votes: Votes,
    method: LabelMethod,
    labels: Any,
    options: LabelOptions,
    names: Mapping[int, str] | None = None,
) -> tuple[LabelFusion, list[str]]:
    """Return the fusion of label maps, and what makes it doubtful; by a table, unless there is a map of priors."""
    if not is_prior_map(options.prior):
        return fuse_label_votes(votes, method, labels, options, names)
    options = options.checked()
    options.check_method(method)
    check_label_decisions(options)
    votes = votes.listed()
    case, chosen = placed(votes, checked_labels(labels), options, names)
    maps = prior_volumes(options.prior, chosen, labels, case.shape)
    images = [*named_raters(votes.raters), ("mask", votes.mask), *named_priors(options.prior)]
    case.remarks.extend(said for said in check_in_memory(images) if said not in case.remarks)
    with core.refusals_explained(case, chosen.values):
        table = core.tabulate(case.in_memory_order(), chosen.values, options.missing, options.threads)
    soft = SoftCase(case, [], chosen, maps)
    core_votes = with_priors(table, [soft.in_order(one) for one in maps])
    if len(chosen.values) == 2 and options.are_binary():
        with refusals_explained(soft):
            survey(core_votes, options.threads)  # checks the maps
        return as_masks(case, method, chosen, options, table, maps)
    return estimated(soft, core_votes, method, options, "enumeration", "em")
