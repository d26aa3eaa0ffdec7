"""The documentation is built without a warning, and its links lead somewhere; test_code runs the code in it."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import Any

import pytest

import fastfuse

from .test_adapters import CLASSES
from .test_code import EXAMPLES, PRINTED


def text_of(page: Path) -> str:
    return re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))


def test_every_public_name_has_a_page(built: Path) -> None:
    modules = {"cuda", "phantom", "plots", "reference"}
    missing = [
        name
        for name in dir(fastfuse)
        if not name.startswith("_")
        and name not in modules
        and not (built / "api" / f"fastfuse.{name}.html").exists()
    ]
    assert not missing


def test_pages_of_adapters(built: Path) -> None:
    """Signatures and texts are there; other methods that an adapter inherits are not."""
    for name, said in CLASSES.items():
        page = html.unescape(text_of(built / "api" / f"fastfuse.adapters.{name}.html"))
        for part in said:
            assert "".join(part.split()) in "".join(page.split()), (name, part)
        assert "to_hydra_config" not in page


@pytest.mark.slow
def test_pages_show_what_their_code_printed(run: Path) -> None:
    for page, said in PRINTED.items():
        assert re.search(said, text_of((run / page).with_suffix(".html"))), page


@pytest.mark.slow
def test_the_gallery_has_ten_pictures(run: Path) -> None:
    assert len(EXAMPLES) == 10
    for stem in (name.removesuffix(".py") for name in EXAMPLES):
        page = (run / "auto_examples" / f"{stem}.html").read_text(encoding="utf-8")
        assert re.search(rf"sphx_glr_{stem}_\d+\.png", page), stem


def test_formulas_need_no_script(built: Path) -> None:
    page = (built / "methods.html").read_text(encoding="utf-8")
    assert page.count("<math") > 30
    assert not re.search(r"<script[^>]+src=[\"']?http", page)


def test_no_formula_is_left_as_it_is_typed(built: Path) -> None:
    page = re.sub(
        r"<math.*?</math>", "", (built / "methods.html").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    article = html.unescape(re.sub(r"<[^>]+>", "", page.partition("<article")[2].partition("</article>")[0]))
    assert "Errata of the paper" in article
    assert not re.search(r"\$|\\[a-z]+", article)


@pytest.mark.slow
def test_pictures_have_texts(run: Path) -> None:
    """But thumbnails, which stand above their titles."""
    seen = 0
    for page in run.rglob("*.html"):
        article = page.read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]
        for picture in re.findall(r"<img\b[^>]*>", article):
            said = re.search(r'\balt="([^"]*)"', picture)
            assert said, (page, picture)
            name = page.stem.replace("_", " ")
            assert said[1] or "_thumb.png" in picture, (page, picture)
            assert not said[1].endswith(".png"), (page, picture)
            assert said[1] != name, (page, picture)
            seen += 1
    assert seen > 40


def test_every_option_of_every_command_is_documented(built: Path) -> None:
    import typer.main

    from fastfuse.cli import app_of_words

    text = html.unescape(text_of(built / "pages" / "commands.html"))
    found = 0
    commands: list[tuple[str, Any]] = [("fastfuse", typer.main.get_command(app_of_words([])))]
    while commands:
        path, command = commands.pop()
        if hasattr(command, "commands"):
            commands += [(f"{path} {name}", one) for name, one in command.commands.items()]
            continue
        page = text.partition(f"Usage: {path} ")[2].partition("Usage: ")[0]
        for option in [name for one in command.params for name in one.opts if name.startswith("--")]:
            assert re.search(rf"{option}(?![\w-])", page), (path, option)
            found += 1
    assert found > 200


@pytest.mark.parametrize("pages_of", ["built", pytest.param("run", marks=pytest.mark.slow)])
def test_links_between_pages_lead_to_what_they_name(pages_of: str, request: pytest.FixtureRequest) -> None:
    """To a page that is there, and to a part of it that has this name."""
    built = request.getfixturevalue(pages_of)
    pages = {path: path.read_text(encoding="utf-8") for path in built.rglob("*.html")}
    names = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    followed, wrong = 0, []
    for path, text in pages.items():
        for target in re.findall(r'<a\b[^>]*\bhref="([^"]*)"', text):
            if "://" in target or target.startswith(("mailto:", "javascript:", "data:")):
                continue
            to, _, anchor = html.unescape(target).partition("#")
            place = Path(os.path.normpath(path.parent / to)) if to else path
            followed += 1
            if not place.exists() or (anchor and place.suffix == ".html" and anchor not in names[place]):
                wrong.append((path.relative_to(built).as_posix(), target))
    assert followed > 1000
    assert wrong == []
