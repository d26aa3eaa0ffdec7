"""Makes flags of the options that are declared."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import chain
from types import EllipsisType
from typing import Annotated, Any, TypeVar

from ..fusion.declared import Option, either, switch
from ..fusion.labels.declared import LABEL_OPTIONS
from ..fusion.options import BY_NAME
from ..fusion.registry import AUTO, in_help_order, names_left_to_methods
from .switches import choice
from .words.declared import NO_PAIR, Context
from .words.declared import Option as TypedOption
from .words.spoken import names_of_running, with_typed_options

Command = TypeVar("Command", bound=Callable[..., None])

BEYOND = "Beyond the paper"
ON_OFFER = [*(row.name for row in in_help_order()), AUTO.name]
FUNCTIONS = {row.function: row.name for row in in_help_order() if row.function != row.name}
FLAGGED = {name: one for name, one in {**BY_NAME, **LABEL_OPTIONS}.items() if one.flag is not None}
LABELS = "Label maps"
UNTYPED = (None, "DEFAULT")
# Options of files, which are not declared with those of a fusion.
OTHERS = (
    "method",
    "preset",
    "threads",
    "present",
    "label_rule",
    "cut",
    "ties",
    "names",
    "channel_axis",
    "select_segment",
    "grid",
    "resample",
    "use",
    "label_names",
    "save_probability",
    "save_confidence",
    "decisions",
)
CALL = re.compile(r"\b\w+(?:\.\w+)*\([^()]*\)")  # code of Python, which is not typed
CODE = "\0"  # stands for a piece of code in a message
OF_LABELS = ", and --labels all each of them"  # an option that commands lack which take one label
VALUE = r"(?:'[^']*'|\([^()]*\)|\[[^\]]*\]|\{[^}]*\}|\w+(?:\.\w+)*)"
# Messages that say it for Python and for the shell, of which the shell's way stays.
BOTH_WAYS = [
    (rf"{CALL.pattern} \((--[^)]*)\)", r"\1"),  # staple(maps, labels='all') (--labels all)
    (rf"\b\w+={VALUE}(?:(?:, | or )(?:\w+=)?{VALUE})* \((--[^)]*)\)", r"\1"),  # binarize=True (--binarize)
    (rf"\b(\w+)=({VALUE}), --\1 \2", r"\1=\2"),  # threads=1, --threads 1
    (r"\bNone \((--present -)\)", r"\1"),
    (
        r" is \(([^()]*), ([^()]*)\): it must be \(a, b\), or .* specificity, of numbers",
        r" is \1 \2: it must be two numbers",
    ),
    (r"(--[\w-]+) \(\w+=\w+\)", r"\1"),  # --overwrite (overwrite=True)
    (
        r"\b(?:output|out_dir|image|soften|save_label|radius_mm) \((--?[\w-]+(?: FILE)?)\)",
        r"\1",
    ),  # out_dir (--out-dir)
    (r"(?<!\ba )(?<!\ban )(?<!\bthe )\b([a-z]+) \((--\1)\)", r"\2"),  # leave mask (--mask) out
]


def words(title: str, choices: Sequence[str]) -> Any:
    """Return the type of a flag that takes one of some words."""
    return Enum(title, {word: word for word in choices}, type=str)


def flag(name: str, kind: Any, info: Any, default: Any) -> inspect.Parameter:
    """Return the parameter that makes a flag."""
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def with_flags(
    order: Sequence[str | EllipsisType], flags: Iterable[inspect.Parameter]
) -> Callable[[Command], Command]:
    """Give a command flags beside those of its signature; it gets their values as keywords.

    ``order`` names all in the order of the help. An ellipsis stands for those that it lacks.
    """

    def add(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters.values()
        known = {one.name: one for one in (*own, *flags) if one.kind is not one.VAR_KEYWORD}
        named = [name for name in order if isinstance(name, str)]
        where = list(order).index(...) if ... in order else len(order)
        others = [name for name in known if name not in named]
        parameters = [known[name] for name in (*named[:where], *others, *named[where:])]
        keyword = inspect.Parameter.KEYWORD_ONLY
        signature = inspect.Signature([one.replace(kind=keyword) for one in parameters])
        command.__signature__ = signature  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        return command

    return add


def flags_called(names: Iterable[str]) -> list[inspect.Parameter]:
    """Return flags for these declared options."""
    return [_flag_of(FLAGGED[name]) for name in names]


def values_called(names: Iterable[str], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed for these options, as Python's functions take it."""
    return {name: _value(FLAGGED[name], typed[name]) for name in names}


def flags_of_options() -> list[inspect.Parameter]:
    """Return flags for the method and all declared options."""
    kind = words("MethodName", ON_OFFER)
    masks = [row.name for row in in_help_order() if row.votes == "binary"]
    growing = [row.name for row in in_help_order() if row.grows]
    help = f"How to fuse; {' and '.join(masks)} take masks only, {either(growing)} needs --image, {AUTO.name} takes what fits."
    usual = f"{ON_OFFER[0]}; with --labels staple, and majority of networks"
    method = flag("method", kind | None, choice(help, show_default=usual), None)
    return [method, *flags_called(FLAGGED)]


def values_of(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the method and the options that were typed as Python's functions take them."""
    method = typed["method"]
    return {"method": None if method is None else method.value, **values_called(FLAGGED, typed)}


def was_typed(context: Context, name: str) -> bool:
    """Tell whether an option was typed, and is no default."""
    source = context.get_parameter_source(name)  # by its name: click 8.5 made it a number to str()
    return getattr(source, "name", source) not in UNTYPED


def without_own_defaults(context: Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values without those that were not typed and that methods set of themselves."""
    own = names_left_to_methods()
    return {name: one for name, one in values.items() if name not in own or was_typed(context, name)}


def set_by(context: Context, preset: Enum | None, values: dict[str, Any]) -> dict[str, Any]:
    """Return the preset with the options that were typed; without one all, but what methods set of themselves."""
    if preset is None:
        return without_own_defaults(context, values)
    typed = {name: one for name, one in values.items() if was_typed(context, name)}
    return {"preset": preset.value, **typed}


def typed_names() -> dict[str, str]:
    """Return how each option is typed, by its name."""
    return {name: switch(name) for name in (*FLAGGED, *OTHERS)} | names_of_running()


def with_typed_values(message: str) -> str:
    """Name the options that a message sets, as in m_step='em', as they are typed: --m-step em."""
    for pattern, typed in BOTH_WAYS:
        message = re.sub(pattern, typed, message)
    code = iter(CALL.findall(message))
    message = with_typed_options(_with_typed_settings(CALL.sub(CODE, message)), typed_names())
    message = re.sub(CODE, lambda found: next(code, found[0]), message)
    running = names_of_running()
    return message if not running or "labels" in running else message.replace(OF_LABELS, "")


def _with_typed_settings(message: str) -> str:
    names = typed_names()
    setting = rf"(?<![/\\])\b({'|'.join(names)})=(?:'([^']*)'|(\w+(?:\.\w+)*))"

    def as_typed(found: re.Match[str]) -> str:
        is_flag = found[3] == "True"
        return names[found[1]] if is_flag else f"{names[found[1]]} {found[2] or found[3]}"

    message = re.sub(setting, as_typed, message)
    for function, method in FUNCTIONS.items():  # what a command calls the method
        message = re.sub(rf"(?<![\w./\\-]){function}(?![\w.-])", method, message)
    return re.sub(r"\b(a larger|a smaller) (\w+)\b(?! =)", _named_as_typed, message)


def _named_as_typed(found: re.Match[str]) -> str:
    return f"{found[1]} {typed_names().get(found[2], found[2])}"


def _flag_of(one: Option) -> inspect.Parameter:
    """Return the flag of an option."""
    declared = one.flag
    assert declared is not None
    more: dict[str, Any] = {} if declared.main else {"rich_help_panel": BEYOND}
    if one.name in LABEL_OPTIONS:
        more["rich_help_panel"] = LABELS
    if declared.metavar is not None:
        more["metavar"] = declared.metavar
    if one.choices:
        kind = words(one.name, one.choices)
        return flag(one.name, kind, choice(declared.help, **more), kind(one.default))
    if declared.kind is bool:
        return flag(one.name, bool, TypedOption(switch(one.name), help=declared.help, **more), one.default)
    kinds: dict[Any, Any] = {int: int, float: float, None: tuple[float, float]}
    kind = list[str] if declared.several else kinds.get(declared.kind, str)
    default = None if kind == tuple[float, float] else one.default  # a word has no place in a pair
    if default is None:
        kind, more["show_default"] = kind | None, False
    return flag(one.name, kind, TypedOption(help=declared.help, **more), default)


def _value(one: Option, typed: Any) -> Any:
    if isinstance(typed, Enum):
        return typed.value
    kind = one.flag.kind if one.flag is not None else None
    if one.flag is not None and one.flag.several:
        parts: list[Any] = [kind(text) for text in typed or ()] if kind is not None else []
        return tuple(chain.from_iterable(parts)) or None
    if typed is None:
        return one.default
    if typed == NO_PAIR:
        return None
    return kind(typed) if isinstance(typed, str) and kind is not None else typed
