"""A command whose options stand once: of two values, one would go unheard; and whose files have names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from typer.core import TyperCommand

from ..errors import FastfuseError
from ..images.paths import OUTPUTS
from .words.declared import NO_PAIR

PAIRS = ("--performance-prior",)  # options of two numbers that may be none
NONE = "none"
FILES = ("present",)  # options of text that name files; so do all of a path, and all arguments
# Options of text that nothing else refuses by name if they are empty.
UNCHECKED = (
    *("preset", "methods", "folds", "only_folds", "seeds", "split", "train", "test", "model", "assign"),
    *("method", "name", "peer"),
)


class Once(TyperCommand):
    """A command that refuses an option given twice, unless it takes a list."""

    def make_parser(self, ctx: Any) -> Any:
        """Return a parser that counts."""
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def counted(args: list[str]) -> Any:
            values, rest, order = parse(with_pairs(args))
            if not ctx.resilient_parsing:  # while words are completed
                _check_once(order)
                _check_names(order, values)
                _check_no_switch(order, values, {*parser._short_opt, *parser._long_opt})
            return values, rest, order

        parser.parse_args = counted
        return parser


def with_pairs(args: list[str]) -> list[str]:
    """Return what was typed with a pair in the place of the word none, where a pair is expected."""
    found: list[str] = []
    for arg in args:
        if (arg == NONE and found and found[-1] in PAIRS) or arg in [f"{one}={NONE}" for one in PAIRS]:
            found += [*([arg.partition("=")[0]] if arg != NONE else []), *map(str, NO_PAIR)]
        else:
            found.append(arg)
    return found


def _check_once(order: Iterable[Any]) -> None:
    given = Counter(one for one in order if getattr(one, "param_type_name", "") == "option")
    for option, times in given.items():
        if times > 1 and not (option.multiple or option.count):
            switches = [max(option.opts, key=len), *option.secondary_opts]
            name = " or ".join(switches)
            raise FastfuseError(
                f"{name} is given {'twice' if times == 2 else f'{times} times'}: give it once"
            )


def _check_names(order: Iterable[Any], values: Mapping[str, Any]) -> None:
    """Refuse a file without a name, which would be taken for the current folder, and options without a value."""
    for one in order:
        given = values.get(one.name)
        texts = given if isinstance(given, (list, tuple)) else [given]
        if "" not in texts:
            continue
        is_argument, switch = one.param_type_name == "argument", max(one.opts, key=len)
        if is_argument or _is_path(one) or one.name in (*FILES, *OUTPUTS):
            what = "an output" if one.name in OUTPUTS else "a folder" if one.name == "cohort" else "a file"
            called = "" if is_argument else f" ({switch})"
            raise FastfuseError(f"the name of {what} is empty{called}; choose one")
        if one.name in UNCHECKED:
            raise FastfuseError(f"{switch} is empty: give a value, or leave it out")


def _check_no_switch(order: Iterable[Any], values: Mapping[str, Any], switches: Collection[str]) -> None:
    """Refuse a switch where an option's value is expected, such as --cohort -h, or --out --mask."""
    for one in order:
        if one.param_type_name != "option":
            continue
        given, switch = values.get(one.name), max(one.opts, key=len)
        for text in given if isinstance(given, (list, tuple)) else [given]:
            if isinstance(text, str) and text.partition("=")[0] in switches:
                remedy = f"; write ./{text} for a file of that name" if _is_path(one) else ""
                raise FastfuseError(f"{switch} is followed by {text}: give its value first{remedy}")


def _is_path(one: Any) -> bool:
    """Tell whether an option's value is a path; typer's newer releases keep its type elsewhere."""
    if hasattr(one, "type"):
        return bool(one.type.name == "path")
    kind: Any = one.type_descriptor.annotation
    while get_args(kind):
        kind = get_args(kind)[0]
    return kind is Path
