"""What the sidecars of a cohort's cases say: options, files and hashes, and whether the model fits each one's votes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...fusion.fit.remarks import MISFIT
from ...fusion.labels.estimate import LabelEstimate
from ...fusion.pooled.estimate import PooledEstimate
from ...images.sidecar import json_of, sidecar_path
from ...inputs.names import counted, enumerated
from ..place import Place, Record
from .tables import csv_of

FIT_CSV = "fit.csv"
AMOUNT = re.compile(r", by [-+.e\d]+ nats a marked voxel")  # of a gain, in a warning
MOST_NAMED = 20  # cases
DIFFERS = "differs from case to case"
OF_A_CASE = ("spacing_mm",)
RATES = ("sensitivity", "specificity")


@dataclass(frozen=True)
class CasesTold:
    """What the cases' sidecars say.

    Attributes
    ----------
    facts : dict
        For the summary: ``method`` and ``options`` of all cases; of each case ``inputs`` and ``outputs`` with their hashes, and
        ``fit``: voxels with 0 to m marks, those expected, and what is wrong with them, if anything is.
    csv : dict of str to bytes
        The fit as a table, if there is one.
    remarks : list of str
        A line on the cases whose votes the model does not fit.
    """

    facts: dict[str, Any]
    csv: dict[str, bytes]
    remarks: list[str]


def cases_told(records: Mapping[str, Record], place: Place, rates: str | None = None) -> CasesTold:
    """Read the sidecars of those cases whose consensus is there; ``records`` tell what each was made of.

    ``rates``: only of consensuses that rest on these.
    """
    made = {case: json_of(place.made(case)) or {} for case in records}
    sidecars = {}
    for case in records:
        if rates is not None and made[case].get("rates") != rates:
            continue
        if facts := facts_at(case, place):
            sidecars[case] = facts
    fits = {case: one for case, facts in sidecars.items() if (one := _fit_of(facts)) is not None}
    told = {
        "method": _common(facts.get("method") for facts in sidecars.values()),
        "options": _options(sidecars),
        "fit": fits,
        "inputs": {
            case: [
                {**_what(what), "file": one.path, "sha256": one.sha256} for what, one in record.files.items()
            ]
            for case, record in records.items()
        },
        "outputs": {
            case: {name: one["sha256"] for name, one in facts.get("outputs", {}).items()}
            for case, facts in made.items()
            if case in sidecars
        },
    }
    return CasesTold(told, {FIT_CSV: _csv(fits)} if fits else {}, _said(fits))


def _what(key: str) -> dict[str, str]:
    """Return what a file is to its case, and whose it is, by how a record calls it."""
    what, _, rater = key.partition(" ")
    return {"what": what, **({"rater": rater} if rater else {})}


def facts_at(case: str, place: Place) -> dict[str, Any]:
    """Return the sidecar of a consensus that is there; nothing where it is missing or damaged."""
    facts = json_of(sidecar_path(place.consensus(case)))
    return facts if isinstance(facts, dict) else {}


def warnings_of(facts: Mapping[str, Any]) -> list[str]:
    """Return what a sidecar says of what is doubtful."""
    return list(facts.get("warnings", ()))


def distance(facts: Mapping[str, Any], estimate: PooledEstimate | LabelEstimate) -> float:
    """Return how far the rates in a case's sidecar are from these, at most; nan where nothing tells."""
    most = math.nan
    for one in facts.get("raters", ()):
        if one["name"] in estimate.names:
            rater = estimate.names.index(one["name"])
            told, now = (_of_labels if isinstance(estimate, LabelEstimate) else _of_masks)(
                one, estimate, rater
            )
            away = np.abs(now - np.array(told, np.float64))  # None is nan
            most = float(np.fmax(most, np.fmax.reduce(away, axis=None, initial=math.nan)))
    return most


def _of_masks(kept: Mapping[str, Any], estimate: Any, rater: int) -> tuple[Any, Any]:
    return [kept.get(what) for what in RATES], np.array([getattr(estimate, what)[rater] for what in RATES])


def _of_labels(kept: Mapping[str, Any], estimate: Any, rater: int) -> tuple[Any, Any]:
    """Return a rater's rates of labels, as told and of the estimate: the confusion, or of many labels its diagonal."""
    held = [one["label"] for one in kept["labels"]]
    both = [label for label in estimate.labels if label in held]
    then, now = [held.index(label) for label in both], [estimate.labels.index(label) for label in both]
    if "confusion" not in kept:
        return [kept["labels"][i]["sensitivity"] for i in then], estimate.sensitivity[rater, now]
    told = np.array(kept["confusion"], np.float64)
    return told[np.ix_(then, then)], estimate.confusion[rater][np.ix_(now, now)]


def _fit_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fit of the model that a case was fused by; None without one, as of a majority vote and label maps."""
    fit = facts.get("fit")
    if not fit or fit["used"] is None or fit["used"] not in fit["models"]:
        return None
    misfit = next((one for one in facts.get("warnings", ()) if one.startswith(MISFIT)), None)
    return {
        "model": fit["used"],
        "observed": fit["observed"],
        **({"soft": True} if fit.get("soft") else {}),
        "expected": fit["models"][fit["used"]]["expected"],
        "misfit": None if misfit is None else misfit.removeprefix(MISFIT).lstrip(": "),
    }


def _options(sidecars: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options with which the cases were fused, of each the value if all have the same."""
    every = [facts.get("options", {}) for facts in sidecars.values()]
    names = dict.fromkeys(name for one in every for name in one if name not in OF_A_CASE)
    return {name: _common(one.get(name) for one in every) for name in names}


def _common(values: Iterable[Any]) -> Any:
    found = list(values)
    return None if not found else found[0] if all(one == found[0] for one in found) else DIFFERS


def _csv(fits: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a row for each case and number of marks."""
    rows = [
        [case, one["model"], marks, observed, one["expected"][marks], "yes" if one["misfit"] else ""]
        for case, one in fits.items()
        for marks, observed in enumerate(one["observed"])
    ]
    return csv_of(("case", "model", "marks", "observed", "expected", "misfit"), rows)


def _said(fits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say of which cases the model does not fit the votes."""
    cases = [case for case, one in fits.items() if one["misfit"]]
    if not cases:
        return []
    what = f"the votes of {len(cases)} of {counted(len(fits), 'case')} ({enumerated(cases, MOST_NAMED)})"
    told = f"{MISFIT} {what}: {FIT_CSV} has the voxels with each number of marks, observed and expected; "
    advices = {AMOUNT.sub("", fits[case]["misfit"].partition("; ")[2]) for case in cases}
    return [
        told
        + (
            f"in each of them {advices.pop().replace(' this case', '')}"
            if len(advices) == 1
            else "the warning of each case says more"
        )
    ]
