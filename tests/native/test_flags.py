"""Every flag of every public function is True or False: what else is given, such as "yes" or "no", is refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
MASKS = [np.zeros((6, 6, 6), np.uint8) for _ in range(3)]
for k, one in enumerate(MASKS):
    one[1:4, 1:4, k : k + 3] = 1
IMAGE = np.indices((6, 6, 6)).sum(axis=0).astype(np.float32)
WRONG = ["yes", "no", 0, None]
CHOOSE = (
    "fuse",
    "fuse_files",
    "fuse_cohort",
    "staple",
    "soft_staple",
    "simplified_soft_staple",
    "majority_vote",
)
# What a flag goes with, where there is a choice of methods, and of what is fused.
WITH: dict[str, dict[str, Any]] = {
    "evidence": {"method": "border-staple", "roi": "all"},
    "overlap": {"labels": [1]},
}


def flags() -> dict[str, list[str]]:
    """Return the names of the flags of each public function and method."""
    found: dict[str, list[str]] = {}
    for name in fastfuse.__all__:
        value = getattr(fastfuse, name)
        calls = {name: value} if inspect.isfunction(value) else {}
        if inspect.isclass(value):
            methods = inspect.getmembers(value, inspect.isfunction)
            calls = {f"{name}.{of}": method for of, method in methods if not of.startswith("_")}
        for called, function in calls.items():
            options = inspect.signature(function).parameters.values()
            named = [one.name for one in options if isinstance(one.default, bool)]
            if named:
                found[called] = named
    return found


FLAGS = flags()


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Callable[..., Any]]:
    """Return how each is called, but for the flag."""
    pytest.importorskip("scipy", reason="needs scipy: pip install '.[evaluate]'")
    folder = tmp_path_factory.mktemp("flags")
    files = [folder / f"{i}.nii" for i in range(3)]
    for mask, path in zip(MASKS, files, strict=True):
        nib.save(nib.Nifti1Image(mask, np.eye(4)), path)
    nib.save(nib.Nifti1Image(IMAGE, np.eye(4)), folder / "image.nii")
    (folder / "cohort" / "case").mkdir(parents=True)
    for mask, path in zip(MASKS, files, strict=True):
        nib.save(nib.Nifti1Image(mask, np.eye(4)), folder / "cohort" / "case" / path.name)
    fusions: dict[str, Any] = {
        "Fusion": fastfuse.staple(MASKS),
        "BorderFusion": fastfuse.border_staple(MASKS, roi="all"),
        "ClassFusion": fastfuse.staple(MASKS),
        "LabelFusion": fastfuse.staple(MASKS, labels="all"),
    }
    estimates: dict[str, Any] = {"Estimate": "staple", "BorderEstimate": "border-staple"}
    like = nib.Nifti1Image(MASKS[0], np.eye(4))
    found: dict[str, Callable[..., Any]] = {}
    for kind, fusion in fusions.items():
        found |= {
            f"{kind}.as_input": fusion.as_input,
            f"{kind}.to_nifti": lambda fusion=fusion, **flag: fusion.to_nifti(like, **flag),
            f"{kind}.save": lambda fusion=fusion, **flag: fusion.save(folder / "s.nii", like=like, **flag),
            f"{kind}.report": lambda fusion=fusion, **flag: fusion.report(folder / "s.html", **flag),
        }
    for kind, method in estimates.items():
        made = fastfuse.estimate(fastfuse.tabulate(MASKS), method)
        found[f"{kind}.apply"] = lambda made=made, **flag: made.apply(MASKS, **flag)
    out = folder / "out.json"
    of_masks = (
        "staple",
        "soft_staple",
        "simplified_soft_staple",
        "majority_vote",
        "mean_dice",
        "agreement",
        "compare",
    )
    found |= {name: lambda name=name, **flag: getattr(fastfuse, name)(MASKS, **flag) for name in of_masks}
    return found | {
        "tabulate": lambda **flag: fastfuse.tabulate(MASKS, **flag),
        "fuse": lambda **flag: fastfuse.fuse(MASKS, **{"method": "staple", **flag}),
        "border_staple": lambda **flag: fastfuse.border_staple(MASKS, roi="all", **flag),
        "dilated_staple": lambda **flag: fastfuse.dilated_staple(MASKS, IMAGE, **flag),
        "conditional_dilation": lambda **flag: fastfuse.conditional_dilation(MASKS[0], IMAGE, **flag),
        "soften": lambda **flag: fastfuse.soften(MASKS, IMAGE, **flag),
        "soften_labels": lambda **flag: fastfuse.soften_labels(MASKS, IMAGE, **flag),
        "evaluate": lambda **flag: fastfuse.evaluate(MASKS[0], MASKS[1], **flag),
        "evaluate_against_raters": lambda **flag: fastfuse.evaluate_against_raters(IMAGE / 15, MASKS, **flag),
        "agreement_files": lambda **flag: fastfuse.agreement_files(files, output=out, **flag),
        "compare_files": lambda **flag: fastfuse.compare_files(files, output=out, **flag),
        "evaluate_files": lambda **flag: fastfuse.evaluate_files(files[0], files[1], output=out, **flag),
        "evaluate_folders": lambda **flag: fastfuse.evaluate_folders(
            folder / "cohort", folder / "cohort", output=out, **flag
        ),
        "evaluate_against_rater_files": lambda **flag: fastfuse.evaluate_against_rater_files(
            files[0], files[1:], output=out, **flag
        ),
        "fuse_files": lambda **flag: fastfuse.fuse_files(files, folder / "f.nii", **flag),
        "soften_files": lambda **flag: fastfuse.soften_files(
            files, folder / "image.nii", out_dir=folder, **flag
        ),
        "fuse_cohort": lambda **flag: fastfuse.fuse_cohort(
            folder / "cohort", folder / "fused", glob="{case}/{rater}.nii", **flag
        ),
    }


@pytest.mark.parametrize(
    ("function", "flag"), [(one, flag) for one, named in FLAGS.items() for flag in named]
)
def test_what_is_neither_true_nor_false_is_refused(
    calls: dict[str, Callable[..., Any]], function: str, flag: str
) -> None:
    for wrong in WRONG:
        with pytest.raises(TypeError, match=f"^{flag} is .*{wrong}.*: it must be True or False"):
            calls[function](**{flag: wrong}, **(WITH.get(flag, {}) if function in CHOOSE else {}))


def test_the_flags_of_figures() -> None:
    plots = pytest.importorskip("fastfuse.report.plots", reason="needs matplotlib: pip install '.[plots]'")
    with pytest.raises(TypeError, match="legend is 'no': it must be True or False"):
        plots.slices(fastfuse.staple(MASKS), legend="no")
    with pytest.raises(TypeError, match="overwrite is 'no': it must be True or False"):
        plots.save(plots.rates(fastfuse.staple(MASKS)), "a.png", overwrite="no")
