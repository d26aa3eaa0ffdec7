"""The golden cases: fusions by every route, what else the package computes, and bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import nibabel as nib
import numpy as np

import fastfuse

from ..doors import fuse_arrays
from .volumes import (
    SMALL,
    WHOLE,
    brain,
    dense,
    depth,
    few_priors,
    flair,
    half_dense,
    levels,
    looked,
    many_priors,
    masks,
    rings,
    with_holes,
)

STAPLE, SOFT, SIMPLE, MAJORITY = "staple", "soft-staple", "simplified-soft-staple", "majority"
SPACED = np.diag([1.0, 1.5, 2, 1])  # affine
ROUTES = ("auto", "patterns", "lanes", "rows")
NAMED = {
    STAPLE: fastfuse.staple,
    SOFT: fastfuse.soft_staple,
    SIMPLE: fastfuse.simplified_soft_staple,
    MAJORITY: fastfuse.majority_vote,
}


@dataclass(frozen=True)
class Case:
    """A fusion. Raters and those options that are callable are made anew for each run."""

    name: str
    method: str
    raters: Callable[[], Any]
    options: dict[str, Any]

    def given(self) -> tuple[Any, dict[str, Any]]:
        options = {name: value() if callable(value) else value for name, value in self.options.items()}
        return self.raters(), options


def fuse_by_route(raters: Any, method: str, route: str, **options: Any) -> tuple[fastfuse.Fusion, list[str]]:
    """Fuse by one of the ways that EM has; return the fusion, and what makes it doubtful.

    The only door to the inside of the package that the golden cases use.
    """
    return fuse_arrays(raters, method, route=route, **options)


def _of(method: str, cases: dict[str, tuple[Callable[[], Any], dict[str, Any]]]) -> list[Case]:
    return [Case(f"{method}: {name}", method, raters, options) for name, (raters, options) in cases.items()]


def _with_an_image_of_nothing() -> list[Any]:
    return [*masks(3), np.zeros(SMALL, np.uint8)]


def _strided() -> list[Any]:
    """Return views: every other voxel, flipped, axes turned, Fortran's order, another byte order."""
    votes = rings(5, seed=3)
    wide = np.zeros([2 * side for side in SMALL], np.float32)
    wide[::2, ::2, ::2] = votes[0]
    flipped = np.ascontiguousarray(votes[1][::-1, :, ::-1])[::-1, :, ::-1]
    turned = np.ascontiguousarray(votes[2].transpose(2, 0, 1)).transpose(1, 2, 0)
    return [
        wide[::2, ::2, ::2],
        flipped,
        turned,
        np.asfortranarray(votes[3]),
        votes[4].astype(">f8"),
    ]


def _many_types() -> list[Any]:
    votes = masks(7, WHOLE)
    kinds = ("?", "i1", "<u2", ">u2", "i8", "f2", ">f4")
    return [vote.astype(kind) for vote, kind in zip(votes, kinds, strict=True)]


def _label_maps() -> list[Any]:
    return [mask * 3 + (mask == 0) * np.uint8(1) for mask in masks(4, WHOLE)]


STAPLE_CASES = _of(
    STAPLE,
    {
        "1 rater": (lambda: masks(1), {}),
        "2 raters": (lambda: masks(2), {}),
        "7 masks of many types": (_many_types, {}),
        "7 masks in a mask": (lambda: masks(7, WHOLE), {"mask": partial(brain, WHOLE)}),
        "stack of float64, estimated prior": (
            lambda: np.stack(masks(5, WHOLE, dtype=np.float64)),
            {"prior": "estimate", "dtype": "float64"},
        ),
        "number as prior and init": (lambda: masks(4), {"prior": 0.03, "init": 0.9}),
        "prior map of few values": (lambda: masks(5, WHOLE), {"prior": partial(few_priors, WHOLE)}),
        "prior map of many values": (
            lambda: masks(5, WHOLE),
            {"prior": partial(many_priors, WHOLE), "max_iter": 12},
        ),
        "12 masks, squarem": (
            lambda: masks(12, WHOLE, seed=2),
            {"acceleration": "squarem", "prior": "estimate"},
        ),
        "24 masks": (lambda: masks(24), {"tol": 1e-9}),
        "30 masks of float16": (lambda: masks(30, dtype=np.float16), {}),
        "1-D": (lambda: masks(3, (9001,)), {}),
        "2-D": (lambda: masks(4, (90, 101)), {"mask": partial(brain, (90, 101), np.uint8)}),
        "4-D in Fortran's order": (
            lambda: [np.asfortranarray(mask) for mask in masks(3, (8, 9, 10, 7))],
            {},
        ),
        "missing": (lambda: with_holes(masks(5, WHOLE)), {"missing": "nan"}),
        "present and no image": (lambda: [*masks(4), None], {"present": lambda: [*looked(4), None]}),
        "images, margin": (lambda: [nib.Nifti1Image(mask, SPACED) for mask in masks(3)], {"roi": 4.0}),
        "disputed": (lambda: masks(5, WHOLE), {"roi": "disputed", "mask": partial(brain, WHOLE)}),
        "margin": (lambda: masks(5, WHOLE), {"roi": 3.0, "spacing_mm": (1, 1.5, 2)}),
        "mrf": (lambda: masks(5, WHOLE), {"mrf": 0.4, "spacing_mm": (1, 1, 3), "max_iter": 15}),
        "mrf and prior map": (lambda: masks(4), {"mrf": 0.5, "prior": many_priors, "mask": brain}),
        "mrf of the disputed": (lambda: masks(4), {"mrf": 0.3, "roi": "disputed"}),
        "performance prior": (lambda: masks(3), {"performance_prior": ((5, 1.5), (20, 2)), "prior": 0.05}),
        "information": (lambda: masks(5, WHOLE), {"intervals": "information"}),
        "bootstrap": (lambda: masks(5), {"intervals": "bootstrap", "replicates": 30, "seed": 4}),
        "lesions": (lambda: masks(5, WHOLE), {"intervals": "lesions", "replicates": 15}),
        "lesions of the disputed": (
            lambda: masks(4, WHOLE),
            {"intervals": "lesions", "replicates": 10, "roi": "disputed"},
        ),
        "label": (_label_maps, {"select_label": 3}),
        "label that is not there": (_label_maps, {"select_label": 9}),
        "nobody marks anything": (lambda: [np.zeros(SMALL, np.uint8)] * 3, {}),
        "everybody marks everything": (lambda: [np.ones(SMALL, bool)] * 3, {}),
        "all agree, disputed": (lambda: [masks(1)[0]] * 3, {"roi": "disputed"}),
        "one marks nothing, stopped early": (_with_an_image_of_nothing, {"max_iter": 3}),
        "into float64": (lambda: masks(3), {"out": lambda: np.full(SMALL, 7.0)}),
        "into a view": (
            lambda: masks(3),
            {"out": lambda: np.full(SMALL, 7, np.float32).transpose(2, 1, 0).copy().transpose(2, 1, 0)},
        ),
    },
)

SOFT_CASES = _of(
    SOFT,
    {
        "7 of 3 values": (lambda: rings(7, WHOLE), {"mask": partial(brain, WHOLE)}),
        "5 of 3 values, em": (lambda: rings(5, WHOLE), {"m_step": "em", "prior": "estimate"}),
        "6 masks": (lambda: masks(6, WHOLE), {}),
        "views": (_strided, {"dtype": "float64"}),
        "3 dense": (lambda: dense(3, WHOLE), {"max_iter": 8}),
        "7 dense of float64, em": (
            lambda: dense(7, WHOLE, dtype=np.float64),
            {"m_step": "em", "max_iter": 3, "dtype": "float64"},
        ),
        "5 half dense in a mask": (
            lambda: half_dense(5, WHOLE),
            {"mask": partial(brain, WHOLE, np.float32), "max_iter": 8},
        ),
        "5 of 11 values, in Fortran's order": (
            lambda: [np.asfortranarray(vote) for vote in levels(5, 10, WHOLE)],
            {"max_iter": 6},
        ),
        "11 dense, squarem": (lambda: dense(11), {"acceleration": "squarem", "max_iter": 6}),
        "9 dense of float16": (lambda: dense(9, dtype=np.float16), {"max_iter": 4}),
        "enumerated": (lambda: rings(6), {"expectation": "enumerate", "m_step": "em"}),
        "by characteristic function": (lambda: rings(6), {"expectation": "characteristic", "max_iter": 10}),
        "by characteristic function, em": (
            lambda: rings(5),
            {"expectation": "characteristic", "m_step": "em", "max_iter": 10},
        ),
        "12 of 3 values": (lambda: rings(12), {"max_iter": 10}),
        "24 of 3 values": (lambda: rings(24), {"max_iter": 5}),
        "30 dense": (lambda: dense(30, (6, 7, 8)), {"max_iter": 3}),
        "prior map of few values": (lambda: rings(4), {"prior": few_priors}),
        "prior map of many values": (lambda: rings(4), {"prior": many_priors, "max_iter": 8}),
        "dense, prior map": (lambda: dense(4), {"prior": many_priors, "max_iter": 5}),
        "missing": (lambda: with_holes(rings(5)), {"missing": "nan", "m_step": "em"}),
        "present and no image": (lambda: [None, *rings(4)], {"present": lambda: [None, *looked(4)]}),
        "disputed": (lambda: rings(4, WHOLE), {"roi": "disputed"}),
        "margin": (lambda: rings(4, WHOLE), {"roi": 2.5, "spacing_mm": (1.5, 1, 1)}),
        "mrf": (lambda: rings(4), {"mrf": 0.4, "max_iter": 10}),
        "mrf of the disputed and prior map": (
            lambda: rings(3),
            {"mrf": 0.3, "roi": "disputed", "prior": few_priors, "max_iter": 10},
        ),
        "information": (lambda: rings(4), {"intervals": "information", "m_step": "em"}),
        "bootstrap": (lambda: rings(4), {"intervals": "bootstrap", "replicates": 12, "m_step": "em"}),
        "lesions": (lambda: rings(4, WHOLE), {"intervals": "lesions", "replicates": 8, "seed": 2}),
        "bootstrap of dense": (lambda: dense(3), {"intervals": "bootstrap", "replicates": 4, "max_iter": 4}),
        "squarem": (lambda: rings(5), {"acceleration": "squarem"}),
        "performance prior, number as init": (
            lambda: rings(4),
            {"performance_prior": (5, 1.5), "init": 0.8, "m_step": "em"},
        ),
        "nobody marks anything": (lambda: [np.zeros(SMALL, np.float32)] * 2, {}),
    },
)

SIMPLE_CASES = _of(
    SIMPLE,
    {
        "7 of 3 values": (lambda: rings(7, WHOLE), {"mask": partial(brain, WHOLE)}),
        "5 of 3 values, em": (lambda: rings(5, WHOLE), {"m_step": "em", "prior": "estimate"}),
        "log-linear": (lambda: rings(5, WHOLE), {"likelihood": "log_linear", "init": 0.95}),
        "more patterns than the first table": (
            lambda: levels(3, 17, (60, 70, 60)),
            {"max_iter": 6},
        ),
        "more patterns than any table": (lambda: levels(3, 20, WHOLE), {"max_iter": 6}),
        "5 dense": (lambda: dense(5, WHOLE), {"max_iter": 8}),
        "12 dense of float64, em": (
            lambda: dense(12, WHOLE, dtype=np.float64),
            {"m_step": "em", "max_iter": 5, "dtype": "float64"},
        ),
        "dense, prior map": (lambda: dense(4), {"prior": partial(many_priors, dtype=np.float32)}),
        "dense, log-linear": (lambda: dense(4), {"likelihood": "log_linear", "max_iter": 20}),
        "30 of 3 values": (lambda: rings(30), {}),
        "missing": (lambda: with_holes(rings(5, WHOLE)), {"missing": "nan"}),
        "disputed": (lambda: dense(4), {"roi": "disputed", "max_iter": 20}),
        "mrf": (lambda: rings(5, WHOLE), {"mrf": 0.4, "max_iter": 12, "m_step": "em"}),
        "mrf of the disputed and prior map": (
            lambda: rings(4),
            {"mrf": 0.3, "roi": "disputed", "prior": few_priors},
        ),
        "mrf, log-linear": (lambda: rings(4), {"mrf": 0.3, "likelihood": "log_linear"}),
        "information": (lambda: rings(5), {"intervals": "information", "likelihood": "log_linear"}),
        "information, em": (lambda: rings(5), {"intervals": "information", "m_step": "em"}),
        "information of dense, em": (
            lambda: dense(4),
            {"intervals": "information", "m_step": "em", "max_iter": 30},
        ),
        "bootstrap": (lambda: rings(5), {"intervals": "bootstrap", "replicates": 20}),
        "squarem, em": (lambda: dense(4), {"acceleration": "squarem", "m_step": "em", "max_iter": 30}),
    },
)

MAJORITY_CASES = _of(
    MAJORITY,
    {
        "7 masks": (lambda: masks(7, WHOLE), {"mask": partial(brain, WHOLE)}),
        "4 of 3 values": (lambda: rings(4), {"dtype": "float64"}),
        "5 dense": (lambda: dense(5, WHOLE), {}),
        "missing, present": (
            lambda: with_holes(masks(3)),
            {"missing": "nan", "present": lambda: looked(3)},
        ),
        "label": (_label_maps, {"select_label": 3}),
    },
)

FUSIONS = [*STAPLE_CASES, *SOFT_CASES, *SIMPLE_CASES, *MAJORITY_CASES]


def _dilated(**options: Any) -> Callable[[int], Any]:
    return lambda threads: fastfuse.dilated_staple(masks(4, WHOLE), flair(WHOLE), threads=threads, **options)


def _ring(mask: Any = None, **options: Any) -> Callable[[int], Any]:
    def grow(threads: int) -> Any:
        given = masks(1, WHOLE)[0] if mask is None else mask
        return fastfuse.conditional_dilation(given, flair(WHOLE), threads=threads, **options)

    return grow


def _evaluated(threads: int, **options: Any) -> Any:
    return fastfuse.evaluate(dense(1, WHOLE)[0], depth(WHOLE) > 0, **options)


# What is computed beside fusions: each is called with the number of threads.
OTHERS: dict[str, Callable[[int], Any]] = {
    "dilated-staple": _dilated(),
    "dilated-staple: exact, by lesion, in a mask": _dilated(
        mask=brain(WHOLE), threshold="exact", scope="lesion", dtype="float64", size=1.5
    ),
    "dilated-staple: into an array, radius": _dilated(
        out=np.empty(WHOLE, np.float32), radius_mm=3.0, spacing_mm=(1, 1, 2), mrf=0.2, max_iter=6
    ),
    "dilated-staple: label": lambda threads: fastfuse.dilated_staple(
        _label_maps(), flair(WHOLE), select_label=3, connected=True, threads=threads
    ),
    "dilation": _ring(),
    "dilation: size, label, iterations": _ring(size=2.0, label=0.6, iterations=2),
    "dilation: exact": _ring(threshold="exact", size=1.7),
    "dilation: exact, connected": _ring(threshold="exact", connected=True, size=1.4),
    "dilation: number": _ring(threshold=500.0),
    "dilation: by lesion": _ring(scope="lesion", size=1.5),
    "dilation: by lesion, connected, exact": _ring(scope="lesion", connected=True, threshold="exact"),
    "dilation: connected": _ring(connected=True, size=1.6),
    "dilation: radius in a roi": _ring(radius_mm=2.5, spacing_mm=(1, 0.8, 3), roi=brain(WHOLE)),
    "dilation: not scaled": lambda threads: fastfuse.conditional_dilation(
        masks(1)[0], flair(dtype=np.float64) / 1000, normalize=False, threads=threads
    ),
    "dilation: binarized, in Fortran's order": _ring(
        np.asfortranarray(masks(1, WHOLE)[0].astype(np.float32) * 4), binarize=True
    ),
    "dilation: empty mask": _ring(np.zeros(WHOLE, np.uint8)),
    "dilation: flat image": lambda threads: fastfuse.conditional_dilation(
        masks(1)[0], np.full(SMALL, 5, np.int16), threads=threads
    ),
    "soften": lambda threads: fastfuse.soften(
        masks(3, WHOLE), flair(WHOLE).astype(">i2"), size=1.3, threads=threads
    ),
    "smoothed vote": lambda threads: fastfuse.smoothed_vote(
        masks(4), 2.0, spacing_mm=(1, 1, 2), mask=brain()
    ),
    "smoothed vote, least": lambda threads: fastfuse.smoothed_vote(
        rings(3), 1.5, spacing_mm=(1, 1, 1), least=0.01
    ),
    "evaluate": _evaluated,
    "evaluate: cut, mask, least voxels, spacing": partial(
        _evaluated, cut=0.3, mask=brain(WHOLE), least_voxels=5, spacing_mm=(1, 1.2, 3)
    ),
    "evaluate: two empty masks": lambda threads: fastfuse.evaluate(np.zeros(SMALL), np.zeros(SMALL)),
    "label and repr": lambda threads: [
        fastfuse.staple(masks(3), threads=threads).label(0.4),
        repr(fastfuse.soft_staple(rings(3), threads=threads, intervals="information")),
        repr(fastfuse.conditional_dilation(masks(1)[0], flair(), threads=threads)),
    ],
}
