"""``fastfuse rerun``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ...report.terminal import output as terminal
from ...report.terminal import print_below, print_line, printable
from ..common import answer, progress, warnings_as_lines
from ..switches import Overwrite, Threads
from ..words.declared import Argument, Option

if TYPE_CHECKING:
    from ...files.rerun import Rerun

EXAMPLES = (
    "fastfuse rerun consensus.json -o again",
    "fastfuse rerun consensus.json -o again --inputs moved/masks",
)
EXIT_CODES = "0 the same bytes, 1 internal error, 2 other bytes or another .json, bad input or usage, 130 interrupted, 143 terminated."
OTHER_BYTES = 2  # exit code
MOST_TOLD = 5  # differences of a .json in one line


def rerun(
    result: Annotated[
        Path,
        Argument(
            help="The .json beside a result of fuse, soften or a case of a cohort, or the result.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        Option(
            "--out-dir",
            "-o",
            metavar="FOLDER",
            help="Folder for all outputs, under their names.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        Path | None,
        Option(
            metavar="FOLDER", help="Folder where the inputs lie now, if they have moved.", show_default=False
        ),
    ] = None,
    threads: Threads = 0,
    overwrite: Overwrite = False,
) -> None:
    """Make a result again by its .json, from inputs whose hashes are those of the first time: the same bytes."""
    from ...cohort.tasks import fuse_case
    from ...files.rerun import MAKERS
    from ...files.rerun import rerun as make_again

    with warnings_as_lines(), progress(None) as say:
        made = make_again(
            result, out, inputs=inputs, threads=threads, overwrite=overwrite, progress=say, makers={**MAKERS, "fuse_case": fuse_case}
        )  # fmt: skip
    answer(lambda: _facts(made), lambda: _print(made))
    if not made.same:
        print_line("error", _other(made))
        raise SystemExit(OTHER_BYTES)


def _other(made: Rerun) -> str:
    """Say what differs from the first time, and why it may."""
    other = [str(one.path) for one in made.outputs if not one.same]
    told = [f"other bytes than the first time: {', '.join(other)}"] if other else []
    if made.otherwise:
        more = len(made.otherwise) - MOST_TOLD
        listed = "; ".join(made.otherwise[:MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")
        told.append(f"the .json of the first time says otherwise than {made.sidecar}: {listed}")
    return "; ".join([*told, *made.reasons])


def _facts(made: Rerun) -> dict[str, Any]:
    return {
        "same": made.same,
        "outputs": [{"file": str(one.path), "sha256": one.sha256, "same": one.same} for one in made.outputs],
        "sidecar": {"file": str(made.sidecar), "same": not made.otherwise, "otherwise": list(made.otherwise)},
        **({} if made.report is None else {"report": {"file": str(made.report)}}),
        "reasons": list(made.reasons),
    }


def _print(made: Rerun) -> None:
    lines = [f"{one.path}: {'the same bytes' if one.same else 'other bytes'}" for one in made.outputs]
    lines.append(f"{made.sidecar}: {'says otherwise' if made.otherwise else 'says the same'}")
    if made.report is not None:
        lines.append(f"{made.report}: made again, and not compared")
    print_below(terminal(), map(printable, lines))
