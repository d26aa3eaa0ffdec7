"""No text of a CSV is a formula to a spreadsheet, whatever separator its country has, and each is read again as it was."""

from __future__ import annotations

import ast
import csv
import io
import math
from itertools import product
from pathlib import Path

import pytest

import fastfuse
from fastfuse.cohort.export import export_of, read_pseudonyms
from fastfuse.images.written.cells import as_cell, csv_bytes, of_cell

from ..cohort.files import fused, mask_path, masks, save

PACKAGE = Path(fastfuse.__file__).parent
HOSTILE = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", '"=1+1', "x;=1+1", 'x;"=1+1', "x\t@a", "'=1"]  # fmt: skip


def test_no_cell_begins_a_formula_by_any_separator() -> None:
    content = csv_bytes([[name, 1] for name in HOSTILE]).decode()
    assert [row[0] for row in csv.reader(io.StringIO(content, newline=""))] == [*map(as_cell, HOSTILE)]
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
            for cell in row:
                assert cell[:1] not in tuple("=+-@＝＋－＠\t\r\n"), cell


def test_each_text_is_read_again_as_it_was() -> None:
    texts = ["".join(parts) for length in range(1, 6) for parts in product("'\";=-a\t", repeat=length)]
    for text in texts:
        assert of_cell(as_cell(text)) == text
    assert len({as_cell(text) for text in texts}) == len(texts)


def test_plain_names_and_numbers_stay() -> None:
    for text in (
        "Dr. Müller",
        "rater-1",
        "a=b",
        "it's",
        "-0.5",
        "-inf",
        "nan",
        "-1e-07",
        "1e-7",
        "-2.5e+20",
        "",
        "O'Neill; Anna",
    ):
        assert as_cell(text) == text
    assert csv_bytes([[-0.5, None, -3, "-2"]]) == b"-0.5,,-3,-2\n"


@pytest.mark.parametrize(
    "text", ["-1_0", "+1", "-Inf", "-nan", "-infinity", "-\u0661", "-.5", "-1.", "-1\n", "-1E5"]
)
def test_what_python_reads_as_a_number_and_does_not_write_is_text(text: str) -> None:
    """A spreadsheet calculates, or refuses, what it does not take for a number: then the name is gone."""
    assert float(text) != 0
    assert as_cell(text) == f"'{text}"
    assert of_cell(as_cell(text)) == text


def test_numbers_as_python_writes_them_stay() -> None:
    for number in (0.5, 5e-324, 1e16, 123456789012345680.0, 1.7e308, math.inf, math.nan, 0.1 + 0.2, 1e-5):
        for value in (number, -number):
            for text in (str(value), f"{value:.6g}", f"{value:.4f}"):
                assert as_cell(text) == text


def test_all_tables_are_written_there() -> None:
    """Tables of labels (.tsv) hold the names as other programs read them."""
    writers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for one in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(one, ast.Attribute) and ast.unparse(one) in ("csv.writer", "csv.DictWriter")
    }
    assert writers == {"images/written/cells.py", "images/formats/label_names.py"}


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_raters_and_cases_of_a_cohort_are_no_formulas_and_keep_their_names(tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="needs Jinja2: pip install '.[report]'")
    raters = ("=Ann", "@Bob", "-Eve+1")
    for number in range(5):
        for rater, mask in zip(raters, masks(number), strict=True):
            save(mask_path(tmp_path / "in", f"=case{number}", rater), mask)
    out = tmp_path / "out"
    fused(tmp_path / "in", out, report=tmp_path / "page.html")
    export_of(out).write(tmp_path / "a.npz", out)
    tables = [path.read_text(encoding="utf-8") for path in out.glob("*.csv")]
    assert len(tables) >= 5
    for table in tables:
        for row in csv.reader(table.splitlines()):
            assert not [cell for cell in row if cell[:1] in ("=", "@", "+") or cell.startswith("-Eve")]
    assert set(read_pseudonyms(out / "pseudonyms.csv")) == {*raters}
    assert set(export_of(out).pseudonyms.values()) == set(read_pseudonyms(out / "pseudonyms.csv").values())
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "=Ann" in page
    assert "&#39;=" not in page
    assert "&#39;@" not in page
