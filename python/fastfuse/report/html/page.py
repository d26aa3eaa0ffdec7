"""Makes one HTML file of a template: escaped, with all in it, and a policy that forbids it to load anything."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

LOADER = PackageLoader("fastfuse.report.html")
JOINTS = re.compile(r"([_./\\-])(?=\w)")


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
    """Return a page; ``viewer``: with the viewer's scripts and styles.

    The policy lets nothing run but the scripts whose hashes it holds, and nothing be asked of a network.
    """
    environment = Environment(
        loader=LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["breakable"] = breakable

    def text(name: str) -> str:
        found: str = LOADER.get_source(environment, name)[0]
        return found

    style = text("style.css") + (text("viewer.css") if viewer else "")
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
    page = environment.get_template(template).render(
        **context, policy=policy, style=Markup(style), scripts=[Markup(script) for script in scripts]
    )
    return page.encode()


def breakable(text: str) -> Markup:
    """Return a text, escaped, that may break after the signs that join words in names of files."""
    return Markup(JOINTS.sub(r"\1<wbr>", str(escape(text))))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
