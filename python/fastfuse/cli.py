"""The ``fastfuse`` command."""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from . import report
from .errors import FastfuseError, FusionWarning

INTERRUPTED, TERMINATED = 130, 143

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Fuse several raters' segmentations of a 3-D medical image into one consensus.",
    epilog="Example: [bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz[/bold]",
)


class MethodName(str, Enum):
    """Methods on offer."""

    soft_staple = "soft-staple"
    simplified_soft_staple = "simplified-soft-staple"
    staple = "staple"
    majority = "majority"


class MStepName(str, Enum):
    """M-steps on offer."""

    paper = "paper"
    em = "em"


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
    epilog="Example: [bold]fastfuse fuse rater*.nii.gz -o consensus.nii.gz --mask brain.nii.gz[/bold]",
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
        typer.Option(metavar="METHOD", help="soft-staple, simplified-soft-staple, staple, or majority."),
    ] = MethodName.soft_staple,
    m_step: Annotated[
        MStepName, typer.Option(metavar="NAME", help="paper, as printed, or em, the true maximiser.")
    ] = MStepName.paper,
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
    threads: Annotated[int, typer.Option(help="Threads to use; 0: all that there are.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
) -> None:
    """Fuse masks, or soft votes in [0, 1], into one consensus probability."""
    from .files import fuse_files, sidecar_path

    steps = len(raters) + 2 + sum(path is not None for path in (mask, save_label, save_counts))
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
                threads=threads,
                select_label=select_label,
                save_label=save_label,
                cut=cut,
                save_counts=save_counts,
                overwrite=overwrite,
                progress=say,
            )
        report.print_fusion(sidecar_path(output), written)


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


def main() -> None:
    """Run the command: 0 done, 1 internal error, 2 bad input or usage, 130 interrupted, 143 terminated."""
    signal.signal(signal.SIGTERM, _terminate)
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
        report.print_line("error", str(error))
        return 2
    except MemoryError:
        report.print_line("error", "not enough memory for these images")
        return 2
    except BrokenPipeError:
        return 1
    except OSError as error:  # files have errors of their own, so this is what we print to
        report.print_line("error", f"cannot print ({error.strerror}); the outputs are complete")
        return 1
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        if not hasattr(error, "format_message"):
            report.print_line("error", f"{type(error).__name__}: {error}; please report this")
            return 1
        message = error.format_message()  # the parser's own: what was typed is wrong
        if message:  # without, the help has been printed
            report.print_line("error", f"{message} (see --help)")
        return 2
    if code == INTERRUPTED:
        report.print_line("error", "interrupted; no output was written")
    return code


if __name__ == "__main__":
    main()
