"""Links within the repository lead to files that are there, and to headings that are there."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^(`{3,}|:::+).*?^\1", re.MULTILINE | re.DOTALL)
IN_LINE = re.compile(r"`[^`\n]*`")
LEFT_OUT = ("build", "auto_examples", "pages", "api", ".git", "node_modules")


def written() -> list[str]:
    """Return the repository's pages, without what builds of the documentation make."""
    found = sorted(ROOT.rglob("*.md"))
    names = [path.relative_to(ROOT) for path in found]
    return [name.as_posix() for name in names if not any(part in LEFT_OUT for part in name.parts)]


def slugs(text: str) -> set[str]:
    """Return the anchors of a page's headings as GitHub makes them, those of equal headings numbered."""
    import sys

    sys.path.insert(0, str(ROOT / "python" / "docs"))
    try:
        from pages import slug_of  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    seen: Counter[str] = Counter()
    found = set(re.findall(r'(?:id|name)="([^"]+)"', text)) | set(
        re.findall(r"^\(([\w-]+)\)=", text, re.MULTILINE)
    )
    for title in re.findall(r"^#{1,6} +(.+?) *#*$", CODE.sub("", text), re.MULTILINE):
        slug = slug_of(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", ""))
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def missing(page: str) -> list[str]:
    """Return the links of a page that lead nowhere."""
    text = (ROOT / page).read_text(encoding="utf-8")
    wrong = []
    for target in LINK.findall(IN_LINE.sub("", CODE.sub("", text))):
        path, _, anchor = target.partition("#")
        if "://" in target or (target.startswith(("mailto:", "../../")) and page.startswith(".github")):
            continue
        place = Path(os.path.normpath((ROOT / page).parent / path)) if path else ROOT / page
        if not place.exists() or (
            anchor and place.suffix == ".md" and anchor not in slugs(place.read_text(encoding="utf-8"))
        ):
            wrong.append(target)
    return wrong


def test_there_are_pages() -> None:
    assert len(written()) > 35


@pytest.mark.parametrize("page", written())
def test_links_lead_to_files_and_headings(page: str) -> None:
    assert missing(page) == []


def test_links_of_the_repository_are_tracked() -> None:
    """A file that is linked to is part of the repository, and not one that lies here by chance."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("no clone")
    tracked = set(done.stdout.split("\0"))
    folders = {str(parent) for name in tracked for parent in Path(name).parents}
    for page in written():
        if page not in tracked:
            continue
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in LINK.findall(IN_LINE.sub("", CODE.sub("", text))):
            path = target.partition("#")[0]
            if path and "://" not in target and not target.startswith("mailto:"):
                place = os.path.normpath(Path(page).parent / path)
                assert place in tracked or place in folders, (page, target)


def test_links_to_long_pages_name_a_part() -> None:
    """Pages that list others lead to their beginnings; WHICH.md begins with what is looked for."""
    long_ = {ROOT / "python" / "fastfuse" / of / "README.md" for of in ("fusion", "files")}
    lists = {"README.md", "python/docs/index.md", "python/docs/start.md", "python/fastfuse/cli/README.md"}
    wrong, seen = [], 0
    for page in written():
        text = IN_LINE.sub("", CODE.sub("", (ROOT / page).read_text(encoding="utf-8")))
        for target in LINK.findall(text):
            path, _, part = target.partition("#")
            if "://" not in target and Path(os.path.normpath((ROOT / page).parent / path)) in long_:
                seen += 1
                if not part and page not in lists:
                    wrong.append((page, target))
    assert seen > 25
    assert wrong == []
