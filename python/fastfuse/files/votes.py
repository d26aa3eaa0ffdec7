"""Reads the files of a fusion, fuses them, and writes what comes of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..dilation.options import Dilation, DilationOptions
from ..errors import warn
from ..fusion.backends.decisions import check_decisions
from ..fusion.backends.devices import place_of
from ..fusion.fit.remarks import remarks_on_fit
from ..fusion.options import Options
from ..fusion.pipeline import Fuse, fuse_votes
from ..fusion.registry import Method, method_called
from ..fusion.result import BorderFusion, Fusion, cut_of
from ..fusion.votes import Votes
from ..images.wanted import Wanted
from ..inputs.foreground import Foreground, within
from ..inputs.names import grouped, quoted
from .background import remarks_on_region
from .facts import auto_facts, sidecar_of
from .growth import Growth, binarized, growth_of
from .job import Inputs, Job, Sources, counts_of, marked_voxels, pictures_of
from .misfits import misfit_remarks
from .native.again import reads_again
from .native.facts import with_facts
from .preset import Preset, chosen_by
from .prior import is_plain, prior_map, word_or_number

if TYPE_CHECKING:
    from ..fusion.fit.choice import Choice
    from .review.decided import Decided


@dataclass(frozen=True)
class Made:
    """A fusion, what was read for it, and what its sidecar says.

    Attributes
    ----------
    fusion : Fusion
    inputs : Inputs
    sidecar : dict
    remarks : list of str
    cut : float
        Of the mask of the consensus, found where it was asked for as "dice".
    label : int or None
        Of label maps, the label whose voxels are votes.
    """

    fusion: Fusion
    inputs: Inputs
    sidecar: dict[str, Any]
    remarks: list[str]
    cut: float
    label: int | None


def check_order(paths: object, output: object) -> None:
    """Refuse the output in the place of the raters' files."""
    if isinstance(output, (list, tuple)):
        exchanged = isinstance(paths, (str, os.PathLike))
        what = "paths and output are exchanged" if exchanged else f"output is {quoted(output)}, not one path"
        raise TypeError(f"{what}: write fuse_files(paths, output), the list of the raters' files first")


def checked_for(method: Method, options: Options) -> tuple[Options, Options]:
    """Return the options, checked, with a word or a number for the prior; and as the sidecar keeps them."""
    prior: Any = options.prior
    options = replace(options, prior=word_or_number(prior))
    options.check_method(method, images=True)  # first: what a check advises would be refused after it
    checked = options.checked()
    kept: Any = checked.prior if is_plain(prior) else str(prior)
    asked = replace(checked, prior=kept)
    asked.check_method(method, images=True)
    return checked.of_method(method), asked.of_method(method)


@dataclass(frozen=True)
class Way:
    """How files are fused.

    Attributes
    ----------
    method : Method
    options : Options
        Checked, with a word or a number for the prior.
    asked : Options
        As the sidecar keeps them.
    growth : Dilation, optional
        How masks, or their consensus, grow.
    preset : dict, optional
        What a preset set, as the sidecar keeps it.
    """

    method: Method
    options: Options
    asked: Options
    growth: Dilation | None = None
    preset: dict[str, Any] | None = None


def fuse_vote_files(
    job: Job,
    method: Method | None,
    options: Options,
    soften: bool,
    dilation: DilationOptions | None,
    preset: Preset | None,
    say: Callable[[str], None],
) -> Fusion:
    """Read, fuse, write; without a method, the preset's, or soft-STAPLE."""
    inputs = None
    if preset is None:
        way = way_of(job, method or method_called("soft-staple"), options, soften, dilation)
        job.check()
        if job.decisions is not None:
            check_decisions(way.method, options, ())
        if options.max_memory is not None:
            from .blocks import fused_in_blocks

            return fused_in_blocks(
                job, way.method, way.options, way.asked, say,
                grows=way.growth is not None, read_votes=partial(read_votes, way.options),
            )  # fmt: skip
    elif options.max_memory is not None:
        raise ValueError(
            f"max_memory is given: files are read slab by slab, and preset {preset.name!r} looks at all votes first: leave one of "
            "both out"
        )
    else:
        job, way, inputs = way_by(preset, job, method, options, soften, dilation, say)
    made = made_of(job, way, say, inputs, alone=True)
    write_made(job, made, say)
    warn(made.remarks, callers=3)
    return made.fusion


def way_by(
    preset: Preset,
    job: Job,
    method: Method | None,
    options: Options,
    soften: bool,
    dilation: DilationOptions | None,
    say: Callable[[str], None],
) -> tuple[Job, Way, Inputs]:
    """Read all files, and return how a preset fuses them, and the job without an image that this takes none of."""
    if method is not None:  # what is wrong with these, no file mends
        growth_of(method, job.image if soften or method.grows else None, soften, dilation)
    replace(options, prior=word_or_number(options.prior)).checked()
    job.check()
    grown = bool(soften and (dilation or {}).get("binarize"))
    inputs = read_for(job, replace(options, binarize=options.binarize or grown), say)
    decided = job.decisions is not None
    chosen = chosen_by(preset, method, options, inputs, soften=soften, decided=decided)
    uses = soften or chosen.method.grows or chosen.method.of_levels
    if job.image is not None and not uses and job.report is None:
        inputs.remarks.append(f"{job.titles['image']} is not used: {chosen.method.name} takes none")
        job, inputs.image = replace(job, image=None), None
    way = replace(way_of(job, chosen.method, chosen.options, soften, dilation), preset=chosen.facts)
    return job, way, inputs


def write_made(job: Job, made: Made, say: Callable[[str], None]) -> None:
    """Write a fusion with all that is asked for beside."""
    counts = None if job.counts is None else counts_of(made.inputs, made.label)
    pictures = partial(pictures_of, made.inputs, made.label, made.fusion)
    job.write(made.fusion, made.cut, counts, made.inputs, made.label, made.sidecar, say, pictures)


def way_of(job: Job, method: Method, options: Options, soften: bool, dilation: DilationOptions | None) -> Way:
    """Return how files are fused by a method, with all options checked."""
    options, asked = checked_for(method, options)
    only_shown = job.report is not None and not (soften or dilation or method.grows or method.of_levels)
    growth = growth_of(method, None if only_shown else job.image, soften, dilation)
    place_of([], options.device)  # which refuses a device that is not there
    growth, options, asked = binarized(growth, options, asked)
    return Way(method, options, asked, growth)


def read_for(job: Job, options: Options, say: Callable[[str], None]) -> Inputs:
    """Read all files; the options say what foreground is."""
    foreground = replace(options.foreground, segments=job.segments)
    wanted = Wanted(foreground, job.channel_axis, use=job.placing.use, offers_use=True)
    return job.read(say, options.threads, wanted)


def read_votes(
    options: Options, job: Job, say: Callable[[str], None] = lambda _: None
) -> tuple[Inputs, int | None]:
    """Return all that is read, votes made of values where the core would not, and the label whose voxels are votes."""
    inputs = read_for(job, options, say)
    return inputs, as_votes(options, job, inputs, on_device=False).core_label


@dataclass(frozen=True)
class Ready:
    """Votes that were read, and all that a fusion of them takes beside.

    Attributes
    ----------
    inputs : Inputs
    way : Way
        As asked for; of "auto" that of the method that was taken.
    votes : Votes
        Grown, where masks are to grow before they are fused.
    fusing : Options
        Of these votes; ``way.options`` are those of what was read.
    growth : Growth or None
        How masks grew, or how the consensus is to grow.
    choice : Choice or None
        Of "auto": which method was taken, and why.
    decided : Decided or None
        What a reviewer decided.
    """

    inputs: Inputs
    way: Way
    votes: Votes
    fusing: Options
    growth: Growth | None
    choice: Choice | None
    decided: Decided | None = None

    @property
    def label(self) -> int | None:
        """Of label maps, the label whose voxels are votes."""
        return self.way.options.core_label


def ready_votes(job: Job, way: Way, say: Callable[[str], None], inputs: Inputs | None = None) -> Ready:
    """Read, unless ``inputs`` have been read, and make votes of what was read."""
    from ..images.structures import check_is_mask

    method, options, asked, growth = way.method, way.options, way.asked, way.growth
    place = place_of([], options.device)
    inputs = inputs or read_for(job, options, say)
    of_image = method.of_levels and inputs.image is not None
    in_mm = of_image or (method.estimates and (options.margin_mm is not None or options.mrf))
    options = replace(options, spacing_mm=inputs.grid.spacing_mm if in_mm else None)
    foreground = replace(options.foreground, segments=job.segments)
    options = as_votes(options, job, inputs, on_device=place is not None)
    if growth is not None or method.votes == "binary":
        for image, read, name in zip(inputs.raters, inputs.votes, job.holders, strict=True):
            check_is_mask(image, read, name, foreground)
    a_map = prior_map(job, inputs, options.core_label, options.threads, say)
    options = options if a_map is None else replace(options, prior=a_map)
    votes = Votes(
        inputs.votes, inputs.region, inputs.present or None, axis=0, names=job.holders, files=job.identities, titles=job.titles,
        scaled_by=asked.scale if isinstance(asked.scale, float) else None,
        image=inputs.image if growth is None and method.of_levels else None,
    )  # fmt: skip
    decided = None
    if job.decisions is not None:
        from .review.decided import decided_in

        decided = decided_in(job.decisions, inputs, options.core_label, job.names, job.case)
    if decided is not None:
        votes = replace(votes, decisions=decided.volume)
        inputs.remarks += decided.remarks
    choice = None
    if method.chooses:
        from ..fusion.fit.choice import chosen_for

        choice = chosen_for(votes.listed(), options.checked())
        method, votes = choice.method, choice.votes(votes)
        options, asked = choice.options(options), choice.options(asked)
    way, fusing = replace(way, method=method, options=options, asked=asked), options
    grown = None if growth is None else Growth.of(growth, options, job, inputs)
    if grown is not None and not method.grows:
        say("softening")
        votes, fusing = grown.soften(votes, options, job, inputs)
    return Ready(inputs, way, votes, fusing, grown, choice, decided)


def made_of(
    job: Job,
    way: Way,
    say: Callable[[str], None],
    inputs: Inputs | None = None,
    *,
    alone: bool = False,
    pooled: bool = False,
    fuse: Fuse = fuse_votes,
) -> Made:
    """Read, unless ``inputs`` have been read, and fuse.

    ``alone``: the one structure that is fused, for which there are methods of all kinds. ``fuse``: by EM, or by rates that
    are known; ``pooled``: which are those of many cases.
    """
    read_by = way.options
    ready = ready_votes(job, way, say, inputs)
    inputs, growth, way, label = ready.inputs, ready.growth, ready.way, ready.label
    method, options, asked = way.method, way.options, way.asked
    say("fusing")
    if growth is not None and method.grows:
        fusion, doubts = growth.fuse(ready.votes, ready.fusing, fuse)
    else:
        fusion, doubts = fuse(ready.votes, method, ready.fusing, cut=job.least_marked, ties=job.ties)
    doubts = doubts if growth is None else [*growth.remarks, *doubts]
    remarks = [
        *grouped(inputs.remarks),
        *_doubts(job, inputs, fusion, doubts, label, fit=(alone or pooled) and growth is None, pooled=pooled),
    ]
    cut = cut_of(fusion.probability, job.cut)
    remarks += remarks_on_region(job, inputs, fusion, method, options, growth is not None, cut)
    place = place_of([], options.device)
    where = "cpu" if place is None else f"cuda:{place.device}"
    by_name = {"select_segment": list(job.segments)} if job.segments else {}
    if isinstance(fusion, BorderFusion) and fusion.anchor_from == "votes":
        asked = replace(asked, evidence=False)
    facts = {
        **asked.recorded(method),
        **asked.selection,
        **by_name,
        "device": where,
        "cut": cut,
        **({"label_rule": "dice"} if job.cut == "dice" else {}),
        **({} if job.ties == "foreground" else {"ties": job.ties}),
    }
    marked = marked_voxels(inputs, label, fusion, grown=growth is not None)
    grown = None if growth is None else growth.facts
    sidecar = sidecar_of(fusion, job, inputs, facts, grown, remarks, marked, cut)
    sidecar |= {} if way.preset is None else {"preset": way.preset}
    sidecar |= {} if ready.decided is None else {"decisions": ready.decided.facts}
    if ready.choice is not None:
        sidecar["auto"] = auto_facts(ready.choice)
    again = partial(reads_again, job, partial(read_votes, read_by), marked)
    fusion = with_facts(fusion, job, inputs, sidecar, again, grown=growth is not None)
    return Made(fusion, inputs, sidecar, remarks, cut, label)


def _doubts(
    job: Job, inputs: Inputs, fusion: Fusion, doubts: list[str], label: int | None, *, fit: bool, pooled: bool
) -> list[str]:
    """Return what is doubtful of a fusion, with that of files; ``fit``: of its model, too, ``pooled``: by rates of many cases."""
    of_fit = remarks_on_fit(fusion, pooled=pooled, image=job.image is not None) if fit else []
    return [*doubts, *misfit_remarks(job, inputs, fusion, label), *of_fit]


def read_masks(
    sources: Sources, options: Options, say: Callable[[str], None]
) -> tuple[Inputs, Options, Foreground]:
    """Read raters' masks; return them as votes, the options for these, and what was taken of the files.

    Raises
    ------
    ImageError
        For a network's probability, where a mask is needed.
    """
    from ..images.structures import check_is_mask

    foreground = replace(options.foreground, segments=sources.segments)
    wanted = Wanted(foreground, sources.channel_axis, use=sources.placing.use, offers_use=True)
    inputs = sources.read(say, options.threads, wanted)
    for image, read, name in zip(inputs.raters, inputs.votes, sources.holders, strict=True):
        check_is_mask(image, read, name, foreground)
    return inputs, as_votes(options, sources, inputs, on_device=False), foreground


def as_votes(options: Options, job: Sources, inputs: Inputs, *, on_device: bool) -> Options:
    """Return the options for the votes that were read; make votes of values where the core would not."""
    from ..images.structures import check_one_structure

    if not options.foreground.selects:
        return options
    of_networks = any(image.is_channel for image in inputs.raters)
    maps = [at for at, image in enumerate(inputs.raters) if not image.is_channel]
    inputs.remarks += options.foreground.said_of_each(
        [inputs.votes[at] for at in maps], [job.holders[at] for at in maps], inputs.region
    )
    if options.core_label is not None and not of_networks and not on_device:  # a device takes votes
        return options
    check_one_structure(options.foreground.labels, inputs.raters, job.holders)
    foreground, said = options.foreground.settled(inputs.votes, job.holders, inputs.region)
    inputs.remarks += said
    values = inputs.votes
    looked = inputs.present or [None] * len(values)
    inputs.votes = [
        (foreground.of_channel if image.is_channel else foreground).votes(
            votes, name, inside=within(inputs.region, seen), remarks=inputs.remarks
        )
        for votes, image, name, seen in zip(values, inputs.raters, job.holders, looked, strict=True)
    ]
    if not of_networks:
        inputs.remarks += foreground.said_of_missing(values, inputs.region)
        if not any(votes.any() for votes in inputs.votes):
            inputs.remarks.append(foreground.said_of_nothing(values))
    return options.as_votes
