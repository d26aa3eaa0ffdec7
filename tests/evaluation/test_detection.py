"""The MSSEG-2016 challenge's rule for lesions, worked by hand and against a plain twin."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastfuse.evaluation.detection import Detection, detection


def line(text: str) -> np.ndarray:
    """Voxels in a row: # is marked."""
    return np.array([letter == "#" for letter in text])[:, None, None]


def counts(prediction: str, truth: str, voxel_mm3: float = 4.0) -> tuple[int, int, int, int]:
    """Lesions predicted, true, detected and confirmed; each voxel is a lesion of its own right."""
    found = detection(line(prediction), line(truth), voxel_mm3)
    return (
        found.prediction_lesions,
        found.truth_lesions,
        found.detected_lesions,
        found.confirmed_lesions,
    )


def detected(prediction: str, truth: str) -> int:
    return counts(prediction, truth)[2]


# --- how much must be covered ------------------------------------------------------------------------------------


def test_more_than_a_tenth_must_be_covered() -> None:
    assert detected("#.........", "##########") == 0  # 1 of 10 is not more
    assert detected("#........", "#########") == 1
    assert detected("##........", "##########") == 1


def test_several_lesions_cover_together() -> None:
    assert detected("#" + 14 * ".", 15 * "#") == 0
    assert detected("#.#" + 12 * ".", 15 * "#") == 1


# --- how much may lie outside ------------------------------------------------------------------------------------


def test_most_of_a_covering_lesion_may_lie_outside() -> None:
    assert detected("." + 10 * "#", "####" + 7 * ".") == 1  # 7 of 10 outside
    assert detected("." + 11 * "#", "####" + 8 * ".") == 0  # 8 of 11


def test_other_true_lesions_are_not_outside() -> None:
    """One predicted lesion over two true ones: 7 of 11 voxels in one of them, 4 outside; 9 were too many."""
    assert detected(11 * "#", "##....#####") == 2
    assert detected(11 * "#", "##.........") == 0


def test_dropped_true_lesions_are_outside() -> None:
    """At 1 mm³ a voxel, three voxels are no lesion, and so are background."""
    prediction, truth = 15 * "#", "####........###"
    assert counts(prediction, truth, 1.0) == (1, 1, 0, 1)  # 11 of 15 outside
    assert counts(prediction, truth, 1.1) == (1, 2, 2, 1)  # 8 of 15


# --- which covering lesions are looked at ------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second", "found"), [(13, 7, 1), (12, 8, 0)])
def test_lesions_are_looked_at_until_65_percent(first: int, second: int, found: int) -> None:
    """The second one lies outside by 71 to 75 %, which 13 of 20 covered voxels make irrelevant."""
    truth = (first + 1 + second) * "#" + 20 * "."
    prediction = first * "#" + "." + (second + 20) * "#"
    assert detected(prediction, truth) == found


def blocks(*sizes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """One true lesion, and predicted lesions of so many voxels inside it and outside."""
    truth = np.zeros((2 * len(sizes), 40, 1))
    prediction = truth.copy()
    truth[:, :20] = 1
    for i, (inside, outside) in enumerate(sizes):
        prediction[2 * i, 20 - inside : 20 + outside] = 1
    return prediction, truth


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0)])
def test_of_equal_overlaps_the_better_comes_first(order: tuple[int, ...]) -> None:
    """4 of 10 and 3 of 10 are enough, so that the third, which lies outside, is not looked at, wherever it lies."""
    lesions = [(8, 0), (6, 0), (6, 18)]
    assert detection(*blocks(*(lesions[i] for i in order))).detected_lesions == 1


def test_more_predicted_lesions_than_true_ones() -> None:
    """The third of four is looked at though there is one true lesion: 10 of 18 covered are not enough."""
    assert detection(*blocks((5, 0), (5, 0), (4, 18), (4, 0))).detected_lesions == 1
    assert detection(*blocks((5, 0), (5, 0), (4, 18), (3, 0))).detected_lesions == 0


# --- the other way round, sizes and nothing at all ------------------------------------------------------------------


def test_confirmed_is_detected_with_the_roles_exchanged() -> None:
    prediction, truth = "##..####......####..#", "##..............########"[:21]
    one, other = counts(prediction, truth), counts(truth, prediction)
    assert one == (4, 2, 2, 3)
    assert other == (2, 4, 3, 2)


@pytest.mark.parametrize(
    ("voxels", "voxel_mm3", "lesions"),
    [(3, 1, 0), (4, 1, 1), (3, 1.0000001, 0), (3, 1.001, 1), (1, 3.1, 1), (10, 0.3, 0), (11, 0.3, 1)],
)
def test_lesions_are_larger_than_3_mm3(voxels: int, voxel_mm3: float, lesions: int) -> None:
    row = line("." + voxels * "#")
    found = detection(row, row, voxel_mm3)
    assert (found.truth_lesions, found.prediction_lesions, found.detected_lesions) == (lesions,) * 3


def test_lesions_are_joined_by_faces() -> None:
    mask = np.eye(8)[..., None]
    assert detection(mask, mask, 4).truth_lesions == 8
    assert detection(mask, mask, 4, connectivity=18).truth_lesions == 1


@pytest.mark.parametrize(
    ("prediction", "truth", "sensitivity", "ppv", "f1"),
    [
        ("....", "....", math.nan, math.nan, 1),
        ("....", "####", 0, math.nan, 0),
        ("##..", "....", math.nan, 0, 0),
        ("....", "##..", 0, math.nan, 0),
        ("...#", "##..", 0, 0, 0),
        ("##..", "##.#", 0.5, 1, 2 / 3),
    ],
)
def test_shares(prediction: str, truth: str, sensitivity: float, ppv: float, f1: float) -> None:
    found = detection(line(prediction), line(truth), 4)
    np.testing.assert_equal((found.sensitivity, found.ppv), (sensitivity, ppv))
    assert found.f1 == pytest.approx(f1)


@pytest.mark.parametrize(
    ("prediction", "truth", "left_out", "f1"),
    [
        ("....", "#..#", (0, 2), math.nan),  # only specks in the truth, and nothing predicted
        ("#.##", "....", (2, 0), math.nan),
        ("#...", "#...", (1, 1), math.nan),
        ("....", "....", (0, 0), 1),
        ("####", "#...", (0, 1), 0),  # a lesion against specks is a false one
        ("#...", "####", (1, 0), 0),
        ("####", "####", (0, 0), 1),
    ],
)
def test_nothing_is_compared_where_all_components_are_small(
    prediction: str, truth: str, left_out: tuple[int, int], f1: float
) -> None:
    """At 1 mm³ a voxel, four voxels are a lesion."""
    found = detection(line(prediction), line(truth), 1.0)
    assert (found.prediction_left_out, found.truth_left_out) == left_out
    np.testing.assert_equal(found.f1, f1)
    assert detection(line(prediction), line(truth), 1.0, least_mm3=0).prediction_left_out == 0


def test_any_overlap() -> None:
    """One voxel of twenty, which the challenge's rule takes for nothing."""
    prediction, truth = line("#" + 19 * "."), line(20 * "#")
    assert detection(prediction, truth, 4).detected_lesions == 0
    assert detection(prediction, truth, 4, match="any").detected_lesions == 1


# --- a plain twin -----------------------------------------------------------------------------------------------


def components_of(mask: np.ndarray) -> list[set[tuple[int, ...]]]:
    """Components joined by faces."""
    left = {tuple(int(i) for i in place) for place in np.argwhere(mask)}
    components = []
    while left:
        reached = [left.pop()]
        for place in reached:
            for axis in range(3):
                for step in (-1, 1):
                    beside = tuple(i + step * (k == axis) for k, i in enumerate(place))
                    if beside in left:
                        left.remove(beside)
                        reached.append(beside)
        components.append(set(reached))
    return components


def lesions_of(mask: np.ndarray, least: int) -> list[set[tuple[int, ...]]]:
    """Those of at least so many voxels."""
    return [component for component in components_of(mask) if len(component) >= least]


def plainly_detected(lesion: set, others: list[set], side: list[set]) -> bool:
    """Whether ``others`` detect a lesion, one of those on its ``side``."""
    covering = [other for other in others if other & lesion]
    covered = sum(len(other & lesion) for other in covering)
    if 10 * covered <= len(lesion):
        return False
    everything = set().union(*side)

    def outside(other: set) -> float:
        return len(other - everything) / len(other)

    seen = 0
    for other in sorted(covering, key=lambda other: (-len(other & lesion), outside(other))):
        if 100 * seen >= 65 * covered:
            break
        if 10 * len(other - everything) > 7 * len(other):
            return False
        seen += len(other & lesion)
    return True


def plain_detection(prediction: np.ndarray, truth: np.ndarray, least: int, match: str = "msseg") -> Detection:
    found, true = lesions_of(prediction, least), lesions_of(truth, least)

    def is_found(lesion: set, others: list[set], side: list[set]) -> bool:
        if match == "any":
            return any(other & lesion for other in others)
        return plainly_detected(lesion, others, side)

    return Detection(
        len(found),
        len(true),
        sum(is_found(lesion, found, true) for lesion in true),
        sum(is_found(lesion, true, found) for lesion in found),
        len(components_of(prediction)) - len(found),
        len(components_of(truth)) - len(true),
    )


@pytest.mark.parametrize("match", ["msseg", "any"])
@pytest.mark.parametrize("least", [1, 4])
def test_as_a_plain_twin(least: int, match: str) -> None:
    rng = np.random.default_rng(0)
    partly = refused = 0
    for _ in range(150):
        shape = tuple(rng.integers(3, 12, size=3))
        truth = rng.random(shape) < rng.uniform(0, 0.45)
        prediction = np.where(rng.random(shape) < rng.uniform(0, 0.8), truth, False)
        prediction |= rng.random(shape) < rng.uniform(0, 0.4)
        ours = detection(prediction, truth, least_mm3=least - 0.5, match=match)
        assert ours == plain_detection(prediction, truth, least, match)
        partly += 0 < ours.detected_lesions < ours.truth_lesions
        everything = set().union(*lesions_of(prediction, least))
        covered = [10 * len(lesion & everything) > len(lesion) for lesion in lesions_of(truth, least)]
        refused += sum(covered) > ours.detected_lesions
    assert partly > 10
    assert (refused > 10) == (match == "msseg")


@pytest.mark.parametrize(
    ("truth", "options", "message"),
    [
        (np.ones((3, 3, 4)), {}, r"the prediction has shape .*, the truth has shape \(3, 3, 4\)"),
        (np.ones((3, 3, 3)), {"voxel_mm3": 0}, "voxel_mm3 is 0"),
        (np.ones((3, 3, 3)), {"least_mm3": -1}, "least_mm3 is -1"),
        (np.ones((3, 3, 3)), {"connectivity": 4}, "connectivity is 4"),
        (np.ones((3, 3, 3)), {"match": "some"}, "match is 'some': it must be 'msseg' or 'any'"),
    ],
)
def test_bad_input(truth: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        detection(np.ones((3, 3, 3)), truth, **options)
