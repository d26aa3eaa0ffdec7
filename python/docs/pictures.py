"""Each picture that is drawn while the pages are built has a text in its place, for those who do not see it."""

from __future__ import annotations

import html
from pathlib import PurePosixPath

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx_gallery.directives import imgsgnode


def with_texts(_: Sphinx, tree: nodes.document, name: str) -> None:
    """Give pictures without a text what stands above them: what a function draws, or what an example shows."""
    for image in tree.findall(lambda node: isinstance(node, (nodes.image, imgsgnode))):
        own = str(image.get("alt", image.get("uri", "")))
        if isinstance(image, imgsgnode):
            said = text_above(image) if own == PurePosixPath(name).name.replace("_", " ") else own
            image["alt"] = html.escape(said)  # it is written as it is
        elif "alt" not in image:
            image["alt"] = text_above(image)


def text_above(picture: nodes.Element) -> str:
    """Return the first paragraph of the function's text, or the title of the section and the last paragraph above the picture."""
    node: nodes.Element | None = picture
    above = ""
    while node is not None:
        if isinstance(node, addnodes.desc_content):
            return next((one.astext() for one in node.findall(nodes.paragraph)), "")
        if isinstance(node, nodes.section):
            title = next((one.astext() for one in node.children if isinstance(one, nodes.title)), "")
            return f"{title}: {above}" if above else title
        before = node.parent.children[: node.parent.index(node)] if node.parent is not None else []
        above = above or next(
            (one.astext() for one in reversed(before) if isinstance(one, nodes.paragraph)), ""
        )
        node = node.parent
    return above
