"""What figures are given: refused in one sentence, with the remedy, where a figure cannot be drawn of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from ...evaluation.result import Evaluation
from ...fusion.estimate import Estimate
from ...fusion.labels.estimate import LabelEstimate
from ...fusion.labels.result import LabelFusion
from ...fusion.of_raters.agreement import Agreement
from ...fusion.pooled.deviation import Deviation
from ...fusion.result import Fusion

MAKERS = {  # what makes each kind
    Fusion: "staple(masks)",
    Estimate: "estimate(tabulate(masks))",
    LabelFusion: "staple(maps, labels='all')",
    LabelEstimate: "estimate(tabulate(maps, labels='all'))",
    Agreement: "agreement(masks)",
    Evaluation: "evaluate(mask, truth)",
    Deviation: "deviation(table, pooled)",
}
OF_LABELS = (
    "plots.confusion, plots.convergence, plots.rates, plots.slices and plots.uncertainty draw label maps"
)


def check_given(value: Any, figure: str, *kinds: type[Any], called: str = "found") -> None:
    """Refuse what a figure cannot be drawn of.

    Parameters
    ----------
    figure : str
        The function's name.
    kinds : types
        What it takes.
    called : str
        What the value is called.

    Raises
    ------
    TypeError
        Naming what was given, what is taken, and what makes it.
    """
    if not isinstance(value, kinds):
        raise TypeError(
            f"{called} is {_named(value)}: plots.{figure} takes {_listed([_article(one.__name__) for one in kinds])}, as of "
            f"{_listed([f'fastfuse.{MAKERS[one]}' for one in kinds])}{_beside(value, kinds)}"
        )


def by_name(found: Any, figure: str, *kinds: type[Any], called: str = "found") -> dict[str, Any]:
    """Return results by name, one alone under the empty name; refuse what a figure cannot be drawn of."""
    if not isinstance(found, Mapping):
        check_given(found, figure, *kinds, called=called)
        return {"": found}
    if not found:
        raise ValueError(f"{called} is empty: give at least one result by its name")
    for name, one in found.items():
        check_given(one, figure, *kinds, called=f"{called}[{name!r}]")
    return {str(name): one for name, one in found.items()}


def check_axes(ax: Any) -> None:
    """Refuse what is no axes of matplotlib's."""
    if ax is not None and not isinstance(ax, Axes):
        more = ": give one of its axes, as of figure.subplots()" if hasattr(ax, "savefig") else ""
        raise TypeError(
            f"ax is {_named(ax)}, not axes of matplotlib's{more or ': give axes, or leave ax out'}"
        )


def check_of_file(figure: str, **given: Any) -> None:
    """Refuse parameters, None where they are not given, that do not apply when a file is written."""
    for name, value in given.items():
        if value is not None:
            raise TypeError(
                f'{name} is given, and plots.{figure} of a path, such as "{figure}.png", writes a file: leave {name} out'
            )


def check_of_axes(figure: str, *, overwrite: bool) -> None:
    """Refuse the parameter of a file where axes are drawn into."""
    if overwrite:
        raise TypeError(f"overwrite is given, and plots.{figure} writes no file without a path: leave it out")


def _named(value: Any) -> str:
    return "None" if value is None else _article(type(value).__name__)


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' or name == 'ndarray' else 'a'} {name}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _beside(value: Any, kinds: tuple[type[Any], ...]) -> str:
    """Return what draws such a value, where something else does."""
    if isinstance(value, (LabelFusion, LabelEstimate)):
        return f"; {OF_LABELS}"
    if isinstance(value, Mapping) and Fusion in kinds:
        return "; of several, give one of them"
    return ""
