"""The last stage of a run, or of several: scores of every prediction, tables, figures."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ..images.paths import shown
from ..images.reading import read
from ..inputs.names import counted
from ..report.numbers import plural
from .cohort.voxel_sizes import in_words
from .options import EvaluationOptions, ExperimentOptions, differences, make_options
from .options.checking import flat
from .provenance import notes_of
from .results.entries import Entry, entries_of, known_failures
from .results.exports import calibration_csv, differences_csv, latex, metrics_csv, table_csv
from .results.table import Row, rows_of
from .results.texts import failures_of, markdown
from .run import Run
from .scoring import score
from .table_files import ELSEWHERE, check_tables, write_tables

SHARED = {6: "a face", 18: "an edge", 26: "a corner"}
MANY = 0.25  # share of lesions below the limit, from which on it is told
START = 0.02  # the untrained U-Net's output in preset quick, from which networks of few steps learn
TOLD = ("preset", "seed", "folds", "methods", "network.model", "training.epochs", "training.steps")


def conclude(run: Run, *, tell: bool = True) -> list[Row]:
    """Score a run's predictions, write its tables, draw its figures; ``tell`` what failed."""
    return tabulate([run], run.out, tell=tell, replaces=True)


def conclude_all(runs: Sequence[Run], out: Path) -> list[Row]:
    """Conclude each run in its own folder, and all of them together in ``out``; return the table of all."""
    rows = [conclude(run, tell=len(runs) == 1) for run in runs]
    return rows[0] if len(runs) == 1 else tabulate(runs, out, replaces=True)


def tabulate(
    runs: Sequence[Run],
    out: Path,
    evaluation: EvaluationOptions | None = None,
    peers: Sequence[Entry] = (),
    *,
    tell: bool = True,
    replaces: bool = False,
) -> list[Row]:
    """Write the tables and figures of one run, or of several that have been found comparable, in a folder.

    Parameters
    ----------
    runs : sequence of Run
    out : Path
        The folder. Tables that fastfuse wrote there are replaced.
    evaluation : EvaluationOptions, optional
        How predictions become the masks that are scored; the first run's own options if not given.
    peers : sequence of Entry
        Rows of networks that were trained elsewhere.
    tell : bool
        Print a line for each network that failed.
    replaces : bool
        Replace files of other origin, too.

    Raises
    ------
    OutputError
        If such files are there, and ``replaces`` is not set.
    """
    if not replaces:
        check_tables(out, ELSEWHERE)
    evaluation = evaluation or runs[0].options.evaluation
    entries = [*entries_of([score(run, evaluation) for run in runs]), *peers]
    about = _about(runs, entries, evaluation)
    rows = [replace(row, about=about) for row in rows_of(entries)]
    tables = {
        "metrics.csv": metrics_csv(entries),
        "calibration.csv": calibration_csv(entries),
        "differences.csv": differences_csv(rows),
        "table1.md": markdown(rows, about).encode(),
        "table1.csv": table_csv(rows),
        "table1.tex": latex(rows, about).encode(),
    }
    for line in failures_of(rows) if tell else ():
        runs[0].tell(f"warning: {line}")
    if tell:
        own = entries[: len(entries) - len(peers)]
        warnings = [f"warning: {line}" for line in _small(entries, evaluation)]
        for line in [*warnings, *_advised(own, runs[0].options)]:
            runs[0].tell(line)
    runs[0].say("drawing")
    write_tables(out, {**tables, **_figures(runs, entries, rows, evaluation.cut)})
    return rows


def _figures(
    runs: Sequence[Run], entries: Sequence[Entry], rows: Sequence[Row], cut: float
) -> dict[str, bytes]:
    """Return the figures, by name."""
    from .figures import draw_figures

    with tempfile.TemporaryDirectory() as folder:
        draw_figures(runs, entries, rows, Path(folder), cut)
        return {f"figures/{path.name}": path.read_bytes() for path in sorted(Path(folder).glob("*.png"))}


def _about(runs: Sequence[Run], entries: Sequence[Entry], evaluation: EvaluationOptions) -> list[str]:
    """Return the captions: cases, folds, seeds, options, and how masks are made."""
    cases = sum(map(len, runs[0].folds))
    seeds = sorted({seed for entry in entries for seed in entry.by_seed})
    trainings = {_training(run.options) for run in runs}
    least = (
        f"{evaluation.least_mm3:g} mm³" if evaluation.least_mm3 else plural(evaluation.least_voxels, "voxel")
    )
    who = (
        f"{plural(cases, 'test case')} of {runs[0].cohort.name}, {plural(len(runs[0].folds), 'fold')}, "
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}, {' and '.join(sorted(trainings))}"
    )
    how = (
        f"Predictions are cut at {evaluation.cut:g}; components of less than {least} are dropped; voxels of a component, "
        f"or a lesion, share {SHARED[evaluation.connectivity]} (connectivity {evaluation.connectivity}){_grid(runs[0])}"
    )
    notes = {note.rstrip("."): None for run in runs for note in notes_of(run.out)}
    remarks = {line: None for entry in entries for one in entry.by_seed.values() for line in one.remarks}
    return [who, how, *_small(entries, evaluation), *remarks, *notes]


def _small(entries: Sequence[Entry], evaluation: EvaluationOptions) -> list[str]:
    """Return a remark if many lesions of STAPLE's mask are below the limit: predictions as large as they are dropped."""
    found = {
        case: counts
        for entry in entries
        for one in entry.by_seed.values()
        for case, counts in one.small.items()
    }
    below, lesions = (sum(counts[at] for counts in found.values()) for at in (0, 1))
    if below <= MANY * lesions:
        return []
    asked = (
        f"{evaluation.least_mm3:g} mm³" if evaluation.least_mm3 else counted(evaluation.least_voxels, "voxel")
    )
    said = (
        f"{below} of {lesions} lesions of STAPLE's masks ({100 * below / lesions:.0f} %) are smaller than {asked}: "
        "predictions as small as they are dropped, and recall is limited"
    )
    if evaluation.least_mm3:
        return [f"{said}; a lower limit, as by fastfuse table RUN --least-mm3, keeps them"]
    return [
        f"{said}; fastfuse table RUN --least-mm3 18 takes the paper's limit in mm³ (evaluation.least_mm3=18)"
    ]


def _advised(entries: Sequence[Entry], options: ExperimentOptions) -> list[str]:
    """Return what to try where networks of the runs failed."""
    failed = [failure for entry in entries for _, failure in known_failures(entry)]
    lines = []
    if any(failure.broke_off for failure in failed):
        lines.append(
            "where a training broke off, try a lower training.learning_rate, or another seed, in a new run"
        )
    if any(not (failure.broke_off or failure.dropped) for failure in failed):
        lines.append(_advice(options))
    return lines


def _training(options: ExperimentOptions) -> str:
    """Return the preset, and what is not as the preset has it; targets, grid and masks are told elsewhere."""
    training = options.training
    said = f"preset {options.preset}, {plural(training.epochs, 'epoch')} of {plural(training.steps, 'step')}"
    if options.network.model:
        said += f", network {options.network.model}"
    values = flat(asdict(options))
    changed = [
        f"{name}={values[name]}"
        for name in differences(options, make_options(options.preset))
        if name not in TOLD and not name.startswith(("evaluation.", "grid."))
    ]
    return f"{said} ({', '.join(changed)})" if changed else said


def _advice(options: ExperimentOptions) -> str:
    tries = "another seed, more epochs or a lower training.learning_rate"
    if not options.network.model and options.network.start > START:
        tries = f"another seed, more epochs, a lower training.learning_rate or network.start={START:g}"
    return f"where a network marks nothing, try {tries}"


def _grid(run: Run) -> str:
    """Return the grid that voxels are counted on, if it is not the cases' own."""
    grid = run.options.grid
    if not grid.used:
        return ""
    if grid.spacing_mm:
        return f"; all cases on one grid, of {grid.spacing_mm:g} mm"
    return f"; all cases on one grid, that of {shown(Path(grid.file).name)}{_voxels(run)}"


def _voxels(run: Run) -> str:
    """Return the size of the voxels on the one grid."""
    paths = [run.consensus("staple", name) for names in run.folds for name in names]
    kept = next((path for path in paths if path.exists()), None)
    if kept is None:
        return ""
    x, y, z = (float(side) for side in read(kept).grid.voxel_mm)
    return f" (voxels of {in_words((x, y, z))})"
