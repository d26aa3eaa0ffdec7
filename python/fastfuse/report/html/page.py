"""Makes one HTML file of a template: escaped, with all in it, and a policy that forbids it to load anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ...errors import as_written
from ...images.grids.words import is_note

LOADER = PackageLoader("fastfuse.report.html")
JOINTS = re.compile(r"(?<=[\w.])([_/\\-])(?=\w)|(?<=[^\W_]{40})(?=[^\W_])")
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*(?: (?:[A-Z][A-Z=,:]*|\d+(?:[.:]\d+)*)(?![\w.]*\w))?(?!\w)")
SHORT = 28  # letters of a name that stays on one line of a table
QUARTER = 16  # letters of a hash
BREAK = Markup("<wbr>")
TIGHT = Markup('<wbr class="tight">')  # a break on narrow screens alone


@dataclass(frozen=True)
class File:
    """A file that was read or written.

    Attributes
    ----------
    what, name : str
        What it is to the page, and what it is called.
    sha256 : str
        Hash of its content; empty where it was not taken.
    """

    what: str
    name: str
    sha256: str


VIEWER = ("slices.js", "viewer.js")


def page_bytes(template: str, context: dict[str, Any], *, viewer: bool) -> bytes:
    """Return a page; ``viewer``: with the viewer's scripts.

    The policy lets nothing run but the scripts whose hashes it holds, and nothing be asked of a network.
    """
    environment = Environment(
        loader=LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"breakable": breakable, "named": named, "hashed": hashed, "flagged": flagged}

    def text(name: str) -> str:
        found: str = LOADER.get_source(environment, name)[0]
        return found

    style = "".join(map(text, ["style.css", *(["viewer.css"] if context["view"] else []), "print.css"]))
    scripts = [text("page.js"), *(["\n".join(map(text, VIEWER))] if viewer else [])]
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hash(style)}",
            f"script-src {' '.join(map(_hash, scripts))}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    remarks = [*map(as_written, context["remarks"])]
    doubts, notes = ([one for one in remarks if is_note(one) is noted] for noted in (False, True))
    context = {**context, "remarks": doubts, "notes": notes}
    page = environment.get_template(template).render(
        **context, policy=policy, style=Markup(style), scripts=[Markup(script) for script in scripts]
    )
    return page.encode()


def breakable(text: str) -> Markup:
    """Return a text, escaped, that may break after ``/ _ -``, where names have joints, and in words of more than 40 letters; not in flags."""
    return _around_flags(text, lambda part: BREAK.join(_pieces(part)))


def flagged(text: str) -> Markup:
    """Return a text, escaped, that does not break within flags such as ``--roi 4``."""
    return _around_flags(text, escape)


def named(text: str) -> Markup:
    """Return the same for a cell of a table, in which short names break on narrow screens alone."""
    return (TIGHT if len(text) <= SHORT else BREAK).join(_pieces(text))


def _around_flags(text: str, other: Callable[[str], Markup]) -> Markup:
    """Return flags that do not break, and ``other`` of what stands around them."""
    parts, end = [], 0
    for found in FLAG.finditer(text):
        parts += [other(text[end : found.start()]), Markup('<span class="flag">{}</span>').format(found[0])]
        end = found.end()
    return Markup().join([*parts, other(text[end:])])


def _pieces(text: str) -> list[str]:
    return JOINTS.sub(lambda found: f"{found[0]}\0", text).split("\0")


def hashed(text: str) -> Markup:
    """Return a hash that may break into halves, and on narrow screens into quarters."""
    parts = [text[at : at + QUARTER] for at in range(0, len(text), QUARTER)]
    return Markup().join(
        part if at == 0 else (TIGHT if at % 2 else BREAK) + part for at, part in enumerate(parts)
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
