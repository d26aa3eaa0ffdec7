"""Figures as files: PNG, or the vectors of PDF and SVG."""

from __future__ import annotations

import io
from typing import Any

from matplotlib import rc_context

from ...errors import OutputError
from ...images.outputs import Outputs
from ...images.paths import PathLike, needed_path, shown

# Letters stay letters, which editors and search can read; nothing in a file says when it was made.
LETTERS: Any = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "fastfuse"}
MADE_BY: dict[str, dict[str, Any]] = {
    "png": {"Software": "fastfuse"},
    "pdf": {"Creator": "fastfuse", "Producer": None, "CreationDate": None},
    "svg": {"Creator": "fastfuse", "Date": None},
}


def save(figure: Any, path: PathLike, *, dpi: float = 150) -> None:
    """Write a figure, completely or not at all: a PNG, or vectors for print (.pdf, .svg).

    Parameters
    ----------
    figure : Figure or Axes
        As the functions of this module return it. An existing file is replaced.
    path : path
        Its ending says the format.
    dpi : float, default 150
        Of a PNG, and of the images within vectors; journals ask for 300.

    Raises
    ------
    OutputError
        For another ending, or a file that cannot be written.
    """
    target = needed_path(path, "path")
    kind = target.suffix.lower().removeprefix(".")
    if kind not in MADE_BY:
        raise OutputError(
            f"{shown(target)}: a figure's name must end in {', '.join(f'.{one}' for one in MADE_BY)}"
        )
    whole = getattr(figure, "figure", figure)
    buffer = io.BytesIO()
    with rc_context(LETTERS):
        whole.savefig(buffer, format=kind, dpi=dpi, facecolor=whole.get_facecolor(), metadata=MADE_BY[kind])
    with Outputs(overwrite=True) as outputs:
        outputs.add(target, buffer.getvalue())
        outputs.commit()
