"""A remark where the model that was used does not fit; none where it does."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.fusion.fit.remarks import remarks_on_fit

from ..border.draws import SPACING, Drawn, contours
from .draws import flips

SHIFTS = [0.6, 0.3, 0.0, -0.2, 0.1, -0.5, 0.4]


def said(work: Any) -> list[str]:
    """Return the remarks on the fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work()
    return [str(one.message) for one in caught if "the model does not fit" in str(one.message)]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return contours(SHIFTS, shape=(80, 80, 40))


def fuse(drawn: Drawn, raters: int, method: str, **options: Any) -> Any:
    options = {"mask": drawn.brain, "spacing_mm": SPACING, "roi": 4.0, **options}
    return getattr(fastfuse, method)(drawn.masks[:raters], **options)


@pytest.mark.parametrize("method", ["staple", "soft_staple", "simplified_soft_staple"])
def test_contours_do_not_fit_staple(method: str, drawn: Drawn) -> None:
    told = said(lambda: fuse(drawn, 7, method))
    assert len(told) == 1
    found = re.search(
        r"(\d) of 7 raters marks? ([\d,]+) voxels, and .* expects ([\d,]+); STAPLE with three", told[0]
    )
    assert found is not None
    assert "fuse(method='staple', classes=3), or with an image method='border-staple'" in told[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fuse(drawn, 7, method).fit
    marks, there, expected = (int(text.replace(",", "")) for text in found.groups())
    assert there == fit.observed[marks]
    assert expected == round(fit.models[fit.used].expected[marks])
    assert max(there, expected) > 2 * min(there, expected)


def test_the_remedies_work(drawn: Drawn) -> None:
    assert said(lambda: fuse(drawn, 7, "staple", classes=3)) == []
    assert said(lambda: fuse(drawn, 7, "border_staple")) == []
    assert said(lambda: fuse(drawn, 7, "border_staple", image=drawn.image)) == []
    four = said(lambda: fuse(drawn, 4, "staple", prior=0.3))
    assert all("method='border-staple'" in one for one in four)
    assert said(lambda: fuse(drawn, 4, "border_staple")) == []


@pytest.mark.parametrize("raters", [3, 5, 8])
@pytest.mark.parametrize("seed", range(3))
def test_independent_flips_fit_staple(raters: int, seed: int) -> None:
    for prevalence in (0.02, 0.3):
        table = fastfuse.tabulate(flips(raters, seed, prevalence=prevalence)[1])
        assert said(lambda table=table: fastfuse.estimate(table, "staple", prior="estimate")) == []


def test_a_fixed_prior_that_is_wrong() -> None:
    """That of the mean vote, where raters over-mark; the remedy works."""
    table = fastfuse.tabulate(flips(5)[1])
    told = said(lambda: fastfuse.estimate(table, "staple"))
    assert len(told) == 1
    assert told[0].endswith("nats a marked voxel: prior='estimate'")
    assert "STAPLE with this prior expects" in told[0]


def test_chance_does_not_do_it() -> None:
    """Few voxels, few marks in a cell: none of 60 fusions."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth, masks = flips(
            int(rng.integers(3, 9)), seed, voxels=int(rng.integers(100, 4000)), prevalence=0.2
        )
        assert truth.any()
        assert said(lambda masks=masks: fastfuse.staple(masks, prior="estimate")) == []


def test_few_voxels_have_no_remark() -> None:
    small = contours(SHIFTS[:5], shape=(16, 16, 8))
    marked = np.any(small.masks, axis=0)
    few = np.flatnonzero(marked.ravel())[:99]
    masks = [np.isin(np.arange(marked.size), few) & (mask.ravel() > 0) for mask in small.masks]
    assert said(lambda: fastfuse.staple(masks)) == []


def test_soft_votes_and_majorities_have_no_remark(drawn: Drawn) -> None:
    assert said(lambda: fastfuse.soft_staple([0.9 * mask for mask in drawn.masks], mask=drawn.brain)) == []
    assert said(lambda: fastfuse.majority_vote(drawn.masks)) == []


@pytest.mark.parametrize(
    "options",
    [
        {"intervals": "information"},
        {"acceleration": "squarem"},
        {"prior": "estimate"},
        {"init": 0.9, "performance_prior": (5, 1.5)},
    ],
    ids=str,
)
def test_the_remedy_names_the_options_that_it_refuses(options: dict[str, Any], drawn: Drawn) -> None:
    told = said(lambda: fuse(drawn, 7, "staple", **options))
    assert len(told) == 1
    ways = told[0].split("nats a marked voxel: ")[1].split(", or with an image ")
    for name in options:
        assert all(name in way.split(", without ")[1] for way in ways), told
    with pytest.raises(ValueError, match="classes"):
        fuse(drawn, 7, "staple", classes=3, **options)
    assert "without" not in said(lambda: fuse(drawn, 7, "staple"))[0]


@pytest.mark.filterwarnings("ignore:the model does not fit")
def test_votes_that_fit_are_not_far() -> None:
    """Of independent flips the consensus is a third of what anybody marks, and right; with a wrong prior it is told."""
    truth, masks = flips(5, voxels=50_000)
    for method, options in {"auto": {}, "staple": {"prior": "estimate"}}.items():
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            more = {"spacing_mm": (1,)} if method == "auto" else {}
            fusion = fastfuse.fuse(masks, method, **options, **more)  # type: ignore[call-overload]
        assert [str(one.message) for one in told] == []
        label = fusion.label()
        assert 2 * (label & truth).sum() / (label.sum() + truth.sum()) > 0.9


def test_copies_do_not_silence_it(drawn: Drawn) -> None:
    """It is tested on the raters who differ: a copy marks where its original does."""
    masks = [*drawn.masks, drawn.masks[2], drawn.masks[0]]
    options = {"mask": drawn.brain, "spacing_mm": SPACING, "roi": 4.0}
    told = said(lambda: fastfuse.staple(masks, **options))
    assert len(told) == 1
    found = re.search(
        r"(\d) of 9 raters marks? ([\d,]+) voxels, and .* expects ([\d,]+) \(copies counted once\); border-STAPLE",
        told[0],
    )
    assert found is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = fastfuse.staple(masks, **options).fit
        alone = fuse(drawn, 7, "staple").fit
    marks, there, expected = (int(text.replace(",", "")) for text in found.groups())
    assert (there, expected) == (fit.observed[marks], round(fit.models[fit.used].expected[marks]))
    assert said(lambda: fastfuse.border_staple(masks, **options)) == []
    for name in (
        "three classes",
        "border-staple",
        "staple",
    ):  # fitted to the raters who differ, whose votes are the same
        with_copies, without = fit.models[name], alone.models[name]
        assert with_copies.log_likelihood_per_mark == pytest.approx(without.log_likelihood_per_mark, abs=1e-9)
        assert with_copies.expected.sum() == pytest.approx(without.expected.sum())
        assert fit.price(name) == pytest.approx(alone.price(name))


def test_what_copies_expect_is_what_the_rates_say() -> None:
    """Written out: rates as they were estimated with the copy, patterns of the four who differ, the copy's mark counted with them."""
    masks = flips(4, 5, prevalence=0.1)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fastfuse.staple([*masks, masks[1]], prior="estimate")
    chances = np.zeros(6)
    for pattern in np.ndindex(2, 2, 2, 2):
        one, zero = found.sensitivity[:4], found.specificity[:4]
        marks = np.array(pattern) == 1
        p = found.prior * np.where(marks, one, 1 - one).prod()
        p += (1 - found.prior) * np.where(marks, 1 - zero, zero).prod()
        chances[sum(pattern) + pattern[1]] += p
    fit = found.fit
    assert fit.raters == 4
    np.testing.assert_allclose(fit.models["staple"].expected, 60_000 * chances, rtol=1e-6)


def test_where_copies_alone_do_it_they_are_named() -> None:
    masks = flips(5, 2, prevalence=0.1)[1]
    assert said(lambda: fastfuse.staple(masks, prior="estimate")) == []
    told = said(lambda: fastfuse.staple([*masks, *[masks[0]] * 4], prior="estimate"))
    assert len(told) == 1
    assert "without the copies STAPLE with its prior estimated fits: leave them out" in told[0]


@pytest.mark.parametrize("method", ["staple", "soft_staple"])
def test_a_remedy_that_decisions_forbid_is_told_without_them(drawn: Drawn, method: str) -> None:
    decisions = np.full(drawn.brain.shape, -1, np.int8)
    (told,) = said(
        lambda: fastfuse.fuse(drawn.masks, method.replace("_", "-"), mask=drawn.brain, decisions=decisions)
    )
    assert "classes=3), without decisions, or with an image method='border-staple'" in told


def test_two_who_differ_tell_nothing(drawn: Drawn) -> None:
    masks = [drawn.masks[0], drawn.masks[0], drawn.masks[1], drawn.masks[1]]
    assert said(lambda: fastfuse.staple(masks, mask=drawn.brain)) == []


def test_auto_counts_copies_once(drawn: Drawn) -> None:
    """The model is that which it takes without them."""
    options = {"mask": drawn.brain, "spacing_mm": SPACING}
    for raters in (3, 4, 7):
        masks = drawn.masks[:raters]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone, copied = (
                fastfuse.fuse(some, "auto", **options) for some in (masks, [*masks, masks[0], masks[1]])
            )
        assert (alone.method, alone.own_fit.used) == (copied.method, copied.own_fit.used)


def test_by_rates_of_many_cases_it_says_whether_the_rates_or_the_model_are_others(drawn: Drawn) -> None:
    rates = fastfuse.estimate(fastfuse.tabulate(flips(7)[1]), "staple", prior="estimate")
    unlike = rates.apply(flips(7, 1, prevalence=0.2, sensitivity=0.5, specificity=0.9)[1])
    (told,) = remarks_on_fit(unlike, pooled=True)
    assert "STAPLE with its prior estimated, by the rates that the cases share, expects" in told
    assert (
        "by itself STAPLE with its prior estimated fits this case: the raters' rates are others here" in told
    )
    contoured = rates.apply(drawn.masks, mask=drawn.brain)
    (told,) = remarks_on_fit(contoured, pooled=True)
    assert "STAPLE with three classes fits this case better, by" in told
    border = fastfuse.estimate(fastfuse.tabulate(drawn.masks[::-1], mask=drawn.brain), "border-staple")
    by_levels = border.apply(drawn.masks, mask=drawn.brain, spacing_mm=SPACING)
    for one in remarks_on_fit(by_levels, pooled=True):
        assert "method='border-staple'" not in one  # which was used
