"""Options that are set, and that another model refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..declared import switch
from ..option_checks import is_map
from ..options import BY_NAME, Options
from ..registry import method_called
from .result import BORDER, CLASSES, STAPLE

OF_SOME = (
    "m_step",
    "expectation",
    "likelihood",
    "prior",
    "init",
    "performance_prior",
    "intervals",
    "acceleration",
)


def refused_options(options: Options, *, is_decided: bool) -> dict[str, tuple[str, ...]]:
    """Return what each model refuses of what is given, as it is written; STAPLE is taken with its prior estimated."""
    given = {name: getattr(options, name) for name in OF_SOME}
    given = {name: value for name, value in given.items() if BY_NAME[name].differs(value)}
    found: dict[str, tuple[str, ...]] = {
        model: tuple(
            _written(name, value) for name, value in given.items() if _is_refused(model, name, value)
        )
        for model in (STAPLE, CLASSES, BORDER)
        if given
    }
    if is_decided:
        found[CLASSES] = (*found.get(CLASSES, ()), f"decisions ({switch('decisions')})")
    if options.max_memory is not None:
        found["image"] = (f"max_memory ({switch('max_memory')})",)
    return found


def _is_refused(model: str, name: str, value: Any) -> bool:
    if model == STAPLE and name == "prior":
        return False
    method = method_called(BORDER if model == BORDER else STAPLE)
    one = replace(Options(), **{name: value}, classes=3 if model == CLASSES else 2)
    try:
        one.check_method(method)
        one.checked().check_for(method)
    except ValueError:
        return True
    return False


def _written(name: str, value: Any) -> str:
    """Return an option as it is written, by its name alone where that is long."""
    short = isinstance(value, (str, int, float)) and not is_map(value)
    return f"{name}={value!r}" if short else f"{name} ({switch(name)})"
