"""A command whose options stand once: of two values, one would go unheard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand

from ..errors import FastfuseError


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
