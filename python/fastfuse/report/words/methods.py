"""What was done, as sentences for the methods of a paper: with what it was set to, and each reference beside what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...inputs.names import enumerated
from ..citing import Cited
from ..numbers import plural, significant, small
from .region import IN_MEMORY, has_soft_votes, region_of
from .votes import grown, placed_on, votes_of

Facts = Mapping[str, Any]
CALLED = {
    "staple": "STAPLE",
    "soft-staple": "soft-STAPLE",
    "simplified-soft-staple": "simplified soft-STAPLE",
    "dilated-staple": "dilated STAPLE",
    "border-staple": "border-STAPLE",
    "majority": "a majority vote",
}
OF_METHODS = (*CALLED, "label-maps", "three-classes")  # subjects that are the method itself
SAMPLED = {
    "bootstrap": "voxels",
    "lesions": "lesions, the regions of what anybody marks that touch by faces, edges or corners",
}


def sentences_of(works: Sequence[Cited], facts: Facts) -> str:
    """Return what was done in a fusion; ``facts``: its sidecar's content, ``works``: what it cites."""
    told = (
        _fused(works, facts),
        *votes_of(facts["options"]),
        *placed_on(facts.get("grid", {})),
        *_region(facts),
        *_model(works, facts),
        *_steps(works, facts),
        *_after(works, facts),
    )
    return " ".join(told)  # fmt: skip


def sentences_of_cohort(works: Sequence[Cited], facts: Facts, asked: Facts, raters: int) -> str:
    """Return what was done in a cohort; ``facts``: cohort.json's content, ``asked``: method and options as in a sidecar."""
    estimate, options = facts["estimate"] or {}, asked["options"]
    of = f"The segmentations of {plural(facts['cases'], 'case')} by {plural(raters, 'rater')}"
    of_all = {**asked, **estimate}
    told = [_fused(works, of_all, of), *votes_of(options), *placed_on(asked.get("grid", {}))]
    told += [_region_of_cases(facts, options.get("roi", "all")), *rates_over_cases(facts)]
    told += [*_model(works, of_all), *_steps(works, of_all), *_mask(works, of_all)]
    return " ".join(told)


def _region_of_cases(facts: Facts, roi: Any) -> str:
    cases = facts.get("inputs", {}).values()
    masked = [any(one["what"] == "mask" for one in files) for files in cases]
    parts = ["inside the case's mask" if all(masked) else "inside the mask where a case has one"] * any(
        masked
    )
    parts += [] if roi == "all" else [region_of(None, roi, {})]
    return f"Fused were the voxels {', '.join(parts)}." if parts else "Fused were all voxels."


def rates_over_cases(facts: Facts) -> Iterator[str]:
    """Yield what the raters' rates of a cohort are, and their intervals; ``facts``: cohort.json's content."""
    if not facts["raters"]:
        return
    if "majority" in (facts.get("method"), facts.get("settings", {}).get("method")):
        yield "Rates are against the majority of all cases."
    elif facts.get("estimate"):
        yield "All cases share the rates of a rater."
    else:
        yield "Rates are means over the cases in which they are defined, each fused by itself."
    if any(None not in (one.get("sensitivity_95") or [None]) for one in facts["raters"]):
        options = {**(facts.get("options") or {}), **facts.get("settings", {}).get("options", {})}
        drawn = f"{options['replicates']:,} " if "replicates" in options else ""
        seed = f", with seed {options['seed']}" if "seed" in options else ""
        yield f"95 % intervals are percentiles of {drawn}bootstrap samples of cases{seed}."


def cited(works: Sequence[Cited], *subjects: str) -> str:
    """Return the works for something, in parentheses; nothing where there are none."""
    called = [work.reference.called for work in works[1:] if {*subjects} & {*work.subjects}]
    return f" ({'; '.join(called)})" if called else ""


def _fused(works: Sequence[Cited], facts: Facts, what: str = "") -> str:
    what = what or f"The segmentations of {plural(len(facts['raters']), 'rater')}"
    method = CALLED.get(facts["method"], facts["method"])
    kind = " for label maps" if "labels" in facts and facts["method"] != "majority" else ""
    by = cited(works, *OF_METHODS)
    weights = facts["options"].get("weights")
    kind += f", with the weights {', '.join(f'{one:g}' for one in weights)}" if weights else ""
    return f"{what} were fused by {method}{kind}{by}, as implemented in fastfuse {facts['fastfuse']}."


def _region(facts: Facts) -> Iterator[str]:
    if "region" not in facts:
        return
    region, roi = facts["region"], facts["options"].get("roi", "all")
    where = region_of(region["mask"], roi, facts.get("grid", {}), soft=has_soft_votes(facts["raters"]))
    yield f"Fused were {plural(region['voxels'], 'voxel')}: {where}."


def _model(works: Sequence[Cited], facts: Facts) -> Iterator[str]:
    """Yield what was grown first, and what the model takes as given."""
    options = facts["options"]
    if "auto" in facts:
        yield f"The model was chosen by the Bayesian information criterion{cited(works, 'auto')}."
    # Of dilated STAPLE the method's own reference has it.
    yield from grown(facts.get("dilation"), cited(works, "soften"))
    if "labels" in facts:
        yield from _labels(facts)
    if options.get("classes") == 3:
        yield "A third class is that of borders."
    if "m_step" in options:
        yield f"The M-step is {'that of the paper' if options['m_step'] == 'paper' else 'the true maximiser'}."
    if options.get("likelihood") == "log_linear":
        yield "Votes weigh log-odds."
    anchor = facts.get("anchor")
    if anchor and anchor["level"] is not None:
        image = anchor.get("image")
        of_image = "the image" if image in (None, IN_MEMORY) else Path(image).name
        told = f"half maximum on {of_image}" if anchor.get("from") == "image" else "the votes"
        yield f"The border is told by {told}."
    if options.get("evidence"):
        yield "Intensities of the image count beside the votes."
    if options.get("mrf"):
        yield f"Neighbouring voxels are coupled by a Markov random field of strength {options['mrf']:g}, by mean field."
    prior = options.get("performance_prior")
    if prior not in (None, "none", "auto"):
        kind = "Dirichlet prior" if "labels" in facts else "Beta prior"
        yield f"The rates have a {kind}{_numbers(prior)}{cited(works, 'performance-prior')}."
    if facts.get("present") or options.get("missing", "error") != "error":
        yield "What a rater did not read is no vote of theirs."
    yield from _prior(facts)


def _numbers(prior: Any) -> str:
    """Return a prior's numbers: of rates a pair, or one for each of sensitivity and specificity."""
    if not isinstance(prior, list | tuple):
        return ""
    if all(isinstance(one, list | tuple) for one in prior):
        one, *others = (_numbers(pair) for pair in prior)
        return f"{one} of sensitivity, and{others[0]} of specificity" if others and others[0] != one else one
    return f" ({', '.join(f'{one:.4g}' for one in prior)})"


def _labels(facts: Facts) -> Iterator[str]:
    """Yield what the model of label maps takes a vote for, and what each rater knows."""
    options = facts["options"]
    candidates, knows = options.get("candidates"), dict(options.get("knows") or {})
    names = [one["name"] for one in facts.get("raters", ())] if knows else []
    are_two = isinstance(facts["labels"], list) and len(facts["labels"]) == 2  # both may be true by default
    if candidates == "voted":
        yield "The label of a voxel is one that somebody votes there."
    elif candidates == "all" and not are_two:
        yield "The label of a voxel may be any."
    if options.get("confusion") == "class":
        yield "A rater has one sensitivity for each label."
    for rater, labels in knows.items():
        name = names[int(rater)] if rater.isdecimal() and names and rater not in names else rater
        yield f"{name} knows {plural(len(labels), 'label')} alone: {enumerated([str(one) for one in labels])}."


def _prior(facts: Facts) -> Iterator[str]:
    prior, found = facts["options"].get("prior"), facts.get("prior")
    if prior is None or facts["method"] == "majority":
        return
    value = f", {small(found)}" if isinstance(found, float) else ""
    if "labels" in facts:
        value = ""
    what = "of foreground " if "labels" not in facts else ""
    if prior == "mean":
        yield f"The prior {what}is the mean vote{value}."
    elif prior == "estimate":
        yield f"The prior {what}is estimated{value}."
    elif isinstance(prior, float | int):
        yield f"The prior {what}was set to {prior:g}."
    else:
        yield f"The prior {what}was given ({', '.join(map(str, prior)) if isinstance(prior, list) else prior})."


def _steps(works: Sequence[Cited], facts: Facts) -> Iterator[str]:
    """Yield how EM went."""
    options = facts["options"]
    if facts["method"] == "majority" or not facts.get("n_iter"):
        return
    quick = {"squarem": " with SQUAREM", "sample": " that began on a sample of the voxels"}
    how = quick.get(options.get("acceleration", ""), "")
    how += cited(works, "squarem") + _start(options.get("init"))
    many = plural(facts["n_iter"], "iteration")
    if not facts["converged"]:
        yield f"EM{how} was stopped after {many}, before it converged."
        return
    what = "voxel's probability" if facts["method"] == "border-staple" else "rate"
    moved = f": no {what} moved by more than {significant(options['tol'], 2)}" if "tol" in options else ""
    yield f"EM{how} converged after {many}{moved}."


def _start(init: Any) -> str:
    """Return where EM began, if not at the mean vote."""
    if isinstance(init, int | float):
        return f" that began with every rate at {init:g}"
    return {"plurality": " that began with the label of most votes", "itk": " that began as ITK's does"}.get(
        init, ""
    )


def _mask(works: Sequence[Cited], facts: Facts) -> Iterator[str]:
    """Yield which probabilities the mask holds."""
    options = facts["options"]
    if "cut" not in options or "labels" in facts:
        return
    cut, reach = options["cut"], "above" if options.get("ties") == "background" else "of at least"
    found = options.get("label_rule") == "dice"
    why = f"the cut of the highest expected Dice{cited(works, 'dice-cut')}" * found
    told = [*([] if cut is None else [f"{cut:.3g}"]), *[why] * found]  # of many cases each has its own cut
    yield f"The mask holds probabilities {reach} {', '.join(told)}."


def _after(works: Sequence[Cited], facts: Facts) -> Iterator[str]:
    """Yield what the mask is, what was decided, and the intervals."""
    options = facts["options"]
    yield from _mask(works, facts)
    if options.get("undecided") is not None:
        yield f"Voxels whose labels are tied have label {options['undecided']}."
    voxels = facts.get("decisions", {}).get("voxels")
    if isinstance(voxels, Mapping) and {"foreground", "background"} <= voxels.keys():
        yield f"By a reviewer's decisions {voxels['foreground']:,} voxels are foreground and {voxels['background']:,} background."
    kind, of = options.get("intervals", "none"), "95 % intervals of sensitivity and specificity"
    if kind == "information":
        yield f"{of} are from the observed information{cited(works, 'information')}, which takes voxels for independent."
    elif kind in SAMPLED:
        drawn = f"{options['replicates']:,} bootstrap samples{cited(works, 'bootstrap')}"
        of = "95 % intervals of sensitivity" if "labels" in facts else of
        yield f"{of} are percentiles of {drawn} of {SAMPLED[kind]}; the seed is {options['seed']}."
