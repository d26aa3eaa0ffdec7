"""Colours of pages: no two things that are drawn at once look alike, also to the colour-blind."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.report import colours
from fastfuse.report.colours import AREAS, CROSS, DASHES, LINES, RAMP, WHITE, areas_of, lightness, lines_of
from fastfuse.report.html.stills import _with_consensus

STYLE = Path(fastfuse.__file__).parent / "report/html/templates/style.css"
LEAST = 10.0  # CIEDE2000 between two colours: about five times what is just seen
# Linear RGB as the colour-blind see it (Machado, Oliveira, Fernandes 2009, severity 1).
SEEN = {
    "everybody": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip


Lab = tuple[float, float, float]


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(colour: str, seen: str) -> Lab:
    rgb = np.clip(np.array(SEEN[seen]) @ linear(colour), 0, 1)
    x, y, z = TO_XYZ @ rgb / (0.95047, 1, 1.08883)
    x, y, z = (one ** (1 / 3) if one > 0.008856 else 7.787 * one + 16 / 116 for one in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def apart(one: str, other: str, seen: str) -> float:
    return ciede2000(lab(one, seen), lab(other, seen))


def ciede2000(one: Lab, other: Lab) -> float:
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * math.sqrt(mean**7 / (mean**7 + 25**7))
    c1, c2 = math.hypot(a1 * stretch, b1), math.hypot(a2 * stretch, b2)
    h1, h2 = (math.degrees(math.atan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 + sum(
        share * math.cos(math.radians(times * hue + shift))
        for share, times, shift in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    )
    dl = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / math.sqrt(20 + (light - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * chroma)
    dh = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * t)
    bent = -2 * math.sqrt(chroma**7 / (chroma**7 + 25**7)) * math.sin(math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2))))  # fmt: skip
    return math.sqrt(max(dl * dl + dc * dc + dh * dh + bent * dc * dh, 0.0))


def ramp() -> list[str]:
    stops = np.array([[int(one[at : at + 2], 16) for at in (1, 3, 5)] for one in RAMP], float)
    at = np.linspace(0, len(stops) - 1, 25)
    found = np.stack([np.interp(at, range(len(stops)), stops[:, k]) for k in range(3)], axis=1)
    return ["#" + "".join(f"{round(one):02x}" for one in row) for row in found]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_distance_is_that_of_the_literature(one: Lab, other: Lab, expected: float) -> None:
    """Pairs of Sharma, Wu, Dalal 2005, table 1."""
    assert ciede2000(one, other) == pytest.approx(expected, abs=1e-4)


def test_lightness() -> None:
    assert lightness("#808080") == pytest.approx(lab("#808080", "everybody")[0], abs=0.01)


@pytest.mark.parametrize("seen", SEEN)
def test_all_that_the_viewer_draws_is_told_apart(seen: str) -> None:
    """Lines of raters, the consensus's white one, the cross-hair; areas of labels, or of a probability."""
    drawn = [*LINES, WHITE, CROSS]
    for one, other in [
        *itertools.combinations(drawn, 2),
        *itertools.combinations(AREAS, 2),
        *itertools.product([*LINES, WHITE, CROSS], AREAS),
        *itertools.product([*LINES, WHITE], ramp()),
    ]:
        assert apart(one, other, seen) >= LEAST, (one, other)


@pytest.mark.parametrize("below", [0, 64, 128, 192, 255])
@pytest.mark.parametrize("seen", SEEN)
def test_no_line_looks_like_what_is_laid_over_the_image(seen: str, below: int) -> None:
    """The consensus and labels at the opacity that is shown first, over black, greys and white, by the code of still slices."""
    for areas in (ramp(), list(AREAS)):
        labels = tuple(range(len(areas) + 1))
        pixels = np.full((1, len(areas), 3), float(below))
        laid = _with_consensus(pixels, np.array([labels[1:]]), labels, ["#000000", *areas])
        for over in laid[0]:
            colour = "#" + "".join(f"{round(float(part)):02x}" for part in over)
            assert min(apart(colour, line, seen) for line in (*LINES, WHITE)) >= LEAST, colour
    if below == 255:
        assert np.mean(laid) < 200  # darker than the image


@pytest.mark.parametrize("seen", SEEN)
def test_lines_of_the_evaluation_are_no_areas(seen: str) -> None:
    from fastfuse.report.html.evaluation import COLOURS, OUTLINED

    drawn = [*COLOURS.values(), *(colour for colour, _ in OUTLINED), CROSS]
    assert min(apart(one, other, seen) for one, other in itertools.combinations(drawn, 2)) >= LEAST


def test_many_labels_have_colours_apart() -> None:
    """Of sixteen, to normal sight; to the colour-blind names tell what colours cannot."""
    found = areas_of([None] * 16)
    assert min(apart(one, other, "everybody") for one, other in itertools.combinations(found, 2)) >= 9


def test_no_two_lines_or_areas_are_alike() -> None:
    assert len({(colour, tuple(dash)) for colour, dash in lines_of(100)}) == 100
    assert [dash for _, dash in lines_of(7)] == [()] * 7
    assert len(set(DASHES)) == len(DASHES)
    given = ["#FF0000".lower(), None, "#ff0000", AREAS[0], *[None] * 200]
    found = areas_of(given)
    assert len(set(found)) == len(given)
    assert max(map(lightness, found)) <= colours.MOST_LIGHT + 0.1
    assert min(lightness(one) for one in LINES) > colours.MOST_LIGHT + 5
    assert found[0] == "#ff0000"


def test_a_label_keeps_its_hue_and_gets_as_dark_as_areas_are() -> None:
    (dark,) = areas_of(["#f1d691"])  # bone, as 3D Slicer has it
    assert lightness(dark) == pytest.approx(colours.MOST_LIGHT, abs=1.5)
    before, after = (np.array([int(one[at : at + 2], 16) for at in (1, 3, 5)]) for one in ("#f1d691", dark))
    assert np.allclose(after / after.max(), before / before.max(), atol=0.01)


@pytest.mark.parametrize("seen", SEEN)
def test_charts_tell_raters_apart_in_both_themes(seen: str) -> None:
    """The hues of charts, against each other, and as bright or dark as 3 : 1 upon their card."""
    style = STYLE.read_text(encoding="utf-8")
    themes = re.findall(r"--card: (#\w{6});.*?((?:--k\d: #\w{6}; ?)+)", style, re.DOTALL)
    assert len(themes) == 3  # light, dark by the system, dark by the switch
    assert themes[1] == themes[2]
    for card, told in themes:
        hues = re.findall(r"#\w{6}", told)
        assert len(hues) == len(LINES)
        assert min(apart(one, other, seen) for one, other in itertools.combinations(hues, 2)) >= LEAST
        light = [float(linear(one) @ TO_XYZ[1]) for one in (card, *hues)]
        assert all((max(light[0], one) + 0.05) / (min(light[0], one) + 0.05) >= 3 for one in light[1:])
    assert re.findall(r"#\w{6}", themes[1][1]) == list(LINES)
