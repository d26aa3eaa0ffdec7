"""Ranges and choices of the options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ...dilation.options import Dilation
from ...errors import FastfuseError
from ...inputs.checks import check_choice, check_cut, check_prior

METHODS = ("staple", "dilated-staple", "soft-staple", "simplified-soft-staple")
"""In the order of the paper's Table 1."""
TARGETS = (*METHODS, "border-staple")
"""All that a network can learn from: the paper's, which are trained by default, and what is asked for by name."""


class OptionsError(FastfuseError, ValueError):
    """An unknown option of the experiment, or a value out of range."""


CHOICES: dict[str, tuple[str, ...]] = {
    "split": ("Training", "Testing", "all"),
    "grid.masks": ("partial", "nearest"),
    "consensus.m_step": ("paper", "em"),
    "consensus.pool": ("none", "raters"),
    "network.weights": ("glorot-normal", "glorot-uniform"),
    "network.output": ("probability", "logit"),
    "training.target": ("method", "binary", "soft"),
    "training.dice": ("paper", "l1"),
    "training.validation": ("share", "centres", "none"),
    "training.precision": ("float32", "bfloat16", "float16", "auto"),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse values out of range; ``options`` go by their dotted names."""
    for name, choices in CHOICES.items():
        check_choice(options[name], name, choices)
    _check_division(options["train"], options["test"])
    for method in options["methods"]:
        check_choice(method, "methods", TARGETS)
    if not options["methods"] or len(set(options["methods"])) < len(options["methods"]):
        raise OptionsError(f"methods is {list(options['methods'])}: name at least one, and none twice")
    _check_consensus(options)
    _named("evaluation.cut", check_cut, options["evaluation.cut"])
    for name, (low, high) in RANGES.items():
        if not low <= (value := options[name]) <= high or math.isinf(value):
            raise OptionsError(f"{name} is {value!r}: {_range(low, high)}")
    for name in ("network.start", "training.validation_share"):
        if not 0 < (value := options[name]) < 1:
            raise OptionsError(f"{name} is {value}: it must lie in (0, 1), 0 and 1 excluded")
    if options["evaluation.connectivity"] not in CONNECTIVITIES:
        raise OptionsError(f"evaluation.connectivity is {options['evaluation.connectivity']}: 6, 18 or 26")
    if options["network.output"] == "logit" and not options["network.model"]:
        raise OptionsError(
            "network.output is logit without network.model: the U-Net ends with its own sigmoid; name another network"
        )
    if options["grid.spacing_mm"] and options["grid.file"]:
        raise OptionsError("grid.spacing_mm and grid.file are both given: one of them names the grid")


def _check_division(train: str, test: str) -> None:
    """Refuse one part without the other, and one that is both."""
    for name, value in (("train", train), ("test", test)):
        if value:
            check_choice(value, name, SPLITS)
    if bool(train) != bool(test):
        raise OptionsError(f"{'train' if train else 'test'} is given alone: give --train and --test")
    if train and train == test:
        raise OptionsError(
            f"train and test are both {train!r}: name two splits, or cross-validate without them"
        )


def _range(low: float, high: float) -> str:
    if math.isinf(high):
        return f"at least {low} is needed, and no infinity"
    return f"it must lie in [{low}, {high}]"


def _check_consensus(options: Mapping[str, Any]) -> None:
    """Refuse values that the fusion or the dilation would refuse later."""
    _named("consensus.prior", check_prior, options["consensus.prior"], ())
    for key in ("size", "label", "iterations", "threshold", "scope"):
        name = f"consensus.{key}"
        _named(name, lambda value, key=key: Dilation.checked(**{key: value}), options[name])
    if radius := options["consensus.radius_mm"]:
        cube = {"spacing_mm": (1.0, 1.0, 1.0)}
        _named("consensus.radius_mm", lambda value: Dilation.checked(radius_mm=value, **cube), radius)
        together = {"radius_mm": radius, "iterations": options["consensus.iterations"], **cube}
        _named("consensus.iterations", lambda given: Dilation.checked(**given).check_use(), together)
    pair = {name: options[f"consensus.{name}"] for name in ("size", "threshold")}
    _named("consensus.size", lambda given: Dilation.checked(**given).check_use(), pair)


def _named(name: str, check: Callable[..., Any], *values: Any) -> None:
    """Run a check, and begin its message with the option's full name."""
    try:
        check(*values)
    except (ValueError, TypeError) as error:
        raise OptionsError(f"{name}: {error}") from None


SPLITS = ("Training", "Testing")
MOST_DEPTH = 7  # 128 pixels become one
MOST_SEED = 2**32 - 1  # every generator takes it, also times 1000
CONNECTIVITIES = (6, 18, 26)

RANGES: dict[str, tuple[float, float]] = {
    "folds": (1, math.inf),
    "seed": (0, MOST_SEED),
    "grid.spacing_mm": (0, math.inf),
    "consensus.radius_mm": (0, math.inf),
    "network.width": (1, math.inf),
    "network.depth": (1, MOST_DEPTH),
    "training.learning_rate": (0, math.inf),
    "training.weight_decay": (0, math.inf),
    "training.clip": (0, math.inf),
    "training.batch": (1, math.inf),
    "training.steps": (1, math.inf),
    "training.epochs": (1, math.inf),
    "training.rotation_deg": (0, math.inf),
    "training.validate_every": (1, math.inf),
    "training.save_every_s": (0, math.inf),
    "training.lesion_share": (0, 1),
    "evaluation.least_voxels": (0, math.inf),
    "evaluation.least_mm3": (0, math.inf),
}


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of nested tables as one, with dotted names."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            found[name] = tuple(value) if isinstance(value, list) else value
    return found
