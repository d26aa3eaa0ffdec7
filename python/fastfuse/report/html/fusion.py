"""The report of a fusion: what its sidecar says, and slices of its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..citing import as_bibtex, cited_in
from ..fit import nats_line, price_line
from ..names import numbers_of
from ..numbers import millilitres, number, plural, significant, small
from ..words.fit import OF_AXIS, bars_are, model_called
from ..words.methods import sentences_of
from ..words.region import has_soft_votes, region_of
from . import tables
from .charts import fit_chart, line_chart, pairs_chart, rates_chart
from .decided import decisions_part
from .labels import labels_context
from .page import File, page_bytes
from .scan import Pictures, Volume
from .terms import BORDER_TERMS, OF_MASKS, SATURATED, TERMS, Terms, rates_are
from .view import view_of

Facts = Mapping[str, Any]


def fusion_page(facts: Facts, pictures: Pictures, files: Sequence[File], source: str) -> bytes:
    """Return the page of a fusion; ``facts`` is its sidecar's content, and ``source`` that file's name."""
    of_labels = "labels" in facts
    names = [one["name"] for one in facts["raters"]]
    labels = [
        {"value": one["label"], "name": one["name"], **({"color": one["color"]} if "color" in one else {})}
        for one in facts.get("labels", ())
    ]
    if of_labels:
        labels = _with_undecided(labels, facts)
    cut = 0.5 if of_labels else facts["options"]["cut"]
    view = view_of(pictures, names, labels, cut)
    works = cited_in(facts)
    version = facts["fastfuse"]
    context = {
        "title": f"fastfuse: {facts['method']} of {plural(len(names), 'rater')}",
        "heading": f"Consensus of {plural(len(names), 'rater')}",
        "about": f"{facts['outputs']['consensus']}, by {facts['method']}.",
        "version": version,
        "source": source,
        "remarks": facts["warnings"],
        "view": view,
        "places": tables.places_table(view),
        **_context(facts, pictures),
        "convergence": _convergence(facts),
        "options": tables.pairs_of("Options, as the sidecar has them.", _options(facts)),
        "grid": tables.pairs_of("Grid and region.", _grid(facts), ("of the files", "value")),
        "files": tables.files_table(files),
        "works": works,
        "citation": sentences_of(works, facts),
        "bibtex": as_bibtex(works),
        "terms": _terms(facts),
    }
    return page_bytes("fusion.html", context, viewer=bool(view["packed"]))


def _terms(facts: Facts) -> Terms:
    """Return the terms of what the page shows."""
    absent = {*(OF_MASKS if "labels" in facts else ())}
    if not (facts.get("fit") and facts["fit"]["models"]):
        absent.add("Fit")
    if not any(nats_line(dict(facts))):
        absent.add("Nats")
    of = facts["options"], facts["method"]
    more = {name: rates_are(*of, labels="labels" in facts) for name in ("Sensitivity", "Specificity")}
    if len(facts["raters"]) <= 3:
        more["Fit"] = SATURATED
    more["Nats"] = " ".join(price_line(dict(facts)))
    own = tuple(
        (name, f"{said} {more[name]}" if more.get(name) else said)
        for name, said in TERMS
        if name not in absent
    )
    return (*own, *BORDER_TERMS) if facts.get("anchor") else own


def _context(facts: Facts, pictures: Pictures) -> dict[str, Any]:
    """Return what a page says of masks, or of label maps."""
    if "labels" not in facts:
        return _masks_context(facts, pictures)
    found = labels_context(facts)
    return {**found, "parts": [*decisions_part(facts, placed=pictures.placed), *found["parts"]]}


def _with_undecided(labels: list[dict[str, Any]], facts: Facts) -> list[dict[str, Any]]:
    """Return the labels that a map may hold: with that of ties, and with 0, which lies outside the mask."""
    held = {one["value"] for one in labels}
    tied = facts.get("undecided")
    more = [{"value": tied["label"], "name": "undecided"}] if tied else []
    more += [] if 0 in held else [{"value": 0, "name": "0"}]
    return sorted([*labels, *more], key=lambda one: one["value"])


def _masks_context(facts: Facts, pictures: Pictures) -> dict[str, Any]:
    names = [one["name"] for one in facts["raters"]]
    dice = overlaps(pictures.raters, pictures.looked)
    of_masks = _with_consensus(facts, pictures)
    fit = facts.get("fit")
    has_intervals = facts["options"].get("intervals", "none") != "none"
    ellipses = " Ellipses reach as far as the 95 % intervals." if has_intervals else ""
    text = f"Numbers are those of the table of raters.{ellipses} Upper right is best."
    return {
        "tiles": [*_tiles(facts, dice), *_decided_tile(facts)],
        "rater_tables": [tables.raters_table(facts, of_masks, unread=_unread(facts, pictures))],
        "rates": rates_chart(facts["raters"], text),
        "parts": decisions_part(facts, placed=pictures.placed),
        "agreement": None if len(names) < 2 else _agreement(dice, facts, pictures),
        "fit": _fit(fit) if fit and fit["models"] else None,
    }


def _tiles(facts: Facts, dice: Sequence[Sequence[float | None]]) -> list[tuple[str, str]]:
    pairs = [value for i, row in enumerate(dice) for value in row[i + 1 :] if value is not None]
    mean = [("mean Dice of two raters", f"{sum(pairs) / len(pairs):.3f}")] if pairs else []
    return [
        ("consensus", f"{millilitres(facts['foreground']['ml'])} ml"),
        ("expected volume", f"{millilitres(facts['probability']['ml'])} ml"),
        ("raters", str(len(facts["raters"]))),
        *mean,
        ("prior", small(facts["prior"])),
        ("voxels that count", f"{facts['region']['voxels']:,}"),
        ("EM", ending(facts)),
    ]


def _decided_tile(facts: Facts) -> list[tuple[str, str]]:
    lesions = facts.get("decisions", {}).get("lesions")
    return [("decided", plural(len(lesions), "lesion"))] if lesions else []


def ending(facts: Facts) -> str:
    """Return how EM ended."""
    if facts["method"] == "majority":
        return "no iterations"
    return f"{plural(facts['n_iter'], 'iteration')}{'' if facts['converged'] else ', not converged'}"


def overlaps(raters: Sequence[Volume], looked: Sequence[Volume] = ()) -> list[list[float | None]]:
    """Return the Dice of each two masks, where both raters looked; None where both are empty there."""
    if not raters:
        return []
    anywhere = np.zeros(raters[0].shape, bool)
    for one in raters:
        anywhere |= one != 0
    marks = [one[anywhere] != 0 for one in raters]
    seen = [one[anywhere] for one in looked] or [np.ones(marks[0].shape, bool)] * len(marks)
    found: list[list[float | None]] = [[None] * len(marks) for _ in marks]
    for i, one in enumerate(marks):
        for j, other in enumerate(marks[: i + 1]):
            whole = int(np.count_nonzero(one & seen[j])) + int(np.count_nonzero(other & seen[i]))
            value = 2 * int(np.count_nonzero(one & other)) / whole if whole else None
            found[i][j] = found[j][i] = value
    return found


def _with_consensus(facts: Facts, pictures: Pictures) -> list[float | None]:
    """Return the Dice of each rater's mask with the consensus's, which is that of ``--save-label``, where they looked; None where both are empty.

    Nothing is returned where the pictures show more than what was fused, as of a fusion whose mask is no longer in memory.
    """
    sizes = [int(np.count_nonzero(one)) for one in pictures.raters]
    if sizes != [one["marked_voxels"] for one in facts["raters"]]:
        return []
    cut, above = float(facts["options"]["cut"]), facts["options"].get("ties") == "background"
    mask = pictures.consensus > cut if above else pictures.consensus >= cut
    held = [int(np.count_nonzero(mask & one)) for one in pictures.looked]
    held = held or [int(np.count_nonzero(mask))] * len(sizes)
    shared = [int(np.count_nonzero(mask & (one != 0))) for one in pictures.raters]
    return [
        2 * both / (own + size) if own + size else None
        for both, own, size in zip(shared, held, sizes, strict=True)
    ]


def _unread(facts: Facts, pictures: Pictures) -> str:
    """Return what is said of voxels that a rater did not read; in memory these may be known no more."""
    if pictures.looked:
        return "All is over the voxels that a rater read."
    return "What a rater did not read counts as unmarked." if tables.reads_partly(facts) else ""


def _agreement(dice: Sequence[Sequence[float | None]], facts: Facts, pictures: Pictures) -> dict[str, Any]:
    said = "Where both read." if pictures.looked else _unread(facts, pictures)
    text = f"Dice of each two raters, as they marked; the bluer, the higher.{f' {said}' if said else ''}"
    numbers = numbers_of([one["name"] for one in facts["raters"]])
    return {
        "title": "Agreement of each two raters",
        "chart": pairs_chart(dice, text, numbers),
        "tables": tables.pairs_tables(dice, numbers),
    }


def _fit(fit: Facts) -> dict[str, Any]:
    models = {model_called(name): one["expected"] for name, one in fit["models"].items()}
    text = f"{bars_are(soft=fit.get('soft', False))}; markers are what each model expects, by the rates that it was fitted with. {OF_AXIS}"
    return {"chart": fit_chart(fit["observed"], models, text), "table": tables.fit_table(fit)}


def _convergence(facts: Facts) -> dict[str, Any] | None:
    """Return what EM climbs after each iteration, as far as it is written, and in words what it is and why it may fall."""
    likelihood = facts["log_likelihood"]
    if len(likelihood) < 2:
        return None
    belief = facts.get("log_prior", [0.0] * len(likelihood))
    penalised = any(belief)
    values = [one + other for one, other in zip(likelihood, belief, strict=True)]
    what = "Log-likelihood of the votes"
    if penalised and facts["options"].get("performance_prior"):
        what += " plus the log-density of the rates under the performance prior (performance_prior),"
    if penalised and "decisions" in facts:
        what += " plus the log-likelihood of the votes on decided voxels,"
    text = " ".join(
        [
            f"{what} after each iteration, against the last. EM: {ending(facts)}.",
            *_falls(facts, penalised=penalised),
        ]
    )
    names = ("iteration", "nats to the last")
    chart = line_chart([one - values[-1] for one in values], "Convergence", text, names)
    columns = {"log-likelihood (nats)": likelihood}
    added = (
        "votes on decided voxels, and log-density of the rates"
        if "decisions" in facts
        else "log-density of the rates"
    )
    columns |= {added: belief, "both": values} if penalised else {}
    picked = sorted({1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, len(values)})
    rows = [[str(k), *(f"{one[k - 1]:,.4f}" for one in columns.values())] for k in picked if k <= len(values)]
    titles = [("iteration", tables.NUMBER), *((title, tables.NUMBER) for title in columns)]
    return {"chart": chart, "table": tables.table("After some iterations.", titles, rows)}


def _falls(facts: Facts, *, penalised: bool) -> Iterator[str]:
    """Yield why what is drawn may fall, although EM does what it should."""
    options = facts["options"]
    beside = []
    if options.get("performance_prior") and not penalised:
        beside.append("the log-density of the rates under the performance prior")
    if "decisions" in facts and not penalised:
        beside.append("the log-likelihood of the votes on decided voxels")
    if beside:
        what = "the sum" if penalised else "this"
        yield f"EM climbs {what} plus {' plus '.join(beside)}, which is not drawn: the line may fall."
    elif penalised:
        yield "EM climbs the sum; the log-likelihood alone may fall."
    if options.get("mrf"):
        yield "The random field (mrf) is approximated by a mean field, by which the line may fall."
    if options.get("m_step") == "paper":
        yield "On soft votes the paper’s M-step need not climb: the line may fall, and by m_step=em does not."
    if facts["method"].startswith("border"):
        yield "The shares of the levels are smoothed in each step, by which the line may fall by a nat or two."


def _options(facts: Facts) -> dict[str, Any]:
    preset = facts.get("preset")
    auto = facts.get("auto")
    return {
        "fastfuse": facts["fastfuse"],
        "method": facts["method"],
        **({"preset": preset["name"], "set by the preset": preset["set"]} if preset else {}),
        **({"auto took": f"{auto['took']}: {auto['said']}"} if auto else {}),
        **facts["options"],
        **({"dilation": facts["dilation"]["options"]} if "dilation" in facts else {}),
    }


def _grid(facts: Facts) -> dict[str, Any]:
    grid, region = facts["grid"], facts["region"]
    affine = np.array(grid["affine"])
    soft = has_soft_votes(facts["raters"])
    where = region_of(region["mask"], facts["options"].get("roi", "all"), grid, soft=soft)
    return {
        "shape": " × ".join(map(str, grid["shape"])),
        "voxel (mm)": " × ".join(number(one) for one in np.linalg.norm(affine[:3, :3], axis=0)),
        "voxel (ml)": significant(facts["voxel_ml"], 6),
        "grid of": grid["file"] or "a box that holds all files",
        **({"placed": grid["placed"]} if "placed" in grid else {}),
        "mask": region["mask"] or "none",
        "voxels that count": f"{region['voxels']:,} ({where})",
    }
