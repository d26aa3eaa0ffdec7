"""Raters on another axis than the first: taken where axis= says so, refused or doubted where only shapes tell."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.inputs.stacks import listed

RNG = np.random.default_rng(0)
ITEMS = RNG.random(600) < 0.3
TABLE = np.stack([ITEMS ^ (RNG.random(600) < rate) for rate in (0.05, 0.1, 0.2, 0.3)], axis=1)
BALL = ((np.indices((24, 22, 16)) - 10) ** 2).sum(axis=0) < 30
MASKS = [BALL ^ (RNG.random(BALL.shape) < rate) for rate in (0.01, 0.02, 0.03)]


def said_by(raters: Any, **options: Any) -> tuple[fastfuse.Fusion, str]:
    """Return the mean vote, and all warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fused = fastfuse.majority_vote(raters, **options)
    return fused, " ".join(str(one.message) for one in caught)


class Frame:
    """A data frame: NumPy gets a table of it."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table
        self.shape = table.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.table

    def __iter__(self) -> Iterator[str]:
        return iter("abcd")


@pytest.mark.parametrize("kind", [np.asarray, np.float32, Frame, np.ndarray.tolist, list])
def test_tables_of_items_by_raters(kind: Any) -> None:
    table = kind(TABLE)
    with pytest.raises(ValueError, match=r"600.* 4 voxels.*axis"):
        fastfuse.soft_staple(table)
    fused = fastfuse.soft_staple(table, axis=1)
    expected = fastfuse.soft_staple(list(TABLE.T))
    np.testing.assert_array_equal(fused.probability, expected.probability)
    np.testing.assert_array_equal(fused.sensitivity, expected.sensitivity)


@pytest.mark.parametrize("axis", [3, -1])
@pytest.mark.parametrize("kind", [np.asarray, np.asfortranarray, np.float32, "torch", "nibabel"])
def test_stacks_with_raters_last(kind: Any, axis: int) -> None:
    stack: Any = np.stack(MASKS, axis=-1).astype(np.uint8)
    if kind == "torch":
        stack = pytest.importorskip("torch").from_numpy(stack)
    elif kind == "nibabel":
        stack = nib.Nifti1Image(stack, np.diag([1, 1, 3, 1]))
    else:
        stack = kind(stack)
    with pytest.raises((ValueError, TypeError), match="axis="):
        fastfuse.staple(stack)
    fused = fastfuse.staple(stack, axis=axis)
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(MASKS).probability)


def test_raters_on_a_middle_axis() -> None:
    stack = np.stack(MASKS, axis=1)
    fused = fastfuse.staple(stack, axis=1)
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(MASKS).probability)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((181, 217, 181, 7), "looks like one image"),
        ((24, 24, 16, 3), "looks like 3 raters on the last axis"),
        ((11, 24, 10), "looks like 10 raters on the last axis"),
        ((65, 30, 40), "looks like one image"),
        ((65, 64), "65 raters of 64 voxels"),
        ((1000, 1), "1000 raters of 1 voxel:"),
        ((256, 256), "256 raters of 256 voxels"),
        ((256, 256, 1), "256 raters of 256 voxels"),
        ((65, 30000), "65 raters of 30000 voxels"),
    ],
)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_shapes_that_fit_the_other_way_round_are_refused(
    shape: tuple[int, ...], message: str, dtype: str
) -> None:
    stack = np.broadcast_to(np.zeros(1, dtype), shape)
    with pytest.raises(ValueError, match=f"{message}.*axis=-1.*axis=0"):
        fastfuse.majority_vote(stack)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((20, 6), "20 raters of 6 voxels"),
        ((24, 30, 12), "may be one image: give a list of arrays, one per rater; or axis=-1"),
        ((40, 50, 60), "may be one image"),
        ((12, 40, 21), "may be one image"),
        ((16, 32, 32, 1), "may be one image"),
        ((16, 1, 32, 32), "may be one image"),
    ],
)
def test_shapes_in_doubt_are_told(shape: tuple[int, ...], said: str) -> None:
    stack = RNG.random(shape) < 0.5
    told, words = said_by(stack)
    assert re.search(f"{said}.*taken for", words)
    assert "axis=0" in words
    quiet, words = said_by(stack, axis=0)
    assert "axis" not in words
    np.testing.assert_array_equal(told.probability, quiet.probability)


@pytest.mark.parametrize(
    "shape",
    [(5, 17, 21, 13), (7, 182, 9, 7), (10, 10, 1), (8, 3), (64, 64), (10, 40, 21), (16, 4, 32, 32)],
)
def test_usual_stacks_are_taken_as_they_are(shape: tuple[int, ...]) -> None:
    for votes in (RNG.random(shape) < 0.5, RNG.random(shape)):
        fused, words = said_by(votes)
        assert fused.probability.shape == shape[1:]
        assert "axis" not in words


def test_a_list_of_slices_is_one_image() -> None:
    """Above 64 arrays, and in doubt above 10 slices, as in a stack; a list of images is one of raters."""
    volume = np.broadcast_to(np.uint8(0), (155, 24, 30))
    with pytest.raises(ValueError, match=r"list of 155 arrays.*one image.*axis=0"):
        fastfuse.majority_vote(list(volume))
    assert len(said_by(list(volume), axis=0)[0].sensitivity) == 155
    assert "may be one image" in said_by(list(volume[:20]))[1]
    images = [nib.Nifti1Image(np.eye(9, dtype=np.uint8)[..., None], np.eye(4)) for _ in range(70)]
    assert "axis" not in said_by(images)[1]
    assert "axis" not in said_by([*volume[:20], None])[1]
    crowd = RNG.random((100, 300)) < 0.5
    assert "axis" not in said_by(list(crowd), present=np.ones((100, 300), bool))[1]


@pytest.mark.parametrize("dtype", ["?", "u1", "f4"])
def test_more_than_64_volumes_in_a_list_are_raters(dtype: str) -> None:
    """Nobody's image has four axes of such lengths, and a list says what a rater is."""
    masks = np.random.default_rng(0).random((70, 6, 5, 23)) < 0.4
    found = fastfuse.majority_vote([mask.astype(dtype) for mask in masks])
    np.testing.assert_array_equal(
        found.probability, fastfuse.majority_vote(masks.astype(dtype), axis=0).probability
    )
    with pytest.raises(ValueError, match=r"65 arrays.*slices of one image, not 65 raters.*axis=0 if each is"):
        fastfuse.majority_vote([mask[0].astype(dtype) for mask in masks[:65].repeat(3, axis=2)])


def test_a_list_of_lists_of_volumes_is_refused() -> None:
    with pytest.raises(TypeError, match=r"rater 0 is a list of 2 volumes.*one case at a time"):
        fastfuse.staple([MASKS[:2], MASKS[1:]])


def test_a_list_of_a_few_voxels_is_no_table() -> None:
    fused, words = said_by([[1, 1, 1, 0], [0, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0]])
    assert len(fused.npv) == 5
    assert "axis" not in words


def test_axis_zero_takes_what_shapes_speak_against() -> None:
    votes = RNG.random((100, 20)) < 0.4
    for raters in (votes, list(votes)):
        with pytest.raises(ValueError, match="axis=0"):
            fastfuse.majority_vote(raters)
        assert len(said_by(raters, axis=0)[0].sensitivity) == 100


FUNCTIONS: dict[str, Any] = {
    "staple": fastfuse.staple,
    "soft_staple": fastfuse.soft_staple,
    "simplified_soft_staple": fastfuse.simplified_soft_staple,
    "majority_vote": fastfuse.majority_vote,
    "fuse": fastfuse.fuse,
    "dilated_staple": lambda raters, **more: fastfuse.dilated_staple(raters, BALL * 1.0, **more),
    "apply": lambda raters, **more: fastfuse.estimate(fastfuse.tabulate(MASKS)).apply(raters, **more),
}


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_fusion_takes_an_axis(name: str) -> None:
    stack = np.stack(MASKS, axis=-1)
    fused = FUNCTIONS[name](stack, axis=-1)
    np.testing.assert_array_equal(fused.probability, FUNCTIONS[name](MASKS).probability)
    with pytest.raises(ValueError, match="axis=0"):
        FUNCTIONS[name](stack)


def test_what_else_takes_raters_takes_an_axis() -> None:
    pytest.importorskip("scipy")
    stack, flair = np.stack(MASKS, axis=-1), RNG.random(BALL.shape)
    assert fastfuse.tabulate(stack, axis=3) == fastfuse.tabulate(MASKS)
    for one, other in zip(fastfuse.soften(stack, flair, axis=3), fastfuse.soften(MASKS, flair), strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(
        fastfuse.smoothed_vote(stack, 2, spacing_mm=(1, 1, 1), axis=3),
        fastfuse.smoothed_vote(MASKS, 2, spacing_mm=(1, 1, 1)),
    )
    for refused in (
        lambda: fastfuse.tabulate(stack),
        lambda: fastfuse.soften(stack, flair),
        lambda: fastfuse.smoothed_vote(stack, 2, spacing_mm=(1, 1, 1)),
    ):
        with pytest.raises(ValueError, match="axis=0"):
            refused()


def test_where_raters_looked_has_the_same_axis() -> None:
    seen = [RNG.random(BALL.shape) < 0.9 for _ in MASKS]
    fused = fastfuse.staple(np.stack(MASKS, -1), present=np.stack(seen, -1), axis=-1)
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(MASKS, present=seen).probability)


@pytest.mark.parametrize(
    ("raters", "axis", "error", "message"),
    [
        (TABLE, 2, ValueError, "axis is 2: raters has 2 axes, so it lies from -2 to 1"),
        (TABLE, -3, ValueError, "axis is -3"),
        (TABLE, "last", TypeError, "axis is 'last': it must be an integer"),
        (TABLE, True, TypeError, "axis is True"),
        (TABLE, 1.0, TypeError, "axis is 1.0"),
        ([MASKS[0], None], -1, ValueError, "this is a list of raters, so leave it out"),
        (MASKS[0][0, 0], 0, ValueError, "needs the raters on its first axis"),
    ],
)
def test_an_axis_that_is_none(raters: Any, axis: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fastfuse.staple(raters, axis=axis)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("classes", [2, 4])
def test_classes_of_each_rater_are_refused(classes: int, axis: int, soft: bool) -> None:
    raters = [_classes(mask, classes, axis, soft=soft) for mask in MASKS]
    remedy = r"rater\[1\]" if axis == 0 else r"rater\[..., 1\]"
    for given in (raters, np.stack(raters)):
        with pytest.raises(ValueError, match=f"sums to 1 along axis .* everywhere.*{remedy}"):
            fastfuse.soft_staple(given)
    kept = [np.take(rater, 1, axis) for rater in raters]
    assert said_by(kept)[0].probability.shape == BALL.shape


def test_classes_of_one_rater_are_no_raters() -> None:
    with pytest.raises(ValueError, match="the 3 raters' votes sum to 1 at every voxel"):
        fastfuse.soft_staple(_classes(MASKS[0], 3, 0, soft=True))


def test_what_sums_to_one_by_chance_is_taken() -> None:
    """Small examples, and a mask of one whole slice."""
    plane = np.zeros((3, 40, 50), np.uint8)
    plane[1] = 1
    for raters in (np.eye(3), [np.eye(9), np.eye(9)], [plane, plane]):
        assert said_by(raters)[0].probability.shape == np.shape(raters[0])


def _classes(mask: np.ndarray, number: int, axis: int, *, soft: bool) -> np.ndarray:
    label = mask * RNG.integers(1, number, mask.shape)
    channels = np.stack([label == k for k in range(number)], axis=axis).astype(np.float32)
    return channels * 0.7 + 0.3 / number if soft else channels


@pytest.mark.parametrize("number", [1, 2, 3, 4, 64])
def test_remarks_name_three_raters_at_most(number: int) -> None:
    empty = np.zeros(200, np.uint8)
    marked = np.arange(200) < 50
    raters = [*[empty] * number, marked, marked, np.arange(200) < 60]
    with pytest.warns(fastfuse.FusionWarning) as caught:
        fastfuse.staple(raters)
    (said,) = [str(warning.message) for warning in caught]
    expected = {
        1: "rater 0 marks nothing",
        2: "rater 0 and rater 1 mark nothing",
        3: "rater 0, rater 1 and rater 2 mark nothing",
        4: "rater 0, rater 1, rater 2 and 1 other mark nothing",
        64: "rater 0, rater 1, rater 2 and 61 others mark nothing",
    }
    assert expected[number] in said
    assert said.count("nothing") == 1


class OnDevice:
    """A tensor on a CUDA device, of which only the shape and the parts are known here."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape = values, values.shape

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __getitem__(self, place: Any) -> OnDevice:
        return OnDevice(self.values[place])

    def contiguous(self) -> OnDevice:
        return OnDevice(np.ascontiguousarray(self.values))


def test_tensors_on_a_device_are_cut_there() -> None:
    stack = np.stack(MASKS, axis=-1)
    parts, doubts = listed(OnDevice(stack), -1)
    assert doubts == []
    for part, mask in zip(parts, MASKS, strict=True):
        assert isinstance(part, OnDevice)
        assert part.values.flags.c_contiguous
        np.testing.assert_array_equal(part.values, mask)
    with pytest.raises(ValueError, match="axis=-1"):
        listed(OnDevice(stack))


@pytest.mark.parametrize("total", [1, 100, 255])
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_scaled_classes_are_refused_everywhere(total: int, each: bool, soft: bool) -> None:
    """One-hot channels and probabilities of classes, of one rater and of each, whatever stands for 1."""
    flair = RNG.random(BALL.shape)
    classes = [_classes(mask, 3, 0, soft=soft) * np.float32(total) for mask in MASKS]
    if not each:
        raters: Any = list(classes[0])
    elif soft:
        raters = [np.moveaxis(one[:, 0], 0, -1) for one in classes]
    else:
        raters = [one[:, 0, :, :] for one in classes]
    grown = raters if not each else None
    refused = [
        lambda: fastfuse.smoothed_vote(raters, 2, spacing_mm=(1,) * np.ndim(raters[0])),
        lambda: fastfuse.fuse(raters, "majority", scale=total),
        *([] if grown is None else [lambda: fastfuse.soften(grown, flair, binarize=True)]),
    ]
    for call in refused:
        with pytest.raises(ValueError, match=f"sums? to {total} .*one-hot channels"):
            call()


@pytest.mark.parametrize("value", [2, 255, -1, 1.5])
def test_no_votes_to_smooth(value: float) -> None:
    wrong = np.where(MASKS[1], value, 0)
    with pytest.raises(
        ValueError, match=rf"rater 1 holds {value} at voxel .*a vote is a probability in \[0, 1\]"
    ):
        fastfuse.smoothed_vote([MASKS[0], wrong], 2, spacing_mm=(1, 1, 1))
    beside = np.where(MASKS[1], 1 + 1e-6, np.nan)  # of rounding, and no vote
    assert fastfuse.smoothed_vote([MASKS[0], beside], 2, spacing_mm=(1, 1, 1)).shape == BALL.shape


@pytest.mark.parametrize("total", [1, 100, 255])
@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float32"])
def test_scaled_classes_of_tensors(total: int, kind: str) -> None:
    """Probabilities of eight classes, rounded to the type that a network gave."""
    torch = pytest.importorskip("torch")
    logits = torch.from_numpy(RNG.normal(size=(8, *BALL.shape)).astype(np.float32))
    classes = (torch.softmax(logits, 0) * total).to(getattr(torch, kind))
    for raters in (classes, list(classes)):
        with pytest.raises(ValueError, match=f"sum to {total} at every voxel"):
            fastfuse.fuse(raters, "majority", **({} if total == 1 else {"scale": total}))
        with pytest.raises(ValueError, match=f"sum to {total} at every voxel"):
            fastfuse.smoothed_vote(raters, 2, spacing_mm=(1, 1, 1))
        with pytest.raises(ValueError, match=f"sum to {total} at every voxel"):
            fastfuse.soften(raters, RNG.random(BALL.shape), binarize=True)
