"""Every option of the experiment, with its default, meaning and unit; the presets; options from a TOML file."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..dilation.options import Dilation
from ..errors import FastfuseError
from ..images.paths import shown
from ..inputs.checks import check_choice, check_cut, check_prior

METHODS = ("staple", "dilated-staple", "soft-staple", "simplified-soft-staple")
"""In the order of the paper's Table 1."""


@dataclass(frozen=True)
class ConsensusOptions:
    """Fusion of the raters' masks to one target."""

    size: float = 1.2  #: (mask + ring) / mask after conditional dilation
    label: float = 0.3  #: vote of the ring
    iterations: int = 6  #: dilations by one voxel; the voxels that they add are the candidates
    threshold: str | float = "adaptive"  #: cut of FLAIR: "adaptive", "exact", or a number in FLAIR's unit
    scope: str = "volume"  #: the size holds for the "volume", or for each "lesion"
    m_step: str = "paper"  #: M-step of the soft methods: "paper", as printed, or "em", the true maximiser
    prior: str | float = "mean"  #: "mean" vote, "estimate", or a number in (0, 1)
    brain: bool = True  #: fuse, and scale FLAIR, inside the brain mask if there is one


@dataclass(frozen=True)
class NetworkOptions:
    """Size and start of the network."""

    width: int = 32  #: channels of the first level
    depth: int = 4  #: poolings; slices are padded to multiples of 2**depth
    start: float = 0.5  #: output of the untrained U-Net, a probability
    model: str = ""  #: "module:callable" that makes another torch.nn.Module from in_channels, width and depth


@dataclass(frozen=True)
class TrainingOptions:
    """Loss, optimiser, batches and validation."""

    dice: str = "paper"  #: intersection of the soft Dice loss: "paper", eq. (14), or "l1"
    learning_rate: float = 1e-4  #: of Adam
    weight_decay: float = 1e-4  #: of Adam
    clip: float = 0.0  #: largest norm of a step's gradient, which is scaled down to it; 0: no limit
    batch: int = 32  #: number of slices in a step
    steps: int = 16  #: number of steps in an epoch
    epochs: int = 5000
    rotation_deg: float = 5.0  #: largest rotation of a slice, drawn uniformly from both sides
    lesion_share: float = 0.0  #: share of a batch drawn from slices with lesions by STAPLE
    hold_out: bool = (
        False  #: keep one training case of each centre for validation, which selects the best epoch
    )
    validate_every: int = 10  #: epochs between two validations, with hold_out
    save_every_s: float = 30.0  #: seconds between two checkpoints to resume from
    mixed_precision: bool = True  #: on CUDA


@dataclass(frozen=True)
class EvaluationOptions:
    """Conversion of a prediction to the mask that is scored."""

    cut: float = 0.5  #: a mask is probability >= cut
    least_voxels: int = 18  #: components of fewer voxels are removed from a prediction


@dataclass(frozen=True)
class ExperimentOptions:
    """All options of the experiment."""

    preset: str = "quick"
    methods: tuple[str, ...] = METHODS
    folds: int = 5
    split: str = "Training"  #: cases of the cohort: "Training", "Testing" or "all"
    seed: int = 0
    fix_flips: bool = False  #: flip masks back whose axes are reversed
    consensus: ConsensusOptions = field(default_factory=ConsensusOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_choice(self.split, "split", ("Training", "Testing", "all"))
        check_choice(self.training.dice, "training.dice", ("paper", "l1"))
        for method in self.methods:
            check_choice(method, "methods", METHODS)
        _check_consensus(self.consensus)
        _named("evaluation.cut", check_cut, self.evaluation.cut)
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise OptionsError(f"methods is {list(self.methods)}: name at least one, and none twice")
        for name, least in LEAST.items():
            if not least <= (value := _value(self, name)) < math.inf:
                raise OptionsError(f"{name} is {value!r}: at least {least} is needed, and no infinity")
        if self.network.depth > MOST_DEPTH:
            raise OptionsError(
                f"network.depth is {self.network.depth}: at most {MOST_DEPTH} poolings make sense"
            )
        if not 0 < self.network.start < 1:
            raise OptionsError(
                f"network.start is {self.network.start}: it must lie in (0, 1), 0 and 1 excluded"
            )
        if not 0 <= self.training.lesion_share <= 1:
            raise OptionsError(
                f"training.lesion_share is {self.training.lesion_share}: it must lie in [0, 1]"
            )


class OptionsError(FastfuseError, ValueError):
    """An unknown option of the experiment, or a value out of range."""


def _check_consensus(options: ConsensusOptions) -> None:
    """Refuse values that the fusion or the dilation would refuse later."""
    check_choice(options.m_step, "consensus.m_step", ("paper", "em"))
    _named("consensus.prior", check_prior, options.prior, ())
    growth = {name: getattr(options, name) for name in ("size", "label", "iterations", "threshold", "scope")}
    for name, value in growth.items():
        _named(f"consensus.{name}", lambda value, name=name: Dilation.checked(**{name: value}), value)


def _named(name: str, check: Callable[..., Any], *values: Any) -> None:
    """Run a check, and begin its message with the option's full name."""
    try:
        check(*values)
    except (ValueError, TypeError) as error:
        raise OptionsError(f"{name}: {error}") from None


MOST_DEPTH = 7  # 128 pixels become one

LEAST: dict[str, float] = {
    "folds": 2,
    "seed": 0,
    "network.width": 1,
    "network.depth": 1,
    "training.learning_rate": 0,
    "training.weight_decay": 0,
    "training.clip": 0,
    "training.batch": 1,
    "training.steps": 1,
    "training.epochs": 1,
    "training.rotation_deg": 0,
    "training.validate_every": 1,
    "training.save_every_s": 0,
    "evaluation.least_voxels": 0,
}

KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "quick": {
        "network.width": 8,
        "network.depth": 3,
        "network.start": 0.02,
        "training.learning_rate": 2e-3,
        "training.clip": 0.1,
        "training.batch": 16,
        "training.epochs": 30,
        "training.lesion_share": 0.5,
        "training.hold_out": True,
        "training.validate_every": 3,
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
    settings = {} if config is None else _flat(_from_toml(config))
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
    return _with(ExperimentOptions(), _flat(record))


def differences(one: ExperimentOptions, other: ExperimentOptions) -> list[str]:
    """Return the names of the options that differ."""
    a, b = _flat(asdict(one)), _flat(asdict(other))
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
        return "tables are consensus, network, training and evaluation"
    return f"known are {', '.join(item.name for item in fields(holder))}"


def _value(options: ExperimentOptions, name: str) -> Any:
    table, _, key = name.rpartition(".")
    return getattr(getattr(options, table) if table else options, key)


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of nested tables as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = tuple(value) if isinstance(value, list) else value
    return flat


def _from_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionsError(f"{shown(path)}: cannot be read as TOML ({error})") from error


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
