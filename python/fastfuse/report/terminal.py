"""What the command prints: tables, progress and one-line messages."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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

    from ..demo.case import DemoResult
    from ..dilation.soft_mask import SoftMask

LOOK: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD, "padding": (0, 0, 0, 1)}

PATIENCE_S = 1.0
RATES = (
    "sensitivity",
    "specificity",
    "PPV",
    "NPV",
    "Dice",
)  # of a rater, the last three against the consensus
ROUNDING = 1e-9  # of a cut that fell to 0

Say = Callable[[str], None]


def printable(text: object) -> str:
    """Escape control characters and markup: file names come from outside."""
    return escape(shown(str(text)))


def print_line(kind: str, text: str) -> None:
    """Print one line on standard error, led by what it is."""
    colour = {"error": "bold red", "warning": "yellow"}[kind]
    Console(stderr=True, soft_wrap=True, emoji=False).print(
        f"[{colour}]{kind}:[/] {printable(text)}", highlight=False
    )


@contextmanager
def progress(steps: int | None) -> Iterator[Say]:
    """Show steps on a terminal once the work takes over a second, and nothing elsewhere."""
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

    timer = threading.Timer(PATIENCE_S, bar.start)  # one step alone may take long
    timer.daemon = True
    timer.start()
    try:
        yield say
    finally:
        timer.cancel()
        bar.stop()


class _Output(Console):
    """Standard output; a reader who has gone is the caller's business."""

    def on_broken_pipe(self) -> None:
        """Let the exception be."""
        raise BrokenPipeError


def output() -> Console:
    """Return standard output: as wide as the terminal, lines of any length elsewhere."""
    return _Output(soft_wrap=not Console().is_terminal, emoji=False)


def print_fusion(sidecar: Path, written: Sequence[Path]) -> None:
    """Print what a sidecar says: the raters' table, and how the consensus came about."""
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
    """Say where was fused, how it ended, and what the table's numbers count."""
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
    """Print how far each mask grew."""
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
    """Show one cut, or the range of several lesions' cuts."""
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


def print_demo(result: DemoResult) -> None:
    """Print how near each method came to the truth, and how well it judged the raters."""
    console = output()
    table = Table(title="Consensus against the true lesions (cut 0.5)", **LOOK)
    for name in ("method", "votes"):
        table.add_column(name, no_wrap=True)
    for name in ("Dice", "precision", "recall", "steps", "ms"):
        table.add_column(name, justify="right")
    for row in result.methods:
        table.add_row(
            row.method,
            row.votes,
            f"{row.overlap.dice:.3f}",
            f"{row.overlap.precision:.3f}",
            f"{row.overlap.recall:.3f}",
            str(row.fusion.n_iter),
            f"{1000 * row.seconds:.0f}",
        )
    console.print(table)
    for quantity in ("sensitivity", "specificity"):
        console.print(_performance_table(result, quantity))
    console.print(result.note, highlight=False)
    console.print(
        f"wrote the case and its consensus files below {printable(result.figure.parent)}, and {printable(result.figure)}",
        highlight=False,
    )


def _performance_table(result: DemoResult, quantity: str) -> Table:
    table = Table(title=f"{quantity.capitalize()}: true and estimated", **LOOK)
    table.add_column("rater", no_wrap=True)
    for name in ("true", *(row.method.replace("-", "-\n") for row in result.methods)):
        table.add_column(name, justify="right")
    for i, rater in enumerate(result.raters):
        estimates = [getattr(row.fusion, quantity)[i] for row in result.methods]
        truth = rater.overlap.recall if quantity == "sensitivity" else rater.overlap.specificity
        table.add_row(rater.name, *(f"{value:.4f}" for value in (truth, *estimates)))
    return table
