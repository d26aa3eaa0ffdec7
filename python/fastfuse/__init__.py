"""Fuses several raters' segmentations of a 3-D medical image into one consensus, exactly and fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import cuda
    from . import reference as reference
    from .cohort.fuse import fuse_cohort
    from .comparison.compare import Comparison, Consensus, compare
    from .demo import phantom as phantom
    from .dilation.conditional import conditional_dilation, soften
    from .dilation.soft_labels import SoftLabels, soften_labels
    from .dilation.soft_mask import SoftMask
    from .errors import CohortError, FastfuseError, FusionWarning, GridError, ImageError, OutputError
    from .evaluation.evaluate import evaluate
    from .evaluation.files import evaluate_files
    from .evaluation.folders import evaluate_folders
    from .evaluation.raters.evaluate import RaterEvaluation, evaluate_against_raters
    from .evaluation.raters.files import evaluate_against_rater_files
    from .evaluation.raters.scores import Reliability
    from .evaluation.result import Evaluation
    from .evaluation.summary import FolderEvaluation
    from .files.agreement import agreement_files
    from .files.comparison import compare_files
    from .files.fuse import fuse_files
    from .files.soften import soften_files
    from .fusion.estimate import BorderEstimate, Estimate
    from .fusion.intervals import Intervals
    from .fusion.labels.estimate import LabelEstimate
    from .fusion.labels.intervals import LabelIntervals
    from .fusion.labels.result import LabelFusion
    from .fusion.labels.table import LabelTable
    from .fusion.methods.border import border_staple
    from .fusion.methods.by_name import fuse
    from .fusion.methods.dilated import dilated_staple
    from .fusion.methods.estimate import estimate
    from .fusion.methods.majority import majority_vote
    from .fusion.methods.pool import pool
    from .fusion.methods.simplified import simplified_soft_staple
    from .fusion.methods.soft_staple import soft_staple
    from .fusion.methods.staple import staple
    from .fusion.of_raters.agreement import Agreement, agreement
    from .fusion.of_raters.mean_dice import MeanDice, mean_dice
    from .fusion.pooled.deviation import deviation
    from .fusion.pooled.estimate import PooledEstimate
    from .fusion.result import BorderFusion, ClassFusion, Fusion
    from .fusion.smoothing import smoothed_vote
    from .fusion.tabulate import tabulate
    from .fusion.vote_table import VoteTable
    from .report import plots as plots

    __version__: str

__all__ = [
    "Agreement",
    "BorderEstimate",
    "BorderFusion",
    "ClassFusion",
    "CohortError",
    "Comparison",
    "Consensus",
    "Estimate",
    "Evaluation",
    "FastfuseError",
    "FolderEvaluation",
    "Fusion",
    "FusionWarning",
    "GridError",
    "ImageError",
    "Intervals",
    "LabelEstimate",
    "LabelFusion",
    "LabelIntervals",
    "LabelTable",
    "MeanDice",
    "OutputError",
    "PooledEstimate",
    "RaterEvaluation",
    "Reliability",
    "SoftLabels",
    "SoftMask",
    "VoteTable",
    "agreement",
    "agreement_files",
    "border_staple",
    "compare",
    "compare_files",
    "conditional_dilation",
    "cuda",
    "deviation",
    "dilated_staple",
    "estimate",
    "evaluate",
    "evaluate_against_rater_files",
    "evaluate_against_raters",
    "evaluate_files",
    "evaluate_folders",
    "fuse",
    "fuse_cohort",
    "fuse_files",
    "majority_vote",
    "mean_dice",
    "pool",
    "simplified_soft_staple",
    "smoothed_vote",
    "soft_staple",
    "soften",
    "soften_files",
    "soften_labels",
    "staple",
    "tabulate",
]


# Where each name is found when it is first asked for: the shell's help needs neither NumPy nor the compiled core.
_HOME = {
    "cohort.fuse": ("fuse_cohort",),
    "comparison.compare": ("Comparison", "Consensus", "compare"),
    "dilation.conditional": ("conditional_dilation", "soften"),
    "dilation.soft_labels": ("SoftLabels", "soften_labels"),
    "dilation.soft_mask": ("SoftMask",),
    "errors": ("CohortError", "FastfuseError", "FusionWarning", "GridError", "ImageError", "OutputError"),
    "evaluation.evaluate": ("evaluate",),
    "evaluation.files": ("evaluate_files",),
    "evaluation.folders": ("evaluate_folders",),
    "evaluation.raters.evaluate": ("RaterEvaluation", "evaluate_against_raters"),
    "evaluation.raters.files": ("evaluate_against_rater_files",),
    "evaluation.raters.scores": ("Reliability",),
    "evaluation.result": ("Evaluation",),
    "evaluation.summary": ("FolderEvaluation",),
    "files.agreement": ("agreement_files",),
    "files.comparison": ("compare_files",),
    "files.fuse": ("fuse_files",),
    "files.soften": ("soften_files",),
    "fusion.of_raters.agreement": ("Agreement", "agreement"),
    "fusion.estimate": ("BorderEstimate", "Estimate"),
    "fusion.intervals": ("Intervals",),
    "fusion.of_raters.mean_dice": ("MeanDice", "mean_dice"),
    "fusion.labels.estimate": ("LabelEstimate",),
    "fusion.labels.intervals": ("LabelIntervals",),
    "fusion.labels.result": ("LabelFusion",),
    "fusion.labels.table": ("LabelTable",),
    "fusion.methods.border": ("border_staple",),
    "fusion.methods.by_name": ("fuse",),
    "fusion.methods.dilated": ("dilated_staple",),
    "fusion.methods.estimate": ("estimate",),
    "fusion.methods.majority": ("majority_vote",),
    "fusion.methods.pool": ("pool",),
    "fusion.methods.simplified": ("simplified_soft_staple",),
    "fusion.methods.soft_staple": ("soft_staple",),
    "fusion.methods.staple": ("staple",),
    "fusion.pooled.deviation": ("deviation",),
    "fusion.pooled.estimate": ("PooledEstimate",),
    "fusion.result": ("BorderFusion", "ClassFusion", "Fusion"),
    "fusion.smoothing": ("smoothed_vote",),
    "fusion.tabulate": ("tabulate",),
    "fusion.vote_table": ("VoteTable",),
}


# Modules that are looked up as attributes.
_MODULES = {"cuda": ".cuda", "phantom": ".demo.phantom", "plots": ".report.plots", "reference": ".reference"}


if not TYPE_CHECKING:  # type checkers take it to mean that every name is here

    def __getattr__(name: str) -> Any:
        if name == "__version__":  # it takes as long as all the rest
            from importlib.metadata import version

            return version("fastfuse")
        from importlib import import_module

        if name in _MODULES:
            return import_module(_MODULES[name], __name__)
        for module, names in _HOME.items():
            if name in names:
                globals()[name] = getattr(import_module(f".{module}", __name__), name)
                return globals()[name]
        raise AttributeError(f"module 'fastfuse' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names; not the folders of the package, which are attributes once they are imported."""
    special = [name for name in globals() if name.startswith("__")]
    return sorted({*special, "__version__", *__all__, *_MODULES})
