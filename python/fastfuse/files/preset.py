"""Presets of a fusion of files: what to start from, and the paper's way. What the caller sets wins."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, cast, get_args

from ..errors import GridError, said
from ..fusion.backends.decisions import check_decisions
from ..fusion.backends.devices import place_of
from ..fusion.option_checks import FEWEST_OF_CLASSES, OF_TWO_CLASSES
from ..fusion.options import BY_NAME, Options
from ..fusion.registry import Method, method_called
from ..inputs.checks import check_choice
from ..inputs.lattice import HEADERS
from ..inputs.names import counted, quoted
from .job import Inputs
from .kinds import Kind, blank_among, kind_of, voters_of
from .prior import is_plain

PresetName = Literal["recommended", "paper"]
Function = TypeVar("Function", bound=Callable[..., Any])
Setting = dict[str, Any]

MARGIN_MM = 4.0  # around what anybody marks, at least
LEAST_MARGIN = 2  # of the voxel's shortest edges: more along thick slices would be a wide margin within them
FEWEST = 3  # raters whose votes tell how good each is
A_MAP = 0.5  # stands for a map of priors, which goes where a number does
OF_THE_PAPER = ("m_step", "prior", "init", "roi")
ENTRY = """preset : {"recommended", "paper"}, optional
    What sets the method and the options that are not given. "recommended" is what to start from: of masks
    "border-staple" with an image, "staple" with ``classes=3`` without one (of three raters "majority"; with ``decisions``,
    which three classes take none of, "border-staple"); of softened masks "soft-staple"; all within 4 mm of what anybody marks, or two of the voxel's shortest edges where these are longer. Of networks' probabilities and of two raters
    "majority". "paper": the defaults, which are the paper's. The sidecar says what was set, and for what votes. Not for
    ``labels``."""


@dataclass(frozen=True)
class Preset:
    """A preset, and what the caller sets beside it.

    Attributes
    ----------
    name : {"recommended", "paper"}
    given : frozenset of str
        Names of the parameters that were given, at whatever value.
    alone : bool
        Whether rates are of these votes alone, and not of a cohort's cases, in others of which a rater may mark more.
    """

    name: PresetName
    given: frozenset[str]
    alone: bool = True


@dataclass(frozen=True)
class Chosen:
    """What a preset comes to for some files.

    Attributes
    ----------
    method : Method
    options : Options
    facts : dict
        What the sidecar says of it.
    """

    method: Method
    options: Options
    facts: dict[str, Any]


def noting_given(function: Function) -> Function:
    """Tell a function's ``preset`` which of its parameters the caller gives."""

    @functools.wraps(function)
    def noted(*args: Any, **given: Any) -> Any:
        name = given.get("preset")
        if name is not None:
            known = check_choice(name, "preset", get_args(PresetName))
            inspect.signature(function).bind(*args, **given)  # which refuses names that there are not
            given["preset"] = Preset(cast("PresetName", known), frozenset(given))
        return function(*args, **given)

    return cast("Function", noted)


def check_preset(preset: Any, labels: object, *, overlap: bool = False) -> Preset | None:
    """Return the preset; refuse it for label maps, and for several structures."""
    if preset is not None and labels is not None:
        given = "overlap is True" if overlap else "labels are given"
        one = (
            "structure by select_segment=NAME (--select-segment NAME), without labels (--labels) and overlap (--overlap)"
            if overlap
            else "label by select_label=K (--select-label K)"
        )
        raise ValueError(
            said(
                f"preset is {preset.name!r}, and {given}: it is for one structure; leave it out, or fuse one {one}"
            )
        )
    return cast("Preset | None", preset)


def chosen_by(
    preset: Preset, method: Method | None, options: Options, inputs: Inputs, *, soften: bool, decided: bool
) -> Chosen:
    """Return what a preset sets for these votes; ``method`` is the caller's, ``decided``: a reviewer's decisions are given.

    Raises
    ------
    ValueError
        If the options that were given go with no method that the preset would take.
    """
    if preset.name == "paper":
        return of_paper(preset, method or method_called("soft-staple"), options)
    kind, voters = kind_of(inputs, options), voters_of(inputs)
    telling = voters - blank_among(inputs) if preset.alone else voters
    what = "softened masks" if soften else _in_words(kind, len(inputs.votes), image=inputs.image is not None)
    what += ", with decisions" * decided
    offers = (
        [(method, {})]
        if method is not None
        else [
            one
            for one in _offers(kind, voters, telling, image=inputs.image is not None, soften=soften)
            if not (one[0].of_levels and inputs.grid.sheared)  # its distances are in mm
        ]
    )
    refused: ValueError | None = None
    for row, own in offers:
        setting = {**own, **_region(row, options, inputs)}
        setting = {name: value for name, value in setting.items() if name not in preset.given}
        tried = replace(options, **setting)
        try:
            _check(row, tried)
            _check_given(row, tried, preset.given)
            if decided:
                check_decisions(row, tried, ())
        except ValueError as error:
            refused = refused or error
            continue
        inputs.remarks += _without_margin(row, tried, inputs, preset)
        told = setting if method is not None else {"method": row.name, **setting}
        return Chosen(row, tried, {"name": preset.name, "set": told, "for": what})
    assert refused is not None
    raise refused


def of_paper(preset: Preset, method: Method, options: Options) -> Chosen:
    """Return what the paper's preset sets, whatever the votes are."""
    if method.of_levels or options.classes > 2:
        what = "classes" if options.classes > 2 else "method"
        raise ValueError(f"preset is 'paper', which has no such {what}: leave the preset out")
    kept = {
        name: getattr(options, name)
        for name in OF_THE_PAPER
        if name not in preset.given and BY_NAME[name].methods(method)
    }
    told = kept if "method" in preset.given else {"method": method.name, **kept}
    return Chosen(method, options, {"name": preset.name, "set": told})


def _offers(
    kind: Kind, voters: int, telling: int, *, image: bool, soften: bool
) -> Iterator[tuple[Method, Setting]]:
    """Yield methods with options of their own, the first choice first; ``telling``: voters who mark some voxels and not others."""
    staple, border = method_called("staple"), method_called("border-staple")
    if soften:
        yield method_called("soft-staple"), {}
    elif kind == "probabilities" or voters < FEWEST:
        yield method_called("majority"), {}
    elif kind == "soft votes":
        yield method_called("soft-staple"), {}
    else:
        three = [(staple, {"classes": 3})] if telling >= FEWEST_OF_CLASSES else []
        first = three or [(method_called("majority"), {})]
        yield from [(border, {}), *three] if image else [*first, (border, {})]
        yield staple, {}


def _region(method: Method, options: Options, inputs: Inputs) -> Setting:
    """Return the margin around marks; none where votes lie on a device, or axes are not at right angles."""
    if not method.estimates or place_of([], options.device) is not None:
        return {}
    with suppress(GridError):
        return {"roi": _margin(inputs.grid.spacing_mm)}
    return {}


def _margin(spacing_mm: Sequence[float]) -> float:
    """Return the margin in mm: two voxels, up to a hundredth of a mm, where they are large."""
    least = LEAST_MARGIN * min(spacing_mm) * (1 - HEADERS)
    return max(MARGIN_MM, math.ceil(100 * least) / 100)


def _without_margin(method: Method, options: Options, inputs: Inputs, preset: Preset) -> list[str]:
    """Say that axes that are not at right angles leave no margin, and no method that takes distances."""
    if not (method.estimates and inputs.grid.sheared and options.roi == "all") or "roi" in preset.given:
        return []
    said = (
        f"{inputs.grid.name}: its axes are not at right angles: preset {preset.name!r} takes no margin, and of masks no "
        "border-staple, which are in mm; resample all images onto an upright grid for both"
    )
    return [said]


def _check(method: Method, options: Options) -> None:
    """Refuse options that the method does not have, or not with each other, or not on a device."""
    stands_in: Any = options.prior if is_plain(options.prior) else A_MAP
    options = replace(options, prior=stands_in)
    options.check_method(method, images=True)
    options.checked().check_for(method)
    if place_of([], options.device) is not None and (method.of_levels or options.classes > 2):
        raise ValueError(f"device is {options.device!r}: {method.name} runs on the CPU; leave device out")


def _check_given(method: Method, options: Options, given: frozenset[str]) -> None:
    """Refuse a method without an option that was given, though at its default; what asks for nothing may be given."""
    for name in sorted(given & BY_NAME.keys()):
        value: Any = getattr(options, name)
        nothing = value is None or (isinstance(value, (str, int, float)) and value in (0, "none"))
        of_two = name in OF_TWO_CLASSES and options.classes > 2
        if not nothing and (of_two or not BY_NAME[name].methods(method)):
            raise ValueError(f"{name} is {quoted(value)}: {method.name} has no such option; leave it out")


def _in_words(kind: Kind, raters: int, *, image: bool) -> str:
    """Say what is fused."""
    if kind != "masks":
        return f"{kind} of {counted(raters, 'rater')}" if kind == "soft votes" else "networks' probabilities"
    return f"{counted(raters, 'mask')}{' and an image' * image}"
