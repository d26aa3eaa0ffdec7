"""A preset of a cohort: cases that share rates are fused by one method, which is chosen once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import CohortError, FastfuseError
from ..files.preset import Preset, of_paper
from ..fusion.backends.decisions import check_decisions
from ..fusion.registry import as_given, method_called, names_of_own_defaults
from .cases import CohortCase
from .settings import Settings


def kept_preset(preset: Preset | None, names: Sequence[str]) -> dict[str, Any] | None:
    """Return a preset as settings keep it, with those of these options that the caller gave."""
    if preset is None:
        return None
    return {"name": preset.name, "given": sorted(preset.given & {"method", *names})}


def settled(
    settings: Settings, cases: Sequence[CohortCase], decisions: Path | None = None, *, of_shard: bool = False
) -> Settings:
    """Return the settings with the method and the options that a preset sets for cases that share rates.

    It looks at one case: of those that most raters read the first that can be read. An image counts if every case has one.
    ``decisions``: a list that decides something; the method is then one that takes decisions. Shards (``of_shard``) were counted
    without the list, and keep the method that was chosen then.

    Raises
    ------
    CohortError
        If no case can be read, or a shard's method takes no decisions.
    ValueError
        If the options that were given go with no method that the preset would take.
    """
    preset = settings.asked_preset
    if preset is None or not settings.pools:
        return settings
    if preset.name == "paper":
        row = method_called(settings.method or "soft-staple")
        chosen = of_paper(preset, row, settings.fusion_options)
        return _set(settings, chosen.method.name, chosen.facts)
    without = not all(case.image for case in cases) and not settings.needs_image
    refused: list[str] = []
    for case in sorted(cases, key=lambda case: (-len(case.raters), case.name)):
        looked = replace(case, image=None) if without else case
        try:
            own = None if of_shard else decisions
            placing = settings.placing_of(case)
            _, way, _ = settings.preset_job(preset, looked, Path("consensus.nii.gz"), own, placing)
        except FastfuseError as error:
            refused.append(f"{case.name}: {error}")
            continue
        found = _set(settings, way.method.name, {**(way.preset or {}), "looked_at": case.name})
        if decisions is not None:
            _check_decisions(found, preset)
        return found
    raise CohortError(f"preset is {preset.name!r}, and no case can be read to choose by: {refused[0]}")


def _check_decisions(settings: Settings, preset: Preset) -> None:
    """Refuse decisions where the preset chose three classes, which take none: options that were given are held against them before."""
    try:
        check_decisions(settings.method_row, settings.fusion_options, ())
    except ValueError as error:
        raise CohortError(
            f"decisions are given, and preset {preset.name!r} chose {settings.method_row.name} with three classes for these shards, which "
            "takes none: give method='border-staple' (--method border-staple) to every step"
        ) from error


def _set(settings: Settings, method: str, facts: Mapping[str, Any]) -> Settings:
    own = {
        name: as_given(value) if name in names_of_own_defaults() else value
        for name, value in facts["set"].items()
        if name != "method"
    }
    return replace(settings, method=method, options=replace(settings.options, **own), preset=dict(facts))
