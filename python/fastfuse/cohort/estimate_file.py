"""The file of a cohort's estimate: the raters' rates, and how to apply them to new cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FastfuseError, reason_of
from ..fusion.backends import core
from ..fusion.estimate import BorderEstimate, Estimate
from ..fusion.intervals import Intervals
from ..fusion.labels.estimate import LabelEstimate
from ..fusion.labels.intervals import LabelIntervals
from ..fusion.labels.options import LabelOptions
from ..fusion.labels.pooled.estimate import PooledLabelEstimate, pooled_labels
from ..fusion.pooled.classes import Marks, PooledClassEstimate
from ..fusion.pooled.estimate import PooledEstimate
from ..fusion.pooled.rates import Rates
from ..fusion.result import of_levels
from ..fusion.vote_table import VoteTable
from ..images.paths import shown
from ..images.sidecar import json_of, number_or_null, sidecar_bytes
from ..inputs.names import quoted
from .estimate_checks import UnfitError, check_digest, check_parts, digest_of_rates
from .settings import Settings

FORMAT, VERSION = "fastfuse cohort estimate", 1
Pooled = PooledEstimate | LabelEstimate


@dataclass(frozen=True)
class Saved:
    """An estimate, what was asked, and what it is of.

    Attributes
    ----------
    estimate : PooledEstimate or LabelEstimate
    settings : Settings
    of : dict
        Key of the table of each case.
    digest : str
        Tells this estimate from others.
    remarks : tuple of str
        What makes the rates doubtful, as was said when they were estimated.
    """

    estimate: Pooled
    settings: Settings
    of: dict[str, str]
    digest: str
    remarks: tuple[str, ...] = ()

    def as_bytes(self) -> bytes:
        """Return the file's content."""
        return sidecar_bytes(
            {
                "format": FORMAT,
                "version": VERSION,
                "settings": self.settings.as_json(),
                "cases": self.of,
                "digest": self.digest,
                "remarks": list(self.remarks),
                "estimate": _parts_of_labels(self.estimate)
                if isinstance(self.estimate, LabelEstimate)
                else _parts_of_pooled(self.estimate),
            }
        )


def saved_of(
    estimate: Pooled, settings: Settings, of: Mapping[str, str], remarks: Sequence[str] = ()
) -> Saved:
    """Return an estimate as it is kept."""
    parts = _parts_of_labels(estimate) if isinstance(estimate, LabelEstimate) else _parts_of_pooled(estimate)
    return Saved(estimate, settings, dict(of), digest_of_rates(settings.of_all, parts), tuple(remarks))


def read_estimate(path: Path) -> Saved:
    """Read an estimate.

    Raises
    ------
    FastfuseError
        Naming the file, if it cannot be read, or is none of these.
    """
    try:
        now = path.stat()
        return _read(path, (now.st_mtime_ns, now.st_ino, now.st_size))
    except FileNotFoundError:
        raise FastfuseError(
            f"{shown(path)}: there is no such file; fastfuse cohort fuse writes one"
        ) from None


@lru_cache(maxsize=2)  # a worker applies one to many cases
def _read(path: Path, as_it_is: tuple[int, ...]) -> Saved:  # noqa: ARG001 - a file that was written anew is read anew
    kept = json_of(path)
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise FastfuseError(
            f"{shown(path)}: holds no estimate of a cohort; give the estimate.json that fastfuse cohort fuse writes"
        )
    if kept.get("version") != VERSION:
        raise FastfuseError(
            f"{shown(path)}: is of version {kept.get('version')}, and this fastfuse reads version {VERSION}"
        )
    try:
        return _saved_from(kept)
    except UnfitError as error:
        why = str(error)
    except KeyError as error:
        why = f"it is damaged, and holds no {error.args[0]}"
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        why = f"it is damaged ({reason_of(error)})"
    raise FastfuseError(f"{shown(path)}: {why}; make it again with fastfuse cohort fuse, or merge")


def _saved_from(kept: dict[str, Any]) -> Saved:
    """Return an estimate of what its file holds, all of it checked."""
    settings, parts, of = Settings.of_json(kept["settings"]), kept["estimate"], kept["cases"]
    check_parts(parts, settings.table_method.name)
    if not isinstance(of, dict) or not all(isinstance(key, str) for key in of.values()):
        raise UnfitError(f"cases is {quoted(of)}: it must hold the key of each case's table")
    remarks = kept.get("remarks", [])
    if not isinstance(remarks, list) or not all(isinstance(one, str) for one in remarks):
        raise UnfitError(f"remarks is {quoted(remarks)}: it must hold sentences")
    check_digest(kept)
    made = _labels_from(parts, settings) if "confusion" in parts else _pooled_from(parts, settings)
    return Saved(made, settings, dict(of), kept["digest"], tuple(remarks))


def estimate_for(
    saved: Saved, case: str, raters: tuple[str, ...], table: Any = None
) -> Estimate | LabelEstimate:
    """Return the rates of a case's raters, with its prior; ``table``: of a case that is not among those pooled."""
    made = saved.estimate
    if isinstance(made, PooledLabelEstimate):
        return (made.of(case) if table is None else made.on(table)).of_raters(raters)
    if isinstance(made, LabelEstimate):
        return made.of_raters(raters)
    if isinstance(table, VoteTable):
        return made.on(table).of_raters(raters)
    return made.of(case).of_raters(raters)


def _parts_of_pooled(made: PooledEstimate) -> dict[str, Any]:
    shared = None if made._shared is None else _plain(core.parts_of(made._shared._rates))
    return {
        "names": list(made.names),
        "cases": list(made.cases),
        "sensitivity": number_or_null(made.sensitivity),
        "specificity": number_or_null(made.specificity),
        "prior": number_or_null(made.prior),
        "priors": made.priors,
        "method": made.method,
        "log_likelihood": made.log_likelihood.tolist(),
        "n_iter": made.n_iter,
        "converged": made.converged,
        "n_voxels": made.n_voxels,
        "intervals": _intervals_parts(made.intervals),
        "rates": None if made._rates is None else _plain(asdict(made._rates)),
        "shared": shared,
        **({"by_masses": True} if made._by_masses else {}),
        **({} if made._untold is None else {"untold": made._untold.tolist()}),
        **(_parts_of_classes(made) if isinstance(made, PooledClassEstimate) else {}),
    }


def _parts_of_classes(made: PooledClassEstimate) -> dict[str, Any]:
    parts = {"shares": made.shares, "yes": made._marks.yes, "no": made._marks.no}
    return {"classes": {name: number_or_null(value) for name, value in parts.items()}}


def _pooled_from(parts: dict[str, Any], settings: Settings) -> PooledEstimate:
    row = settings.table_method
    options = settings.fusion_options.checked().of_method(row)
    intervals = parts["intervals"] and Intervals(**_arrays(parts["intervals"]))
    common: dict[str, Any] = {
        "names": tuple(parts["names"]),
        "sensitivity": _array(parts["sensitivity"]),
        "specificity": _array(parts["specificity"]),
        "log_likelihood": _array(parts["log_likelihood"]),
        "n_iter": parts["n_iter"],
        "converged": parts["converged"],
        "method": parts["method"],
        "n_voxels": parts["n_voxels"],
        "intervals": intervals,
        "_options": options,
        "_untold": None if parts.get("untold") is None else np.array(parts["untold"], bool),
    }
    prior = _array(parts["prior"])
    shared = None
    if parts["shared"] is not None:
        rates = core.rates_from(_known(parts["shared"]))
        levels = of_levels(rates)
        kind = BorderEstimate if levels else Estimate
        shared = kind(prior=float(prior[0]), _rates=rates, **common, **levels)
    common |= {"cases": tuple(parts["cases"]), "prior": prior, "priors": parts["priors"]}
    if "classes" in parts:
        kept = _arrays(parts["classes"])
        marks = Marks(kept["yes"], kept["no"])
        return PooledClassEstimate(**common, _rates=None, _shared=None, shares=kept["shares"], _marks=marks)
    own = parts["rates"] and Rates(**{name: _array(value) for name, value in parts["rates"].items()})
    by_masses = bool(parts.get("by_masses", False))
    return PooledEstimate(**common, _rates=own, _shared=shared, _by_masses=by_masses)


def _parts_of_labels(made: LabelEstimate) -> dict[str, Any]:
    plain = ("labels", "label_names", "names", "n_iter", "converged", "method", "n_voxels")
    arrays = ("confusion", "prior", "log_likelihood", "log_prior", "volume")
    masks = made._masks
    own = {}
    if isinstance(made, PooledLabelEstimate):
        by_case = made._of_masks_by_case
        own["own"] = {
            "cases": list(made.cases),
            "case_prior": number_or_null(made.case_prior),
            "masks": None if by_case is None else _parts_of_pooled(by_case),
        }
    return {
        **own,
        **{name: _plain(getattr(made, name)) for name in plain},
        **{name: number_or_null(getattr(made, name)) for name in arrays},
        "intervals": _intervals_parts(made.intervals),
        "rates": number_or_null(made._rates),
        "masks": None
        if masks is None
        else {**_plain(core.parts_of(masks._rates)), "own_method": masks.method},
    }


def _labels_from(parts: dict[str, Any], settings: Settings) -> LabelEstimate:
    made, own = _label_estimate_from(parts, settings), parts.get("own")
    if own is None:
        return made
    by_case = None if own["masks"] is None else _pooled_from(own["masks"], settings)
    return pooled_labels(made, own["cases"], _array(own["case_prior"]), by_case)


def _label_estimate_from(parts: dict[str, Any], settings: Settings) -> LabelEstimate:
    options = LabelOptions.of(settings.fusion_options, settings.asked_labels).checked()
    masks, kept = None, parts["masks"]
    names = tuple(parts["names"])
    log_likelihood = _array(parts["log_likelihood"])
    if kept is not None:
        confusion = _array(parts["confusion"])
        masks = Estimate(
            sensitivity=confusion[:, 1, 1],
            specificity=confusion[:, 0, 0],
            prior=float(parts["prior"][1]),
            log_likelihood=log_likelihood,
            n_iter=parts["n_iter"],
            converged=parts["converged"],
            method=kept["own_method"],
            names=names,
            n_voxels=parts["n_voxels"],
            intervals=None,
            _rates=core.rates_from(
                _known({name: value for name, value in kept.items() if name != "own_method"})
            ),
            _options=settings.fusion_options.checked(),
        )
    return LabelEstimate(
        labels=tuple(parts["labels"]),
        label_names=tuple(parts["label_names"]),
        names=names,
        confusion=_array(parts["confusion"]),
        prior=_array(parts["prior"]),
        log_likelihood=log_likelihood,
        log_prior=_array(parts["log_prior"]),
        n_iter=parts["n_iter"],
        converged=parts["converged"],
        method=parts["method"],
        n_voxels=parts["n_voxels"],
        volume=_array(parts["volume"]),
        intervals=parts["intervals"] and LabelIntervals(**_arrays(parts["intervals"])),
        _options=options,
        _rates=_array(parts["rates"]),
        _masks=masks,
    )


def _intervals_parts(intervals: Intervals | LabelIntervals | None) -> dict[str, Any] | None:
    if intervals is None:
        return None
    found = {one.name: getattr(intervals, one.name) for one in fields(intervals) if one.name != "lesions"}
    return {name: value if isinstance(value, str) else number_or_null(value) for name, value in found.items()}


def _arrays(parts: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str) else _array(value) for name, value in parts.items()}


def _array(value: Any) -> Any:
    """Return numbers as an array; null is nan."""
    return np.array(value, dtype=np.float64)


def _plain(value: Any) -> Any:
    """Return lists and numbers as JSON has them; nan is null."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    if isinstance(value, (float, np.floating)):
        return number_or_null(value)
    return value


def _known(value: Any) -> Any:
    """Return what the core takes: null in a list is nan."""
    if isinstance(value, dict):
        return {name: _known(one) for name, one in value.items()}
    if isinstance(value, list):
        return [float("nan") if one is None else _known(one) for one in value]
    return value
