"""Pages that stand beside the code as Markdown are pages here, too: copied at each build, with their links turned.

A link from one to another becomes a link between pages; one to a file that is no page becomes its path, as code.
What is written here links to the repository's files, so that it can be read there: these links are turned at each build.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from pathlib import Path

# where a page stands in the repository, and what it is called here
PAGES = {
    "python/fastfuse/fusion/README.md": "fusion.md",
    "python/fastfuse/fusion/WHICH.md": "which.md",
    "python/fastfuse/files/README.md": "files.md",
    "python/fastfuse/files/PRIVACY.md": "privacy.md",
    "python/fastfuse/files/review/README.md": "review.md",
    "python/fastfuse/files/bids/README.md": "bids.md",
    "python/fastfuse/evaluation/README.md": "evaluation.md",
    "python/fastfuse/cohort/README.md": "cohorts.md",
    "python/fastfuse/cohort/POOLING.md": "pooling.md",
    "python/fastfuse/cohort/SCALE.md": "scale.md",
    "python/fastfuse/cohort/SITES.md": "sites.md",
    "python/fastfuse/cli/README.md": "command.md",
    "python/fastfuse/report/html/README.md": "report.md",
    "python/fastfuse/train/README.md": "experiment.md",
    "bench/README.md": "speed.md",
    "CHANGELOG.md": "changelog.md",
}
GALLERY = Path("python/docs/gallery")
DOCS = "python/docs"  # whose pages stand beside the folder of those
TO_START = {"README.md": "index.md"}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def write_pages(docs: Path) -> None:
    """Write all pages into ``docs/pages``, and the pictures that they show."""
    root = docs.parents[1]
    folder = docs / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pictures").mkdir(parents=True)
    for source, name in PAGES.items():
        text = (root / source).read_text(encoding="utf-8")
        (folder / name).write_text(with_links_here(text, Path(source), root, folder), encoding="utf-8")


def with_links_here(text: str, source: Path, root: Path, folder: Path) -> str:
    """Return a page's text with its links turned from the repository's files to pages."""

    def turned(found: re.Match[str]) -> str:
        mark, said, target = found.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith(("mailto:", "#")):
            return found[0]
        place = Path(os.path.normpath(source.parent / path))
        if mark:
            shutil.copyfile(root / place, folder / "pictures" / place.name)
            return f"![{said}](pictures/{place.name})"
        to = PAGES.get(place.as_posix())
        if to is None and place.as_posix() in TO_START:
            to = f"../{TO_START[place.as_posix()]}"
        elif to is None and place.is_relative_to(DOCS) and (root / place).exists():
            to = f"../{place.relative_to(DOCS).as_posix()}"
        if to is None:
            if not (root / place).exists():
                raise FileNotFoundError(f"{source} links to {target}, which is no file")
            return as_code(said, place)
        return f"[{said}]({to}{'#' + anchor if anchor else ''})"

    return LINK.sub(turned, text)


def with_links_to_pages(text: str, page: str) -> str:
    """Return the text of a page that is written here with its links turned from the repository's files to what is built."""
    here = Path("python/docs", page).parent

    def turned(found: re.Match[str]) -> str:
        mark, said, target = found.groups()
        path, hash_, anchor = target.partition("#")
        if mark or "://" in target or target.startswith(("mailto:", "#")):
            return found[0]
        place = Path(os.path.normpath(here / path))
        if place.as_posix() in PAGES:
            to = f"pages/{PAGES[place.as_posix()]}"
        elif place.parent == GALLERY:
            to = f"auto_examples/{'index' if place.stem == 'README' else place.stem}.rst"
        elif Path("python/docs") in place.parents:
            return found[0]
        else:
            return as_code(said, place)
        return f"[{said}]({os.path.relpath(Path('python/docs', to), here)}{hash_}{anchor})"

    return LINK.sub(turned, text)


def as_code(said: str, place: Path) -> str:
    """Return what stands in the place of a link to a file that is no page."""
    path = place.as_posix()
    return f"{said} (`{path}`)" if said.strip("`") != path else f"`{path}`"


def slug_of(title: str) -> str:
    """Return the anchor that GitHub gives a heading, by which the pages link to each other."""
    kept = (
        sign
        for sign in title.lower()
        if sign in " -_" or unicodedata.category(sign)[0] in "LM" or sign.isdecimal()
    )
    return "".join(kept).strip().replace(" ", "-")
