"""Reads the files of a fusion, fuses them, and writes what comes of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..dilation.options import Dilation
from ..fusion.backends.devices import place_of
from ..fusion.fit.choice import Choice, chosen_for
from ..fusion.fit.remarks import remarks_on_fit
from ..fusion.options import Options
from ..fusion.pipeline import Fuse, fuse_votes
from ..fusion.registry import Method
from ..fusion.result import Fusion, cut_of
from ..fusion.votes import Votes
from ..images.repeats import repeated
from ..images.wanted import Wanted
from ..inputs.foreground import within
from ..inputs.names import grouped, quoted
from .doubts import alike
from .facts import auto_facts, sidecar_of
from .growth import Growth
from .job import Inputs, Job, Sources, marked_voxels
from .misfits import misfit_remarks
from .prior import is_plain, prior_map, word_or_number


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
class Ready:
    """Votes that were read, and all that a fusion of them takes beside.

    Attributes
    ----------
    inputs : Inputs
    votes : Votes
        Grown, where masks are to grow before they are fused.
    options : Options
    label : int or None
        Of label maps, the label whose voxels are votes.
    growth : Growth or None
        How masks grew, or how the consensus is to grow.
    method : Method
        As asked for; of "auto" the one that was taken.
    asked : Options
        As the sidecar keeps them.
    choice : Choice or None
        Of "auto": which method was taken, and why.
    """

    inputs: Inputs
    votes: Votes
    options: Options
    label: int | None
    growth: Growth | None
    method: Method
    asked: Options
    choice: Choice | None


def ready_votes(
    job: Job,
    method: Method,
    options: Options,
    asked: Options,
    growth: Dilation | None,
    say: Callable[[str], None],
) -> Ready:
    """Read, and make votes of what was read; ``asked`` are the options as the sidecar keeps them."""
    from ..images.structures import check_is_mask

    place = place_of([], options.device)
    foreground = replace(options.foreground, segments=job.segments)
    wanted = Wanted(foreground, job.channel_axis, use=job.placing.use, offers_use=True)
    inputs = job.read(say, options.threads, wanted)
    of_image = method.of_levels and inputs.image is not None
    in_mm = of_image or (method.estimates and (options.margin_mm is not None or options.mrf))
    options = replace(options, spacing_mm=inputs.grid.spacing_mm if in_mm else None)
    options = as_votes(options, job, inputs, on_device=place is not None)
    if growth is not None or method.votes == "binary":
        for image, read, name in zip(inputs.raters, inputs.votes, job.holders, strict=True):
            check_is_mask(image, read, name, wanted.foreground)
    a_map = prior_map(job, inputs, options.core_label, options.threads, say)
    options = options if a_map is None else replace(options, prior=a_map)
    votes = Votes(
        inputs.votes, inputs.region, inputs.present or None, axis=0, names=job.holders, titles=job.titles,
        scaled_by=asked.scale if isinstance(asked.scale, float) else None,
        image=inputs.image if growth is None else None,
    )  # fmt: skip
    choice = None
    if method.chooses:
        choice = chosen_for(votes.listed(), options.checked())
        method, votes = choice.method, choice.votes(votes)
        options, asked = choice.options(options), choice.options(asked)
    label = options.core_label
    grown = None if growth is None else Growth.of(growth, options, job, inputs)
    if grown is not None and not method.grows:
        say("softening")
        votes, options = grown.soften(votes, options, job, inputs)
    return Ready(inputs, votes, options, label, grown, method, asked, choice)


def made_of(
    job: Job,
    method: Method,
    options: Options,
    asked: Options,
    growth: Dilation | None,
    say: Callable[[str], None],
    fuse: Fuse = fuse_votes,
    *,
    alone: bool = False,
) -> Made:
    """Read and fuse; ``asked`` are the options as the sidecar keeps them.

    ``alone``: the one structure that is fused, for which there are methods of all kinds.
    """
    place = place_of([], options.device)
    ready = ready_votes(job, method, options, asked, growth, say)
    inputs, options, label = ready.inputs, ready.options, ready.label
    method, asked = ready.method, ready.asked
    say("fusing")
    if method.grows and ready.growth is not None:
        fusion, doubts = ready.growth.fuse(ready.votes, options, fuse)
    else:
        fusion, doubts = fuse(ready.votes, method, options, cut=job.least_marked, ties=job.ties)
    grown = None if ready.growth is None else ready.growth.facts
    doubts = doubts if ready.growth is None else [*ready.growth.remarks, *doubts]
    copies = alike(job.raters, job.holders, inputs.votes, fusion.volume.tolist())
    remarks = [
        *grouped(inputs.remarks),
        *copies,
        *doubts,
        *misfit_remarks(job, inputs, fusion, label),
        *(
            remarks_on_fit(fusion)
            if alone and growth is None and not (copies or repeated(job.raters))
            else []
        ),
    ]
    where = "cpu" if place is None else f"cuda:{place.device}"
    by_name = {"select_segment": list(job.segments)} if job.segments else {}
    cut = cut_of(fusion.probability, job.cut)
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
    sidecar = sidecar_of(fusion, job, inputs, facts, grown, remarks, marked, cut)
    if ready.choice is not None:
        sidecar["auto"] = auto_facts(ready.choice)
    return Made(fusion, inputs, sidecar, remarks, cut, label)


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
