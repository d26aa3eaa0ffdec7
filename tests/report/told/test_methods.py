"""The sentences for a paper's methods: all that was done, and each reference beside what it is for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.dilation.options import Dilation
from fastfuse.fusion.labels.declared import LABEL_OPTIONS
from fastfuse.fusion.options import BY_NAME
from fastfuse.report.words.cohort import USUAL_RING, asked_of
from fastfuse.report.words.methods import sentences_of, sentences_of_cohort
from fastfuse.report.words.votes import USUAL_STEPS

from ...cli.common import MASKS, case_in
from ...cohort.files import GLOB, make_cohort
from ..common import Page, fused

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def said(page: Page) -> str:
    return " ".join(next(one.text for one in page.all("section", id="cite")).split()).split(
        " The fastfuse developers"
    )[0]


CASES: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"method": "staple", "intervals": "bootstrap", "replicates": 7, "seed": 3},
        [
            "fused by STAPLE (Warfield et al. 2004), as implemented in",
            "The prior of foreground is the mean vote, ",
            "percentiles of 7 bootstrap samples (Efron 1979) of voxels; the seed is 3.",
        ],
    ),
    (
        {"method": "staple", "intervals": "information", "acceleration": "squarem", "prior": 0.25},
        [
            "The prior of foreground was set to 0.25.",
            "EM with SQUAREM (Varadhan and Roland 2008) converged after ",
            "from the observed information (Louis 1982), which takes voxels for independent.",
        ],
    ),
    ({"method": "staple", "max_iter": 1}, ["EM was stopped after 1 iteration, before it converged."]),
    (
        {"method": "soft-staple", "cut": "dice", "m_step": "em", "roi": 4},
        [
            "fused by soft-STAPLE (Kats et al. 2019), as implemented",
            "The M-step is the true maximiser.",
            "within 4 mm of what anybody marks.",
            "the cut of the highest expected Dice (Dinkelbach 1967).",
        ],
    ),
    (
        {"method": "staple", "performance_prior": (4, 1.5), "mrf": 0.2, "prior": "estimate"},
        [
            "The rates have a Beta prior (4, 1.5) (Commowick and Warfield 2010).",
            "a Markov random field of strength 0.2, by mean field.",
            "The prior of foreground is estimated, ",
        ],
    ),
    (
        {"method": "soft-staple", "soften": True},
        ["grown on flair.nii.gz by conditional dilation (Kats et al. 2019) to 1.2 times their size; a voxel of a ring votes 0.3."],
    ),
    ({"method": "border-staple"}, ["fused by border-STAPLE, as implemented", "no voxel's probability moved by more than 0.0001."]),
    ({"method": "majority", "ties": "background"}, ["fused by a majority vote, as", "The mask holds probabilities above 0.5."]),
    ({"method": "staple", "select_label": [1, 2]}, ["Foreground is the union of labels 1, 2. Fused were "]),
    ({"method": "staple", "binarize": True}, ["Values above 0 count as 1."]),
    ({"method": "majority", "threshold": 0.25}, ["Values of at least 0.25 count as 1, others as 0."]),
    ({"method": "soft-staple", "scale": 2.0}, ["Votes are values divided by 2."]),
    ({"method": "soft-staple", "scale": "auto"}, ["divided by 1, 100 or 255, as the highest of them tells."]),
    (
        {"method": "staple", "init": 0.9, "acceleration": "squarem"},
        ["EM with SQUAREM (Varadhan and Roland 2008) that began with every rate at 0.9 converged after "],
    ),
    (
        {
            "method": "soft-staple", "soften": True,
            "dilation": {"radius_mm": 3.0, "scope": "lesion", "connected": True, "threshold": "exact"},
        },
        [
            "by conditional dilation (Kats et al. 2019), each lesion by itself, to 1.2 times their size by the brightest voxels, exactly;",
            "Voxels within 3 mm of their marks may join a ring. What does not touch the marks joins none.",
        ],
    ),
    (
        {"method": "soft-staple", "soften": True, "dilation": {"threshold": 110.0, "iterations": 2}},
        ["by conditional dilation (Kats et al. 2019) by all voxels above 110; a voxel of a ring", "within 2 steps of their marks"],
    ),
    (
        {"method": "soft-staple", "soften": True, "dilation": {"normalize": False, "binarize": True}},
        ["Values above 0 count as 1.", "The image was not scaled."],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "expected"), CASES)
def test_what_was_done_is_all_there(options: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    given = dict(options)
    if given.pop("soften", False):
        given |= {"soften": True, "image": tmp_path / "flair.nii.gz"}
    page, facts, _ = fused(tmp_path, **given)
    text = said(page)
    for one in expected:
        assert one in text, text
    assert f"Fused were {facts['region']['voxels']:,} voxels: inside brain.nii.gz" in text
    assert f"fastfuse {facts['fastfuse']}." in text
    if facts["method"] != "majority":
        assert f"after {facts['n_iter']:,} iteration" in text
    (fusing,) = re.findall(r"were fused by [^.]*", text)
    assert not {"Efron", "Louis", "Dinkelbach", "Varadhan", "Schwarz"} & set(re.findall(r"\w+", fusing))
    for work in {"Efron", "Louis", "Dinkelbach", "Varadhan"} & set(
        re.findall(r"\w+", page.one("section", id="cite").text)
    ):
        assert f"{work}" in text  # no work is listed that no sentence names


def test_label_maps(tmp_path: Path) -> None:
    page, _, _ = fused(tmp_path, labels="all", intervals="bootstrap", replicates=4)
    assert "fused by STAPLE for label maps (Warfield et al. 2004; Dawid and Skene 1979), as" in said(page)
    assert (
        "95 % intervals of sensitivity are percentiles of 4 bootstrap samples (Efron 1979) of voxels"
        in said(page)
    )
    captions = [one.text for one in page.all("p", **{"class": "caption"}) if one.text.startswith("Label ")]
    assert len(captions) == 2
    assert all("95 % intervals over resampled voxels." in one for one in captions)


def test_files_that_were_placed(tmp_path: Path) -> None:
    """Resampled, and by which affine: both change what is fused."""
    case_in(tmp_path)
    image = nib.load(tmp_path / MASKS[1])
    affine = image.affine.copy()
    affine[0, 3] += 0.5 * affine[0, 0]
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), affine), tmp_path / MASKS[1])
    page, _, _ = fused(tmp_path, method="staple", resample="nearest", use="sform")
    assert "Segmentations on other lattices were resampled by the nearest voxel." in said(page)
    assert "Images lie where their sform says." in said(page)


def test_models_of_label_maps(tmp_path: Path) -> None:
    case_in(tmp_path)
    for k, name in enumerate(MASKS):
        image = nib.load(tmp_path / name)
        maps = np.asanyarray(image.dataobj).astype(np.uint8)
        maps[:, : 2 + k] *= 2
        nib.save(nib.Nifti1Image(maps, image.affine), tmp_path / name)
    page, _, _ = fused(tmp_path, labels="all", confusion="class", knows={0: [0, 1, 2]}, undecided=9)
    for one in (
        "The label of a voxel is one that somebody votes there.",
        "A rater has one sensitivity for each label.",
        f"{MASKS[0]} knows 3 labels alone: 0, 1, 2.",
        "that began with the label of most votes",
        "Voxels whose labels are tied have label 9.",
    ):
        assert one in said(page), said(page)
    page, _, _ = fused(tmp_path, labels="all", candidates="all", init="itk")
    assert "The label of a voxel may be any." in said(page)
    assert "EM that began as ITK's does" in said(page)
    page, _, _ = fused(tmp_path, labels="all", method="majority", weights=[1] * len(MASKS))
    assert "The label of a voxel" not in said(page)


NOT_TOLD = {
    "expectation": "both ways are exact",
    "spacing_mm": "of arrays; the margin in mm is told",
    "threads": "the same bits for every number",
    "max_memory": "the same consensus, read in parts",
    "executor": "the same consensus by others",
    "device": "the same method elsewhere",
    "replicates": "told with the intervals",
    "seed": "told with the intervals",
    "labels": "which labels there are the result tells",
    "overlap": "each structure has a page of its own",
}
TOLD: dict[str, tuple[Any, Any]] = {
    "m_step": ("paper", "em"), "likelihood": ("mixture", "log_linear"), "prior": ("mean", "estimate"), "init": ("vote", 0.9),
    "roi": ("all", 4.0), "missing": ("error", "nan"), "mrf": (0.0, 0.3), "performance_prior": (None, [5, 1.5]),
    "intervals": ("none", "bootstrap"), "tol": (1e-7, 1e-3), "max_iter": (1000, 5), "acceleration": ("none", "squarem"),
    "select_label": (None, 3), "binarize": (False, True), "threshold": (None, 0.3), "scale": (None, 100.0),
    "evidence": (False, True), "classes": (2, 3), "candidates": ("all", "voted"), "confusion": ("full", "class"),
    "knows": (None, {"a": [0, 1]}), "weights": (None, [1, 2]), "undecided": (None, 9), "truncation": (None, 0.01),
}  # fmt: skip


def test_every_option_that_changes_the_result_changes_what_is_said() -> None:
    """Whoever adds an option says it, or why it needs no word."""
    assert {*NOT_TOLD, *TOLD} == {*BY_NAME, *LABEL_OPTIONS}
    for name, (usual, other) in TOLD.items():
        texts = set()
        for value in (usual, other):
            options = {"replicates": 9, "seed": 0, "tol": 1e-7, name: value}
            facts: dict[str, Any] = {
                "method": "staple", "fastfuse": "0", "options": options, "raters": [{"name": "a"}, {"name": "b"}], "n_iter": 5,
                "converged": not (name == "max_iter" and value == other), "region": {"mask": "in memory", "voxels": 7},
            }  # fmt: skip
            facts |= {"labels": [{}, {}, {}]} if name in LABEL_OPTIONS else {}
            texts.add(sentences_of([], facts))
        assert len(texts) == 2, name


def test_what_is_usual_is_what_a_dilation_does() -> None:
    """The words have numbers of their own, as the page of a cohort loads no dilation."""
    usual = Dilation()
    assert {"size": usual.size, "label": usual.label} == USUAL_RING
    assert usual.iterations == USUAL_STEPS


def test_a_cohort_says_what_was_made_of_its_files(tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        "settings": {
            "method": "soft-staple", "soften": True, "dilation": {"size": 1.5}, "resample": "nearest", "use": "qform",
            "save_label": True, "cut": "dice", "options": {"threshold": 0.5}, "select_segment": "lesion",
        },
        "fastfuse": "1.2", "cases": 2, "estimate": None, "raters": [],
    }  # fmt: skip
    text = sentences_of_cohort((), facts, asked_of(facts), 3)
    for one in (
        "Foreground is segment lesion.",
        "Values of at least 0.5 count as 1, others as 0.",
        "resampled by the nearest voxel.",
        "Images lie where their qform says.",
        "grown on the case's image by conditional dilation to 1.5 times their size; a voxel of a ring votes 0.3.",
        "The mask holds probabilities of at least the cut of the highest expected Dice.",
    ):
        assert one in text, text
    facts["settings"] = {"labels": "all", "candidates": "voted", "knows": {"Ann": [0, 1]}}
    text = sentences_of_cohort((), facts, asked_of(facts), 3)
    assert "fused by STAPLE for label maps" in text
    assert "one that somebody votes there. Ann knows 2 labels alone: 0, 1." in text
    make_cohort(tmp_path / "in", 2)
    options = {"glob": GLOB, "method": "staple", "replicates": 5, "threshold": 0.5, "save_label": True}
    fastfuse.fuse_cohort(tmp_path / "in", tmp_path / "out", report=tmp_path / "cohort.html", **options)
    text = said(Page.of((tmp_path / "cohort.html").read_text()))
    assert "Values of at least 0.5 count as 1, others as 0." in text
    assert "The mask holds probabilities of at least 0.5." in text


@pytest.mark.parametrize("pool", ["raters", "none"])
def test_a_cohort_says_whether_rates_are_shared_and_what_its_numbers_are_of(
    pool: Any, tmp_path: Path, capsys: Any
) -> None:
    from fastfuse.cohort.told.printing import print_cohort

    make_cohort(tmp_path / "in", 3)
    for path in (tmp_path / "in").rglob("*.nii.gz"):  # one more case, in which nobody marks anything
        if "case-00" in str(path):
            image = nib.load(path)
            other = Path(str(path).replace("case-00", "case-09"))
            other.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), other)
    options = {"glob": GLOB, "method": "staple", "replicates": 5, "seed": 2, "pool": pool}
    fastfuse.fuse_cohort(tmp_path / "in", tmp_path / "out", report=tmp_path / "cohort.html", **options)
    page = Page.of((tmp_path / "cohort.html").read_text())
    facts = json.loads((tmp_path / "out" / "cohort.json").read_text())
    capsys.readouterr()
    print_cohort(facts, tmp_path / "out")
    shell = " ".join(capsys.readouterr().out.split())
    shared = "All cases share the rates of a rater."
    means = "Rates are means over the cases in which they are defined, each fused by itself."
    for text in (said(page), page.one("section", id="raters").text, shell):
        assert (shared if pool == "raters" else means) in text
        assert "95 % intervals are percentiles of 5 bootstrap samples of cases, with seed 2." in text
    fit = page.one("section", id="fit").text
    assert facts["cases"] == 4
    assert "voxels of 3 cases that so many raters mark" in fit
    assert "Of 1 more case no fit is known" in fit
    assert "Fused were all voxels." in said(page)


@pytest.mark.parametrize(
    ("masked", "roi", "expected"),
    [
        (
            (True, True),
            6.0,
            "Fused were the voxels inside the case's mask, within 6 mm of what anybody marks.",
        ),
        ((True, False), "all", "Fused were the voxels inside the mask where a case has one."),
        ((False, False), "disputed", "Fused were the voxels in dispute."),
    ],
)
def test_a_cohort_says_where_it_fused(masked: tuple[bool, bool], roi: Any, expected: str) -> None:
    kinds = [["rater", *(["mask"] if one else [])] for one in masked]
    inputs = {f"case-{k}": [{"what": what} for what in each] for k, each in enumerate(kinds)}
    facts = {
        "cases": 2,
        "estimate": None,
        "raters": [],
        "settings": {},
        "inputs": inputs,
    }
    asked = {"method": "staple", "options": {"roi": roi}, "fastfuse": "1.2"}
    assert expected in sentences_of_cohort((), facts, asked, 3)


@pytest.mark.parametrize(
    ("anchor", "told"),
    [
        ({"level": 1.0, "from": "votes", "image": "flair.nii"}, "The border is told by the votes."),
        ({"level": 1.0, "from": "image", "image": "d/flair.nii"}, "by half maximum on flair.nii."),
        ({"level": 1.0, "from": "image", "image": "in memory"}, "by half maximum on the image."),
    ],
)
def test_the_border_is_told_by_what_told_it(anchor: dict[str, Any], told: str) -> None:
    """An image that is given, and on which lesions are not bright, tells nothing."""
    facts = {
        "method": "border-staple", "fastfuse": "0", "options": {"weights": [1, 1, 2.5]}, "raters": [{}, {}, {}], "anchor": anchor,
        "region": {"mask": "in memory", "voxels": 7},
    }  # fmt: skip
    sentences = sentences_of([], facts)
    assert told in sentences
    assert "with the weights 1, 1, 2.5, as implemented" in sentences
    assert "Fused were 7 voxels: inside the mask." in sentences
