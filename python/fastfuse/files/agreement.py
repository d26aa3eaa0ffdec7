"""How far raters' files agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import warn
from ..fusion.declared import documented
from ..fusion.of_raters.agreement import Agreement, Coefficients, agreement_of
from ..fusion.options import Missing, Options
from ..fusion.votes import ENTRIES, Votes
from ..images.formats.segments import with_segments
from ..images.outputs import together
from ..images.paths import PathLike, as_path, as_paths, listed_paths, recorded, shown
from ..images.placing import Form, Placing, Resample
from ..images.sidecar import check_reports, number_or_null, write_facts
from ..images.wanted import ChannelAxis, check_channel_axis
from ..inputs.checks import Labels, Scale, check_margin
from ..inputs.names import grouped, listed_names
from .facts import millilitres
from .job import Inputs, Sources, looked_at, marked_by_each
from .report import check_image, check_report, write_page
from .votes import read_masks

if TYPE_CHECKING:
    from ..report.html.scan import Pictures

Say = Callable[[str], None]


@dataclass(frozen=True)
class Compared:
    """An agreement, the content of its JSON, and what makes the pictures of a report."""

    agreement: Agreement
    facts: dict[str, Any]
    remarks: list[str]
    pictures: Callable[[], Pictures]


@documented(ENTRIES)
def agreement_files(
    paths: Sequence[PathLike],
    *,
    mask: PathLike | None = None,
    image: PathLike | None = None,
    roi: float | None = None,
    missing: Missing = "error",
    present: Sequence[PathLike | None] | None = None,
    threads: int = 0,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    names: Sequence[str] | None = None,
    output: PathLike | None = None,
    report: PathLike | None = None,
    overwrite: bool = False,
    progress: Say | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
) -> Agreement:
    """Return how far raters agree, from their files.

    Parameters
    ----------
    paths : sequence of path
        One mask per rater, in any format that :func:`fuse_files` reads.
    mask : path, optional
        Image of the region to compare, 0 and 1.
    image : path, optional
        Image of the patient, which the slices of ``report`` show below the marks. All files get its grid, as in
        :func:`fuse_files`.
    roi : float, optional
        Margin in mm about what anybody marks, for the coefficients of the region; without it, what anybody marks.
    present : sequence of m paths or None, optional
        Images of where each rater looked, 0 and 1; None for a rater who looked everywhere.
    select_segment, channel_axis, names, grid, resample, use : optional
        As in :func:`fuse_files`.
    output : path, optional
        Also write all as .json.
    report : path, optional
        Also write a page of HTML: tables, charts, and slices to scroll through. Needs Jinja2.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    {options}

    Returns
    -------
    Agreement

    Raises
    ------
    ImageError, GridError, OutputError
        Naming the file.
    ValueError, TypeError
        As :func:`agreement`.

    Warns
    -----
    FusionWarning
        As :func:`fuse_files`, of files.

    Examples
    --------
    >>> import fastfuse
    >>> found = fastfuse.agreement_files([f"rater{k}.nii.gz" for k in range(4)], mask="brain.nii.gz", roi=4)
    """
    found = compare_files(
        paths, mask=mask, image=image, roi=roi, missing=missing, present=present, threads=threads, select_label=select_label,
        binarize=binarize, threshold=threshold, scale=scale, select_segment=select_segment,
        channel_axis=channel_axis, names=names, output=output, report=report, overwrite=overwrite, progress=progress, grid=grid,
        resample=resample, use=use,
    )  # fmt: skip
    warn(found.remarks)
    return found.agreement


def compare_files(
    paths: Any,
    *,
    mask: Any = None,
    image: Any = None,
    roi: Any = None,
    present: Any = None,
    select_segment: Any = None,
    channel_axis: Any = None,
    names: Any = None,
    output: Any = None,
    report: Any = None,
    figure: Path | None = None,
    overwrite: bool = False,
    progress: Say | None = None,
    grid: Any = None,
    resample: Any = "none",
    use: Any = None,
    **chosen: Any,
) -> Compared:
    """Return what :func:`agreement_files` finds; refuse a ``figure``, which the caller draws, that cannot be written."""
    options = Options(**chosen).checked()
    sources = Sources(
        raters=as_paths(paths),
        mask=as_path(mask, "mask"),
        image=as_path(image, "image"),
        present=listed_paths(present),
        channel_axis=check_channel_axis(channel_axis),
        segments=with_segments(options.foreground, select_segment).segments,
        called=listed_names(names),
        placing=Placing.checked(grid, resample, use),
    )
    inputs, written, page = sources.all, as_path(output, "output"), as_path(report, "report")
    check_reports(written, figure, inputs, overwrite=overwrite)
    check_report(page, inputs, overwrite=overwrite)
    check_image(sources.image, page)
    say = progress or (lambda _: None)
    found = compared(sources, options, check_margin(roi), say)
    with together():
        if page is not None:
            from ..report.html.agreement import agreement_page

            say(f"writing {shown(page.name)}")
            found.facts["report"] = recorded(page.name)
            make = partial(agreement_page, found.facts, found.pictures())
            write_page(page, make, sources.read_files, written, overwrite=overwrite)
        write_facts(written, found.facts, overwrite=overwrite)
    return found


def compared(sources: Sources, options: Options, margin: float | None, say: Say) -> Compared:
    """Read the files, and compare what they hold."""
    asked = options
    inputs, options, _ = read_masks(sources, options, say)
    say("comparing")
    votes = Votes(
        inputs.votes,
        inputs.region,
        inputs.present or None,
        axis=0,
        names=sources.holders,
        files=sources.identities,
        titles=sources.titles,
    )
    called = sources.holders if len(set(sources.holders)) == len(sources.raters) else None
    in_space = replace(options, spacing_mm=None if margin is None else inputs.grid.spacing_mm)
    found, doubts = agreement_of(votes, in_space, margin, called)
    found = replace(found, names=tuple(sources.names))
    marked = [float(np.count_nonzero(one)) for one in marked_by_each(inputs, options.core_label)]
    remarks = grouped(inputs.remarks)
    remarks += doubts
    facts = facts_of(found, sources, inputs, asked, margin, marked, remarks)
    return Compared(found, facts, remarks, partial(_pictures_of, inputs, options.core_label))


def _pictures_of(inputs: Inputs, label: int | None) -> Pictures:
    """Return where each rater marks, and the share of raters who do."""
    from ..report.html.scan import Pictures

    raters, looked = list(marked_by_each(inputs, label)), looked_at(inputs)
    marks = np.sum(np.stack(raters), axis=0, dtype=np.float32)
    count = np.sum(np.stack(looked), axis=0, dtype=np.float32) if looked else np.float32(len(raters))
    share = np.asarray(marks / count)
    return Pictures(share, raters, inputs.grid.affine, inputs.image, inputs.grid.known, looked=looked)


def facts_of(
    found: Agreement,
    sources: Sources,
    inputs: Inputs,
    options: Options,
    margin: float | None,
    marked: Sequence[float],
    remarks: list[str],
) -> dict[str, Any]:
    """Return the content of the JSON; ``marked``: voxels that each rater marks."""
    from ..images.written.versions import version_of

    voxel_ml = inputs.grid.voxel_mm3 / 1000
    by_name = {"select_segment": list(sources.segments)} if sources.segments else {}
    return {
        "fastfuse": version_of("fastfuse"),
        "method": "agreement",
        "options": {"roi": margin, "missing": options.missing, **options.selection, **by_name},
        "voxel_ml": voxel_ml,
        "raters": [
            {"file": recorded(path), "name": name, "marked_voxels": int(count), "marked_ml": millilitres(count, voxel_ml)}
            for path, name, count in zip(sources.raters, sources.names, marked, strict=True)
        ],
        **({"present": [path and recorded(path) for path in sources.present]} if sources.present else {}),
        "mask": None if sources.mask is None else recorded(sources.mask),
        **({} if sources.image is None else {"image": recorded(sources.image)}),
        "everywhere": _coefficients(found.everywhere),
        "region": _coefficients(found.region),
        "dice": number_or_null(found.dice),
        "mean_dice": number_or_null(found.mean_dice),
        "conformity": number_or_null(found.conformity),
        "grid": inputs.common.facts(),
        "warnings": remarks,
    }  # fmt: skip


def _coefficients(found: Coefficients) -> dict[str, Any]:
    values = asdict(found)
    voxels = values.pop("n_voxels")
    return {"voxels": voxels, **{name: number_or_null(value) for name, value in values.items()}}
