"""A command whose options stand once: of two values, one would go unheard; and whose files have names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from typer.core import TyperCommand

from ..errors import FastfuseError
from ..images.paths import OUTPUTS

FILES = ("mask", "image", "grid", "present", "config")  # options that name files; so do all arguments


class Once(TyperCommand):
    """A command that refuses an option given twice, unless it takes a list."""

    def make_parser(self, ctx: Any) -> Any:
        """Return a parser that counts."""
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def counted(args: list[str]) -> Any:
            values, rest, order = parse(args)
            if not ctx.resilient_parsing:  # while words are completed
                _check_once(order)
                _check_names(order, values)
            return values, rest, order

        parser.parse_args = counted
        return parser


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
    """Refuse a file without a name, which would be taken for the current folder."""
    for one in order:
        given = values.get(one.name)
        texts = given if isinstance(given, (list, tuple)) else [given]
        is_argument = one.param_type_name == "argument"
        if "" in texts and (is_argument or one.name in (*FILES, *OUTPUTS)):
            what = "an output" if one.name in OUTPUTS else "a file"
            called = f" ({max(one.opts, key=len)})" if not is_argument else ""
            raise FastfuseError(f"the name of {what} is empty{called}; choose one")
