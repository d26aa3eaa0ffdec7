"""Output on the terminal: tables, progress and one-line messages."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..images.paths import short_names, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..dilation.soft_mask import SoftMask

LOOK: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD, "padding": (0, 0, 0, 1)}

PATIENCE_S = 1.0  # before progress is shown
RATES = (
    "sensitivity",
    "specificity",
    "PPV",
    "NPV",
    "Dice",
)  # of a rater; the last three against the consensus
ROUNDING = 1e-9  # cuts below count as 0

Say = Callable[[str], None]


def printable(text: object) -> str:
    """Escape control characters and markup, which file names may hold."""
    return escape(shown(str(text)))


def print_line(kind: str, text: str) -> None:
    """Print one line on standard error that begins with its kind, error or warning."""
    colour = {"error": "bold red", "warning": "yellow"}[kind]
    Console(stderr=True, soft_wrap=True, emoji=False).print(
        f"[{colour}]{kind}:[/] {printable(text)}", highlight=False
    )


@contextmanager
def progress(steps: int | None) -> Iterator[Say]:
    """Show steps on a terminal if the work takes over a second; show nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task("starting", total=steps)
    said = 0

    def say(what: str) -> None:
        nonlocal said
        bar.update(task, description=printable(what), completed=said)
        said += 1

    def show() -> None:
        with suppress(RuntimeError):  # no thread to be had, and none needed
            bar.start()

    timer = threading.Timer(PATIENCE_S, show)  # a timer, because the first step alone may take long
    timer.daemon = True
    with suppress(RuntimeError):
        timer.start()
    try:
        yield say
    finally:
        timer.cancel()
        bar.stop()


class _Output(Console):
    """Standard output that leaves a broken pipe to the caller."""

    def on_broken_pipe(self) -> None:
        """Raise, where rich would exit."""
        raise BrokenPipeError


def output() -> Console:
    """Return standard output: lines wrap at a terminal's width, and nowhere else."""
    return _Output(soft_wrap=not Console().is_terminal, emoji=False)


def print_fusion(sidecar: Path, written: Sequence[Path]) -> None:
    """Print a sidecar's content: the table of raters, and how the consensus was made."""
    facts: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
    console = output()
    count = len(facts["raters"])
    table = Table(title=f"{facts['method']} of {count} rater{'s' * (count != 1)}", **LOOK)
    table.add_column("rater", overflow="fold")
    grown = facts.get("dilation", {}).get("raters")
    for name in (*RATES, "volume (ml)", *(("grown to",) if grown else ())):
        table.add_column(name, justify="right")
    names = short_names([rater["file"] for rater in facts["raters"]])
    for i, (rater, name) in enumerate(zip(facts["raters"], names, strict=True)):
        rates = [
            _rate(rater["sensitivity"], rater.get("sensitivity_95")),
            _rate(rater["specificity"], rater.get("specificity_95")),
            *(_rate(rater[name]) for name in ("ppv", "npv", "dice")),
        ]
        size = (_times(grown[i]["size"]),) if grown else ()
        table.add_row(escape(name), *rates, f"{rater['volume_ml']:.2f}", *size)
    cut = facts["options"]["cut"]
    table.add_section()
    blank = [""] * len(RATES)
    table.add_row(f"consensus, cut {cut:g}", *blank, f"{facts['foreground']['ml']:.2f}")
    ring = facts.get("dilation", {}).get("consensus")
    if ring:
        voxel_ml = facts["foreground"]["ml"] / max(facts["foreground"]["voxels"], 1)
        grown_to = f"its ring, grown to {_times(ring['size'])}"
        table.add_row(grown_to, *blank, f"{ring['ring_voxels'] * voxel_ml:.2f}")
    console.print(table)
    for line in _how(facts):
        console.print(line, highlight=False)
    console.print(f"wrote {', '.join(printable(path) for path in written)}", highlight=False)


def _how(facts: dict[str, Any]) -> Iterator[str]:
    """Yield lines on the fused region, the convergence, and the voxels that the rates refer to."""
    options, mask = facts["options"], facts["region"]["mask"]
    roi = options.get("roi", "all")
    inside = [] if mask is None else [f"inside {printable(Path(mask).name)}"]
    if roi == "disputed":
        inside.append("in dispute")
    elif roi != "all":
        inside.append(f"within {roi:g} mm of what anybody marks")
    where = ", ".join(inside) or "the whole volume"
    yield f"{facts['region']['voxels']:,} voxels ({where}), prior {_prior(facts['prior'])}, {_ending(facts)}"
    if roi == "disputed":
        yield "Sensitivity and specificity are of voxels in dispute, all else of those on which all agree, too."
    elif not inside:
        yield "Background counts: it inflates specificity and lowers the prior; give --mask to leave it out."
    kind = options.get("intervals", "none")
    if any(rater.get("sensitivity_error") or rater.get("specificity_error") for rater in facts["raters"]):
        what = {"information": "from the observed information", "bootstrap": "over resampled voxels"}
        yield f"Below the rates: 95 % intervals {what.get(kind, 'over resampled lesions')}."


def print_softened(masks: Sequence[Path], softened: Sequence[SoftMask], written: Path | None) -> None:
    """Print the growth of each mask."""
    console = output()
    table = Table(title=f"conditional dilation of {len(masks)} mask{'s' * (len(masks) > 1)}", **LOOK)
    table.add_column("mask", overflow="fold")
    for name in ("voxels", "ring", "size", "cut (image)"):
        table.add_column(name, justify="right")
    for soft, name in zip(softened, short_names(masks), strict=True):
        marked, ring = soft.voxels, soft.ring_voxels
        table.add_row(
            escape(name),
            f"{marked:,}",
            f"{ring:,}",
            "undefined" if math.isnan(soft.size) else f"{soft.size:.3f}",
            _cut(soft.image_threshold),
        )
    console.print(table)
    console.print(
        f"wrote {printable(written)}, with a .json beside {'it' if len(masks) == 1 else 'each soft mask'}",
        highlight=False,
    )


def _cut(threshold: float | NDArray[np.float64]) -> str:
    """Return one cut as text, or the range of several lesions' cuts."""
    cuts = [threshold] if isinstance(threshold, float) else threshold.tolist()
    cuts = [cut for cut in cuts if not math.isnan(cut)]
    if not cuts:
        return "none"
    low, high = _number(min(cuts)), _number(max(cuts))
    return low if low == high else f"{low} to {high}"


def _times(size: float | None) -> str:
    return "empty" if size is None else f"× {size:.3f}"


def _number(value: float) -> str:
    return f"{0 if abs(value) < ROUNDING else value:.4g}"


def _rate(value: float | None, interval: Sequence[float | None] | None = None) -> str:
    shown = "undefined" if value is None else f"{value:.4f}"
    if interval is None or interval[0] is None or interval[1] is None:
        return shown
    shown_ends = {"0.0000": "0", "1.0000": "1"}  # as narrow as the column's title
    ends = (shown_ends.get(f"{end:.4f}", f"{end:.4f}".removeprefix("0")) for end in interval)
    return f"{shown}\n{'–'.join(ends)}"


def _prior(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"


def _ending(facts: dict[str, Any]) -> str:
    if facts["method"] == "majority":
        return "no iterations"
    return f"{facts['n_iter']} iterations, {'converged' if facts['converged'] else 'not converged'}"
