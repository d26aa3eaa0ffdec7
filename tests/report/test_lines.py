"""Plain lines are those that rich would write."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from fastfuse.images.paths import shown
from fastfuse.report.lines import Plain, columns_of, printable, without_markup

TEXTS = [
    *(
        "",
        "plain",
        "a [b] c",
        "[red]x",
        "back\\",
        "a\\[b]",
        "two  spaces",
        "─── 3 × 4 mm², 0–1",
        "ärzte",
        "脑.nii.gz",
    ),
    *(":cat: says", "10:30 at 11:40", "C:\\data\\x", "tab\tand \x07 bell", "e\u0301", "soft\u00adhyphen"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_markup_and_widths_are_those_of_rich(text: str) -> None:
    assert printable(text) == escape(shown(text))
    assert without_markup(shown(text)) == Text.from_markup(shown(text)).plain
    assert columns_of(text) == cell_len(text)


@pytest.mark.parametrize("text", [text for text in TEXTS if text.isprintable()])
def test_a_plain_line_is_what_rich_writes_into_a_pipe(text: str) -> None:
    by_rich, plain = io.StringIO(), io.StringIO()
    Console(file=by_rich, soft_wrap=True, emoji=False, force_terminal=False).print(
        Text(text, style="bold"), soft_wrap=True, highlight=False
    )
    Plain(plain).line(text, "bold")
    assert plain.getvalue() == by_rich.getvalue()
