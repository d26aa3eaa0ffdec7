"""Figures as files: PNG, or the vectors of PDF and SVG."""

from __future__ import annotations

import io
from typing import Any

from matplotlib import rc_context

from ...errors import OutputError
from ...images.outputs import Outputs, check_outputs
from ...images.paths import PathLike, needed_path, shown
from ...inputs.checks import check_number

# Letters stay letters, which editors and search can read; nothing in a file says when it was made.
LETTERS: Any = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "fastfuse"}
MADE_BY: dict[str, dict[str, Any]] = {
    "png": {"Software": "fastfuse"},
    "pdf": {"Creator": "fastfuse", "Producer": None, "CreationDate": None},
    "svg": {"Creator": "fastfuse", "Date": None},
}


def save(figure: Any, path: PathLike, *, dpi: float = 150, overwrite: bool = False) -> None:
    """Write a figure, completely or not at all: a PNG, or vectors for print (.pdf, .svg).

    Parameters
    ----------
    figure : Figure or Axes
        As the functions of this module return it.
    path : path
        Its ending says the format.
    dpi : float, default 150
        Of a PNG, and of the images within vectors; journals ask for 300.
    overwrite : bool, default False
        Replace an existing file.

    Raises
    ------
    TypeError
        For what is no figure.
    OutputError
        For another ending, or a file that must not, or cannot, be written.

    Examples
    --------
    >>> import fastfuse
    >>> from matplotlib.figure import Figure
    >>> fastfuse.plots.save(Figure(), "figure.pdf", dpi=300)
    """
    target = needed_path(path, "path")
    kind = target.suffix.lower().removeprefix(".")
    if kind not in MADE_BY:
        raise OutputError(
            f"{shown(target)}: a figure's name must end in {', '.join(f'.{one}' for one in MADE_BY)}"
        )
    whole = getattr(figure, "figure", figure)
    if not hasattr(whole, "savefig"):
        raise TypeError(
            f"figure is of type {type(figure).__name__}: give the axes that a function of fastfuse.plots returns, or a figure of "
            "matplotlib's"
        )
    check_outputs([target], [], tuple(f".{one}" for one in MADE_BY), overwrite=overwrite)
    buffer = io.BytesIO()
    with rc_context(LETTERS):
        whole.savefig(
            buffer, format=kind, dpi=check_dpi(dpi), facecolor=whole.get_facecolor(), metadata=MADE_BY[kind]
        )
    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(target, buffer.getvalue())
        outputs.commit()


def check_dpi(dpi: Any) -> float:
    """Return dots an inch, a positive number."""
    return check_number(dpi, "dpi", "a positive number of dots an inch", lambda value: value > 0)


def save_anew(figure: Any, path: PathLike) -> None:
    """Write a figure where its caller has seen to it that it may, or replaces its own."""
    save(figure, path, overwrite=True)
