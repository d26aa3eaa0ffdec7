"""Plain lines are those that rich would write; tables keep to the terminal."""

from __future__ import annotations

import io
import re
from collections import Counter

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from fastfuse.images.paths import shown
from fastfuse.report.lines import Plain, columns_of, inert, printable, without_markup
from fastfuse.report.table import Column, Row, Table
from fastfuse.report.terminal import output, print_below

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
    assert columns_of(text) == cell_len(inert(text))


@pytest.mark.parametrize("text", [text for text in TEXTS if text.isprintable()])
def test_a_plain_line_is_what_rich_writes_into_a_pipe(text: str) -> None:
    by_rich, plain = io.StringIO(), io.StringIO()
    Console(file=by_rich, soft_wrap=True, emoji=False, force_terminal=False).print(
        Text(text, style="bold"), soft_wrap=True, highlight=False
    )
    Plain(plain).line(text, "bold")
    assert plain.getvalue() == by_rich.getvalue()


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b[31m", "\x85", "\u2028", "\u202e", "\t"])
def test_a_line_is_one_line_and_a_table_stays_straight(
    sign: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a name within a file holds."""
    monkeypatch.delenv("COLUMNS", raising=False)
    print_below(output(), [f"raters {sign} and [b] others"])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
    name = f"na{sign}me".replace("\n", "\r")  # \n parts the lines of a cell
    rows = [Row([name, "0.5"]), Row(["another, and longer", "0.25"])]
    Table("a title\nof two lines", [Column("label", right=False), Column("Dice")], rows).print(output())
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["a title", "of two lines"]
    assert all(one.isprintable() for one in lines)
    first, other = (next(one for one in lines if end in one) for end in ("me", "longer"))
    assert first.index("0.5") + len("0.5") == other.index("0.25") + len("0.25")


@pytest.mark.parametrize("columns", [48, 60, 80])
@pytest.mark.parametrize(
    "name",
    [
        "a_reader-who.is called so, at the department of neuroradiology of a university",
        "x" * 90,
        "日本語の名前がとても長い評価者さん日本語の名前がとても長い評価者さん日本語の名前",
    ],
    ids=["words", "one word", "wide letters"],
)
def test_any_table_folds_names_where_it_is_wider_than_the_terminal(
    name: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    heads = [Column("rater", right=False), Column("of", right=False), Column("sensitivity"), Column("Dice")]
    rows = [
        Row([name, name, "0.1234\n.1–.2", "0.5"]),
        Row(["short", "b", "0.2", "0.6"]),
        Row(["mean", "", "", "0.7"], spans=True),
    ]
    Table("raters", heads, rows).print(output())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(columns_of, lines)) <= columns
    assert len(lines) > 8
    text = "\n".join(lines)
    letters = Counter(letter for letter in name if letter != " ")
    assert all(text.count(letter) >= 2 * count for letter, count in letters.items())
    assert re.search(r"^ \S.* 0\.1234 +0\.5$", text, re.MULTILINE)
    monkeypatch.delenv("COLUMNS")
    Table("raters", heads, rows).print(output())  # into a file: as wide as the content
    assert name in capsys.readouterr().out
