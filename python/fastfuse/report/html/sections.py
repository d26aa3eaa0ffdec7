"""Pages that are a row of sections, each with a chart or tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..citing import Cited, as_bibtex
from . import tables
from .page import File, page_bytes


def section(
    id: str, title: str, made: Sequence[tables.Table], chart: Mapping[str, Any] | None = None, text: str = ""
) -> dict[str, Any]:
    """Return a section: tables, beside a chart if there is one."""
    return {"id": id, "title": title, "tables": list(made), "chart": chart, "text": text, "pictures": []}


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a page holds.

    Attributes
    ----------
    heading, about : str
        What the page is of.
    version, source : str
        Of this package, and what the page was made from.
    tiles : sequence of (str, str)
        What is to be seen at first: names and values.
    sections : sequence of dict
        Made by :func:`section`.
    made : sequence of table
        How it was made.
    citation : str
        A sentence for a paper.
    view : dict or None
        The viewer, made by :func:`fastfuse.report.html.view.view_of`.
    terms : sequence of (str, str)
        Numbers, and what they mean.
    """

    heading: str
    about: str
    version: str
    source: str
    tiles: Sequence[tuple[str, str]]
    sections: Sequence[dict[str, Any]]
    made: Sequence[tables.Table]
    citation: str
    remarks: Sequence[str] = ()
    works: Sequence[Cited] = ()
    files: Sequence[File] = ()
    view: dict[str, Any] | None = field(default=None)
    terms: Sequence[tuple[str, str]] = ()

    def page(self) -> bytes:
        """Return the page."""
        context = {
            "title": f"fastfuse: {self.heading}",
            **{name: getattr(self, name) for name in ("heading", "about", "version", "source", "tiles")},
            **{
                name: getattr(self, name)
                for name in ("sections", "made", "citation", "remarks", "view", "terms")
            },
            "files": tables.files_table(self.files) if self.files else None,
            "works": self.works,
            "bibtex": as_bibtex(self.works),
        }
        return page_bytes("sections.html", context, viewer=bool(self.view and self.view["packed"]))


def places_section(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a section on the places of disagreement, if there are any."""
    found = tables.places_table(view)
    return [] if found is None else [section("places", "Where raters disagree most", [found])]
