"""What counts as foreground in the prediction and in the truth: labels, everything above 0, thresholds, scales."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import evaluate, evaluate_files

from ..command import run_here
from ..images.networks import AFFINE as AFFINE_OF_NETWORK
from ..images.networks import labels_of, regions, save_pair
from .test_evaluation import AFFINE, BRAIN, PREDICTION, SPACING, TRUTH, save
from .test_surface import SHAPE

MARKED = PREDICTION >= 0.5
CODES = np.random.default_rng(0).choice([1, 2, 4], size=SHAPE)
OTHERS = np.random.default_rng(1).choice([0, 3], size=SHAPE)

# Two images each as somebody may bring them, and the options by which they are the same two masks.
SAME: dict[str, tuple[np.ndarray, np.ndarray, dict[str, Any]]] = {
    "255": (255 * MARKED, 255 * TRUTH.astype(int), {"binarize": True}),
    "255 and 1": (255 * MARKED, TRUTH, {"binarize": True}),
    "labels": (np.where(MARKED, CODES, OTHERS), np.where(TRUTH, CODES, OTHERS), {"select_label": (1, 2, 4)}),
    "one label": (4 * MARKED + 3 * ~MARKED, 4 * TRUTH, {"select_label": 4}),
    "a network and labels": (
        PREDICTION,
        np.where(TRUTH, CODES, OTHERS),
        {"truth_select_label": [1, 2, 4]},
    ),
    "a network and 255": (PREDICTION, 255.0 * TRUTH, {"truth_binarize": True}),
    "percent": (100 * PREDICTION, TRUTH, {"scale": 100}),
    "bytes": (np.where(MARKED, 200, 100).astype(np.uint8), TRUTH, {"scale": 255}),
    "percent, found out": (100 * PREDICTION, TRUTH, {"scale": "auto"}),
    "logits": (10 * (PREDICTION - 0.5), TRUTH, {"threshold": 0}),
    "both scaled": (100 * PREDICTION, 200.0 * TRUTH, {"scale": 100, "truth_threshold": 150}),
    "both scales": (100 * PREDICTION, 255 * TRUTH.astype(int), {"scale": 100, "truth_scale": 255}),
    "labels and 255": (
        np.where(MARKED, CODES, OTHERS),
        255 * TRUTH.astype(int),
        {"select_label": [1, 2, 4], "truth_binarize": True},
    ),
}


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize(("prediction", "truth", "options"), SAME.values(), ids=SAME)
def test_the_same_masks(
    tmp_path: Path, prediction: np.ndarray, truth: np.ndarray, options: dict[str, Any]
) -> None:
    expected = asdict(evaluate(MARKED, TRUTH, spacing_mm=SPACING, tolerance_mm=1))
    found = evaluate(prediction, truth, spacing_mm=SPACING, tolerance_mm=1, **options)
    assert asdict(found) == expected
    kind = np.int16 if prediction.dtype.kind in "iu" else np.float64
    paths = [
        save(tmp_path / "p.nii", prediction.astype(kind)),
        save(tmp_path / "t.nii", truth.astype(np.float32)),
    ]
    of_files = evaluate_files(*paths, tolerance_mm=1, **options)
    assert asdict(of_files) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("prediction", "truth"), [(each[0], each[1]) for each in SAME.values()], ids=SAME)
def test_without_the_options_they_are_refused(prediction: np.ndarray, truth: np.ndarray) -> None:
    """Nothing that needs an option is taken for votes without it; the message names it."""
    with pytest.raises(ValueError, match=r"(truth_)?select_label=K or (truth_)?binarize=True"):
        evaluate(prediction, truth)


def test_the_region_alone_is_looked_at() -> None:
    outside = np.where(BRAIN == 1, 4 * MARKED, 0.5)
    found = evaluate(outside, TRUTH, mask=BRAIN, select_label=4, truth_binarize=True)
    assert found == evaluate(MARKED, TRUTH, mask=BRAIN)


@pytest.mark.parametrize(
    ("prediction", "truth", "options", "message"),
    [
        (PREDICTION, TRUTH, {"select_label": 1}, r"the prediction holds .*: a label map holds whole numbers"),
        (PREDICTION, TRUTH, {"scale": 0.5}, "scale is 0.5: it must be a number from 1 to 1e30"),
        (2 * PREDICTION, TRUTH, {"scale": 1}, "the prediction holds .*: a mask holds 0 and 1"),
        (300 * PREDICTION, TRUTH, {"scale": "auto"}, "the prediction goes up to .*scale 'auto' knows"),
        (MARKED, TRUTH, {"binarize": True, "select_label": 1}, "select_label and binarize are given"),
        (MARKED, TRUTH, {"truth_binarize": True, "truth_scale": 255}, "truth_scale and binarize are given"),
        (MARKED, TRUTH, {"select_label": "one"}, "select_label is 'one'"),
    ],
)
def test_bad_input(prediction: np.ndarray, truth: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        evaluate(prediction, truth, **options)


def test_what_binarize_takes_is_told() -> None:
    with pytest.warns(fastfuse.FusionWarning, match=r"the prediction: binarize counts .* between 0 and 1"):
        evaluate(PREDICTION, 255.0 * TRUTH, binarize=True)
    with pytest.warns(fastfuse.FusionWarning, match="scale 'auto' takes 100"):
        evaluate(100 * PREDICTION, TRUTH, scale="auto")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"select_label": 7},
            r"the prediction: label 7 does not occur \(values that occur: 0, 4\); the truth: label 7",
        ),
        ({"select_label": [4], "truth_select_label": [7, 8]}, r"the truth: labels 7, 8 do not occur"),
        ({"threshold": 9, "truth_binarize": True}, r"the prediction: no value is at least 9"),
    ],
)
def test_what_selects_nothing_is_told(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    """Two empty masks agree: that none has the label is said."""
    with pytest.warns(fastfuse.FusionWarning, match=message):
        evaluate(4 * MARKED, 4 * TRUTH, **options)
    paths = [
        save(tmp_path / f"{what}.nii", 4 * data.astype(np.uint8))
        for what, data in (("p", MARKED), ("t", TRUTH))
    ]
    named = message.replace("the prediction", r".*p\.nii").replace("the truth", r".*t\.nii")
    with pytest.warns(fastfuse.FusionWarning, match=named):
        evaluate_files(*paths, **options)


@pytest.mark.filterwarnings("ignore:.*taken for the channels:fastfuse.FusionWarning")
def test_channels_of_a_network(tmp_path: Path) -> None:
    """Four axes, channels first or last: the label chooses one, and the truth has labels of its own."""
    channels = np.stack([1 - PREDICTION, 0 * PREDICTION, PREDICTION])
    truth = save(tmp_path / "t.nii", 3 * TRUTH)
    expected = evaluate(PREDICTION, TRUTH, spacing_mm=SPACING, tolerance_mm=1)
    for axis, data in (("first", channels), ("last", np.moveaxis(channels, 0, -1))):
        path = save(tmp_path / f"{axis}.nii", data, AFFINE)
        found = evaluate_files(
            path, truth, channel_axis=axis, select_label=2, truth_select_label=3, tolerance_mm=1
        )
        assert asdict(found) == pytest.approx(asdict(expected), rel=1e-6)


@pytest.mark.parametrize("option", [{"threshold": 60}, {"binarize": True}])
def test_a_cut_that_does_nothing_is_said(option: dict[str, Any]) -> None:
    said = "the cut 0.7 does nothing here, as (the threshold|binarize) makes a mask of it"
    with pytest.warns(fastfuse.FusionWarning, match=f"prediction: {said}"):
        cut = evaluate(PREDICTION * 100, TRUTH, cut=0.7, **option)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asdict(evaluate(PREDICTION * 100, TRUTH, **option)) == pytest.approx(asdict(cut), nan_ok=True)
        evaluate(PREDICTION, TRUTH, cut=0.7)


@pytest.mark.parametrize("role", ["prediction", "truth"])
def test_a_mask_that_was_stored_next_to_nothing(role: str) -> None:
    """As 0 and 1/255: nothing of it reaches the cut, which is said with a remedy that works."""
    given: dict[str, np.ndarray] = {"prediction": MARKED.astype(float), "truth": TRUTH.astype(float)}
    expected = evaluate(**given)
    given[role] = given[role] / 255
    option = "binarize" if role == "prediction" else "truth_binarize"
    message = rf"the {role}: its highest value is 0\.0039, and so none reaches the cut 0\.5: .* {option}=True"
    with pytest.warns(fastfuse.FusionWarning, match=message):
        assert evaluate(**given).true_positives == 0
    options: dict[str, Any] = {option: True}
    with pytest.warns(fastfuse.FusionWarning, match="binarize counts"):
        assert evaluate(**given, **options) == expected


@pytest.fixture
def tumour(tmp_path: Path) -> Path:
    """A folder with a network's nested regions, and an expert's label map of the same."""
    values = regions(0)
    save_pair(tmp_path, values, labels_of(values))
    save(tmp_path / "expert.nii", labels_of(regions(1)), AFFINE_OF_NETWORK)
    save(tmp_path / "whole.nii", (labels_of(regions(1)) > 0).astype(np.uint8), AFFINE_OF_NETWORK)
    return tmp_path


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_networks_region_is_not_a_label_of_its_number(tumour: Path) -> None:
    network, expert = tumour / "case.npz", tumour / "expert.nii"
    for label, held in ((1, "1,2,3"), (2, "2,3")):
        for pair, own in (((network, expert), (label, held)), ((expert, network), (held, label))):
            remedy = rf"select_label=\[{own[0]}\], truth_select_label=\[{own[1]}\]$"
            with pytest.raises(fastfuse.ImageError, match=rf"label {label}: .*{remedy}"):
                evaluate_files(*pair, select_label=label)
            labels, of_truth = (integers(str(one)) for one in own)
            found = evaluate_files(*pair, select_label=labels, truth_select_label=of_truth)
            assert found == evaluate_files(*pair, select_label=integers(held))
    assert evaluate_files(network, expert, select_label=3).dice > 0.9


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_networks_region_beside_a_mask(tumour: Path) -> None:
    """Label 1 of a mask of 0 and 1 is all that it marks."""
    found = evaluate_files(tumour / "case.npz", tumour / "whole.nii", select_label=1)
    assert found == evaluate_files(tumour / "case.npz", tumour / "expert.nii", select_label=[1, 2, 3])


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("network_is_truth", [False, True])
def test_a_region_whose_labels_are_not_known(tumour: Path, network_is_truth: bool) -> None:
    """Of a file of four axes, which no segmentation lies beside; the shell names a remedy that works."""
    values, whole = regions(0), tumour / "whole.nii"
    save(tumour / "net.nii", np.moveaxis(values, 0, -1), AFFINE_OF_NETWORK)
    pair = ("expert.nii", "net.nii") if network_is_truth else ("net.nii", "expert.nii")
    done = run_here(tumour, "evaluate", *pair, "--channel-axis", "last", "--select-label", "1")
    own = ("1,2,3", "1") if network_is_truth else ("1", "1,2,3")
    remedy = ["--select-label", own[0], "--truth-select-label", own[1]]
    told = "net.nii gives region 1, whose labels are not known, and expert.nii gives label 1: say what either calls the structure"
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{told}, as in {' '.join(remedy)} where that is labels 1, 2 and 3" in done.stderr
    assert run_here(tumour, "evaluate", *pair, "--channel-axis", "last", *remedy).returncode == 0
    labels, of_truth = map(integers, own)
    found = evaluate_files(
        *(tumour / name for name in pair),
        channel_axis="last",
        select_label=labels,
        truth_select_label=of_truth,
    )
    masks = (whole, tumour / "net.nii") if network_is_truth else (tumour / "net.nii", whole)
    assert found == evaluate_files(*masks, channel_axis="last", select_label=1)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_an_inner_region_beside_a_mask(tumour: Path) -> None:
    """A mask of 0 and 1 holds no label 2, and is the region all the same where it is called 1."""
    core = save(tumour / "core.nii", (labels_of(regions(1)) > 1).astype(np.uint8), AFFINE_OF_NETWORK)
    with pytest.raises(fastfuse.ImageError, match=r"select_label=\[2\], truth_select_label=\[1\]$"):
        evaluate_files(tumour / "case.npz", core, select_label=2)
    found = evaluate_files(tumour / "case.npz", core, select_label=2, truth_select_label=1)
    assert found == evaluate_files(tumour / "case.npz", tumour / "expert.nii", select_label=[2, 3])
    nothing = save(tumour / "nothing.nii", np.zeros(regions(0).shape[1:], np.uint8), AFFINE_OF_NETWORK)
    assert evaluate_files(tumour / "case.npz", nothing, select_label=2).dice == 0


def integers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]
