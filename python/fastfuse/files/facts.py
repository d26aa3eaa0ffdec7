"""What the sidecar of a fusion says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..fusion.fit.result import Fit
from ..fusion.intervals import Intervals, shown_rates
from ..fusion.result import BorderFusion, Fusion, Ties
from ..images.paths import recorded
from ..images.sidecar import number_or_null
from ..images.written.versions import version_of
from .job import Inputs, Job

if TYPE_CHECKING:
    from ..fusion.fit.choice import Choice


def sidecar_of(
    fusion: Fusion,
    job: Job,
    inputs: Inputs,
    options: Mapping[str, object],
    grown: dict[str, Any] | None,
    remarks: list[str],
    marked: Sequence[int],
    cut: float,
    *,
    held: tuple[int, float] | None = None,
) -> dict[str, Any]:
    """Return what the sidecar says of a fusion; ``marked`` are the voxels that each rater marks, ``cut`` is the mask's.

    ``held``: the mask's voxels, and the sum of the probability, where they are known.
    """
    outputs = {"consensus": job.consensus, "label": job.label, "counts": job.counts, "report": job.report}
    image = None if job.image is None else recorded(job.image)
    more = {
        **({"present": [path and recorded(path) for path in job.present]} if job.present else {}),
        **({} if grown is None else {"dilation": grown}),
    }
    return facts_of(
        fusion,
        options=options,
        outputs={what: recorded(path.name) for what, path in outputs.items() if path is not None},
        voxel_ml=inputs.grid.voxel_mm3 / 1000,
        raters=list(zip(map(recorded, job.raters), job.names, marked, strict=True)),
        held=held or held_by(fusion, cut, job.ties),
        mask=None if job.mask is None else recorded(job.mask),
        grid=inputs.common.facts(),
        image=image,
        remarks=remarks,
        more=more,
    )


def held_by(fusion: Fusion, cut: float, ties: Ties) -> tuple[int, float]:
    """Return the voxels of the consensus's mask, and the sum of its probability."""
    voxels = int(np.count_nonzero(fusion.label(cut, ties=ties)))
    return voxels, float(np.sum(fusion.probability, dtype=np.float64))


def facts_of(
    fusion: Fusion,
    *,
    options: Mapping[str, object],
    outputs: Mapping[str, str],
    voxel_ml: float,
    raters: Sequence[tuple[str | None, str, int | None]],
    held: tuple[int, float],
    mask: str | None,
    grid: Mapping[str, Any],
    image: str | None,
    remarks: Sequence[str],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of a sidecar.

    Parameters
    ----------
    raters : sequence of (str or None, str, int or None)
        Each rater's file, name, and number of voxels that they mark; None where there is no file, or it is not known.
    held : (int, float)
        Voxels of the consensus's mask, and the sum of its probability.
    mask, image : str or None
        What they are called.
    more : mapping
        What else stands behind the raters.
    """
    foreground, probability = held
    return {
        "fastfuse": version_of("fastfuse"),
        "method": fusion.method,
        "options": options,
        "outputs": dict(outputs),
        "voxel_ml": voxel_ml,
        "raters": [
            {"file": file, "name": name, **_rater_facts(fusion, i, count, voxel_ml)}
            for i, (file, name, count) in enumerate(raters)
        ],
        **more,
        "foreground": {"voxels": foreground, "ml": millilitres(foreground, voxel_ml)},
        "probability": {"voxels": probability, "ml": millilitres(probability, voxel_ml)},
        "region": {"mask": mask, "voxels": fusion.n_voxels},
        **_resampled_facts(fusion.intervals),
        "grid": dict(grid),
        "prior": number_or_null(fusion.prior),
        **_anchor_facts(fusion, image),
        "fit": fit_facts(fusion.own_fit),
        "n_iter": fusion.n_iter,
        "converged": fusion.converged,
        "log_likelihood": fusion.log_likelihood.tolist(),
        "warnings": list(remarks),
    }


def fit_facts(fit: Fit | None) -> dict[str, Any] | None:
    """Return the voxels by number of marks, those that there are and those that models expect."""
    if fit is None:
        return None
    models = {
        name: {
            "expected": [round(count, 2) for count in one.expected.tolist()],
            "log_likelihood_per_mark": number_or_null(one.log_likelihood_per_mark),
        }
        for name, one in fit.models.items()
    }
    observed = [round(count, 2) for count in fit.observed.tolist()]
    soft = {"soft": True} if fit.soft else {}
    return {"observed": observed, **soft, "marked": round(fit.marked, 2), "used": fit.used, "models": models}


def auto_facts(choice: Choice) -> dict[str, Any]:
    """Return which model was taken, and why."""
    return {
        "took": choice.model,
        "instead_of": choice.other,
        "gain": number_or_null(choice.gain),
        "said": choice.said,
    }


def mask_told(probability: NDArray[Any], facts: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return the mask of a consensus that was read, at the cut that its sidecar tells."""
    options = facts["options"]
    cut, above = float(options["cut"]), options.get("ties") == "background"
    return np.asarray(probability > cut if above else probability >= cut, dtype=np.uint8)


def _rater_facts(fusion: Fusion, rater: int, marked: int | None, voxel_ml: float) -> dict[str, Any]:
    """Return a rater's performance, the sum of their votes, and what they mark."""
    return {
        **{name: number_or_null(rates[rater]) for name, rates in shown_rates(fusion).items()},
        **_interval_facts(fusion.intervals, rater),
        **_level_facts(fusion, rater),
        "ppv": number_or_null(fusion.ppv[rater]),
        "npv": number_or_null(fusion.npv[rater]),
        "dice": number_or_null(fusion.dice[rater]),
        "voxels_read": int(fusion.n_read[rater]),
        "volume_voxels": number_or_null(fusion.volume[rater]),
        "volume_ml": millilitres(float(fusion.volume[rater]), voxel_ml),
        "marked_voxels": marked,
        "marked_ml": None if marked is None else millilitres(marked, voxel_ml),
    }


def _level_facts(fusion: Fusion, rater: int) -> dict[str, Any]:
    """Return what border-STAPLE tells of a rater."""
    if not isinstance(fusion, BorderFusion):
        return {}
    return {
        "offset": number_or_null(fusion.offsets[rater]),
        "sharpness": number_or_null(fusion.sharpness[rater]),
        "false_marks": number_or_null(fusion.false_marks[rater]),
        "finds": number_or_null(fusion.finds[rater]),
    }


def _anchor_facts(fusion: Fusion, image: str | None) -> dict[str, Any]:
    """Return where border-STAPLE draws the consensus's border, and what told it."""
    if not isinstance(fusion, BorderFusion):
        return {}
    return {"anchor": {"level": number_or_null(fusion.anchor), "from": fusion.anchor_from, "image": image}}


def millilitres(voxels: float, voxel_ml: float) -> float:
    """Return a volume to six decimals; to six digits where it is below 1 ml."""
    volume = voxels * voxel_ml
    return round(volume, 6) if volume >= 1 else float(f"{volume:.6g}")


def _resampled_facts(intervals: Intervals | None) -> dict[str, Any]:
    """Return how many lesions were resampled, if any were."""
    lesions = None if intervals is None else intervals.lesions
    return {} if lesions is None else {"resampled_lesions": lesions}


def _interval_facts(intervals: Intervals | None, rater: int) -> dict[str, Any]:
    """Return a rater's standard errors and 95 % intervals as the sidecar keeps them."""
    if intervals is None:
        return {}
    return {
        "sensitivity_error": number_or_null(intervals.sensitivity_error[rater]),
        "sensitivity_95": number_or_null(intervals.sensitivity[rater]),
        "specificity_error": number_or_null(intervals.specificity_error[rater]),
        "specificity_95": number_or_null(intervals.specificity[rater]),
    }
