"""The report of an agreement: coefficients, each two raters, and slices of where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ..agreement import COEFFICIENTS
from ..citing import AGREEMENT, Cited, cited_for
from ..names import numbered, numbers_of
from ..numbers import millilitres, plural, rate
from ..words.methods import cited
from ..words.region import whole_in_short, whole_of
from . import tables
from .charts import pairs_chart
from .page import File
from .scan import Pictures
from .sections import Content, places_section, section
from .terms import AGREEMENT_TERMS
from .view import view_of

Facts = Mapping[str, Any]


def agreement_page(facts: Facts, pictures: Pictures, files: Sequence[File], source: str) -> bytes:
    """Return the page of an agreement; ``facts`` is the content of its JSON."""
    names = [one["name"] for one in facts["raters"]]
    view = view_of(pictures, names, [], 0.5, "share of raters")
    raters = plural(len(names), "rater")
    return Content(
        heading=f"Agreement of {raters}",
        about="How far raters agree, and where they do not.",
        version=facts["fastfuse"],
        source=source,
        remarks=facts["warnings"],
        view=view,
        tiles=[
            ("raters", str(len(names))),
            ("mean Dice of two raters", rate(facts["mean_dice"])),
            ("conformity", rate(facts["conformity"])),
            ("kappa of the region", rate(facts["region"]["fleiss_kappa"])),
        ],
        sections=[
            section("coefficients", "Coefficients", [_coefficients(facts)], text=RISE),
            _pairs(facts["dice"], [one["name"] for one in facts["raters"]]),
            section("sizes", "What each marks", [_sizes(facts)]),
            *places_section(view),
        ],
        made=[
            tables.pairs_of(
                "Options.",
                {
                    "fastfuse": facts["fastfuse"],
                    **{what: facts[what] for what in ("mask", "image") if what in facts},
                    **facts["options"],
                },
            )
        ],
        files=files,
        works=(works := cited_for(AGREEMENT, facts["fastfuse"])),
        citation=_computed(works, facts, raters),
        terms=AGREEMENT_TERMS,
    ).page()


def _computed(works: Sequence[Cited], facts: Facts, raters: str) -> str:
    """Return what was done, for the methods of a paper."""
    one, other = (
        f"{plural(facts[what]['voxels'], 'voxel')} {where}"
        for what, where in zip(("everywhere", "region"), _regions(facts), strict=True)
    )
    kappa, alpha, ac1, conformity = (cited(works, subject) for subject in AGREEMENT)
    return (
        f"The agreement of {raters} was computed by fastfuse {facts['fastfuse']}: Fleiss' kappa{kappa}, Krippendorff's "
        f"alpha{alpha} and Gwet's AC1{ac1} over {one} and {other}; the Dice of each two, and generalised "
        f"conformity{conformity}."
    )


def _regions(facts: Facts) -> tuple[str, str]:
    """Return where the voxels lie of which coefficients are."""
    margin, mask = facts["options"]["roi"], facts["mask"]
    whole = f"of {whole_of(facts['grid'])}" if mask is None else f"inside {Path(mask).name}"
    return whole, "marked by anybody" if margin is None else f"within {margin:g} mm of marks"


RISE = "All three coefficients rise with the background around, AC1 up to 1: compare them over one kind of region only."


def _coefficients(facts: Facts) -> tables.Table:
    margin = facts["options"]["roi"]
    whole = whole_in_short(facts["grid"]) if facts["mask"] is None else "inside the mask"
    region = "marked by anybody" if margin is None else f"within {margin:g} mm of marks"
    pair = facts["everywhere"], facts["region"]
    rows = [[title, *(rate(one[name]) for one in pair)] for name, title in COEFFICIENTS.items()]
    rows.append(["voxels", *(f"{one['voxels']:,}" for one in pair)])
    columns = [("agreement", tables.TEXT), (whole, tables.NUMBER), (region, tables.NUMBER)]
    return tables.table("Agreement beyond chance.", columns, rows)


def _pairs(dice: Sequence[Sequence[float | None]], names: Sequence[str]) -> dict[str, Any]:
    """Return the Dice of each two raters as a chart and a table."""
    numbers = numbers_of(names)
    chart = pairs_chart(dice, "Dice of each two raters; the bluer, the higher.", numbers)
    return section("agreement", "Agreement of each two raters", tables.pairs_tables(dice, numbers), chart)


def _sizes(facts: Facts) -> tables.Table:
    middle = median(one["marked_ml"] for one in facts["raters"])
    rows = [
        [
            number,
            one["name"],
            millilitres(one["marked_ml"]),
            f"× {one['marked_ml'] / middle:.2f}" if middle else "",
        ]
        for number, one in numbered(facts["raters"])
    ]
    columns = [("#", tables.NUMBER), ("rater", tables.WRAP), ("marked (ml)", tables.NUMBER)]
    columns += [("times the median", tables.NUMBER)]
    return tables.table("What each rater marks.", columns, rows, head=1)
