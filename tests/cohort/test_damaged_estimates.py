"""What an estimate's file holds is checked before it is applied: types, lengths, ranges, and its two copies."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastfuse import FastfuseError, FusionWarning
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.estimate_file import read_estimate
from fastfuse.cohort.workers.crew import Crew

from .files import GLOB, SHAPE, fused, make_cohort, save

pytestmark = pytest.mark.filterwarnings(f"ignore::{FusionWarning.__module__}.{FusionWarning.__name__}")
KINDS: dict[str, dict[str, Any]] = {
    "own": {"priors": "own"},
    "shared": {"priors": "shared", "prior": "estimate"},
    "border": {"method": "border-staple"},
    "soft": {"method": "soft-staple"},
    "majority": {"method": "majority"},
    "two labels": {"labels": "all"},
    "labels": {"labels": "all", "priors": "shared"},
    "labels own": {"labels": "all", "priors": "own"},
}
NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Return what the estimate of a kind of fusion holds."""
    made: dict[str, dict[str, Any]] = {}

    def of(kind: str) -> dict[str, Any]:
        if kind not in made:
            folder = tmp_path_factory.mktemp("estimates")
            root = make_cohort(folder / "in", 2, labels=kind.startswith("labels"))
            fused(root, folder / "out", **{"replicates": 2, **KINDS[kind]})
            made[kind] = json.loads((folder / "out" / "estimate.json").read_text())
        return copy.deepcopy(made[kind])

    return of


def put(whole: dict[str, Any], entry: str, value: Any) -> None:
    *above, last = [int(one) if one.isdigit() else one for one in entry.split(".")]
    holder: Any = whole
    for one in above:
        holder = holder[one]
    holder[last] = value


def refusal(tmp_path: Path, whole: Mapping[str, Any]) -> str:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(whole))
    with pytest.raises(FastfuseError) as caught:
        read_estimate(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert said.endswith("; make it again with fastfuse cohort fuse, or merge")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_whole_estimates_are_read(kept: Callable[[str], dict[str, Any]], tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(kept(kind)))
    saved = read_estimate(path)
    assert json.loads(saved.as_bytes()) == kept(kind)


@pytest.mark.parametrize("value", [2.0, -0.1, NAN, INF, -INF, "0.9", None, True, [0.9], {}, 10**400])
@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("own", "rates.sensitivity"),
        ("own", "rates.false_positive_rate"),
        ("own", "prior"),
        ("soft", "rates.specificity"),
        ("shared", "shared.specificity"),
        ("border", "shared.sensitivity"),
        ("two labels", "masks.sensitivity"),
        ("labels", "confusion.0.0"),
        ("labels own", "rates.1.1"),
        ("labels own", "own.case_prior.0"),
    ],
)
def test_a_number_that_is_no_rate(
    kept: Callable[[str], dict[str, Any]], tmp_path: Path, kind: str, entry: str, value: Any
) -> None:
    whole = kept(kind)
    put(whole["estimate"], f"{entry}.1", value)
    said = refusal(tmp_path, whole)
    parts = [one for one in entry.split(".") if not one.isdigit()]
    assert f"{'.'.join(parts)} of '" in said or ": confusion" in said or "digest" in said
    shows = "null" if value is None else "100000" if value == 10**400 else repr(value)
    assert shows in said or "they must sum to 1" in said or "digest" in said


@pytest.mark.parametrize("kind", ["own", "soft", "shared", "border", "two labels", "majority"])
@pytest.mark.parametrize("value", [0.3, 2.0, NAN, "0.9"])
def test_two_copies_must_agree(
    kept: Callable[[str], dict[str, Any]], tmp_path: Path, kind: str, value: Any
) -> None:
    """The rates that are shown are those that are applied."""
    whole = kept(kind)
    shown = "confusion.0.1.1" if kind == "two labels" else "sensitivity.0"
    put(whole["estimate"], shown, value)
    said = refusal(tmp_path, whole)
    assert f": {shown.partition('.')[0]} of 'Ann'" in said or "sum to" in said


def test_entries_of_other_lengths_and_types(kept: Callable[[str], dict[str, Any]], tmp_path: Path) -> None:
    for kind, entry, value, message in [
        ("own", "sensitivity", [0.9], "sensitivity holds 1 value: it must hold 3"),
        ("own", "rates.sensitivity", [0.9] * 4, "rates.sensitivity holds 4 values: it must hold 3"),
        ("own", "prior", 0.1, "prior is 0.1: it must be a list of 2 values"),
        ("own", "names", ["Ann", "Ann", "Eve"], "names is .*each once"),
        ("own", "names", "Ann", "names is 'Ann'"),
        ("own", "rates", None, "it holds no rates"),
        ("own", "method", "majority", "its method is 'majority', and its settings are of 'staple'"),
        ("own", "n_iter", 2.5, "n_iter is 2.5"),
        ("own", "n_voxels", -1, "n_voxels is -1"),
        ("own", "converged", "yes", "converged is 'yes': it must be true or false"),
        ("own", "priors", "mine", "priors is 'mine': it must be own or shared"),
        ("own", "log_likelihood", [NAN], "log_likelihood of 'place 1' is nan"),
        ("own", "intervals.sensitivity.1.0", 3, "intervals.sensitivity of 'Bob' of 'place 1' is 3"),
        ("shared", "shared.m_step", 3, "shared.m_step is 3"),
        ("shared", "shared.prior", 0.5, "prior of 'case-00' is .* must be the same"),
        ("border", "shared.latent.sharpness", [1.0], "shared.latent.sharpness holds 1 value"),
        ("border", "shared.latent.scale", "1", "shared.latent.scale is '1'"),
        ("labels", "labels", [0, "1", 2, 3], "labels is"),
        ("labels", "volume.0.1", -4, "volume of 'Ann' of '1' is -4"),
        ("labels", "confusion", [], "confusion holds 0 values: it must hold 3"),
    ]:
        whole = kept(kind)
        put(whole["estimate"], entry, value)
        said = refusal(tmp_path, whole)
        assert re.search(message, said), (said, message)


@pytest.mark.parametrize("kind", KINDS)
def test_entries_that_are_gone(kept: Callable[[str], dict[str, Any]], tmp_path: Path, kind: str) -> None:
    whole = kept(kind)
    for entry in ("settings", "cases", "digest", "estimate"):
        refusal(tmp_path, {name: value for name, value in whole.items() if name != entry})
        refusal(tmp_path, whole | {entry: 3})
    for entry in whole["estimate"]:
        if entry not in ("own", "by_masses"):
            parts = {name: value for name, value in whole["estimate"].items() if name != entry}
            said = refusal(tmp_path, whole | {"estimate": parts})
            assert entry in said or "digest" in said  # of an entry that was null


@pytest.mark.parametrize("kind", ["own", "shared", "labels own"])
def test_a_change_within_range_is_told_by_the_digest(
    kept: Callable[[str], dict[str, Any]], tmp_path: Path, kind: str
) -> None:
    for entry, value in [("estimate.names.0", "Zoe"), ("settings.max_iter", 3), ("digest", "0" * 64)]:
        whole = kept(kind)
        put(whole, entry, value)
        refusal(tmp_path, whole)
    whole = kept(kind)
    put(whole, "estimate.names.0", "Zoe")
    assert "its digest is of other rates, priors, names or settings" in refusal(tmp_path, whole)


def test_no_consensus_by_a_damaged_estimate(kept: Callable[[str], dict[str, Any]], tmp_path: Path) -> None:
    whole = kept("own")
    whole["estimate"]["sensitivity"][0] = 2.0
    path = tmp_path / "two.json"
    path.write_text(json.dumps(whole))
    root = make_cohort(tmp_path / "new", 1)
    with pytest.raises(
        FastfuseError, match=r"two.json: sensitivity of 'Ann' is 2.0: it must lie in \[0, 1\]"
    ):
        applied_cohort(AskedToApply(path, root, tmp_path / "out", glob=GLOB), Crew(None, 1), lambda _: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("marked", ["nothing", "all", "nothing by anybody"])
@pytest.mark.parametrize("options", [{}, {"priors": "shared"}, {"labels": "all", "confusion": "class"}])
def test_rates_at_their_ends_are_read_again(tmp_path: Path, marked: str, options: dict[str, Any]) -> None:
    """Rates that are not defined, priors of 0, and rates beyond 1 by rounding."""
    root = make_cohort(tmp_path / "in", 2)
    for case in ("case-00", "case-01"):
        for rater in ("Ann", "Bob", "Eve") if marked == "nothing by anybody" else ("Bob",):
            save(root / case / "masks" / f"{rater}.nii.gz", np.full(SHAPE, marked == "all", np.uint8))
    assert not fused(root, tmp_path / "out", replicates=2, **options).failed
    assert read_estimate(tmp_path / "out" / "estimate.json").estimate.names == ("Ann", "Bob", "Eve")
