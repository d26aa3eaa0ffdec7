"""A remark where the model that was used does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .misfit import LEAST_VOXELS, farthest, surely_fits, worst_of
from .result import BORDER, CLASSES, FIXED, STAPLE, Fit
from .rows import is_soft
from .source import FEW_STEPS, Source, fits_of

if TYPE_CHECKING:
    from ..estimate import Estimate
    from ..result import Fusion

MISFIT = "the model does not fit"
REMEDIES = {
    STAPLE: "fuse(method='staple', prior='estimate') (--method staple --prior estimate)",
    CLASSES: "fuse(method='staple', classes=3) (--method staple --classes 3)",
    BORDER: "fuse(method='border-staple') (--method border-staple)",
}
WITHOUT_COPIES = "without the copies STAPLE with its prior estimated fits: leave them out, prior='estimate'"


def remarks_on_fit(fusion: Fusion | Estimate, *, pooled: bool = False, image: bool = False) -> list[str]:
    """Say where the model that was used expects less than half of what there is, or more than twice.

    A number of marks counts where voxels that are there, or are expected, are at least 100 and 1 % of those that anybody marks: of
    independent voxels, chance would not double or halve a hundred in 10^8 fusions. Of masks alone: what soft votes expect
    depends on the M-step. Of raters who are given twice it is tested whether the model fits those who differ, of whom it
    expects that a copy marks where its original does.
    ``pooled``: the rates are those of many cases. ``image``: one is given, though the method may take none.
    """
    source = fusion._votes
    if not isinstance(source, Source) or surely_fits(source):
        return []
    if is_soft(source.patterns).any() or source.model is None:
        return []
    if source.rows is None or source.rows.distinct < 3:
        return []
    if source.rows.marked < LEAST_VOXELS or source.expected is None:
        return []
    at = worst_of(source)
    if at is None:
        return []
    there, wanted = source.rows.observed[at], source.expected[at]
    what = f"{'nobody' if at == 0 else f'{at} of {source.rows.voters} raters'} mark{'s' if at < 2 else ''}"
    once = " (copies counted once)" if source.rows.copies.any() else ""
    model = f"{_model(source.name)}{', by the rates that the cases share,' if pooled else ''}"
    advice = (
        WITHOUT_COPIES
        if _fits_without_copies(source)
        else _of_one_case(source, image=image)
        if pooled
        else _advice(source, image=image)
    )
    return [
        f"{MISFIT}: {what} {there:,.0f} voxels, and {model} expects {wanted:,.0f}{once}; {advice}",
    ]


def _advice(source: Source, *, image: bool) -> str:
    """Say which model fits better, and how to take it."""
    fit = source.compared
    if fit is None or fit.used is None or fit.best in (None, fit.used):
        return "none of the models here fits better: look at the raters (.fit of the fusion)"
    best = str(fit.best)
    gain = fit.price(fit.used) - fit.price(best)
    same = best == STAPLE and fit.used not in (BORDER, CLASSES)
    remedy = "prior='estimate'" if same else _remedy(best, source, image=image)
    return f"{_model(best)} fits better, by {gain:.2g} nats a marked voxel: {remedy}"


def _of_one_case(source: Source, *, image: bool) -> str:
    """Say, of a case by rates of many, whether its own rates are others, or another model would fit better."""
    rows, used = source.rows, source.used
    assert rows is not None
    assert used is not None
    fits = fits_of(rows, (STAPLE, source.rival), threads=source.threads, most_steps=FEW_STEPS)
    fit = Fit(rows.observed, {"shared": used, **fits}, None, rows.marked, rows.distinct)
    best = str(fit.best)
    same = best in (STAPLE, source.name)  # which was used, by other rates
    if same and farthest(rows.observed, fits[best].expected, rows.marked) is None:
        return f"by itself {_model(best)} fits this case: the raters' rates are others here"
    if same or best == "shared":
        return "none of the models here fits it: look at the raters"
    gain = fit.price("shared") - fit.price(best)
    return f"{_model(best)} fits this case better, by {gain:.2g} nats a marked voxel: {_remedy(best, source, image=image)}"


def _fits_without_copies(source: Source) -> bool:
    """Tell whether STAPLE fits the raters who differ, where it took copies of them for raters."""
    rows = source.rows
    if rows is None or source.name in (CLASSES, BORDER) or not rows.copies.any():
        return False
    alone = fits_of(rows, (STAPLE,), threads=source.threads, most_steps=FEW_STEPS).get(STAPLE)
    return alone is not None and farthest(rows.observed, alone.expected, rows.marked) is None


def _remedy(best: str, source: Source, *, image: bool) -> str:
    """Say how to take a model, without options that are set and that it refuses; never by the method that is used."""
    remedy = REMEDIES[best] + _without(source.refused.get(best, ()))
    if best != CLASSES or source.name == BORDER:
        return remedy
    for_image = (*source.refused.get(BORDER, ()), *source.refused.get("image", ()))
    given = "" if image else "with an image "
    return f"{remedy}, or {given}method='border-staple'{_without(for_image)}"


def _without(options: Sequence[str]) -> str:
    return f", without {' and '.join(options)}" if options else ""


def _model(name: str) -> str:
    if name == f"{STAPLE}, {FIXED}":
        return "STAPLE with this prior"
    return {
        STAPLE: "STAPLE with its prior estimated",
        CLASSES: "STAPLE with three classes",
        BORDER: "border-STAPLE",
    }.get(name, name)
