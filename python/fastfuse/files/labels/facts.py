"""What the sidecar of a fusion of label maps says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...fusion.labels.result import LabelFusion
from ...images.paths import recorded
from ...images.sidecar import number_or_null
from ..facts import millilitres
from ..job import Inputs
from .job import LabelJob

UNDECIDED = "undecided"
MOST_LABELS = 32  # whose confusion matrices a sidecar holds


def sidecar_of_labels(
    fusion: LabelFusion,
    job: LabelJob,
    inputs: Inputs,
    options: Mapping[str, object],
    colours: Mapping[int, str],
    label_map: NDArray[Any],
    remarks: Sequence[str],
) -> dict[str, Any]:
    """Return what the sidecar of a fusion of files says."""
    files = job.files
    return facts_of_labels(
        fusion,
        options=options,
        outputs={what: recorded(path.name) for what, path in job.outputs.items()},
        voxel_ml=inputs.grid.voxel_mm3 / 1000,
        raters=list(zip(map(recorded, files.raters), files.names, strict=True)),
        label_map=label_map,
        colours=colours,
        present=[None if path is None else recorded(path) for path in files.present],
        mask=None if files.mask is None else recorded(files.mask),
        grid=inputs.common.facts(),
        remarks=remarks,
    )


def facts_of_labels(
    fusion: LabelFusion,
    *,
    options: Mapping[str, object],
    outputs: Mapping[str, str],
    voxel_ml: float,
    raters: Sequence[tuple[str | None, str]],
    label_map: NDArray[Any],
    mask: str | None,
    grid: Mapping[str, Any],
    remarks: Sequence[str],
    colours: Mapping[int, str] = MappingProxyType({}),
    present: Sequence[str | None] = (),
) -> dict[str, Any]:
    """Return the content of a sidecar: how it was made, each label, and each rater's rates of each label.

    Parameters
    ----------
    raters : sequence of (str or None, str)
        Each rater's file, if there is one, and name.
    colours : mapping of int to str
        Of the labels that have one.
    """
    from ...images.written.versions import version_of

    called = names_of(fusion)
    voxels = [int(np.count_nonzero(label_map == label)) for label in fusion.labels]
    return {
        "fastfuse": version_of("fastfuse"),
        "method": fusion.method,
        "options": dict(options),
        "outputs": dict(outputs),
        "voxel_ml": voxel_ml,
        "labels": [
            {
                "label": label,
                "name": name,
                **({"color": colours[label]} if label in colours else {}),
                "voxels": count,
                "ml": millilitres(count, voxel_ml),
                "probability_voxels": number_or_null(fusion.consensus_volume[a]),
                "prior": number_or_null(fusion.prior[a]),
            }
            for a, (label, name, count) in enumerate(zip(fusion.labels, called, voxels, strict=True))
        ],
        "raters": [
            {
                "file": file,
                "name": name,
                "labels": _rates(fusion, i, called, voxel_ml),
                **_confusion(fusion, i),
            }
            for i, (file, name) in enumerate(raters)
        ],
        **_undecided(fusion, label_map, voxel_ml),
        **({"present": list(present)} if present else {}),
        "region": {"mask": mask, "voxels": fusion.n_voxels},
        "grid": dict(grid),
        "n_iter": fusion.n_iter,
        "converged": fusion.converged,
        "log_likelihood": fusion.log_likelihood.tolist(),
        "log_prior": fusion.log_prior.tolist(),
        "warnings": list(remarks),
    }


def _undecided(fusion: LabelFusion, label_map: NDArray[Any], voxel_ml: float) -> dict[str, Any]:
    """Return what is written where labels are tied, and at how many voxels, if it was asked for."""
    if fusion.undecided is None:
        return {}
    voxels = int(np.count_nonzero(label_map == fusion.undecided))
    return {"undecided": {"label": fusion.undecided, "voxels": voxels, "ml": millilitres(voxels, voxel_ml)}}


def labels_held(fusion: LabelFusion, facts: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Return each label that a map of the consensus holds, with its name: of ties too, where there are any."""
    labels = list(zip(fusion.labels, names_of(fusion), strict=True))
    tied = facts.get("undecided", {})
    return sorted([*labels, (tied["label"], UNDECIDED)]) if tied.get("voxels") else labels


def names_of(fusion: LabelFusion) -> list[str]:
    """Return what the labels are called."""
    return list(fusion.label_names) or [str(label) for label in fusion.labels]


def _confusion(fusion: LabelFusion, rater: int) -> dict[str, Any]:
    """Return a rater's confusion matrix, rows of the truth; nothing for many labels, or where there is none."""
    if len(fusion.labels) > MOST_LABELS:
        return {}
    return {"confusion": number_or_null(fusion.confusion[rater])}


def _interval(fusion: LabelFusion, rater: int, code: int) -> dict[str, Any]:
    """Return a sensitivity's standard error and 95 % interval, if they were asked for."""
    found = fusion.intervals
    if found is None:
        return {}
    return {
        "sensitivity_error": number_or_null(found.sensitivity_error[rater, code]),
        "sensitivity_95": number_or_null(found.sensitivity[rater, code]),
    }


def _rates(fusion: LabelFusion, rater: int, called: Sequence[str], voxel_ml: float) -> list[dict[str, Any]]:
    """Return a rater's rates and volume of each label."""
    shown = fusion._shown_sensitivity()[rater]
    return [
        {
            "label": label,
            "name": name,
            "sensitivity": number_or_null(shown[a]),
            **_interval(fusion, rater, a),
            "ppv": number_or_null(fusion.ppv[rater, a]),
            "dice": number_or_null(fusion.dice[rater, a]),
            "voxels": number_or_null(fusion.volume[rater, a]),
            "ml": millilitres(float(fusion.volume[rater, a]), voxel_ml),
        }
        for a, (label, name) in enumerate(zip(fusion.labels, called, strict=True))
    ]
