"""The parts that pages are made of: places of disagreement, volumes, pictures, charts, citations."""

from __future__ import annotations

import base64
import html
import io
import itertools
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from fastfuse.report.citing import as_bibtex, cited_in
from fastfuse.report.colours import AREAS, lines_of
from fastfuse.report.html.charts import heat_chart, rates_chart, ticks_between
from fastfuse.report.html.disputes import components, disagreement, places_of
from fastfuse.report.html.page import breakable, flagged, hashed, named
from fastfuse.report.html.png import png_bytes
from fastfuse.report.html.scan import Pictures, scan_of
from fastfuse.report.html.stills import stills_of
from fastfuse.report.html.view import in_words, view_of
from fastfuse.report.words.methods import sentences_of

SHAPE = (9, 11, 7)


def masks(seed: int, count: int = 4, share: float = 0.3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random(SHAPE) < share for _ in range(count)]


# --- places of disagreement ------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.002, 0.02, 0.1, 0.5])
def test_components_are_those_of_scipy(share: float) -> None:
    for seed in range(5):
        marked = np.random.default_rng(seed).random(SHAPE) < share
        voxels = np.flatnonzero(marked)
        found = components(voxels, SHAPE)
        expected, count = ndimage.label(marked, np.ones((3, 3, 3)))
        assert len(set(found.tolist())) == count
        assert len(set(zip(found.tolist(), expected.reshape(-1)[voxels].tolist(), strict=True))) == count


@pytest.mark.parametrize("labels", [2, 5])
def test_disagreement_is_the_share_of_pairs_who_differ(labels: int) -> None:
    rng = np.random.default_rng(labels)
    votes = [rng.integers(0, labels, SHAPE) for _ in range(5)]
    voxels, weights = disagreement(votes)
    pairs = list(itertools.combinations(votes, 2))
    expected = np.mean([one != other for one, other in pairs], axis=0).reshape(-1)
    assert np.array_equal(voxels, np.flatnonzero(expected))
    np.testing.assert_allclose(weights, expected[voxels])


def test_the_largest_place_comes_first() -> None:
    one, other = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    one[0, 0, 0] = True
    one[4:8, 4:8, 3] = True
    one[5, 5, 3] = False
    first, second = places_of([one, other])
    assert (first.voxels, second.voxels) == (15, 1)
    assert second.at == (0, 0, 0)
    assert one[first.at]  # where they differ, not merely in the middle
    assert places_of([one, one]) == []


# --- volumes ---------------------------------------------------------------------------------------------------


def unpacked(text: str, kind: type = np.uint8) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)


def pictures(affine: np.ndarray, **more: object) -> Pictures:
    rng = np.random.default_rng(0)
    probability = rng.random(SHAPE).astype(np.float32)
    return Pictures(probability, masks(1), affine, rng.normal(100, 20, SHAPE), **more)  # type: ignore[arg-type]


AFFINES = [
    np.diag([1.0, 2.0, 3.0, 1.0]),
    np.array([[0, 0, -3.0, 9], [-1, 0, 0, 4], [0, 2, 0, -7], [0, 0, 0, 1]]),
    np.array([[-1.0, 0.1, 0, 0], [0.1, -1, 0, 0], [0, 0, 2, 5], [0, 0, 0, 1]]),
]


@pytest.mark.parametrize("affine", AFFINES)
def test_volumes_run_to_the_right_front_and_top(affine: np.ndarray) -> None:
    given = pictures(affine)
    turned = given.in_ras()
    assert (np.diag(turned.affine[:3, :3]) > 0).all()
    for at in ((0, 0, 0), (2, 3, 1)):  # each voxel keeps its place
        mm = turned.affine @ [*at, 1]
        before = np.rint(np.linalg.solve(affine, mm))[:3].astype(int)
        assert turned.consensus[at] == given.consensus[tuple(before)]
        assert turned.raters[2][at] == given.raters[2][tuple(before)]
        assert turned.image is not None
        assert given.image is not None
        assert turned.image[at] == given.image[tuple(before)]


def test_what_is_packed_is_what_was_given() -> None:
    scan = scan_of(pictures(AFFINES[1]))
    shown = scan.shown
    voxels = shown.consensus.size
    bits = unpacked(scan.packed["raters"]).reshape(4, -1)
    for rater, packed in zip(shown.raters, bits, strict=True):
        assert np.array_equal(np.unpackbits(packed, bitorder="little")[:voxels] != 0, rater.reshape(-1))
    consensus = unpacked(scan.packed["consensus"]).reshape(shown.consensus.shape)
    assert np.abs(consensus / 255 - shown.consensus).max() <= 0.5 / 255 + 1e-6
    assert scan.image is not None
    assert shown.image is not None
    grey = unpacked(scan.packed["image"]).reshape(scan.image["shape"])
    back = scan.image["low"] + grey / 255 * (scan.image["high"] - scan.image["low"])
    inside = (shown.image > scan.image["low"]) & (shown.image < scan.image["high"])
    assert inside.mean() > 0.99
    step = (scan.image["high"] - scan.image["low"]) / 255
    assert np.abs(back - shown.image)[inside].max() <= step / 2 + 1e-3


@pytest.mark.parametrize(
    ("first", "step", "exact", "unit"),
    [(0, 1, True, 1), (-200, 1, True, 1), (100, 11, False, 20), (1 << 30, 1, False, 200)],
)
def test_what_grey_levels_tell_of_an_image(first: int, step: int, exact: bool, unit: float) -> None:
    """Whole numbers that span no more than the levels are told as they are, unless 32 bits cannot hold them."""
    given = pictures(AFFINES[0])
    image = first + step * (np.arange(given.consensus.size, dtype=np.int64) % 256).reshape(SHAPE)
    scan = scan_of(replace(given, image=image))
    assert scan.image is not None
    assert scan.grey is not None
    assert scan.shown.image is not None
    assert (scan.image["exact"], scan.image["unit"] if not exact else unit) == (exact, unit)
    low, high = scan.image["low"], scan.image["high"]
    told = low + scan.grey / 255 * (high - low)
    if exact:
        np.testing.assert_array_equal(np.rint(told), scan.shown.image)
    else:
        assert np.abs(np.rint(told / unit) * unit - scan.shown.image).max() <= unit


def test_an_image_that_is_no_number_is_told_so() -> None:
    image = np.ones(SHAPE)
    image[:] = np.nan
    image[0, 0, 0], image[-1, -1, -1] = 1, 700.5
    view = view_of(replace(pictures(AFFINES[0]), image=image), list("abcd"), [], 0.5)
    assert {one["image"] for one in view["data"]["places"]} <= {None, 1.0, 700.5}
    assert None in {one["image"] for one in view["data"]["places"]}
    assert "Where the image is no number, it is shown as 0." in view["said"]
    assert any("tells its values to about 2;" in line for line in view["said"])


def test_label_maps_are_packed_as_places_of_labels() -> None:
    rng = np.random.default_rng(0)
    values = np.array([0, 3, 70_000])
    maps = [rng.choice(values, SHAPE) for _ in range(3)]
    scan = scan_of(Pictures(maps[0], maps, np.eye(4), labels=(0, 3, 70_000)))
    assert np.array_equal(values[unpacked(scan.packed["consensus"])], scan.shown.consensus.reshape(-1))
    assert np.array_equal(values[unpacked(scan.packed["raters"])], np.stack(scan.shown.raters).reshape(-1))


def large() -> Pictures:
    """An image of noise, which does not compress, with a head and marks in one corner of it."""
    rng = np.random.default_rng(0)
    image = np.zeros((60, 60, 60))
    image[5:55, 5:55, 5:55] = rng.normal(100, 20, (50, 50, 50))
    mask = np.zeros(image.shape, bool)
    mask[10:13, 10:13, 10:13] = True
    return Pictures(mask.astype(np.float32), [mask, ~mask & False], np.eye(4), image)


def test_what_is_too_large_is_cropped_then_coarser() -> None:
    head = scan_of(large())
    assert head.shown.consensus.shape == (50, 50, 50)
    assert "Empty background" in head.said[0]
    near = scan_of(large(), limit=100_000)
    assert near.shown.consensus.shape == (38, 38, 38)
    assert near.image is not None
    assert near.image["factor"] == 1
    assert "within 25 mm of marks" in near.said[0]
    coarse = scan_of(large(), limit=20_000)
    assert coarse.image is not None
    assert coarse.image["factor"] == 2
    assert coarse.image["shape"] == [19, 19, 19]
    assert "coarser than the files by 2" in coarse.said[1]
    none = scan_of(large(), limit=50)
    assert none.packed == {}
    assert "left out" in none.said[0]


def test_png_is_what_others_read() -> None:
    images = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    assert np.array_equal(np.asarray(images.open(io.BytesIO(png_bytes(pixels)))), pixels)


@pytest.mark.parametrize("affine", AFFINES)
def test_still_pictures_show_the_right_on_the_left(affine: np.ndarray) -> None:
    """The patient's right, front and top are bright: in all three planes that is the upper left."""
    images = pytest.importorskip("PIL.Image")
    at = np.moveaxis(np.indices(SHAPE), 0, -1) @ affine[:3, :3].T
    bright = (at > np.median(at.reshape(-1, 3), axis=0)).all(axis=-1)
    image = 100.0 * bright + 1
    image[tuple(np.argwhere(~bright)[len(image) // 2])] = 0  # so that all else is no background
    empty = np.zeros(SHAPE, bool)
    scan = scan_of(Pictures(empty.astype(np.float32), [empty], affine, image))
    assert scan.shown.image is not None
    x, y, z = np.argwhere(scan.shown.image > 1)[0].tolist()
    middle = (x, y, z)
    stills = stills_of(scan, middle, [], "there", lines_of(1))
    assert [one["left"] + one["up"] for one in stills] == ["RA", "RS", "AS"]
    for one in stills:
        pixels = np.asarray(images.open(io.BytesIO(base64.b64decode(one["png"])))).mean(axis=2)
        rows, columns = (size // 2 for size in pixels.shape)
        upper_left = pixels[:rows, :columns].mean()
        others = (pixels[:rows, columns:], pixels[rows:, :columns], pixels[rows:, columns:])
        assert all(upper_left > part.mean() + 20 for part in others)


@pytest.mark.parametrize(
    ("given", "shown"), [("#0a1B2c", "#0a1b2c"), ("#0a1B2cff", "#0a1b2c"), ("red", None), ("#zzzzzz", None)]
)
def test_colours_of_labels_are_those_of_the_files(given: str, shown: str | None) -> None:
    labels = [{"value": 0, "name": "rest"}, {"value": 3, "name": "liver", "color": given}]
    maps = [np.full(SHAPE, 3), np.zeros(SHAPE, int)]
    view = view_of(Pictures(maps[0], maps, np.eye(4), labels=(0, 3)), ["a", "b"], labels, 0.5)
    assert view["labels"][1]["color"] == (shown or AREAS[0])


# --- charts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.93, 0.981), (-3100, 0), (1, 2), (1e-9, 3e-9)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = ticks_between(low, high)
    assert 2 <= len(ticks) <= 8
    assert all(low - 1e-9 <= one <= high + 1e-9 for one in ticks)


def test_rates_lie_as_their_numbers_do() -> None:
    raters = [
        {"name": "a", "sensitivity": 0.9, "specificity": 0.99, "sensitivity_95": [0.8, 0.95], "specificity_95": [0.98, 1.0]},
        {"name": "b", "sensitivity": 0.5, "specificity": 0.95, "sensitivity_95": [None, None], "specificity_95": [0.9, 1]},
        {"name": "c", "sensitivity": None, "specificity": 0.9},
    ]  # fmt: skip
    chart = rates_chart(raters, "")
    assert chart is not None
    first, second = chart["points"]
    assert first["x"] > second["x"]
    assert first["y"] < second["y"]  # upwards
    assert (bool(first["ellipse"]), bool(second["ellipse"])) == (True, False)
    assert all(chart["left"] <= one["x"] <= chart["right"] for one in chart["points"])
    assert rates_chart(raters[2:], "") is None


def test_raters_at_one_point_are_told() -> None:
    """Equal raters hide each other: their numbers stand beside the point, and the text says so; no number hides another."""
    rates = [(0.8, 0.99), (0.6, 0.95), (0.8, 0.99), (0.7, 0.97), (0.6, 0.9501), (0.8, 0.99)]
    raters = [
        {"name": f"r{k}", "sensitivity": one, "specificity": other} for k, (one, other) in enumerate(rates, 1)
    ]
    chart = rates_chart(raters, "All.")
    assert chart is not None
    assert sorted(one["text"] for one in chart["labels"]) == ["1, 3, 6", "2, 5", "4"]
    assert chart["text"] == "All. 2 raters at one point: 2 and 5; 3 raters at one point: 1, 3 and 6."
    same = [{**raters[0], "name": f"r{k}"} for k in range(1, 16)]
    chart = rates_chart(same, "All.")
    assert chart is not None
    assert [one["text"] for one in chart["labels"]] == ["15 raters"]
    assert "15 raters at one point: 1, 2, 3," in chart["text"]


def test_numbers_beside_points_do_not_hide_each_other() -> None:
    raters = [
        {"name": f"r{k}", "sensitivity": 0.5 + 0.02 * (k % 3), "specificity": 0.9 + 0.004 * (k // 3)}
        for k in range(9)
    ] + [{"name": "far", "sensitivity": 0.1, "specificity": 0.5}]
    chart = rates_chart(raters, "")
    assert chart is not None
    boxes = []
    for one in chart["labels"]:
        wide = 6.6 * len(one["text"])
        left = one["x"] - {"start": 0, "middle": wide / 2, "end": wide}[one["anchor"]]
        boxes.append((left, one["y"] - 9, left + wide, one["y"] + 1))
    assert len(boxes) > 1
    for k, one in enumerate(boxes):
        assert chart["left"] <= one[0]
        assert one[2] <= chart["right"]
        for other in boxes[:k]:
            across, down = (min(one[n + 2], other[n + 2]) - max(one[n], other[n]) for n in (0, 1))
            assert across <= 0 or down <= 0


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("ManualSegmentation_1.nii.gz", ["ManualSegmentation_", "1.nii.gz"]),
        ("../a-b/Patient_02.nii.gz", ["../", "a-", "b/", "Patient_", "02.nii.gz"]),
        ("/work/x", ["/work/", "x"]),
        ("<b>&_1", ["<b>&_1"]),
        ("0.1.0", ["0.1.0"]),
    ],
)
def test_names_break_at_their_joints(text: str, lines: list[str]) -> None:
    assert [one.unescape() for one in breakable(text).split("<wbr>")] == lines
    assert named(text).count('class="tight"') == (len(lines) - 1 if len(text) <= 28 else 0)


def test_a_word_without_joints_does_not_widen_the_page() -> None:
    parts = breakable("x" * 160).split("<wbr>")
    assert "".join(parts) == "x" * 160
    assert max(map(len, parts)) == 40


def test_hashes_break_into_halves() -> None:
    text = "".join("0123456789abcdef"[k % 16] for k in range(64))
    assert [len(part.replace('<wbr class="tight">', "")) for part in hashed(text).split("<wbr>")] == [32, 32]
    assert hashed("") == ""


@pytest.mark.parametrize(
    ("mm", "said"),
    [
        ((-12.25, 4, 8.149), "L 12.3, A 4.0, S 8.1"),
        ((0.35, -0.04, -7), "R 0.3, P 0.0, I 7.0"),
    ],
)
def test_places_are_said_as_the_viewer_says_them(mm: tuple[float, ...], said: str) -> None:
    """As JavaScript's toFixed rounds: what is half way away from 0, of the binary number."""
    assert in_words(mm, placed=True) == said


def test_heat_knows_what_is_undefined() -> None:
    chart = heat_chart([[None, 0.5], [0.5, None]], "12", "12", "", "")
    assert [one["value"] for one in chart["cells"]] == [None, 0.5, 0.5, None]
    assert [one["label"] for one in chart["cells"]] == ["", ".50", ".50", ""]


# --- to cite ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "keys"),
    [
        ({"method": "staple", "options": {}}, ["warfield2004staple"]),
        ({"method": "majority", "options": {}}, []),
        ({"method": "soft-staple", "options": {"acceleration": "squarem"}}, ["kats2019soft", "varadhan2008simple"]),
        ({"method": "staple", "options": {"classes": 3, "label_rule": "dice"}}, ["warfield2004staple", "dawid1979maximum", "dinkelbach1967nonlinear"]),
        ({"method": "staple", "options": {"performance_prior": [5, 1.5]}, "labels": []}, ["warfield2004staple", "dawid1979maximum", "commowick2010incorporating"]),
    ],
)  # fmt: skip
def test_pages_cite_what_was_used(facts: dict, keys: list[str]) -> None:
    facts = {**facts, "fastfuse": "1.2", "raters": [1, 2]}
    works = cited_in(facts)
    assert [work.reference.key for work in works] == ["fastfuse", *keys]
    assert "version = {1.2}" in as_bibtex(works)
    said = sentences_of(works, facts)
    assert "2 raters" in said
    assert "fastfuse 1.2." in said
    assert ("Warfield et al. 2004" in said) == ("warfield2004staple" in keys)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("say so (--knows RATER=LABELS), or leave it out", ["--knows RATER=LABELS"]),
        ("give --roi 4, and --mask, to leave it out", ["--roi 4", "--mask"]),
        ("ties='background' (--ties background)", ["--ties"]),
        ("the JSON of -o.", ["-o"]),
        ("--prior 0.25. Then more", ["--prior 0.25"]),
        ("soft-STAPLE, 5-3, a--b, -3 and a/b_c--d.nii", []),
        ("<b> --mask & more", ["--mask"]),
    ],
)
def test_flags_stay_on_one_line(text: str, flags: list[str]) -> None:
    """They keep their text, escaped; what is around them breaks as before."""
    for filtered in (breakable(text), flagged(text)):
        assert re.findall(r'<span class="flag">(.*?)</span>', filtered) == flags
        assert html.unescape(re.sub(r"<(?:/?span|wbr)[^>]*>", "", filtered)) == text
    assert "<wbr>" not in flagged(text)
