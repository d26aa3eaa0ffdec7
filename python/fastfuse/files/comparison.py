"""Every way to a consensus of raters' files, in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparison.compare import Comparison, Consensus, Region, comparison_of, margin_of
from ..errors import warn
from ..evaluation.files import after_reading
from ..evaluation.folders import outputs_of
from ..fusion.declared import documented
from ..fusion.options import Options
from ..fusion.votes import ENTRIES, Votes
from ..images.formats.segments import with_segments
from ..images.image import votes_of
from ..images.outputs import Outputs
from ..images.paths import PathLike, as_path, as_paths, recorded, shown
from ..images.placing import Form, Placing, Resample
from ..images.repeats import same_content
from ..images.sidecar import number_or_null, sidecar_bytes
from ..images.wanted import ChannelAxis, check_channel_axis
from ..images.written.cells import csv_bytes
from ..inputs.checks import Labels, Scale
from ..inputs.names import grouped, listed_names
from .facts import millilitres
from .job import Sources, marked_by_each
from .votes import read_masks

Say = Callable[[str], None]
SCORES = ("dice", "brier", "log", "ece")

DEFAULT_MARGIN = 4.0  # mm


@dataclass(frozen=True)
class Compared:
    """A comparison, and the content of its JSON."""

    comparison: Comparison
    facts: dict[str, Any]
    remarks: list[str]
    written: list[Path]


@documented(ENTRIES)
def compare_files(
    paths: Sequence[PathLike],
    image: PathLike | None = None,
    *,
    truth: PathLike | None = None,
    mask: PathLike | None = None,
    roi: Region = 4.0,
    threads: int = 0,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    names: Sequence[str] | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
    progress: Say | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
) -> Comparison:
    """Make every consensus of raters' files, and hold each against the others, and against a truth.

    Parameters
    ----------
    paths : sequence of path
        One mask per rater, in any format that :func:`fuse_files` reads.
    image : path, optional
        Image on which foreground is bright.
    truth : path, optional
        Image of what is true: 0 and 1, or what ``select_label``, ``binarize`` or ``select_segment`` takes of it. Scores
        against it are as in :func:`compare`.
    mask : path, optional
        Image of the region to compare, 0 and 1.
    roi : {"all"} or float, default 4.0
        Where to fuse, inside the mask: a margin in mm around what anybody marks, or all. Of axes that are not at right
        angles the default is all.
    select_segment, channel_axis, names, grid, resample, use : optional
        As in :func:`fuse_files`.
    output : path, optional
        Also write all as .json; or a row a method as .csv, with a .json beside it.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    {options}

    Returns
    -------
    Comparison

    Raises
    ------
    ImageError, GridError, OutputError
        Naming the file.
    ValueError, TypeError
        As :func:`compare`.

    Warns
    -----
    FusionWarning
        As :func:`fuse_files`, of files, and as :func:`compare`.

    Examples
    --------
    >>> import fastfuse
    >>> found = fastfuse.compare_files([f"rater{k}.nii.gz" for k in range(4)], mask="brain.nii.gz")
    """
    found = compared_files(
        paths, image, truth=truth, mask=mask, roi=roi, threads=threads, select_label=select_label,
        binarize=binarize, threshold=threshold, scale=scale, select_segment=select_segment,
        channel_axis=channel_axis, names=names, output=output, overwrite=overwrite, progress=progress, grid=grid,
        resample=resample, use=use,
    )  # fmt: skip
    warn(found.remarks)
    return found.comparison


def compared_files(
    paths: Any,
    image: Any = None,
    *,
    truth: Any = None,
    mask: Any = None,
    roi: Any = 4.0,
    select_segment: Any = None,
    channel_axis: Any = None,
    names: Any = None,
    output: Any = None,
    overwrite: bool = False,
    progress: Say | None = None,
    grid: Any = None,
    resample: Any = "none",
    use: Any = None,
    **chosen: Any,
) -> Compared:
    """Return what :func:`compare_files` finds, and write it."""
    options = Options(**chosen).checked()
    sources = Sources(
        raters=as_paths(paths),
        mask=as_path(mask, "mask"),
        image=as_path(image, "image"),
        truth=as_path(truth, "truth"),
        channel_axis=check_channel_axis(channel_axis),
        segments=with_segments(options.foreground, select_segment).segments,
        called=listed_names(names),
        placing=Placing.checked(grid, resample, use),
    )
    margin = margin_of(roi)
    written = outputs_of(as_path(output, "output"), sources.all, overwrite=overwrite)
    comparison, facts, remarks = _compared(sources, options, margin, progress or (lambda _: None))
    with Outputs(overwrite=overwrite) as outputs:
        for path in written:
            is_csv = path.name.lower().endswith(".csv")
            outputs.add(path, csv_of(facts) if is_csv else sidecar_bytes(facts))
        outputs.commit()
    return Compared(comparison, facts, remarks, written)


def _compared(
    sources: Sources, options: Options, margin: float | None, say: Say
) -> tuple[Comparison, dict[str, Any], list[str]]:
    """Read the files, and compare what comes of them; return the content of the JSON, and remarks."""
    asked = options
    inputs, options, foreground = read_masks(sources, options, say)
    truth = None if inputs.truth is None else votes_of(inputs.truth, inputs.remarks)
    of_truth = foreground if inputs.truth is None else after_reading(foreground, inputs.truth)
    votes = Votes(
        inputs.votes, inputs.region, axis=0, names=sources.holders, titles=sources.titles, image=inputs.image
    )
    truth_name = "the truth" if sources.truth is None else f"the truth ({shown(sources.truth.name)})"
    called = sources.holders if len(set(sources.holders)) == len(sources.raters) else None
    upright = not inputs.grid.sheared
    if not upright and margin == DEFAULT_MARGIN:
        margin = None
        inputs.remarks.append(
            f"{inputs.grid.name}: its axes are not at right angles: all is fused, without a margin, and what takes distances "
            "in mm is left out; resample all images onto an upright grid for these"
        )
    as_given = margin is None and not upright  # no distance is taken
    sides = tuple(inputs.grid.voxel_mm.tolist()) if as_given else inputs.grid.spacing_mm
    in_space = replace(options, spacing_mm=sides)
    found, doubts = comparison_of(
        votes, in_space, margin, truth, called, of_truth, truth_name, say, upright=upright
    )
    found = replace(found, names=tuple(sources.names), voxel_ml=inputs.grid.voxel_mm3 / 1000)
    marked = [float(np.count_nonzero(one)) for one in marked_by_each(inputs, options.core_label)]
    remarks = grouped(inputs.remarks)
    remarks += doubts
    if sources.truth is not None and truth is not None:
        remarks += _truth_among(
            sources.raters, sources.holders, inputs.votes, sources.truth, truth, truth_name
        )
    return found, facts_of(found, sources, asked, margin, marked, inputs.common.facts(), remarks), remarks


def _truth_among(
    raters: Sequence[Path],
    names: Sequence[str],
    votes: Sequence[NDArray[Any]],
    path: Path,
    truth: NDArray[Any],
    title: str,
) -> list[str]:
    """Say which rater is the truth, or holds the same."""
    remarks = []
    for rater, name, held in zip(raters, names, votes, strict=True):
        if path.samefile(rater):
            remarks.append(f"{title} is one of the raters too: leave it out there")
        elif held.any() and same_content(rater, held, path, truth):
            remarks.append(f"{title} and {name} hold the same: one of both is a copy, so leave it out")
    return list(dict.fromkeys(remarks))


def facts_of(
    found: Comparison,
    sources: Sources,
    options: Options,
    margin: float | None,
    marked: Sequence[float],
    grid: Any,
    remarks: list[str],
) -> dict[str, Any]:
    """Return the content of the JSON; ``marked``: voxels that each rater marks."""
    from ..images.written.versions import version_of

    beside = {"mask": sources.mask, "image": sources.image, "truth": sources.truth}
    by_name = {"select_segment": list(sources.segments)} if sources.segments else {}

    def volume(voxels: float) -> dict[str, Any]:
        return {"voxels": int(voxels), "ml": millilitres(voxels, found.voxel_ml)}

    return {
        "fastfuse": version_of("fastfuse"),
        "method": "comparison",
        "options": {"roi": "all" if margin is None else margin, **options.selection, **by_name},
        "voxel_ml": found.voxel_ml,
        "raters": [
            {"file": recorded(path), "name": name, "marked": volume(count)}
            for path, name, count in zip(sources.raters, sources.names, marked, strict=True)
        ],
        **{what: None if path is None else recorded(path) for what, path in beside.items()},
        "truth_volume": None if found.truth is None else volume(found.truth),
        "region_voxels": found.region,
        "disputed": volume(found.disputed),
        "differing": volume(found.differing),
        "ways": [_way(way, found.voxel_ml, told=sources.truth is not None) for way in found.ways],
        "dice": number_or_null(found.dice),
        "left_out": dict(found.left_out),
        "grid": grid,
        "warnings": remarks,
    }  # fmt: skip


def _way(way: Consensus, voxel_ml: float, *, told: bool) -> dict[str, Any]:
    doubtful = way.doubtful
    return {
        "method": way.method,
        "prior": way.prior or None,
        "voxels": way.voxels,
        "ml": millilitres(way.voxels, voxel_ml),
        "doubtful_voxels": doubtful,
        "doubtful_ml": None if doubtful is None else millilitres(doubtful, voxel_ml),
        "log_likelihood_per_mark": number_or_null(way.log_likelihood),
        "scores": {name: number_or_null(value) for name, value in asdict(way.scores).items()}
        if told
        else None,
    }


def csv_of(facts: dict[str, Any]) -> bytes:
    """Return a row for each way, with its Dice with each other; what is undefined is empty."""
    titles = [f"{way['method']}{', prior ' + way['prior'] if way['prior'] else ''}" for way in facts["ways"]]
    numbers = ("voxels", "ml", "doubtful_voxels", "doubtful_ml", "log_likelihood_per_mark")
    scores = SCORES if facts["truth"] is not None else ()
    rows: list[list[Any]] = [
        ["method", "prior", *numbers, *scores, *(f"dice with {title}" for title in titles)]
    ]
    for way, dice in zip(facts["ways"], facts["dice"], strict=True):
        told = [way["scores"][name] for name in scores]
        rows.append([way["method"], way["prior"], *(way[name] for name in numbers), *told, *dice])
    return csv_bytes(rows)
