"""Reports of evaluations: of two files, of folders, against several raters."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ..cli.common import MASKS, case_in
from ..command import run_here
from .common import Page, assert_loads_nothing

pytest.importorskip("jinja2", reason="needs jinja2: pip install '.[report]'")


def evaluated(folder: Path, *words: str) -> tuple[Page, dict]:
    """Evaluate with a JSON and a report; a second time without --overwrite is refused."""
    given = ["evaluate", *words, "-o", "e.json", "--report", "r.html"]
    done = run_here(folder, *given)
    assert done.returncode == 0, done.stderr
    assert "r.html" in done.stdout
    again = run_here(folder, *given)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    page = Page.of((folder / "r.html").read_text(encoding="utf-8"))
    assert_loads_nothing(page)
    return page, json.loads((folder / "e.json").read_text())


def test_two_files(tmp_path: Path) -> None:
    case_in(tmp_path)
    page, facts = evaluated(tmp_path, MASKS[0], MASKS[1], "--mask", "brain.nii.gz", "--least-mm3", "30")
    for name in ("dice", "precision", "recall", "specificity", "lesion_f1"):
        assert f"{facts[name]:.4f}" in page.text, name
    assert f"{facts['hd95_mm']:.2f}" in page.text
    rows = ["".join(one.text.split()) for one in page.all("tr")]
    listed = sorted(facts["lesions"], key=lambda one: -one["mm3"])[:100]  # the largest are listed
    data = json.loads(page.one("script", id="scan").text)
    for k, lesion in enumerate(listed):
        sides = zip(lesion["place_mm"], ("RL", "AP", "SI"), strict=True)
        at = ",".join(f"{pair[value < 0]}{abs(value):.1f}" for value, pair in sides)
        assert facts["lesions"][lesion["number"] - 1] == lesion
        assert [row for row in rows if row.startswith(f"{lesion['number']}{lesion['kind']}") and at in row]
        voxel = np.add(data["places"][k]["at"], data["origin"])
        assert np.allclose(np.array(data["affine"])[:3] @ [*voxel, 1], lesion["place_mm"], atol=1e-3)
    visits = [one.attributes["data-visit"] for one in page.all("button") if "data-visit" in one.attributes]
    assert visits == [str(k) for k in range(len(listed))]
    options = [one.text.partition(":")[0] for one in page.all("option")]
    assert options == [str(one["number"]) for one in listed]
    called = [one.attributes["aria-label"] for one in page.all("button") if "data-visit" in one.attributes]
    assert called == [f"Show lesion {one['number']}" for one in listed]
    left_out = facts["prediction_left_out"], facts["truth_left_out"]
    assert any(left_out)
    assert f"left out: {left_out[0]:,} predicted and {left_out[1]:,} true" in page.text
    assert (data["raters"], data["maps"]) == (["prediction", "truth"], False)
    assert [one["name"] for one in data["labels"]] == ["none", "found", "missed", "false"]
    for name in (MASKS[0], MASKS[1], "brain.nii.gz"):
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() in page.text


def test_a_lesion_has_one_number_in_json_page_and_terminal(tmp_path: Path) -> None:
    """The JSON lists what is found before what is missed, the page the largest first."""
    truth, prediction = np.zeros((2, 20, 20, 20), np.uint8)
    truth[2:4, 2:4, 2:4] = prediction[2:4, 2:4, 2:4] = 1
    truth[8:14, 8:14, 8:14] = 1
    for name, data in (("t.nii", truth), ("p.nii", prediction)):
        nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / name)
    words = ("evaluate", "p.nii", "t.nii", "-o", "e.json", "--save-lesions", "l.nii", "--report", "r.html")
    done = run_here(tmp_path, *words)
    lesions = json.loads((tmp_path / "e.json").read_text())["lesions"]
    assert [(one["number"], one["kind"]) for one in lesions] == [(1, "found"), (2, "missed")]
    page = Page.of((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert [one.text.split(",")[0] for one in page.all("option")] == ["2: missed", "1: found"]
    assert "It starts at lesion 2, missed" in page.text
    rows = [line.split()[:3] for line in done.stdout.splitlines()]
    assert ["1", "found", "8.0"] in rows
    assert ["2", "missed", "216.0"] in rows


def test_folders(tmp_path: Path) -> None:
    case_in(tmp_path)
    for folder, names in (("p", MASKS[:3]), ("t", MASKS[1:])):
        (tmp_path / folder).mkdir()
        for k, name in enumerate(names):
            (tmp_path / folder / f"case{k}.nii.gz").write_bytes((tmp_path / name).read_bytes())
    (tmp_path / "t" / "more.nii.gz").write_bytes((tmp_path / MASKS[0]).read_bytes())
    page, facts = evaluated(tmp_path, "p", "t")
    rows = [one.text for one in page.all("tr")]
    for name, one in facts["cases"].items():
        (row,) = (row for row in rows if name in row)
        assert f"{one['dice']:.4f}" in row
        assert f"{one['hd95_mm']:.2f}" in row
    assert f"{facts['summary']['dice']['mean']:.4g}" in page.text
    assert "without a prediction" in page.one("section", id="warnings").text
    assert len(page.all("circle")) == 3


def test_several_raters(tmp_path: Path) -> None:
    case_in(tmp_path)
    page, facts = evaluated(tmp_path, "network_0.nii.gz", *MASKS, "--roi", "4")
    for one in facts["raters"]:
        assert f"{one['dice']:.4f}" in page.text
        assert f"{one['ece']:.4f}" in page.text
    assert f"{facts['reliability']['error']:.4f}" in page.text
    rows = [one.text for one in page.all("tr")]
    for what, ml in (("cut 0.5", facts["prediction_mask_ml"]), ("expected", facts["prediction_ml"])):
        (row,) = (text for text in rows if f"prediction, {what}" in text)
        assert f"{ml:.2f}" in row
    assert "Expected: the sum of the prediction's probabilities" in page.text
    known = [value for value in facts["reliability"]["predicted"] if value is not None]
    assert len(page.all("circle")) == len(known)


@pytest.mark.parametrize("several", [False, True])
def test_an_image_is_shown_and_recorded(tmp_path: Path, several: bool) -> None:
    """It changes no number; its grid is checked as by ``fuse``, in the same words."""
    case_in(tmp_path)
    files = [MASKS[0], *(MASKS[1:] if several else MASKS[1:2])]
    bare, before = evaluated(tmp_path, *files)
    assert "what lies below the marks is black" in bare.text
    for name in ("e.json", "r.html"):
        (tmp_path / name).unlink()
    page, facts = evaluated(tmp_path, *files, "--image", "flair.nii.gz")
    assert page.one("script", id="volume-image").text
    assert "what lies below the marks is black" not in page.text
    assert facts == {**before, "image": "flair.nii.gz"}
    held = hashlib.sha256((tmp_path / "flair.nii.gz").read_bytes()).hexdigest()
    (row,) = ("".join(one.text.split()) for one in page.all("tr") if held in one.text)
    assert row == f"imageflair.nii.gz{held}"
    flair = nib.load(tmp_path / "flair.nii.gz")
    between = flair.affine.copy()
    between[0, 3] += 0.5 * between[0, 0]
    nib.save(nib.Nifti1Image(np.asanyarray(flair.dataobj), between), tmp_path / "other.nii.gz")
    other = ("--report", "n.html", "--image", "other.nii.gz")
    fuse = run_here(tmp_path, "fuse", *files, "-o", "f.nii.gz", *other)
    done = run_here(tmp_path, "evaluate", *files, *other)
    assert fuse.returncode == done.returncode == 2
    assert fuse.stderr == done.stderr != ""
    assert not (tmp_path / "n.html").exists()


def test_an_image_that_nothing_would_show_is_refused(tmp_path: Path) -> None:
    case_in(tmp_path)
    flair = ("--image", "flair.nii.gz")
    for words in (["evaluate", *MASKS[:2]], ["evaluate", *MASKS], ["agreement", *MASKS]):
        done = run_here(tmp_path, *words, *flair)
        assert done.returncode == 2
        assert "flair.nii.gz, and there is no report" in done.stderr
        assert "--report" in done.stderr
    for folder in ("p", "t"):
        (tmp_path / folder).mkdir()
        shutil.copy(tmp_path / MASKS[0], tmp_path / folder)
    done = run_here(tmp_path, "evaluate", "p", "t", "--report", "r.html", *flair)
    assert done.returncode == 2
    assert "p is a folder: a report of folders shows no slices" in done.stderr


def test_numbers_are_explained(tmp_path: Path) -> None:
    case_in(tmp_path)
    pair, _ = evaluated(tmp_path, *MASKS[:2])
    for name in ("e.json", "r.html"):
        (tmp_path / name).unlink()
    raters, _ = evaluated(tmp_path, *MASKS)
    of_pair = ("HD95", "HD100", "ASSD", "Surface Dice", "Found, missed, false", "Lesion sensitivity")
    of_raters = ("Calibration error", "Reliability error", "CRPS", "Confidence there")
    for page, names in ((pair, of_pair), (raters, of_raters)):
        terms, meanings = ([one.text for one in page.all(tag)] for tag in ("dt", "dd"))
        told = dict(zip(terms, meanings, strict=True))
        for name in names:
            (meaning,) = (text for term, text in told.items() if name in term and len(text) > 30)
            assert meaning.endswith(".")


def test_a_measure_that_is_undefined_is_told_so(tmp_path: Path) -> None:
    case_in(tmp_path)
    empty = nib.load(tmp_path / MASKS[0])
    nib.save(nib.Nifti1Image(np.zeros(empty.shape, np.uint8), empty.affine), tmp_path / "empty.nii.gz")
    page, facts = evaluated(tmp_path, "empty.nii.gz", MASKS[0])
    assert facts["hd95_mm"] is None
    assert f"HD95 (mm){facts['status']['hd95_mm']}" in page.text


def boxes(folder: Path, side_mm: float, shifts: list[int | None]) -> None:
    """Boxes as truths, and as predictions that lie so many voxels beside them; None for an empty one."""
    affine = np.diag([side_mm, side_mm, side_mm, 1])
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[4:12, 4:12, 4:12] = 1
    for name in ("p", "t"):
        (folder / name).mkdir()
    for k, shift in enumerate(shifts):
        prediction = 0 * truth if shift is None else np.roll(truth, shift, 0)
        for name, data in (("p", prediction), ("t", truth)):
            nib.save(nib.Nifti1Image(data, affine), folder / name / f"case{k}.nii.gz")


def cells(page: Page) -> list[list[str]]:
    """The text of each row's cells, tables one after the other."""
    inside = [one for one in page.elements if one.tag in ("tr", "td", "th")]
    rows: list[list[str]] = []
    for one in inside:
        if one.tag == "tr":
            rows.append([])
        else:
            rows[-1].append(" ".join(one.text.split()))
    return rows


def test_what_is_infinite_in_the_summary_is_told_so_in_page_terminal_and_json(tmp_path: Path) -> None:
    boxes(tmp_path, 1, [1, 2, None])
    nib.save(nib.load(tmp_path / "t" / "case0.nii.gz"), tmp_path / "p" / "case3.nii.gz")
    empty = nib.Nifti1Image(np.zeros((20, 20, 20), np.uint8), np.eye(4))
    nib.save(empty, tmp_path / "t" / "case3.nii.gz")
    page, facts = evaluated(tmp_path, "p", "t")
    terminal = run_here(tmp_path, "evaluate", "p", "t").stdout
    for name, title in (("hd95_mm", "HD95"), ("hd100_mm", "HD100"), ("assd_mm", "ASSD")):
        assert facts["summary"][name]["status"]["mean"] == "infinite"
        (row,) = (row for row in cells(page) if row[0] == f"{title} (mm)" and len(row) == 5)
        (line,) = (line for line in terminal.splitlines() if line.strip().startswith(f"{title} (mm)"))
        assert row[:4] == [f"{title} (mm)", *line.split()[2:]]
        assert row[1] == "infinite"
        assert row[2].endswith("–infinite")
    assert re.search(r"infinite\s*mean HD95 \(mm\)|mean HD95 \(mm\)\s*infinite", page.text)  # a tile
    assert "nan" not in "".join("".join(row) for row in cells(page))


def test_the_tolerance_stands_beside_the_surface_dice(tmp_path: Path) -> None:
    boxes(tmp_path, 1, [1, 2])
    folders, facts = evaluated(tmp_path, "p", "t", "--tolerance-mm", "1.5")
    assert facts["summary"]["surface_dice"]["mean"] < 1
    found = [cell for row in cells(folders) for cell in row if cell.startswith("surface Dice")]
    assert found == ["surface Dice within 1.5 mm"] * 2  # a row of the summary, a column of the cases
    said = run_here(tmp_path, "evaluate", "p", "t", "--tolerance-mm", "1.5").stdout
    assert "surface Dice: share of both surfaces within 1.5 mm of the other" in said
    for name in ("e.json", "r.html"):
        (tmp_path / name).unlink()
    pair, _ = evaluated(tmp_path, "p/case0.nii.gz", "t/case0.nii.gz", "--tolerance-mm", "1.5")
    assert [row[0] for row in cells(pair) if row[0].startswith("surface")] == ["surface Dice within 1.5 mm"]


def test_distances_and_volumes_of_tiny_voxels_are_not_0(tmp_path: Path) -> None:
    """Voxels of 1 µm: 0.001 mm, and 1e-9 mm³."""
    boxes(tmp_path, 0.001, [1, 2, 3])
    words = ("--least-mm3", "0")
    folders, _ = evaluated(tmp_path, "p", "t", *words)
    texts = [cells(folders), terminal_rows(tmp_path, "p", "t", *words)]
    for name in ("e.json", "r.html"):
        (tmp_path / name).unlink()
    pair, facts = evaluated(tmp_path, "p/case1.nii.gz", "t/case1.nii.gz", *words)
    texts += [
        cells(pair),
        terminal_rows(tmp_path, "p/case1.nii.gz", "t/case1.nii.gz", *words, "--save-lesions", "l.nii"),
    ]
    assert facts["hd95_mm"] == pytest.approx(0.002)
    for rows in texts:
        shown = [cell for row in rows for cell in row]
        assert not {"0.00", "0.0", "0.00000", "-0.00"} & set(shown), rows
        assert "0.002" in shown, rows  # HD95 of a case, and the median
    assert any("5.12e-07" in cell for row in texts[2] for cell in row)  # mm³ of the lesion
    assert any("5.12e-07" in cell for row in texts[3] for cell in row)


def terminal_rows(folder: Path, *words: str) -> list[list[str]]:
    done = run_here(folder, "evaluate", *words)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_a_case_that_failed_is_on_the_page(tmp_path: Path) -> None:
    boxes(tmp_path, 1, [1, 2, 3])
    bad = tmp_path / "p" / "case1.nii.gz"
    bad.write_bytes(bad.read_bytes()[:60])
    done = run_here(tmp_path, "evaluate", "p", "t", "-o", "e.json", "--report", "r.html")
    assert done.returncode == 3
    facts = json.loads((tmp_path / "e.json").read_text())
    page = Page.of((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert list(facts["failed"]) == ["case1"]
    told = "".join(page.one("section", id="warnings").text.split())
    assert "".join(f"case1 failed, and no number counts it: {facts['failed']['case1']}".split()) in told
    assert [row[0] for row in cells(page) if row[0].startswith("case") and row[0] != "case"] == [
        "case0",
        "case2",
    ]
    assert re.search(r"1\s*failed|failed\s*1", page.text)


@pytest.mark.parametrize("kind", ["both", "neither", "one"])
def test_the_page_has_the_numbers_behind_each_measure_as_the_terminal(kind: str, tmp_path: Path) -> None:
    truth, prediction, mask = np.zeros((3, 12, 12, 12), np.uint8)
    mask[1:] = 1
    if kind != "neither":
        truth[2:6, 2:6, 2:6] = 1
    if kind == "both":
        prediction[3:7, 2:6, 2:6] = 1
    for name, data in (("t.nii", truth), ("p.nii", prediction), ("m.nii", mask)):
        nib.save(nib.Nifti1Image(data, np.eye(4)), tmp_path / name)
    words = ("evaluate", "p.nii", "t.nii", "--mask", "m.nii", "--tolerance-mm", "1", "--report", "r.html")
    done = run_here(tmp_path, *words, columns=200)
    page = Page.of((tmp_path / "r.html").read_text(encoding="utf-8"))
    measures = page.one("section", id="measures")
    rows = [re.split(r"  +", line.strip()) for line in done.stdout.splitlines()]
    behind = [row[2] for row in rows if len(row) == 3 and row[0] != "measure"]
    assert len(behind) == 12
    for one in behind:
        assert one in measures.text
    assert ("both masks are empty" in measures.text) == (kind == "neither")
    assert "of 1,584 voxels, inside m.nii, cut 0.5" in measures.text
    said = " ".join(page.one("section", id="cite").text.split())
    for one in (
        "(Taha and Hanbury 2015), inside m.nii",
        "Lesions (Commowick et al. 2018) are components above 3 mm³",
    ):
        assert one in said
