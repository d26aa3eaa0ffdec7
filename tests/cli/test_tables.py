"""Tables fit the terminal, whatever the files are called, and no number is cut."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from fastfuse.report.fusion import print_fusion
from fastfuse.report.lines import Coloured
from fastfuse.report.names import Names
from fastfuse.report.table import Column, Row, Table

from .common import MASKS, ran

LONG = [f"site_{i}_annotator_with_a_long_name_{'abcd'[i]}_final.nii.gz" for i in range(4)]
UNLIKE = ["Anna's reading, second session.nii.gz", "b.nii.gz", "consensus of the panel.nii", "z"]


@pytest.fixture(scope="module")
def facts(case: Path) -> dict:
    words = ["fuse", *MASKS, "-o", "t.nii", "--mask", "brain.nii.gz", "--soften", "--image", "flair.nii.gz"]
    done = ran(case, *words, "--intervals", "bootstrap", "--replicates", "20", "--json", "--overwrite")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def printed(facts: dict, capsys: pytest.CaptureFixture[str]) -> str:
    print_fusion(facts, [Path("c.nii")])
    return capsys.readouterr().out


def table_of(out: str) -> list[str]:
    """Return the lines below the rule, down to the blank line before the consensus."""
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if "───" in line) + 1
    return list(itertools.takewhile(str.strip, lines[start:]))


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("names", [MASKS, LONG, UNLIKE])
@pytest.mark.parametrize("intervals", [True, False])
@pytest.mark.parametrize("grown", [True, False])
def test_every_number_is_whole(
    facts: dict, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    columns: int, names: list[str], intervals: bool, grown: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(columns))
    raters = [{**rater, "name": name} for rater, name in zip(facts["raters"], names, strict=True)]
    if not intervals:
        drop = re.compile("_(95|error)$")
        raters = [{key: value for key, value in one.items() if not drop.search(key)} for one in raters]
    given = {**facts, "raters": raters}
    if not grown:
        del given["dilation"]
    out = printed(given, capsys)
    rows = table_of(out)
    assert max(map(len, rows)) <= columns
    assert "…" not in out
    assert len(rows) <= 2 * len(raters)
    for rater in raters:
        for what in ("sensitivity", "specificity", "ppv", "npv", "dice"):
            assert f"{rater[what]:.4f}" in "\n".join(rows)
        assert f"{rater['marked_ml']:.2f}" in "\n".join(rows)
        assert f"{rater['volume_ml']:.2f}" in "\n".join(rows)
    sizes = [f"× {one['size']:.3f}" for one in facts["dilation"]["raters"]]
    assert all((size in "\n".join(rows)) == grown for size in sizes)


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("names", [MASKS, LONG, UNLIKE])
def test_what_names_lack_is_said(
    facts: dict, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, names: list[str]
) -> None:  # fmt: skip
    """Each name stands in full in the table, below it by its number, or can be put together."""
    monkeypatch.setenv("COLUMNS", str(columns))
    given = {
        **facts,
        "raters": [{**one, "name": name} for one, name in zip(facts["raters"], names, strict=True)],
    }
    out = printed(given, capsys)
    firsts = [line.split("  ")[0].strip() for line in table_of(out) if re.match(r" \S", line)]
    assert len(firsts) == len(set(firsts)) == len(names)
    begin = re.search(r"All names begin with (\S+)", out)
    end = re.search(r"All names .*end in (\S+)\.\n", out)
    for first, name in zip(firsts, names, strict=True):
        own = name.removeprefix(begin[1] if begin else "").removesuffix(end[1] if end else "")
        assert first == own or f"{first}: {own}" in out.splitlines()


def test_a_pipe_has_no_width(case: Path) -> None:
    done = ran(case, "fuse", *MASKS, "-o", "w.nii", "--overwrite", env={})
    assert all(re.search(rf"^ {re.escape(name)} +0\.", done.stdout, re.MULTILINE) for name in MASKS)
    assert "sensitivity  specificity     PPV     NPV  soft Dice  marked (ml)" in done.stdout


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["rater1.nii.gz", "rater2.nii.gz"], ["1", "2"]),
        (["scan_10.nii", "scan_11.nii"], ["10", "11"]),
        (["expert_anna.nii", "expert_anton.nii"], ["anna", "anton"]),
        (["smith/lesions.nii", "jones/lesions.nii"], ["smith", "jones"]),
        (["r.nii.gz", "r_1.nii.gz"], ["r", "r_1"]),
        (["a.nii", "b.mha"], ["a.nii", "b.mha"]),
        (["same.nii", "same.nii"], ["same.nii", "same.nii"]),
        (["one.nii"], ["one.nii"]),
        (["ünï_é1.nii", "ünï_é2.nii"], ["1", "2"]),
    ],
)
def test_names_without_what_they_share(names: list[str], short: list[str]) -> None:
    found = Names.told_apart(names)
    assert list(found.short) == short
    assert bool(found.said) == (names != short)


def test_a_table_is_as_wide_as_its_content() -> None:
    table = Table("title", [Column("a", right=False), Column("long\nhead")], [Row(["é" * 9, "1.25\n0–2"])])
    console = Console(width=5)
    with console.capture() as captured:
        table.print(Coloured(console))
    assert captured.get().splitlines()[-3:-1] == [" ééééééééé  1.25", "             0–2"]
    assert table.width == 1 + 9 + 2 + 4


def test_names_that_are_given(case: Path) -> None:
    words = ["fuse", *MASKS, "-o", "n.nii", "--overwrite", "--max-iter", "3"]
    done = ran(case, *words, "--names", "Anna, Bert,C,D")
    assert re.search(r"^ Anna +0\.", done.stdout, re.MULTILINE)
    facts = json.loads((case / "n.json").read_text())
    assert [rater["name"] for rater in facts["raters"]] == ["Anna", "Bert", "C", "D"]
    assert [rater["file"] for rater in facts["raters"]] == MASKS


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("a,b", "--names has 2 entries for 4 raters: give one for each"),
        ("a,b,a,c", "--names holds 'a' twice: each rater needs a name of their own"),
        ("a,,b,c", "--names is 'a,,b,c': a name is empty; give one for each rater"),
    ],
)
def test_names_that_do_not_fit(case: Path, names: str, message: str) -> None:
    done = ran(case, "fuse", *MASKS, "-o", "no.nii", "--names", names)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert not (case / "no.nii").exists()
