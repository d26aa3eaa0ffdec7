"""The ``fastfuse`` command."""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from . import report
from .errors import FastfuseError, FusionWarning
from .switches import (
    RINGS,
    AccelerationName,
    Binarize,
    Image,
    MethodName,
    MStepName,
    Normalized,
    Overwrite,
    RingConnected,
    RingIterations,
    RingLabel,
    RingRadius,
    RingScope,
    RingSize,
    RingThreshold,
    ScopeName,
    Threads,
    choice,
)

INTERRUPTED, TERMINATED = 130, 143
GARBAGE = 200_000  # objects between two searches for cycles: in a short run they cost more than they find
OPTIONS = ("m-step", "prior", "init", "cut", "tol", "max-iter", "acceleration", "threads", "select-label")

RING_OPTIONS = {
    "size": "ring-size",
    "label": "ring-label",
    "iterations": "ring-iterations",
    "threshold": "ring-threshold",
    "radius_mm": "ring-radius-mm",
}


class CannotPrint(Exception):
    """Standard output takes nothing."""


app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Fuse several raters' segmentations of a 3-D medical image into one consensus.",
    epilog="""Examples:

[bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz[/bold]

[bold]fastfuse soften rater*.nii.gz --image flair.nii.gz --out-dir soft[/bold]

[bold]fastfuse demo demo-case[/bold]""",
)


def _dilation(switches: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a dilation that were switched from their defaults."""
    from .options import Dilation

    options = {
        "size": switches["ring_size"],
        "label": switches["ring_label"],
        "iterations": switches["ring_iterations"],
        "radius_mm": switches["ring_radius"],
        "threshold": _number_or_word(switches["ring_threshold"]),
        "scope": switches["ring_scope"].value,
        "connected": switches["ring_connected"],
        "normalize": switches["normalize"],
        "binarize": switches["binarize"],
    }
    defaults = {field.name: field.default for field in fields(Dilation)}
    return {name: value for name, value in options.items() if value != defaults[name]}


@app.callback(invoke_without_command=True)
def fastfuse(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Fuse several raters' segmentations of a 3-D medical image into one consensus."""
    if version:
        from . import __version__

        typer.echo(f"fastfuse {__version__}")
        raise typer.Exit


@app.command(
    epilog="""Examples:

[bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz[/bold]

[bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --soften --image flair.nii.gz[/bold]""",
)
def fuse(
    raters: Annotated[
        list[Path], typer.Argument(help="One image per rater (.nii, .nii.gz, ...).", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Consensus probability (.nii or .nii.gz); a .json beside it holds the rest.",
            show_default=False,
        ),
    ],
    method: Annotated[
        MethodName,
        choice("soft-staple, simplified-soft-staple, staple, dilated-staple, or majority.", metavar="METHOD"),
    ] = MethodName.soft_staple,
    m_step: Annotated[MStepName, choice("paper, as printed, or em, the true maximiser.")] = MStepName.paper,
    prior: Annotated[
        str, typer.Option(help="mean (vote), estimate, a number in (0, 1), or an image of priors.")
    ] = "mean",
    init: Annotated[
        str, typer.Option(help="vote, or a number in (0.5, 1) for every sensitivity and specificity.")
    ] = "vote",
    mask: Annotated[
        Path | None, typer.Option(help="Image of the region to fuse (0 and 1).", show_default=False)
    ] = None,
    save_label: Annotated[
        Path | None, typer.Option(help="Also write the consensus as a 0/1 mask.", show_default=False)
    ] = None,
    cut: Annotated[float, typer.Option(help="The mask is probability >= cut.")] = 0.5,
    save_counts: Annotated[
        Path | None, typer.Option(help="Also write how many raters mark each voxel.", show_default=False)
    ] = None,
    select_label: Annotated[
        int | None, typer.Option(help="Fuse this label of label maps.", show_default=False)
    ] = None,
    tol: Annotated[float, typer.Option(help="Stop when no sensitivity or specificity moves by more.")] = 1e-7,
    max_iter: Annotated[int, typer.Option(help="Iterations at most.")] = 1000,
    acceleration: Annotated[
        AccelerationName,
        choice("none, or squarem, which ends at the same parameters in fewer iterations."),
    ] = AccelerationName.none,
    threads: Threads = 0,
    overwrite: Overwrite = False,
    soften: Annotated[
        bool,
        typer.Option("--soften", help="Grow the raters' masks on --image first.", rich_help_panel=RINGS),
    ] = False,
    image: Image = None,
    ring_size: RingSize = 1.2,
    ring_label: RingLabel = 0.3,
    ring_iterations: RingIterations = 6,
    ring_radius: RingRadius = None,
    ring_threshold: RingThreshold = "adaptive",
    ring_scope: RingScope = ScopeName.volume,
    ring_connected: RingConnected = False,
    normalize: Normalized = True,
    binarize: Binarize = False,
) -> None:
    """Fuse masks, or soft votes in [0, 1], into one consensus probability."""
    dilation = _dilation(locals())
    from .files import fuse_files
    from .sidecar import sidecar_path

    steps = (
        len(raters) + 2 + soften + sum(path is not None for path in (mask, image, save_label, save_counts))
    )
    written = [path for path in (output, save_label, save_counts, sidecar_path(output)) if path is not None]
    with _warnings_as_lines():
        with report.progress(steps) as say:
            fuse_files(
                raters,
                output,
                method=method.value,
                m_step=m_step.value,
                prior=_number_or_word(prior),
                init=_number_or_word(init),
                mask=mask,
                tol=tol,
                max_iter=max_iter,
                acceleration=acceleration.value,
                threads=threads,
                select_label=select_label,
                image=image,
                soften=soften,
                dilation=dilation,
                save_label=save_label,
                cut=cut,
                save_counts=save_counts,
                overwrite=overwrite,
                progress=say,
            )
        with _printing():
            report.print_fusion(sidecar_path(output), written)


@app.command(
    epilog="""Examples:

[bold]fastfuse soften mask.nii.gz --image flair.nii.gz -o soft.nii.gz[/bold]

[bold]fastfuse soften rater*.nii.gz --image flair.nii.gz --out-dir soft[/bold]""",
)
def soften(
    masks: Annotated[
        list[Path], typer.Argument(help="Binary masks (.nii, .nii.gz, ...).", show_default=False)
    ],
    image: Annotated[Path, typer.Option(help="FLAIR, on which masks grow.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Soft mask of one mask (.nii or .nii.gz); or --out-dir.",
            show_default=False,
        ),
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for any number of soft masks, named as the masks; or -o.", show_default=False
        ),
    ] = None,
    roi: Annotated[
        Path | None,
        typer.Option(
            help="Image of the region that scales the image, and in which masks may grow (0 and 1).",
            show_default=False,
        ),
    ] = None,
    ring_size: RingSize = 1.2,
    ring_label: RingLabel = 0.3,
    ring_iterations: RingIterations = 6,
    ring_radius: RingRadius = None,
    ring_threshold: RingThreshold = "adaptive",
    ring_scope: RingScope = ScopeName.volume,
    ring_connected: RingConnected = False,
    normalize: Normalized = True,
    binarize: Binarize = False,
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Grow masks into the bright voxels around them, which get a soft label; a .json beside each tells how."""
    dilation = _dilation(locals())
    from .soft_files import soften_files

    with _warnings_as_lines():
        with report.progress(2 * len(masks) + 1 + (roi is not None)) as say:
            softened = soften_files(
                masks,
                image,
                output=output,
                out_dir=out_dir,
                roi=roi,
                threads=threads,
                overwrite=overwrite,
                progress=say,
                **dilation,
            )
        with _printing():
            report.print_softened(masks, softened, output or out_dir)


@app.command(epilog="Example: [bold]fastfuse demo demo-case[/bold]")
def demo(
    directory: Annotated[Path, typer.Argument(help="Folder for the case; made if it is not there.")] = Path(
        "demo-case"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Another number, another patient.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a case that is there.")] = False,
) -> None:
    """Write a synthetic whole-brain MS case, fuse its seven raters by every method, and draw the result."""
    try:
        from .demo import run
    except ImportError as error:
        raise FastfuseError(f"the demo needs {error.name}: pip install 'fastfuse[demo]'") from None

    with report.progress(None) as say:
        result = run(directory, seed=seed, overwrite=overwrite, say=say)
    with _printing():
        report.print_demo(result)


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print the package's warnings as one line each, after the work."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FusionWarning)
        yield
    for warning in caught:
        report.print_line("warning", str(warning.message))


@contextmanager
def _printing() -> Iterator[None]:
    """Print last: if it cannot be done, the outputs are there all the same."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise CannotPrint(f"cannot print ({error.strerror}); the outputs are complete") from None


def main() -> None:
    """Run the command: 0 done, 1 internal error, 2 bad input or usage, 130 interrupted, 143 terminated."""
    signal.signal(signal.SIGTERM, _terminate)
    gc.set_threshold(GARBAGE)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names that the terminal cannot show are no reason to fail
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _terminate(*_: object) -> None:
    """Leave by the way of an exception, so that temporary files are removed."""
    raise SystemExit(TERMINATED)


def _run() -> int:
    try:
        code = int(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (ValueError, TypeError, FastfuseError) as error:
        report.print_line("error", _as_typed(str(error)))
        return 2
    except MemoryError:
        report.print_line("error", "not enough memory for these images")
        return 2
    except CannotPrint as error:
        report.print_line("error", str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        if not hasattr(error, "format_message"):
            report.print_line("error", f"{type(error).__name__}: {error}; please report this")
            return 1
        message = error.format_message()  # the parser's own: what was typed is wrong
        if message:  # without, the help has been printed
            report.print_line("error", f"{message.replace('Value error, ', '')} (see --help)")
        return 2
    if code == INTERRUPTED:
        report.print_line("error", "interrupted; no output was written")
    return code


def _as_typed(message: str) -> str:
    """Call an option that a message begins with as it is typed."""
    name, _, rest = message.partition(" is ")
    dashed = RING_OPTIONS.get(name, name.replace("_", "-"))
    return f"--{dashed} is {rest}" if dashed in (*OPTIONS, *RING_OPTIONS.values()) else message


if __name__ == "__main__":
    main()
