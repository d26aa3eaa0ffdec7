"""Checks of the options of a fusion, and which methods take an option. Loads NumPy only where a check needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, TypeAlias, TypeVar, cast

from ..errors import said
from ..inputs import checks
from ..inputs.checks import Labels, Scale
from ..inputs.names import quoted
from .registry import Method

Function = TypeVar("Function", bound=Callable[..., Any])
PLAIN = frozenset({str, int, float, bool, type(None)})  # kinds of values of which equal ones mean the same
MOST_KNOWN = 256  # sets of options whose checks are not done again
RESAMPLED = ("bootstrap", "lesions")  # kinds of intervals
REPLICATES, SEED = 200, 0  # of a bootstrap
NO_INTERVALS: dict[str, Any] = {"intervals": "none", "replicates": REPLICATES, "seed": SEED}
FEWEST_OF_CLASSES = 4  # raters; three leave 11 parameters to 7 cells
OF_TWO_CLASSES = (
    "prior",
    "init",
    "mrf",
    "performance_prior",
    "acceleration",
)  # what no truth of more classes has
Pair = tuple[float, float] | list[float]
BetaPrior = Pair | Sequence[Pair]
PerformancePrior: TypeAlias = "Literal['auto'] | BetaPrior | None"


def checked_once(check: Function) -> Function:
    """Let options be checked once: what is checked stands, and the answer for plain values is kept for the next call.

    With a method, what it does not have is refused first: what a check advises would be refused after it.
    """
    known: dict[tuple[Any, ...], Any] = {}

    @wraps(check)
    def once(options: Any, method: Method | None = None) -> Any:
        if options.are_checked and method is None:
            return options
        values = tuple(vars(options).values())
        kinds = tuple(map(type, values))
        plain, key = PLAIN.issuperset(kinds), (method and method.name, values, kinds)
        found = known.get(key) if plain else None
        if found is None:
            if method is not None:
                options.check_method(method)
            found = check(options)
            object.__setattr__(found, "are_checked", True)
            if plain:
                if len(known) >= MOST_KNOWN:
                    known.clear()
                known[key] = found
        return found

    return cast("Function", once)


def is_map(prior: object) -> bool:
    """Tell a map of priors from a word or a number."""
    import numpy as np

    if isinstance(prior, (list, tuple)):  # read as an array later, by its name
        return True
    return not isinstance(prior, str) and np.ndim(prior) > 0  # type: ignore[arg-type]


def check_prior(value: object, _: str) -> Any:
    """Return a word or a number, checked; a map as it is."""
    if is_map(value):
        return value  # checked where the raters' shape is known
    number, _map = checks.check_prior(value, ())
    return str(value) if number is None else number


def check_init(value: object, _: str) -> Any:
    """Return the word, or the sensitivity and specificity to start with."""
    number = checks.check_init(value)
    return str(value) if number is None else number


def check_roi(value: object, _: str) -> Any:
    """Return the region's name, or the margin in mm."""
    margin = checks.check_roi(value)
    return str(value) if margin is None else margin


def check_mrf(value: object, name: str) -> float:
    """Return the strength of the random field."""
    return checks.check_number(value, name, "a number of at least 0", lambda x: x >= 0)


def check_beta(value: object, _: str) -> PerformancePrior:
    """Return the Beta priors on sensitivity and on specificity, or what stands for none."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return value  # type: ignore[return-value]
    return checks.check_performance_prior(value)


def check_acceleration(acceleration: str, *, mrf: float) -> None:
    """Refuse jumps of EM where neighbours are coupled."""
    if mrf and acceleration != "none":
        raise ValueError(
            f"acceleration is {quoted(acceleration)}, and mrf is set: with coupled voxels there is none; leave one of both out"
        )


def check_intervals(kind: str, replicates: int, seed: int, *, mrf: float = 0.0, of_map: bool = False) -> None:
    """Refuse intervals where they are not defined, and options of a bootstrap without one."""
    if kind != "none" and mrf:
        raise ValueError(
            f"intervals is {kind!r}, and mrf is set: with coupled voxels they are not defined; leave one of both out"
        )
    if kind in RESAMPLED and of_map:
        raise ValueError(
            f"intervals is {kind!r}, and prior is a map: a bootstrap needs one prior for all voxels"
        )
    for name, value, usual in (("replicates", replicates, REPLICATES), ("seed", seed, SEED)):
        if value != usual and kind == "none":
            raise ValueError(
                said(
                    f"{name} is {value}: it is for a bootstrap, and no intervals are asked for: add intervals='bootstrap' (--intervals "
                    "bootstrap), or leave it out"
                )
            )


def count_from(least: int) -> Any:
    """Return the check of an integer that is at least ``least``."""
    return lambda value, name: checks.check_count(value, name, least=least)


def check_tol(value: object, _: str) -> float:
    """Return the tolerance."""
    return checks.check_tolerance(value)


def check_label(value: object, _: str) -> Labels:
    """Return the label to fuse, or the labels whose union is fused."""
    labels = checks.check_labels(value)
    return labels if len(labels) > 1 else next(iter(labels), None)


def check_flag(value: object, name: str) -> bool:
    """Return a boolean."""
    return checks.check_flag(value, name)


def check_threshold(value: object, _: str) -> float | None:
    """Return the value from which on a voxel is foreground."""
    return checks.check_threshold(value)


def check_scale(value: object, _: str) -> Scale:
    """Return the value that stands for a vote of 1."""
    return checks.check_scale(value)


def as_recorded(name: str, value: Any) -> Any:
    """Return an option's value as a sidecar has it: what "auto" stands for."""
    if isinstance(value, str) and value == "auto":
        return {"init": "vote", "performance_prior": None}.get(name, value)
    return value


def as_given(value: Any, _: str) -> Any:
    """Leave the check to where more is known: the number of axes, the devices that there are."""
    return value


def soft(method: Method) -> bool:
    """Say that methods take an option whose EM runs on soft votes."""
    return of_rates(method) and method.votes == "soft"


def of_rates(method: Method) -> bool:
    """Say that methods take an option whose EM finds a sensitivity and a specificity of each rater."""
    return method.estimates and not method.of_levels


def check_classes(value: object, name: str) -> Any:
    """Return the number of classes."""
    count = checks.check_count(value, name, least=2)
    if count > 3:
        raise ValueError(f"{name} is {value!r}: it must be 2 or 3")
    return count


def of_classes(method: Method) -> bool:
    """Say that STAPLE of masks takes an option."""
    return method.name == "staple"


def of_levels(method: Method) -> bool:
    """Say that methods take an option whose raters see one latent level."""
    return method.of_levels


def enumerates(method: Method) -> bool:
    """Say that methods take an option that sum over binary vote patterns."""
    return method.core == "soft-staple"


def has_likelihood(method: Method) -> bool:
    """Say that methods take an option that have a likelihood for soft votes."""
    return method.core == "simplified-soft-staple"


def of_votes(method: Method) -> bool:
    """Say that methods take an option that fuse votes as they are, without an image."""
    return not method.grows
