"""``fuse_cohort``: many cases, fused with the raters' rates that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..dilation.options import DilationOptions
from ..errors import CohortError, warn
from ..files.preset import ENTRY as PRESET
from ..files.preset import PresetName, check_preset, noting_given
from ..fusion.declared import documented
from ..fusion.labels.declared import Candidates, ConfusionModel, Knows, LabelPrior, LabelsLike
from ..fusion.labels.estimate import LabelEstimate
from ..fusion.methods.pool import Priors
from ..fusion.option_checks import PerformancePrior
from ..fusion.options import (
    BY_NAME,
    Acceleration,
    Expectation,
    Init,
    Likelihood,
    Missing,
    MStep,
    Options,
    Roi,
)
from ..fusion.pooled.estimate import PooledEstimate
from ..fusion.registry import MethodName, keeping_given
from ..fusion.result import DiceRule, Ties
from ..fusion.votes import ENTRIES
from ..images.outputs import write_all
from ..images.paths import PathLike, as_path, needed_path
from ..images.placing import Form, Resample
from ..images.sidecar import sidecar_bytes
from ..images.wanted import ChannelAxis
from ..inputs.checks import Labels, Scale, check_count, check_flag
from .asked import Asked, checked_shard, settings_for
from .cases import CohortCase
from .estimate_file import Saved, read_estimate
from .place import Place, Record
from .placing import check_rater_of_grid
from .preset import kept_preset, settled
from .review.decided import CohortDecisions
from .run import (
    Progress,
    count_cases,
    done_already,
    estimate_cases,
    facts_of,
    lacking,
    load_tables,
    said_of_stale,
    tell_cases,
    tell_sidecars,
    write_cases,
)
from .settings import Settings, by_rater, check_knows
from .standing import check_maker, said_of_gone
from .told.like_names import said_of_like_names
from .told.tables import RaterRow, page_of
from .workers.crew import Crew, checked_executor, workers_of

Say = Callable[[str], None]


@dataclass(frozen=True)
class CohortFusion:
    """What came of a cohort, by :func:`fuse_cohort`.

    Attributes
    ----------
    out : Path
        Folder of all outputs.
    cases : tuple of str
        Names of the cases.
    failed : dict of str to str
        Why a case could not be done, by its name.
    estimate : PooledEstimate, LabelEstimate or None
        The rates that the cases share; None without pooling, or of a shard.
    facts : dict
        All of it as plain data, as in cohort.json.
    """

    out: Path
    cases: tuple[str, ...]
    failed: dict[str, str]
    estimate: PooledEstimate | LabelEstimate | None = field(repr=False)
    facts: dict[str, Any] = field(repr=False)


@documented({**ENTRIES, "preset": PRESET})
@noting_given
@keeping_given
def fuse_cohort(
    cohort: PathLike,
    out: PathLike,
    *,
    method: MethodName | None = None,
    pool: Literal["raters", "none"] = "raters",
    priors: Priors = "auto",
    glob: str | None = None,
    table: PathLike | None = None,
    split: Literal["Training", "Testing", "all"] = "Training",
    mask: Literal["auto", "none"] = "auto",
    m_step: MStep = "paper",
    expectation: Expectation = "auto",
    likelihood: Likelihood = "mixture",
    prior: LabelPrior = "mean",
    init: Init = "auto",
    roi: Roi = "all",
    missing: Missing = "error",
    performance_prior: PerformancePrior = "auto",
    replicates: int = 200,
    seed: int = 0,
    tol: float = 1e-7,
    max_iter: int = 1000,
    acceleration: Acceleration = "none",
    threads: int = 0,
    select_label: Labels = None,
    binarize: bool = False,
    threshold: float | None = None,
    scale: Scale = None,
    evidence: bool = False,
    classes: Literal[2, 3] = 2,
    labels: LabelsLike | None = None,
    label_names: PathLike | None = None,
    candidates: Candidates = "auto",
    confusion: ConfusionModel = "full",
    knows: Knows | None = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    soften: bool = False,
    dilation: DilationOptions | None = None,
    save_label: bool = False,
    cut: float | DiceRule = 0.5,
    ties: Ties = "foreground",
    report: PathLike | None = None,
    decisions: PathLike | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    shard: tuple[int, int] | None = None,
    merge: bool = False,
    apply: bool = False,
    refresh: bool = False,
    keep_index: bool = False,
    grid: str | None = "auto",
    resample: Resample = "none",
    use: Form | None = None,
    progress: Say | None = None,
    preset: PresetName | None = None,
) -> CohortFusion:
    """Fuse every case of a cohort, with rates of the raters that all cases share.

    A case whose files cannot be used costs that case alone. Run again, it goes on where it was: cases whose files and options are
    the same are left as they are.

    Parameters
    ----------
    cohort : path
        Folder of the cases: laid out as MSSEG-2016, or as BIDS; or in any way, with ``glob`` or ``table``.
    out : path
        Folder of the outputs; made if it is not there.
    pool : {"raters", "none"}, default "raters"
        "raters": their rates are estimated from all cases together. "none": each case by itself.
    priors : {"auto", "own", "shared"}, default "auto"
        Whether each case has its own prior, as of :func:`pool`.
    glob : str, optional
        Paths below the folder with the names in braces, as "{case}/masks/{rater}.nii.gz".
    table : path, optional
        A TSV with the columns case, rater and path, and perhaps mask and image.
    split : {"Training", "Testing", "all"}, default "Training"
        Of MSSEG's layout.
    mask : {"auto", "none"}, default "auto"
        Fuse a case inside its mask, such as the brain's, where it has one.
    prior : {"mean", "estimate"} or float, default "mean"
        p(truth 1) before any vote, in each case or in all.
    replicates, seed : int
        Of the bootstrap over cases.
    evidence : bool, default False
        As of :func:`border_staple`, in each case's consensus; it needs an image of every case.
    preset : {"recommended", "paper"}, optional
        As of :func:`fuse_files`. Cases that share rates are fused by one method: it is chosen by the first of those that most raters
        read, and by their image if every case has one. With ``pool="none"`` each case chooses.
    label_names, select_segment, channel_axis, soften, dilation, cut, ties : optional
        As of :func:`fuse_files`.
    save_label : bool, default False
        Also write each case's mask.
    report : path, optional
        Also write a page of HTML on raters and cases; one of an earlier run is replaced. Needs Jinja2.
    decisions : path, optional
        List of the cohort's lesions with a reviewer's decisions (.csv, as ``fastfuse review`` wrote it of ``out``): each case keeps its
        own. Rates that cases share do not learn of them; with ``pool="none"`` each case's EM does.
    executor : concurrent.futures.Executor, optional
        Who does the work: a pool of processes that were spawned, dask's ``client.get_executor()``, loky, mpi4py, submitit. At most
        2 × workers + 2 tasks are out at once, a case each, of dask several where these are quick. The result has the same bits in
        whatever order they come back. Workers read the cohort and write the consensuses themselves, so that they must see both
        folders; paths are made absolute for them.
    workers : int, optional
        Without an executor, that many processes; with one, how many workers it has. Each takes its share of the threads;
        a worker of dask one, unless ``threads`` says more.
    shard : (int, int), optional
        (i, N): only every N-th case from the i-th on, i from 1. Without ``apply`` their tables are written, and nothing else.
    merge : bool, default False
        Estimate from the tables that shards wrote.
    apply : bool, default False
        Write the consensus of the shard's cases, by the estimate that is there.
    refresh : bool, default False
        Also write those consensuses anew that rest on earlier rates, as after cases were added.
    keep_index : bool, default False
        Keep beside each table which pattern of votes each voxel has, in the folder index: then a case to which a rater came is
        counted by a read of the new file alone. Of masks and soft votes that repeat, with roi="all".
    grid : {"auto", "image", "mask"} or str, default "auto"
        Which of a case's files has the grid that all its files get, and the outputs: its image, its mask, or a rater's file, as
        "rater:NAME". Voxels beyond it are cut off, which is said. "auto", as None: that of the image where the fusion reads it,
        else the smallest on the first rater's lattice that holds all raters and the mask.
    resample, use : optional
        As of :func:`fuse_files`.
    progress : callable, optional
        Called with a few words after each case.
    {options}

    Returns
    -------
    CohortFusion

    Raises
    ------
    CohortError, OutputError
        If there is no case, or another run writes into the folder, or nothing can be written there.
    ValueError, TypeError
        For options as of :func:`fuse_files`, before any case is read.

    Warns
    -----
    FusionWarning
        Of what makes the rates doubtful, and of cases that were not done.

    Examples
    --------
    >>> import fastfuse
    >>> found = fastfuse.fuse_cohort("data", "fused", method="staple", roi=4)
    """
    any_prior: Any = prior
    options = Options(
        m_step=m_step, expectation=expectation, likelihood=likelihood, prior=any_prior, init=init, roi=roi,
        missing=missing, performance_prior=performance_prior, replicates=replicates, seed=seed, tol=tol,
        max_iter=max_iter, acceleration=acceleration, threads=threads, select_label=select_label,
        binarize=binarize, threshold=threshold, scale=scale, evidence=evidence, classes=classes,
    )  # fmt: skip
    names = as_path(label_names, "label_names")
    settings = Settings(
        method=method, pool=pool, priors=priors, mask=mask, options=options, labels=labels,
        label_names=None if names is None else str(names), candidates=candidates, confusion=confusion, knows=by_rater(knows),
        select_segment=select_segment, channel_axis=channel_axis, soften=soften, dilation=_plain(dilation),
        save_label=save_label, cut=cut, ties=ties, grid=grid, resample=resample, use=use, preset=kept_preset(check_preset(preset, labels), [*BY_NAME]),
    )  # fmt: skip
    asked = Asked(
        cohort=needed_path(cohort, "cohort"), out=needed_path(out, "out"), settings=settings.checked(), glob=glob,
        table=as_path(table, "table"), split=split, shard=checked_shard(shard),
        merge=check_flag(merge, "merge"), apply=check_flag(apply, "apply"), refresh=check_flag(refresh, "refresh"),
        keep_index=check_flag(keep_index, "keep_index"), report=as_path(report, "report"),
        decisions=as_path(decisions, "decisions"),
    )  # fmt: skip
    count = None if workers is None else check_count(workers, "workers", least=1)
    crew = Crew(checked_executor(executor), workers_of(executor, count))
    made, remarks = fused_cohort(asked, crew, progress or (lambda _: None))
    warn(remarks)
    return made


def fused_cohort(asked: Asked, crew: Crew, say: Say) -> tuple[CohortFusion, list[str]]:
    """Do the work, or the part of it that is asked for; return what came of it, and what is doubtful."""
    asked.check()
    check_maker(asked.out, "fuse")
    asked = replace(asked, cohort=crew.path(asked.cohort), out=crew.path(asked.out))
    place, cases = Place(asked.out), asked.cases()
    check_knows(asked.settings.knows, cases)
    check_rater_of_grid(asked.settings.grid, cases)
    decisions = CohortDecisions.of(asked.decisions and crew.path(asked.decisions), cases)
    decided = decisions.path if decisions.lines else None
    settings = settled(settings_for(asked.settings, crew), cases, decided, of_shard=asked.shard is not None)
    mine = cases if asked.shard is None else cases[asked.shard[0] - 1 :: asked.shard[1]]
    so_far = Progress(say, len(mine), place)
    with place.alone(asked.shard):
        records = _counted(asked, mine, settings, place, crew, so_far)
        saved, remarks = _rates(asked, records, settings, place)
        remarks += said_of_like_names(cases)
        if records and not asked.merge and (asked.shard is None or asked.apply):
            remarks += decisions.undone(place.facts)
            write_cases(
                mine, records, saved, settings, place, crew, so_far, refresh=asked.refresh, decisions=decisions
            )  # fmt: skip
        remarks += decisions.remarks
        remarks += said_of_stale(so_far)
        if asked.shard is not None:
            return ended(asked.out, settings, mine, so_far, saved, remarks, []), remarks
        remarks += said_of_gone(so_far, cases, place)
        rows, files, doubts = tell_cases(records, saved, settings, place) if records else ([], [], [])
        told, fits, misfits = tell_sidecars(records, place, saved.digest if asked.merge and saved else None)
        remarks += [*doubts, *misfits]
        files += fits
        made = ended(
            asked.out,
            settings,
            cases,
            so_far,
            saved,
            remarks,
            files,
            rows,
            {**told, **decisions.facts_but(so_far.failed, place)},
        )
        write_all({**page_of(asked.report, made.facts, files), place.facts: sidecar_bytes(made.facts)})
    return made, remarks


def _counted(
    asked: Asked, mine: Sequence[CohortCase], settings: Settings, place: Place, crew: Crew, so_far: Progress
) -> dict[str, Record]:
    """Count the cases, or take what shards have counted."""
    if not (asked.merge or (asked.apply and settings.pools)):
        return count_cases(mine, settings, place, crew, so_far, keep_index=asked.keep_index)
    records = done_already(mine, settings, place)
    for one in lacking(mine, records):
        so_far.fail(one)
    return records


def _rates(
    asked: Asked, records: Mapping[str, Record], settings: Settings, place: Place
) -> tuple[Saved | None, list[str]]:
    """Return the shared rates, and what makes them doubtful; of a shard those that are there."""
    if not settings.pools or not records or (asked.shard is not None and not asked.apply):
        return None, []
    if asked.apply:
        saved = _estimate_there(place, settings)
        return saved, list(saved.remarks)
    return estimate_cases(load_tables(records, settings, place), records, settings, place)


def ended(
    out: Path,
    settings: Settings,
    cases: Sequence[CohortCase],
    so_far: Progress,
    saved: Saved | None,
    remarks: list[str],
    files: list[Path],
    rows: Sequence[RaterRow] = (),
    told: Mapping[str, Any] | None = None,
) -> CohortFusion:
    """Return what came of the cases; ``told``: what their sidecars say."""
    facts = facts_of(so_far, rows, saved, settings, files) | dict(told or {})
    of_cases = {case: [one for one in said if one not in remarks] for case, said in facts["warnings"].items()}
    own = {case: said for case, said in of_cases.items() if said}  # what is said of the cohort is said once
    facts["warnings"] = {**own, **({"cohort": remarks} if remarks else {})}
    estimate = None if saved is None else saved.estimate
    failed = dict(sorted(so_far.failed.items()))
    return CohortFusion(out, tuple(case.name for case in cases), failed, estimate, facts)


def _estimate_there(place: Place, settings: Settings) -> Saved:
    saved = read_estimate(place.estimate)
    if saved.settings.of_all != settings.of_all:
        raise CohortError(
            f"{place.estimate}: was estimated with other options; give the same to every step, or merge again"
        )
    return saved


def _plain(dilation: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(dilation) if dilation else None
