"""Names the option that was meant, where another program's word for it was typed."""

from __future__ import annotations

from typing import Any

REPLACE = ("--overwrite", "--refresh")  # what a command may call it to write anew what is there
MEANT = {
    **dict.fromkeys(("--overwrite", "--clobber", "--replace", "--yes", "-y", "--force", "-f"), REPLACE),
    **dict.fromkeys(("--silent", "-q"), ("--quiet",)),
    "-v": ("--verbose",),
    **dict.fromkeys(("--out", "--output", "-o"), ("--output", "--out", "--out-dir")),
}


def name_what_was_meant(error: Any) -> None:
    """Offer, of a parser's error, the options of that meaning which the command has, in the place of those that are spelt alike."""
    meant = MEANT.get(getattr(error, "option_name", ""))
    context = getattr(error, "ctx", None)
    if meant is not None and context is not None:
        names = [name for one in context.command.params for name in one.opts]
        error.possibilities = [one for one in meant if one in names]
