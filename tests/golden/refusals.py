"""Bad input of every documented kind: the error's type and text are golden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

import fastfuse

from .volumes import brain, dense, flair, many_priors, masks, rings

GOOD = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]], dtype=np.float64)
FUNCTIONS = {
    "staple": fastfuse.staple,
    "soft": fastfuse.soft_staple,
    "simplified": fastfuse.simplified_soft_staple,
}


def _with(value: float, dtype: Any = np.float64) -> list[np.ndarray]:
    """Return three masks in Fortran's order, the second with a value where only few look."""
    raters = [np.asfortranarray(np.pad(np.ones((2, 2, 2), dtype), 20)) for _ in range(3)]
    raters[1][17, 23, 31] = value
    return raters


def _many_fractional() -> np.ndarray:
    votes = np.zeros((22, 10))
    votes[:, 3] = 1
    votes[:21, 4] = 0.4
    return votes


# Raters and options that each of the functions in FUNCTIONS refuses, or says why it takes them.
RATERS: dict[str, Any] = {
    "no raters": [],
    "shapes differ": [np.zeros((2, 3)), np.zeros((3, 2))],
    "empty": [np.zeros((2, 0))],
    "complex": [GOOD[0], GOOD[1].astype(complex)],
    "text": [GOOD[0], np.array(["0", "1", "1", "0"])],
    "masked array": [GOOD[0], np.ma.masked_array(GOOD[1])],
    "path": ["a.nii.gz", "b.nii.gz"],
    "dict": {"a": GOOD[0]},
    "number": 3,
    "one array": GOOD[0],
    "one image": np.zeros((65, 4, 4), np.uint8),
    "nan": _with(np.nan),
    "infinity": _with(-np.inf, ">f4"),
    "below 0": _with(-0.25),
    "above 1 by rounding": _with(1.0000001, np.float32),
    "fraction": _with(0.3),
    "labels": _with(7, np.int16),
    "only None": [None, None],
    "one rater": [GOOD[0]],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "prior out of range": {"prior": 1.0},
    "prior of no number": {"prior": None},
    "prior word": {"prior": "median"},
    "prior map's shape": {"prior": np.full(3, 0.5)},
    "prior map's value": {"prior": np.array([0.5, 0.5, 1, 0.5])},
    "init word": {"init": "votes"},
    "init out of range": {"init": 0.5},
    "tol": {"tol": -1},
    "max_iter of 0": {"max_iter": 0},
    "max_iter of 2.5": {"max_iter": 2.5},
    "threads": {"threads": -1},
    "dtype": {"dtype": "float16"},
    "select_label of 0": {"select_label": 0},
    "select_label beyond": {"select_label": 2**53 + 1},
    "select_label that is not there": {"select_label": 5},
    "unknown option": {"smoothing": 2},
    "empty mask": {"mask": np.zeros(4, bool)},
    "mask's shape": {"mask": np.ones(5, bool)},
    "mask's value": {"mask": np.array([0, 1, 2, 0])},
    "mask of text": {"mask": np.array(["a"] * 4)},
    "present's number": {"present": [None, None]},
    "present's shape": {"present": [None, None, np.ones(3)]},
    "present's value": {"present": [None, None, np.array([0, 1, 2, 0])]},
    "missing": {"missing": "none"},
    "roi word": {"roi": "brain"},
    "roi below 0": {"roi": -1},
    "margin without spacing": {"roi": 3.0},
    "spacing": {"roi": 3.0, "spacing_mm": (1, 2)},
    "spacing of 0": {"spacing_mm": (0,)},
    "mrf below 0": {"mrf": -1},
    "mrf and squarem": {"mrf": 0.1, "acceleration": "squarem"},
    "mrf and intervals": {"mrf": 0.1, "intervals": "information"},
    "bootstrap and prior map": {"intervals": "bootstrap", "prior": np.full(4, 0.3)},
    "intervals": {"intervals": "wide"},
    "replicates": {"replicates": 1},
    "seed": {"seed": -1},
    "acceleration": {"acceleration": "fast"},
    "performance_prior": {"performance_prior": (0.5, 2)},
    "m_step": {"m_step": "EM"},
    "expectation": {"expectation": "exact"},
    "likelihood": {"likelihood": "normal"},
    "out's shape": {"out": np.zeros(5)},
    "out's type": {"out": np.zeros(4, np.int32)},
    "out of no array": {"out": [0, 0, 0, 0]},
    "device": {"device": "tpu"},
}


def _lot() -> dict[str, Callable[[], Any]]:
    """Return what the functions beside the fusions refuse."""
    mask, image = masks(1)[0], flair()
    over = GOOD.copy()
    hole = image.copy()
    hole[mask == 0] = np.nan
    grown, fused = fastfuse.conditional_dilation, fastfuse.dilated_staple
    mirrored = nib.Nifti1Image(mask, np.diag([-1, 1, 1, 1]))
    return {
        "too many fractional votes": lambda: fastfuse.soft_staple(
            _many_fractional(), expectation="enumerate"
        ),
        "every vote missing": lambda: fastfuse.staple(np.full((3, 4), np.nan), missing="nan"),
        "infinity is not missing": lambda: fastfuse.staple(GOOD * 1e308 * 10, missing="nan"),
        "fractional labels": lambda: fastfuse.staple([GOOD[0], GOOD[1] + 0.3], select_label=1),
        "grids": lambda: fastfuse.staple([nib.Nifti1Image(mask, np.eye(4)), mirrored]),
        "near grids": lambda: fastfuse.staple(
            [nib.Nifti1Image(mask, np.eye(4)), nib.Nifti1Image(mask, np.diag([1, 1, 1, 1.0]) + _shift(0.05))]
        ),
        "out overlaps": lambda: fastfuse.staple(over, out=over[1]),
        "dilation: shapes": lambda: grown(mask, image[1:]),
        "dilation: mask's value": lambda: grown(mask * 2, image),
        "dilation: nan in the image": lambda: grown(mask, hole, normalize=False),
        "dilation: 2-D": lambda: grown(mask[0], image[0]),
        "dilation: size": lambda: grown(mask, image, size=0.5),
        "dilation: label": lambda: grown(mask, image, label=1),
        "dilation: iterations": lambda: grown(mask, image, iterations=0),
        "dilation: threshold": lambda: grown(mask, image, threshold="otsu"),
        "dilation: scope": lambda: grown(mask, image, scope="slice"),
        "dilation: flag": lambda: grown(mask, image, connected=1),
        "dilation: radius without spacing": lambda: grown(mask, image, radius_mm=2.0),
        "dilation: radius": lambda: grown(mask, image, radius_mm=-1, spacing_mm=(1, 1, 1)),
        "dilation: roi": lambda: grown(mask, image, roi=brain(dtype=np.uint8) * 2),
        "dilation: empty roi": lambda: grown(mask, image, roi=np.zeros_like(mask)),
        "soften: option": lambda: fastfuse.soften([mask], image, colour=3),
        "soften: nothing": lambda: fastfuse.soften([], image),
        "dilated: label and binarize": lambda: fused([mask], image, select_label=1, binarize=True),
        "dilated: soft votes": lambda: fused(rings(2), image),
        "dilated: image's shape": lambda: fused([mask, mask], image[1:]),
        "smoothed: sigma": lambda: fastfuse.smoothed_vote([mask], -1, spacing_mm=(1, 1, 1)),
        "smoothed: least": lambda: fastfuse.smoothed_vote([mask], 1, spacing_mm=(1, 1, 1), least=2),
        "evaluate: shapes": lambda: fastfuse.evaluate(mask, mask[1:]),
        "evaluate: value": lambda: fastfuse.evaluate(mask * 2, mask),
        "evaluate: cut": lambda: fastfuse.evaluate(mask, mask, cut=0),
        "evaluate: mask": lambda: fastfuse.evaluate(mask, mask, mask=np.zeros_like(mask)),
        "label: cut": lambda: fastfuse.staple(GOOD).label(1.5),
        "bootstrap of what does not repeat": lambda: fastfuse.soft_staple(
            dense(2, (60, 60, 60)), intervals="bootstrap", max_iter=1, replicates=2
        ),
        "prior map with mrf": lambda: fastfuse.staple([mask, mask], mrf=0.1, prior=many_priors() * 9),
    }


def _shift(by: float) -> np.ndarray:
    found = np.zeros((4, 4))
    found[0, 3] = by
    return found


def refusals() -> dict[str, Callable[[], Any]]:
    """Return calls of the functions on arrays that end in an error, or warn."""
    found = dict(_lot())
    for title, function in FUNCTIONS.items():
        for name, raters in RATERS.items():
            found[f"{title}: {name}"] = lambda function=function, raters=raters: function(raters)
        for name, options in OPTIONS.items():
            found[f"{title}: {name}"] = lambda function=function, options=options: function(
                GOOD.copy(), **options
            )
    for name, raters in RATERS.items():
        found[f"majority: {name}"] = lambda raters=raters: fastfuse.majority_vote(raters)
    return found


def file_refusals(folder: Path) -> dict[str, Callable[[], Any]]:
    """Return calls of the functions on files that end in an error; of the files that ``write_images`` makes."""
    paths = [folder / f"rater{i}.nii.gz" for i in range(3)]
    taken, text, new = folder / "taken.nii.gz", folder / "text.nii", folder / "new.nii.gz"
    taken.write_bytes(b"taken")
    text.write_text("no image")
    fuse, soften = fastfuse.fuse_files, fastfuse.soften_files
    image = folder / "flair.nii.gz"
    return {
        "fuse: none": lambda: fuse([], new),
        "fuse: no file": lambda: fuse([folder / "none.nii.gz"], new),
        "fuse: no image": lambda: fuse([*paths, text], new),
        "fuse: grid": lambda: fuse([*paths, folder / "mirrored.nii.gz"], new),
        "fuse: output exists": lambda: fuse(paths, taken),
        "fuse: output is an input": lambda: fuse(paths, paths[0], overwrite=True),
        "fuse: output's ending": lambda: fuse(paths, folder / "new.png"),
        "fuse: no folder": lambda: fuse(paths, folder / "none" / "new.nii.gz"),
        "fuse: method": lambda: fuse(paths, new, method="mean"),
        "fuse: majority's options": lambda: fuse(paths, new, method="majority", mrf=0.3),
        "fuse: staple's options": lambda: fuse(paths, new, method="staple", m_step="em"),
        "fuse: image alone": lambda: fuse(paths, new, image=image),
        "fuse: soften without image": lambda: fuse(paths, new, soften=True),
        "fuse: soften for staple": lambda: fuse(paths, new, method="staple", soften=True, image=image),
        "fuse: dilated without image": lambda: fuse(paths, new, method="dilated-staple"),
        "fuse: dilation's spacing": lambda: fuse(
            paths, new, soften=True, image=image, dilation={"spacing_mm": (1, 1, 1)}
        ),
        "fuse: cut": lambda: fuse(paths, new, cut=0),
        "fuse: prior": lambda: fuse(paths, new, prior="smooth:x"),
        "fuse: prior's file": lambda: fuse(paths, new, prior=folder / "none.nii"),
        "fuse: present": lambda: fuse(paths, new, present=[None]),
        "fuse: soft votes by staple": lambda: fuse([folder / "ring0.nii.gz"], new, method="staple"),
        "fuse: array": lambda: fuse([np.zeros(3)], new),
        "soften: no output": lambda: soften(paths, image),
        "soften: one output": lambda: soften(paths, image, output=new),
        "soften: folder is a file": lambda: soften(paths, image, out_dir=taken),
        "soften: option": lambda: soften(paths, image, out_dir=folder / "soft", colour=1),
        "evaluate: grid": lambda: fastfuse.evaluate_files(paths[0], folder / "mirrored.nii.gz"),
    }
