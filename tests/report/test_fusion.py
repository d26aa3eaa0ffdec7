"""What the report of a fusion holds: the sidecar's numbers, escaped names, and nothing that is loaded."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.errors import FastfuseError, OutputError

from ..cli.common import AFFINE, MASKS, SHAPE, case_in, load, save
from ..command import run_here
from ..images.networks import classes, save_pair
from .common import Page, assert_loads_nothing, fused

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


def test_a_page_holds_all_and_loads_nothing(tmp_path: Path) -> None:
    page, facts, text = fused(tmp_path, method="border-staple", image=tmp_path / "flair.nii.gz")
    assert_loads_nothing(page)
    assert len(text) < 400_000
    assert facts["outputs"]["report"] == "report.html"
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    links = [one.attributes["href"] for one in page.all("a")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    for one in page.elements:
        if one.tag == "label" and "for" in one.attributes:
            assert one.attributes["for"] in ids
    assert len(page.all("img")) == 3
    assert all(one.attributes["alt"] for one in page.all("img"))


def terms_of(page: Page) -> set[str]:
    """Return what the page explains at its end."""
    return {one.text for one in page.all("dt")}


def test_numbers_are_those_of_the_sidecar(tmp_path: Path) -> None:
    page, facts, _ = fused(tmp_path, method="staple", intervals="information")
    rows = [one.text for one in page.all("tr")]
    for rater in facts["raters"]:
        (row,) = (row for row in rows if rater["name"] in row and "sha" not in row and "/" not in row)
        for rate in ("sensitivity", "specificity", "ppv", "npv", "dice"):
            assert f"{rater[rate]:.4f}" in row
        for rate in ("sensitivity_95", "specificity_95"):
            assert "–".join(f"{end:.4f}".removeprefix("0") for end in rater[rate]) in row
    assert {"Specificity", "Expected volume", "Fit"} <= terms_of(page)
    assert ("Nats" in terms_of(page)) == ("nats" in "".join(row for row in rows if "a mark below" in row))
    assert f"{facts['foreground']['ml']:.2f} ml" in page.text
    assert f"{facts['n_iter']} iterations" in page.text
    for name, value in facts["options"].items():
        assert name in page.text, name
        assert str(value) in page.text or not isinstance(value, str), name
    for name, model in facts["fit"]["models"].items():
        assert name in page.text
        assert f"{model['expected'][0]:,.0f}" in page.text
    assert len(page.all("path", **{"class": "ellipse k0"})) == 1
    assert len(page.all("polyline")) == 1
    points = page.one("polyline").attributes["points"].split()
    assert len(points) == len(facts["log_likelihood"])


def test_warnings_are_told_in_words(tmp_path: Path) -> None:
    page, facts, _ = fused(tmp_path, mask=None, method="staple")
    assert facts["warnings"]
    told = [one.text for one in page.all("li")]
    assert told[: len(facts["warnings"])] == facts["warnings"]


def test_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    page, _, _ = fused(tmp_path, save_label=tmp_path / "label.nii.gz", method="majority")
    names = (*MASKS, "brain.nii.gz", "consensus.nii.gz", "label.nii.gz", "consensus.json")
    for name in names:
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() in page.text, name


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    _, _, first = fused(tmp_path, method="soft-staple")
    _, _, second = fused(tmp_path, method="soft-staple")
    assert first == second


def test_names_are_escaped_and_headers_are_not_told(tmp_path: Path) -> None:
    case_in(tmp_path)
    evil = '<script>alert("1")</script>&amp;'
    paths = [tmp_path / f"<b onclick=x>{i}.nii.gz" for i in range(3)]
    for path, name in zip(paths, MASKS, strict=False):
        image = nib.Nifti1Image(load(tmp_path / name), AFFINE)
        image.header["descrip"], image.header["intent_name"] = b"SECRET^PATIENT", b"SECRET"
        nib.save(image, path)
    page, _, text = fused(tmp_path, paths=paths, names=[f"{evil}{i}" for i in range(3)], method="majority")
    assert_loads_nothing(page)
    assert page.all("b") == []
    assert f"{evil}0" in page.text
    assert "SECRET" not in text
    assert "<script>alert" not in text
    assert json.loads(page.one("script", id="scan").text)["raters"] == [f"{evil}{i}" for i in range(3)]


def test_an_image_is_shown_below_a_method_that_takes_none(tmp_path: Path) -> None:
    """It changes nothing of the consensus."""
    page, with_image, _ = fused(tmp_path, method="staple", image=tmp_path / "flair.nii.gz")
    shown = load(tmp_path / "consensus.nii.gz")
    assert page.one("script", id="volume-image").text
    _, without, _ = fused(tmp_path, method="staple")
    assert np.array_equal(shown, load(tmp_path / "consensus.nii.gz"))
    assert with_image["raters"] == without["raters"]
    with pytest.raises(ValueError, match="nothing grows"):
        fused(tmp_path, method="staple", image=tmp_path / "flair.nii.gz", report=None)


def test_raters_who_agree_everywhere(tmp_path: Path) -> None:
    case_in(tmp_path)
    page, _, _ = fused(tmp_path, paths=[tmp_path / MASKS[0]] * 1, method="majority")
    assert_loads_nothing(page)
    empty = [save(tmp_path / f"empty{i}.nii.gz", np.zeros(SHAPE, np.uint8)) for i in range(2)]
    page, _, _ = fused(tmp_path, paths=empty, method="majority")
    assert "All raters agree everywhere" in page.text
    assert_loads_nothing(page)


@pytest.mark.parametrize("flat", [0, 2])
def test_a_slice_alone(tmp_path: Path, flat: int) -> None:
    """A plane of one row is not shown."""
    case_in(tmp_path)
    paths = []
    for name in MASKS[:3]:
        data = np.take(load(tmp_path / name), [5], axis=flat)
        paths.append(save(tmp_path / f"flat_{name}", data))
    page, _, _ = fused(tmp_path, paths=paths, mask=None, method="majority")
    assert len(page.all("canvas")) == len(page.all("img")) == 1


def test_files_without_a_place_name_no_side(tmp_path: Path) -> None:
    case_in(tmp_path)
    paths = [tmp_path / f"rater{i}.npy" for i in range(3)]
    for path, name in zip(paths, MASKS, strict=False):
        np.save(path, load(tmp_path / name))
    page, _, _ = fused(tmp_path, paths=paths, mask=None, method="majority")
    assert "no side is named" in page.text
    assert json.loads(page.one("script", id="scan").text)["placed"] is False
    assert page.all("span", **{"class": "left"}) == []


def test_label_maps_have_a_table_for_each_label(tmp_path: Path) -> None:
    case_in(tmp_path)
    rng = np.random.default_rng(1)
    paths = []
    for i, name in enumerate(MASKS):
        data = load(tmp_path / name).astype(np.uint8)
        data[data > 0] = 1 + (np.indices(SHAPE)[0] > 10)[data > 0] * 6
        data[rng.random(SHAPE) < 0.02] = 7
        paths.append(save(tmp_path / f"map{i}.nii.gz", data))
    image = tmp_path / "flair.nii.gz"
    page, facts, _ = fused(
        tmp_path, paths=paths, labels={0: "rest", 1: "<i>liver</i>", 7: "spleen"}, image=image
    )
    assert_loads_nothing(page)
    assert facts["outputs"]["report"] == "report.html"
    rows = [one.text for one in page.all("tr")]
    for rater in facts["raters"]:
        for label in rater["labels"]:
            assert [row for row in rows if rater["name"] in row and f"{label['dice']:.4f}" in row]
    assert "Label 1: <i>liver</i>." in page.text
    assert not {"Specificity", "Expected volume", "Fit", "Nats"} & terms_of(page)
    data = json.loads(page.one("script", id="scan").text)
    assert [one["value"] for one in data["labels"]] == [0, 1, 7]
    assert page.one("script", id="volume-image").text
    assert hashlib.sha256((tmp_path / "consensus.tsv").read_bytes()).hexdigest() in page.text


@pytest.mark.parametrize(
    "options",
    [
        {"method": "dilated-staple", "image": "flair.nii.gz"},
        {"method": "soft-staple", "soften": True, "image": "flair.nii.gz"},
        {"method": "auto", "image": "flair.nii.gz"},
        {"preset": "recommended", "image": "flair.nii.gz", "intervals": "lesions"},
        {"method": "staple", "classes": 3},
        {"method": "staple", "present": [None, "brain.nii.gz", None, "brain.nii.gz"]},
        {"method": "staple", "cut": "dice", "performance_prior": (5, 1.5), "acceleration": "squarem"},
        {"method": "simplified-soft-staple", "networks": True},
    ],
    ids=lambda options: next(iter(options.values())) if isinstance(options, dict) else None,
)
def test_every_way_of_fusing_has_a_page(tmp_path: Path, options: dict[str, Any]) -> None:
    case_in(tmp_path)
    given = {
        name: tmp_path / value if isinstance(value, str) and value.endswith(".gz") else value
        for name, value in options.items()
    }
    if given.pop("networks", False):
        given["paths"] = [tmp_path / f"network_{i}.nii.gz" for i in range(4)]
    if "present" in given:
        given["present"] = [one and tmp_path / one for one in given["present"]]
    page, facts, _ = fused(tmp_path, **given)
    assert_loads_nothing(page)
    rows = [one.text for one in page.all("tr")]
    for rater in facts["raters"]:
        assert [row for row in rows if rater["name"] in row and f"{rater['sensitivity']:.4f}" in row]


def test_networks_of_all_labels(tmp_path: Path) -> None:
    values = [classes(seed) for seed in range(2)]
    paths = [
        save_pair(tmp_path / name, one, one.argmax(axis=0).astype(np.uint8))
        for name, one in zip("ab", values, strict=True)
    ]
    page, facts, _ = fused(tmp_path, paths=paths, labels="all", mask=None)
    assert_loads_nothing(page)
    rows = [one.text for one in page.all("tr")]
    for rater in facts["raters"]:
        for label in rater["labels"]:
            assert [row for row in rows if rater["name"] in row and f"{label['dice']:.4f}" in row]


# --- it is an output like the others ---------------------------------------------------------------------------


def test_the_command_writes_it_and_says_so(tmp_path: Path) -> None:
    case_in(tmp_path)
    words = ["fuse", *MASKS, "-o", "c.nii.gz", "--method", "staple", "--mask", "brain.nii.gz"]
    done = run_here(tmp_path, *words, "--report", "r.html")
    assert done.returncode == 0, done.stderr
    assert "r.html" in done.stdout
    assert_loads_nothing(Page.of((tmp_path / "r.html").read_text()))
    again = run_here(tmp_path, *words, "--report", "r.html")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert run_here(tmp_path, *words, "--report", "r.html", "--overwrite").returncode == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [("r.htm", "must end in .html"), ("no/r.html", "does not exist"), (MASKS[0], "must end in")],
)
def test_names_that_do_not_fit(tmp_path: Path, name: str, said: str) -> None:
    case_in(tmp_path)
    with pytest.raises(OutputError, match=said):
        fused(tmp_path, report=tmp_path / name)
    assert not (tmp_path / "consensus.nii.gz").exists()


def test_all_or_nothing(tmp_path: Path) -> None:
    case_in(tmp_path)
    with (
        mock.patch("fastfuse.report.html.fusion.fusion_page", side_effect=RuntimeError("broken")),
        pytest.raises(RuntimeError, match="broken"),
    ):
        fused(tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if "consensus" in path.name or "report" in path.name]


def test_without_jinja2_the_extra_is_named(tmp_path: Path) -> None:
    case_in(tmp_path)
    with (
        mock.patch.dict(sys.modules, {"jinja2": None}),
        pytest.raises(FastfuseError, match=r"a report needs jinja2: pip install '\.\[report\]'"),
    ):
        fused(tmp_path)
    assert not (tmp_path / "consensus.nii.gz").exists()


def test_what_shows_no_report_says_so(tmp_path: Path) -> None:
    case_in(tmp_path)
    with pytest.raises(ValueError, match="a report needs whole images"):
        fused(tmp_path, max_memory="1G")
    with pytest.raises(ValueError, match="report is given, and overlap is True"):
        fused(tmp_path, labels=[1], overlap=True, mask=None)


def test_nothing_is_loaded_without_it(tmp_path: Path) -> None:
    case_in(tmp_path)
    code = "from fastfuse.cli import main; import atexit, sys; atexit.register(lambda: print('jinja2' in sys.modules)); main()"
    words = ["fuse", *MASKS, "-o", "c.nii.gz", "--method", "staple", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("ties", ["foreground", "background"])
@pytest.mark.parametrize("kind", ["masks", "maps", "floored"])
def test_soft_dice_and_the_dice_of_masks(tmp_path: Path, kind: str, ties: str) -> None:
    """Each has its own column; where a floor makes the first one low, that is said, in numbers that hold."""
    case_in(tmp_path)
    paths = [tmp_path / (MASKS[i] if kind == "masks" else f"network_{i}.nii.gz") for i in range(4)]
    if kind == "floored":
        for path in paths:
            save(path, np.float32(0.3 + 0.7 * load(path)))
    given: dict[str, Any] = {"paths": paths, "method": "majority", "ties": ties, "mask": None}
    page = fused(tmp_path, **given)[0]
    titles = [one.text for one in page.all("th", scope="col")]
    assert titles[2:8] == ["sensitivity", "specificity", "PPV", "NPV", "soft Dice", "Dice"]
    w, votes = load(tmp_path / "consensus.nii.gz").astype(float), [load(path).astype(float) for path in paths]
    cut = w > 0.5 if ties == "background" else w >= 0.5
    rows = [(one.text, re.findall(r"[01]\.\d{4}", one.text)) for one in page.all("tr")]
    for path, vote in zip(paths, votes, strict=True):
        (row,) = (numbers for text, numbers in rows if path.name in text and len(numbers) > 5)
        assert abs(float(row[4]) - 2 * (w * vote).sum() / (w.sum() + vote.sum())) < 1e-4
        assert abs(float(row[5]) - 2 * (cut & (vote >= 0.5)).sum() / (cut.sum() + (vote >= 0.5).sum())) < 1e-4
    told = re.search(
        r"at least (\d+) % of the votes' sum(?:, and at least (\d+) % of the consensus's,)? lies? where \S+ are below 0.5",
        page.text,
    )
    total, below = (sum(vote[vote < most].sum() for vote in votes) for most in (2, 0.5))
    assert bool(told) == (total > 2 * sum((vote >= 0.5).sum() for vote in votes))
    assert told if kind == "floored" else not (told and kind == "masks")
    if told:
        assert below / total >= int(told[1]) / 100
        assert bool(told[2]) == (ties == "foreground" and w.sum() > 2 * cut.sum())
        assert w[w < 0.5].sum() / w.sum() >= int(told[2] or 0) / 100
    terms = [one.text for one in page.all("dt")]
    assert {"Dice", "Soft Dice"} <= set(terms)


@pytest.mark.parametrize("method", ["majority", "soft-staple", "simplified-soft-staple"])
@pytest.mark.parametrize("cut", [0.3, 0.5, 0.9])
def test_a_floor_is_told_once_with_what_it_lowers(tmp_path: Path, method: str, cut: float) -> None:
    """Of sensitivity where the consensus's sum is known to be faint, as of a majority; a cut above 0.5 does not tell it."""
    names = [f"network_{i}.nii.gz" for i in range(4)]
    for i, name in enumerate(names):
        votes = np.full(SHAPE, 0.05, np.float32)
        votes[4 + i : 12, 4:10, 4:10] = 0.9
        save(tmp_path / name, votes)
    words = ["fuse", *names, "-o", "c.nii.gz", "--method", method, "--cut", str(cut)]
    done = run_here(tmp_path, *words, columns=400)
    w = load(tmp_path / "c.nii.gz").astype(float)
    faint = cut <= 0.5 and w.sum() > 2 * (w >= cut).sum()
    (line,) = (line for line in done.stdout.splitlines() if "soft Dice are low" in line)
    told = re.search(r"and at least (\d+) % of the consensus's, lie where these are below 0.5", line)
    assert line.startswith("Sensitivity, PPV and" if faint or method == "majority" else "PPV and")
    assert bool(told) == faint
    if told:
        assert w[w < 0.5].sum() / w.sum() >= int(told[1]) / 100 >= 0.5


def test_dice_of_masks_counts_inside_the_mask_or_not_at_all(tmp_path: Path) -> None:
    """As soft Dice does; a mask that has been deleted is not known any more."""
    case_in(tmp_path)
    votes = [load(tmp_path / name) for name in MASKS]
    region = nib.Nifti1Image(load(tmp_path / "brain.nii.gz"), AFFINE)
    fusion = fastfuse.majority_vote(votes, mask=region)
    consensus = fusion.label()
    inside = [vote * load(tmp_path / "brain.nii.gz") for vote in votes]
    dice = [f"{2 * (one & consensus).sum() / (one.sum() + consensus.sum()):.4f}" for one in inside]
    fusion.report(tmp_path / "a.html")
    del region
    fusion.report(tmp_path / "b.html")
    with_mask, without = (Page.of((tmp_path / f"{name}.html").read_text()) for name in "ab")
    rows = [re.findall(r"[01]\.\d{4}", one.text) for one in with_mask.all("tr")]
    assert [row[5] for row in rows if len(row) > 5] == dice
    titles = [[one.text for one in page.all("th", scope="col")][6:8] for page in (with_mask, without)]
    assert titles == [["soft Dice", "Dice"], ["soft Dice", "soft Dice against the median"]]


@pytest.mark.parametrize("kind", ["information", "bootstrap"])
def test_a_rate_at_its_bound_has_no_interval_and_that_is_told(tmp_path: Path, kind: str) -> None:
    """Nested cubes: the outer rater misses nothing. Told where the sidecar has null, and there alone."""
    for i in range(3):
        mask = np.zeros(SHAPE, np.uint8)
        mask[2 + i : 9 - i, 2:7, 2:7] = 1
        save(tmp_path / f"r{i}.nii.gz", mask)
    words = [*(f"r{i}.nii.gz" for i in range(3)), "-o", "c.nii.gz", "--method", "staple", "--intervals", kind]
    done = run_here(tmp_path, "fuse", *words, "--report", "r.html", columns=200)
    assert done.returncode == 0, done.stderr
    raters = json.loads((tmp_path / "c.json").read_text())["raters"]
    named = [(one[what], one[f"{what}_95"]) for one in raters for what in ("sensitivity", "specificity")]
    bare = [value for value, ends in named if None in (ends or [None])]
    assert bool(bare) == (kind == "information")
    assert all(min(value, 1 - value) < 1e-5 for value in bare)
    for text in (done.stdout, (tmp_path / "r.html").read_text()):
        assert ("A rate without an interval lies at its bound, 0 or 1" in text) == bool(bare)
