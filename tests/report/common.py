"""A small case with a report, and the page as a parser sees it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fastfuse

from ..cli.common import MASKS, case_in

LOADING = ("src", "href", "action", "data", "poster", "srcset", "background", "xlink:href")
VOID = ("meta", "link", "img", "input", "br", "wbr")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The elements of a page, each with all text inside it."""

    elements: list[Element] = field(default_factory=list)
    open_ones: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, text: str) -> Page:
        page = cls()
        page.feed(text)
        page.close()
        assert page.open_ones == []  # every element is closed
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open_ones.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_ones.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self.open_ones:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [
            one
            for one in self.elements
            if one.tag == tag and all(one.attributes.get(name) == value for name, value in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        return " ".join(self.one("body").text.split())

    @property
    def policy(self) -> dict[str, list[str]]:
        (content,) = (
            one.attributes["content"]
            for one in self.all("meta")
            if one.attributes.get("http-equiv") == "Content-Security-Policy"
        )
        parts = (part.split() for part in content.split(";"))
        return {words[0]: words[1:] for words in parts}


def assert_loads_nothing(page: Page) -> None:
    """Nothing is asked of a network, and nothing runs or styles but what the policy names by its hash."""
    for element in page.elements:
        for name in LOADING:
            value = element.attributes.get(name, "#")
            assert value.startswith(("#", "data:")), (element.tag, name, value)
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
    assert page.policy["default-src"] == ["'none'"]
    assert page.policy["img-src"] == ["data:"]
    assert page.policy["base-uri"] == page.policy["form-action"] == ["'none'"]
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        texts = [one.text for one in page.all(tag) if "type" not in one.attributes]
        assert page.policy[directive] == [hashed(text) for text in texts]
    assert not re.findall(r"url\((?!#)|@import", page.all("style")[0].text)


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def fused(folder: Path, **options: Any) -> tuple[Page, dict[str, Any], str]:
    """Fuse the case's masks with a report; return it, the sidecar, and the page's text."""
    if not (folder / "flair.nii.gz").exists():
        case_in(folder)
    given: dict[str, Any] = {"mask": folder / "brain.nii.gz", "report": folder / "report.html", **options}
    paths = given.pop("paths", [folder / name for name in MASKS])
    fastfuse.fuse_files(paths, folder / "consensus.nii.gz", overwrite=True, **given)
    text = given["report"].read_text(encoding="utf-8")
    return Page.of(text), json.loads((folder / "consensus.json").read_text()), text
