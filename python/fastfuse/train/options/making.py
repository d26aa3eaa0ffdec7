"""Options from a preset, a TOML file, "name=value" texts and keywords."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ...images.formats.no_text import why_no_text
from ...images.paths import shown
from ...inputs.checks import check_choice
from .checking import OptionsError, flat
from .tables import ExperimentOptions

KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "quick": {
        "network.width": 8,
        "network.depth": 3,
        "network.start": 0.02,
        "network.weights": "glorot-uniform",
        "training.learning_rate": 2e-3,
        "training.clip": 0.1,
        "training.batch": 16,
        "training.epochs": 30,
        "training.lesion_share": 0.5,
        "training.validation": "centres",
        "training.validate_every": 3,
        "training.precision": "auto",
    },
}
"""Each preset's differences from the defaults, which are the paper's."""


def make_options(
    preset: str | None = None, config: Path | None = None, assignments: Sequence[str] = (), **given: Any
) -> ExperimentOptions:
    """Return a preset's options, overridden by a TOML file, by "name=value" texts and by keywords, in this order.

    Raises
    ------
    OptionsError
        If a name does not exist, or a value is of the wrong type or out of range.
    """
    settings = {} if config is None else flat(_from_toml(config))
    in_file = str(settings.pop("preset", "quick"))
    preset = check_choice(preset or in_file, "preset", tuple(PRESETS))
    settings = PRESETS[preset] | settings
    once = {name for name, value in given.items() if value is not None}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise OptionsError(f"{assignment}: give an option as name=value, e.g. training.epochs=100")
        if name.strip() == "preset":
            raise OptionsError(f"{assignment}: give the preset by --preset, or in the file")
        if name.strip() in once:
            raise OptionsError(f"{assignment}: {name.strip()} is given twice: give it once")
        once.add(name.strip())
        settings[name.strip()] = _parsed(text.strip())
    settings |= {name: value for name, value in given.items() if value is not None}
    return _with(ExperimentOptions(preset=preset), settings)


def options_from(record: Mapping[str, Any]) -> ExperimentOptions:
    """Return options from the record that :func:`dataclasses.asdict` made of them."""
    return _with(ExperimentOptions(), flat(record))


def differences(one: ExperimentOptions, other: ExperimentOptions) -> list[str]:
    """Return the names of the options that differ."""
    a, b = flat(asdict(one)), flat(asdict(other))
    return [name for name in a if a[name] != b[name]]


def _with(options: ExperimentOptions, settings: Mapping[str, Any]) -> ExperimentOptions:
    """Return options with some replaced, given by dotted names."""
    changed: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        table, _, key = name.rpartition(".")
        holder = getattr(options, table, None) if table else options
        known = {item.name for item in fields(holder)} if dataclasses.is_dataclass(holder) else set()
        if key not in known or dataclasses.is_dataclass(getattr(holder, key)):
            raise OptionsError(f"{name}: there is no such option; {_near(options, table)}")
        changed.setdefault(table, {})[key] = _checked(name, value, getattr(holder, key))
    top = changed.pop("", {})
    tables = {name: dataclasses.replace(getattr(options, name), **values) for name, values in changed.items()}
    return dataclasses.replace(options, **top, **tables)


def _checked(name: str, value: Any, default: Any) -> Any:
    """Return a value in the type of its default."""
    if isinstance(default, tuple):
        if isinstance(value, str):
            return tuple(value.replace(" ", "").split(","))
        if not isinstance(value, (list, tuple)):
            raise OptionsError(f"{name} is {value!r}: a list of names is needed")
        return tuple(str(one) for one in value)
    if name in ("consensus.threshold", "consensus.prior") and isinstance(value, (str, float, int)):
        return value if isinstance(value, str) else float(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise OptionsError(f"{name} is {value!r}: {KINDS[type(default)]} is needed")
    return value


def _near(options: ExperimentOptions, table: str) -> str:
    holder = getattr(options, table, None) if table else options
    if not dataclasses.is_dataclass(holder):
        return "tables are grid, consensus, network, training and evaluation"
    return f"known are {', '.join(item.name for item in fields(holder))}"


def _from_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionsError(f"{shown(path)}: cannot be read as TOML ({why_no_text(path, error)})") from error


def _parsed(text: str) -> Any:
    """Return the text as a number or truth value if it is one."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
