"""Every option of the experiment: tables, checks, presets, and how they are given."""

from .checking import METHODS, TARGETS, OptionsError
from .making import PRESETS, differences, make_options, options_from
from .tables import (
    ConsensusOptions,
    EvaluationOptions,
    ExperimentOptions,
    GridOptions,
    NetworkOptions,
    TrainingOptions,
)

__all__ = [
    "METHODS",
    "PRESETS",
    "TARGETS",
    "ConsensusOptions",
    "EvaluationOptions",
    "ExperimentOptions",
    "GridOptions",
    "NetworkOptions",
    "OptionsError",
    "TrainingOptions",
    "differences",
    "make_options",
    "options_from",
]
