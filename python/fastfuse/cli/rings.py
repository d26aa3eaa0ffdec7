"""Flags of conditional dilation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from ..fusion.declared import number_or_word
from .flags import flag, words
from .switches import choice
from .words.declared import Option

if TYPE_CHECKING:
    from ..dilation.options import DilationOptions

RINGS = "Conditional dilation"
SCOPE = words("ScopeName", ("volume", "lesion"))


def _option(*names: str, help: str, **more: Any) -> Any:
    return Option(*names, help=help, rich_help_panel=RINGS, **more)


FLAGS = [
    flag("ring_size", float, _option(help="(mask + ring) / mask to reach, at least 1."), 1.2),
    flag("ring_label", float, _option(help="Vote of the ring, in (0, 1)."), 0.3),
    flag("ring_iterations", int, _option(help="Dilations by one voxel that make the candidates."), 6),
    flag(
        "ring_radius",
        float | None,
        _option(
            "--ring-radius-mm",
            help="Candidates within this distance instead: for thick slices.",
            show_default=False,
        ),
        None,
    ),
    flag(
        "ring_threshold",
        str,
        _option(
            help="adaptive (a falling cut), exact (ranked), or an intensity of the image, whatever size that makes.",
            metavar="adaptive|exact|X",
        ),
        "adaptive",
    ),
    flag(
        "ring_scope",
        SCOPE,
        choice("Reach the size over the volume, or in each lesion.", rich_help_panel=RINGS),
        SCOPE("volume"),
    ),
    flag(
        "ring_connected",
        bool,
        _option("--ring-connected", help="Only ring voxels joined to the mask."),
        False,
    ),
    flag(
        "normalize",
        bool,
        _option(
            "--normalize/--no-normalize",
            help="Scale the image to [0, 1], 0.1 % clipped at both ends, for the adaptive cut.",
        ),
        True,
    ),
]
NAMES = tuple(one.name for one in FLAGS)
TYPED = {
    "size": "--ring-size",
    "label": "--ring-label",
    "iterations": "--ring-iterations",
    "threshold": "--ring-threshold",
    "radius_mm": "--ring-radius-mm",
}


def dilation_of(typed: Mapping[str, Any]) -> DilationOptions:
    """Return the options of a dilation that were typed, other than their defaults."""
    from ..dilation.options import Dilation

    known = {field.name: field.default for field in fields(Dilation)}
    options: dict[str, Any] = {}
    for name in NAMES:
        value = typed[name].value if isinstance(typed[name], Enum) else typed[name]
        option = name.removeprefix("ring_")
        options["radius_mm" if option == "radius" else option] = value
    options["threshold"] = number_or_word(options["threshold"])
    changed = {name: value for name, value in options.items() if value != known[name]}
    _check(changed)
    return cast("DilationOptions", changed)


def _check(options: Mapping[str, Any]) -> None:
    """Refuse what no dilation takes, with the name that was typed: fusions have options of the same names."""
    if not options:
        return
    from ..files.soften import dilation_options

    try:
        dilation_options(cast("DilationOptions", options))
    except (TypeError, ValueError) as error:
        name, _, rest = str(error).partition(" ")
        raise type(error)(f"{TYPED.get(name, name)} {rest}") from None
