"""Tables add up, and rates pooled over cases are those of all their voxels."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastfuse
from fastfuse import LabelTable, VoteTable, pool, reference, tabulate

from .common import NAMES, cohort_of, drawn_tables, masks_of, votes_of

Cases = dict[str, NDArray[np.float64]]
quiet = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
SOFT = ["soft-staple", "simplified-soft-staple"]


def tables_of(cases: Cases, labels: Any = None) -> dict[str, Any]:
    """Return each case's table, of those raters alone who read it."""
    tables = {}
    for case, votes in cases.items():
        read = ~np.isnan(votes).all(axis=1)
        names = [name for name, reads in zip(NAMES, read, strict=True) if reads]
        tables[case] = tabulate(list(votes[read]), names=names, labels=labels)
    return tables


def joined(cases: Cases) -> NDArray[np.float64]:
    return np.concatenate(list(cases.values()), axis=1)


def own_means(cases: Cases) -> NDArray[np.float64]:
    """Return the mean vote of its case at each voxel."""
    return np.concatenate(
        [np.full(votes.shape[1], np.nanmean(np.nanmean(votes, axis=0))) for votes in cases.values()]
    )


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("kind", ["masks", "soft", "labels"])
def test_sum_of_tables_is_the_table_of_both(kind: str, absent: bool) -> None:
    """Bit for bit, in any order, also of cases that a rater did not read."""
    cases, labels = cohort_of(kind, absent=absent), "all" if kind == "labels" else None
    of_all: Any = tabulate(joined(cases), axis=0, missing="nan", names=NAMES, labels=labels)
    for order in itertools.permutations(tables_of(cases, labels).values()):
        whole = sum(order)
        assert whole.names == of_all.names
        assert whole == of_all
    method: Any = "staple" if kind != "soft" else "soft-staple"
    one, other = fastfuse.estimate(whole, method), fastfuse.estimate(of_all, method)
    np.testing.assert_array_equal(one.sensitivity, other.sensitivity)


@quiet
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("method", ["staple", *SOFT, "majority"])
def test_shared_prior_is_a_fusion_of_all_voxels(method: Any, absent: bool) -> None:
    cases = cohort_of("soft" if method in SOFT else "masks", absent=absent)
    found = pool(tables_of(cases), method, priors="shared")
    fused = fastfuse.fuse(joined(cases), method, axis=0, missing="nan", dtype="float64")
    assert isinstance(found, fastfuse.PooledEstimate)
    np.testing.assert_allclose(found.sensitivity, fused.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.specificity, fused.specificity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.prior, fused.prior if method != "majority" else found.prior, atol=1e-12)


@quiet
@pytest.mark.parametrize("absent", [False, True])
def test_five_labels_are_pooled(absent: bool) -> None:
    cases = cohort_of("labels", absent=absent)
    found = pool(tables_of(cases, "all"), "staple")
    fused = fastfuse.staple(joined(cases), axis=0, missing="nan", labels="all")
    assert isinstance(found, fastfuse.LabelEstimate)
    assert found.labels == (0, 1, 2, 3, 4)
    np.testing.assert_allclose(found.confusion, fused.confusion, rtol=0, atol=1e-12)


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("m_step", ["paper", "em"])
@pytest.mark.parametrize("method", ["staple", *SOFT])
def test_own_priors_are_those_of_the_reference(method: Any, m_step: Any, absent: bool) -> None:
    """The oracle takes the prior of each voxel's case as a map."""
    cases = cohort_of("soft" if method in SOFT else "masks", absent=absent)
    more = {} if method == "staple" else {"m_step": m_step}
    found = pool(tables_of(cases), method, **more)
    oracle = reference.fuse(joined(cases), method=method, prior=own_means(cases), m_step=m_step)
    assert (found.n_iter, found.converged) == (oracle.n_iter, oracle.converged)
    np.testing.assert_allclose(found.sensitivity, oracle.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.specificity, oracle.specificity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.log_likelihood, oracle.log_likelihood, rtol=1e-12)


@pytest.mark.parametrize(
    "options", [{"prior": "estimate"}, {"prior": 0.1}, {"init": 0.9}, {"performance_prior": (5, 1.5)}]
)
@pytest.mark.parametrize("method", ["staple", *SOFT])
def test_one_case_has_the_estimate_of_its_table(method: Any, options: dict[str, Any]) -> None:
    table = tabulate(votes_of("masks" if method == "staple" else "soft", 1, 0.1), axis=0, names=NAMES)
    found, alone = pool({"one": table}, method, **options), fastfuse.estimate(table, method, **options)
    assert found.n_iter == alone.n_iter
    np.testing.assert_allclose(found.sensitivity, alone.sensitivity, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.specificity, alone.specificity, rtol=0, atol=1e-12)
    assert found.prior[0] == pytest.approx(alone.prior, abs=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"prior": "estimate"}, {"m_step": "em", "performance_prior": (5, 1.5)}]
)
@pytest.mark.parametrize("method", ["staple", *SOFT])
def test_jumps_are_those_of_the_core(method: Any, options: dict[str, Any]) -> None:
    if method == "staple":
        options = {name: value for name, value in options.items() if name != "m_step"}
    table = tabulate(votes_of("masks" if method == "staple" else "soft", 1, 0.1), axis=0, names=NAMES)
    found = pool({"one": table}, method, acceleration="squarem", **options)
    alone = fastfuse.estimate(table, method, acceleration="squarem", **options)
    assert found.priors == "own"
    assert found.n_iter == alone.n_iter
    np.testing.assert_allclose(found.sensitivity, alone.sensitivity, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.log_likelihood, alone.log_likelihood, rtol=1e-9)


@pytest.mark.parametrize("prior", ["mean", "estimate"])
@pytest.mark.parametrize("method", ["staple", *SOFT])
def test_jumps_end_where_steps_do(method: Any, prior: Any) -> None:
    """With a prior of each case, in fewer iterations."""
    tables = tables_of(cohort_of("masks" if method == "staple" else "soft", absent=True))
    plain = pool(tables, method, prior=prior, tol=1e-10)
    found = pool(tables, method, prior=prior, tol=1e-10, acceleration="squarem")
    assert (found.priors, found.converged) == ("own", True)
    assert found.n_iter < plain.n_iter
    np.testing.assert_allclose(found.sensitivity, plain.sensitivity, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.specificity, plain.specificity, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.prior, plain.prior, rtol=0, atol=1e-6)
    with pytest.warns(fastfuse.FusionWarning, match="stopped at max_iter = 4 before convergence"):
        assert pool(tables, method, prior=prior, max_iter=4, acceleration="squarem").n_iter == 4


@pytest.mark.parametrize(("kind", "method"), [("masks", "staple"), ("soft", "soft-staple")])
@pytest.mark.parametrize("priors", ["own", "shared"])
def test_order_of_arrival_changes_no_bit(kind: str, method: Any, priors: Any) -> None:
    tables = tables_of(cohort_of(kind, absent=True))
    found = [
        pool(dict(order), method, priors=priors, intervals="bootstrap", replicates=5)
        for order in itertools.permutations(tables.items())
    ]
    for other in found[1:]:
        assert other.cases == found[0].cases
        for name in ("sensitivity", "specificity", "prior", "log_likelihood"):
            np.testing.assert_array_equal(getattr(other, name), getattr(found[0], name))
        assert found[0].intervals is not None
        assert other.intervals is not None
        np.testing.assert_array_equal(other.intervals.sensitivity, found[0].intervals.sensitivity)


def test_consensus_of_a_case_is_that_of_shared_rates() -> None:
    """With the case's prior: as the oracle's consensus of all voxels, cut at the case."""
    cases = cohort_of("masks", absent=True)
    tables = tables_of(cases)
    found = pool(tables, "staple")
    oracle = reference.fuse(joined(cases), method="staple", prior=own_means(cases))
    begin = 0
    for case, votes in cases.items():
        names = tables[case].names
        read = [votes[NAMES.index(name)] for name in names]
        applied = found.of(case).of_raters(names).apply(read, dtype="float64")
        width = votes.shape[1]
        np.testing.assert_allclose(
            applied.probability, oracle.probability[begin : begin + width], rtol=0, atol=1e-9
        )
        begin += width


def test_prior_of_a_new_case() -> None:
    cases = {f"{k}": masks_of(k, 0.1) for k in range(4)}
    new = masks_of(9, 0.3)
    table = tabulate(list(new), names=NAMES)
    for prior in ("mean", "estimate"):
        found = pool(tables_of(cases), "staple", prior=prior)
        expected = new.mean() if prior == "mean" else 0.3
        assert found.on(table).prior == pytest.approx(expected, abs=1e-9 if prior == "mean" else 0.03)
    fixed = pool(tables_of(cases), "staple", prior=0.2)
    assert fixed.on(table).prior == 0.2
    with pytest.raises(ValueError, match="knows nothing of Max: pool the cases that they read"):
        found.on(tabulate(list(new[:2]), names=["Ann", "Max"]))
    with pytest.raises(ValueError, match="no case 'new' among those that were pooled"):
        found.of("new")


def test_empty_case_and_silent_rater() -> None:
    """A case in which nobody marks anything tells specificities; a rater without votes has no rates."""
    tables = tables_of(cohort_of("masks", absent=False))
    empty = tabulate([np.zeros(500)] * 5, names=[*NAMES, "Max"])
    with pytest.warns(fastfuse.FusionWarning, match="Tom has no vote in any case"):
        found = pool({**tables, "empty": empty, "tom": VoteTable([[np.nan]], [3], ["Tom"])}, "staple")
    assert found.names == ("Ann", "Bob", "Eve", "Max", "Tom", "Zoe")
    assert found.specificity[3] == pytest.approx(1, abs=1e-6)
    assert np.isnan(found.sensitivity[4])
    assert found.of("empty").prior <= 1e-11
    with pytest.warns(fastfuse.FusionWarning, match="nobody marks anything"):
        applied = found.of("empty").of_raters(["Ann", "Bob"]).apply([np.zeros(3), np.zeros(3)])
    assert applied.probability.max() < 1e-9
    with pytest.warns(fastfuse.FusionWarning, match="nobody marks anything"):
        pool({"empty": empty}, "staple")


@pytest.mark.parametrize("priors", ["own", "shared"])
@pytest.mark.parametrize("prior", ["mean", "estimate"])
def test_warm_start(priors: Any, prior: Any) -> None:
    """Ten cases after 1,000: a third of the iterations at most, and the same end."""
    tables = drawn_tables(1010)
    first = {case: table for case, table in tables.items() if case < "1000"}
    before = pool(first, "staple", priors=priors, prior=prior)
    cold = pool(tables, "staple", priors=priors, prior=prior)
    warm = pool(tables, "staple", priors=priors, prior=prior, start=before)
    assert np.abs(before.sensitivity - cold.sensitivity).max() > 1e-5
    assert warm.n_iter <= cold.n_iter / 3
    np.testing.assert_allclose(warm.sensitivity, cold.sensitivity, rtol=0, atol=1e-6)
    np.testing.assert_allclose(warm.specificity, cold.specificity, rtol=0, atol=1e-6)
    np.testing.assert_allclose(warm.prior, cold.prior, rtol=0, atol=1e-6)
    assert warm.on(tables["1003"]).prior == pytest.approx(warm.of("1003").prior, abs=1e-6)


@pytest.mark.parametrize("method", SOFT)
def test_start_that_is_far_from_the_end(method: Any) -> None:
    """Jumps that lead astray are taken back."""
    tables = tables_of(cohort_of("soft", absent=True))
    far = {
        case: tabulate(list(1 - votes), names=NAMES)
        for case, votes in cohort_of("soft", absent=False).items()
    }
    for prior in ("mean", "estimate"):
        cold = pool(tables, method, prior=prior, m_step="em", tol=1e-9)
        warm = pool(
            tables,
            method,
            prior=prior,
            m_step="em",
            tol=1e-9,
            start=pool(far, method, prior=prior, m_step="em"),
        )
        assert warm.converged
        np.testing.assert_allclose(warm.sensitivity, cold.sensitivity, rtol=0, atol=1e-6)


def test_warm_start_of_one_table() -> None:
    table = sum(tables_of(cohort_of("soft", absent=False)).values())
    cold = fastfuse.estimate(table, "soft-staple")
    warm = fastfuse.estimate(table.drop("Eve"), "soft-staple", start=cold)
    assert warm.names == ("Ann", "Bob", "Zoe")
    np.testing.assert_allclose(
        warm.sensitivity, fastfuse.estimate(table.drop("Eve"), "soft-staple").sensitivity, rtol=0, atol=1e-5
    )
    assert fastfuse.estimate(table, "soft-staple", start=cold).n_iter == 1
    with pytest.raises(ValueError, match="border-staple of this kind has none; leave it out"):
        fastfuse.estimate(table, "border-staple", start=cold)
    with pytest.raises(TypeError, match="start is 3: give an earlier Estimate"):
        fastfuse.estimate(table, start=3)  # type: ignore[call-overload]


@quiet
def test_border_staple_is_pooled_with_shared_levels() -> None:
    tables = tables_of(cohort_of("masks", absent=False))
    found = pool(tables, "border-staple")
    alone = fastfuse.estimate(sum(tables.values()), "border-staple")
    assert found.priors == "shared"
    estimate = found.of("case 1")
    assert isinstance(estimate, fastfuse.BorderEstimate)
    np.testing.assert_array_equal(estimate.offsets, alone.offsets)
    assert estimate.of_raters(["Zoe", "Ann"]).offsets.tolist() == alone.offsets[[3, 0]].tolist()


def test_intervals_are_over_cases() -> None:
    """Cases whose raters differ from case to case spread the rates by more than their voxels do."""
    rng = np.random.default_rng(5)
    cases = {}
    for k in range(30):
        votes = masks_of(k, 0.2, voxels=800)
        if rng.random() < 0.5:
            votes[0] *= rng.random(800) < 0.5  # half of the cases were read in haste
        cases[f"{k:02}"] = votes
    found = pool(tables_of(cases), "staple", intervals="bootstrap")
    of_voxels = fastfuse.estimate(sum(tables_of(cases).values()), "staple", intervals="bootstrap")
    assert found.intervals is not None
    assert of_voxels.intervals is not None
    assert found.intervals.kind == "cases"
    assert found.intervals.sensitivity_error[0] > 3 * of_voxels.intervals.sensitivity_error[0]
    assert found.intervals.sensitivity_error[1] < 2 * of_voxels.intervals.sensitivity_error[1]
    alone = pool({"one": tables_of(cases)["00"]}, "staple", intervals="bootstrap")
    assert alone.intervals is not None
    assert np.isnan(alone.intervals.sensitivity).all()


@quiet
def test_intervals_of_labels_are_over_cases() -> None:
    tables = {f"{k}": tabulate(list(votes_of("labels", k, 0.3)), names=NAMES, labels="all") for k in range(6)}
    found = pool(tables, "staple", intervals="bootstrap", replicates=20)
    assert isinstance(found, fastfuse.LabelEstimate)
    assert found.intervals is not None
    low, high = found.intervals.sensitivity[..., 0], found.intervals.sensitivity[..., 1]
    assert found.intervals.kind == "cases"
    assert (low <= found.sensitivity + 0.02).all()
    assert (found.sensitivity <= high + 0.02).all()
    assert (low < high).all()
    two: dict[str, LabelTable] = {
        k: tabulate(list(masks_of(int(k), 0.2)), names=NAMES, labels="all") for k in tables
    }
    of_masks = pool(two, "staple", intervals="bootstrap", replicates=20)
    assert of_masks.intervals is not None
    assert np.isfinite(of_masks.intervals.sensitivity).all()


def test_deviation_finds_who_was_unlike_themselves() -> None:
    cases = {f"{k:02}": masks_of(k, 0.1) for k in range(20)}
    cases["05"][1] = np.roll(cases["05"][1], 7)  # Bob sends the wrong file
    tables = tables_of(cases)
    found = pool(tables, "staple")
    ratios = np.array([fastfuse.deviation(tables[case], found.of(case)).log_ratio for case in found.cases])
    assert np.unravel_index(ratios.argmax(), ratios.shape) == (5, 1)
    assert (ratios >= 0).all()
    case = fastfuse.deviation(tables["05"], found)
    assert case.log_ratio[1] > 20 * np.delete(ratios, 5, axis=0).max()
    assert case.sensitivity[1] < 0.3
    assert case.per_voxel[1] == case.log_ratio[1] / 1500


def test_deviation_is_the_likelihood_at_the_raters_own_rates() -> None:
    """Against a search over the rates, with the oracle's likelihood of each voxel."""
    votes = votes_of("soft", 3, 0.1)
    tables = {
        "a": tabulate(list(votes_of("soft", 1, 0.1)), names=NAMES),
        "b": tabulate(list(votes), names=NAMES),
    }
    estimate = pool(tables, "simplified-soft-staple").of("b")
    one, zero = estimate.sensitivity[:, None], estimate.specificity[:, None]

    def likelihood(theta1: float, theta0: float) -> float:
        s, c = one.copy(), zero.copy()
        s[2], c[2] = theta1, theta0
        yes = np.prod(votes * s + (1 - votes) * (1 - s), axis=0)
        no = np.prod(votes * (1 - c) + (1 - votes) * c, axis=0)
        return float(np.log(estimate.prior * yes + (1 - estimate.prior) * no).sum())

    found = fastfuse.deviation(tables["b"], estimate)
    own = found.sensitivity[2], found.specificity[2]
    gain = likelihood(*own) - likelihood(float(one[2, 0]), float(zero[2, 0]))
    assert found.log_ratio[2] == pytest.approx(gain, abs=1e-8)
    for step in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert likelihood(own[0] + step[0], own[1] + step[1]) <= likelihood(*own)


@pytest.mark.parametrize("priors", ["own", "shared"])
def test_own_rates_are_undefined_where_nobody_marks_anything(priors: Any) -> None:
    """Or everybody everything; also of a rater who read nothing but such voxels."""
    blank, full = np.zeros((4, 1500)), np.ones((4, 1500))
    part = masks_of(3, 0.1)
    empty = np.flatnonzero(~part.any(axis=0))
    part[1, np.setdiff1d(np.arange(1500), empty)] = np.nan  # Bob read what nobody marks
    tables = tables_of({**{f"{k}": masks_of(k, 0.1) for k in range(3)}, "blank": blank, "full": full})
    tables["part"] = tabulate(list(part), names=NAMES, missing="nan")
    found = pool(tables, "staple", priors=priors)
    own = {case: fastfuse.deviation(table, found.of(case)) for case, table in tables.items()}
    for one in (own["blank"], own["full"]):
        assert np.isnan(one.log_ratio).all()
        assert np.isnan(one.per_voxel).all()
    assert np.isnan(own["blank"].sensitivity).all()
    np.testing.assert_allclose(own["blank"].specificity, 1)
    assert np.isnan(own["full"].specificity).all()
    np.testing.assert_allclose(own["full"].sensitivity, 1)
    assert (
        np.isnan([own["part"].log_ratio, own["part"].sensitivity]).tolist()
        == [[False, True, False, False]] * 2
    )
    assert np.isfinite(own["part"].specificity).all()
    assert np.isfinite([own["1"].log_ratio, own["1"].sensitivity, own["1"].specificity]).all()
    one_mark = blank.copy()
    one_mark[2, 7] = 1
    assert np.isfinite(fastfuse.deviation(tabulate(list(one_mark), names=NAMES), found).sensitivity).all()
    assert "nan" in repr(own["blank"])


def test_refusals() -> None:
    tables = tables_of(cohort_of("masks", absent=False))
    with pytest.raises(TypeError, match="tables is of type list"):
        pool(list(tables.values()), "staple")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there is no case"):
        pool({}, "staple")
    with pytest.raises(TypeError, match="something else than tables"):
        pool({"a": masks_of(1, 0.1)}, "staple")  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"the tables have different raters .* name them in both"):
        pool({"a": tabulate([[0, 1], [1, 1]]), "b": tabulate([[0, 1], [1, 1], [1, 1]])}, "staple")
    with pytest.raises(ValueError, match="start is of staple with own priors: give one of soft-staple"):
        pool(tables, "soft-staple", start=pool(tables, "staple"))
    with pytest.raises(ValueError, match="border-staple has no rates of masks"):
        fastfuse.deviation(tables["case 0"], pool(tables, "border-staple"))
