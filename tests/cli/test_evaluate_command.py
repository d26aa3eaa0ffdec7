"""``fastfuse evaluate``, as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ..command import run_here
from ..evaluation.test_evaluation import AFFINE, BRAIN, PREDICTION, TRUTH
from .test_cli import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {"p": PREDICTION, "t": TRUTH, "brain": BRAIN, "none": np.zeros_like(TRUTH)}.items():
        nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_command(folder: Path) -> None:
    options = [
        "--mask",
        "brain.nii.gz",
        "--cut",
        "0.7",
        "--min-voxels",
        "3",
        "-o",
        "m.json",
        "--tolerance-mm",
        "1",
    ]
    done = run(folder, "evaluate", "p.nii.gz", "t.nii.gz", *options, COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads((folder / "m.json").read_text())
    rows = {
        "Dice": f"{facts['dice']:.4f}",
        "precision": f"{facts['precision']:.4f}",
        "recall": f"{facts['recall']:.4f}",
        "specificity": f"{facts['specificity']:.4f}",
        "volume (ml)": f"{facts['prediction_ml']:.2f}",
        "HD95 (mm)": f"{facts['hd95_mm']:.2f}",
        "HD100 (mm)": f"{facts['hd100_mm']:.2f}",
        "ASSD (mm)": f"{facts['assd_mm']:.2f}",
        "surface Dice": f"{facts['surface_dice']:.4f}",
        "lesion sensitivity": f"{facts['lesion_sensitivity']:.4f}",
        "lesion PPV": f"{facts['lesion_ppv']:.4f}",
        "lesion F1": f"{facts['lesion_f1']:.4f}",
    }
    for name, value in rows.items():
        assert re.search(rf"^ +{re.escape(name)} +{value} ", done.stdout, re.MULTILINE), name
    assert f"{facts['detected_lesions']} of {facts['truth_lesions']} true lesions detected" in done.stdout
    assert f"{BRAIN.sum():,} voxels (inside brain.nii.gz), cut 0.7" in done.stdout
    assert "components below 3 voxels dropped, joined by corners (26)" in done.stdout
    assert "lesions: above 3 mm³, joined by faces (6)" in done.stdout
    left_out = f"{facts['prediction_left_out']} predicted and {facts['truth_left_out']} true"
    assert f"too small for a lesion, and left out there: {left_out}" in done.stdout
    assert "wrote m.json" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("prediction", "truth", "found"),
    [("none", "t", "infinite +one mask is empty"), ("none", "none", "0.00 +both masks are empty")],
)
def test_command_on_empty_masks(folder: Path, prediction: str, truth: str, found: str) -> None:
    done = run(folder, "evaluate", f"{prediction}.nii.gz", f"{truth}.nii.gz")
    assert done.returncode == 0
    assert re.search(rf"HD95 \(mm\) +{found}", done.stdout)
    assert re.search(r"precision +undefined", done.stdout)
    assert "Background counts" in done.stdout


@pytest.mark.parametrize("columns", ["60", "80", "120"])
@pytest.mark.parametrize(
    "words", ["p.nii.gz t.nii.gz", "none.nii.gz t.nii.gz", "p.nii.gz t.nii.gz --save-lesions l.nii"]
)
def test_tables_fit(folder: Path, columns: str, words: str) -> None:
    done = run(folder, "evaluate", *words.split(), "--tolerance-mm", "1", COLUMNS=columns)
    assert done.returncode == 0
    assert "…" not in done.stdout
    tables = [line for line in done.stdout.splitlines() if line.startswith(" ")]
    assert len(tables) > 12
    assert max(map(len, tables)) <= int(columns)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--connectivity 18 --min-voxels 3", ["dropped, joined by edges (18)", "mm³, joined by edges (18)"]),
        ("--connectivity 26", ["joined by corners (26)"]),
        ("--least-mm3 0.5 --match any", ["above 0.5 mm³", "found by any overlap"]),
        ("", ["joined by faces (6)", "found by the rule of MSSEG-2016"]),
    ],
)
def test_what_a_lesion_is_is_said(folder: Path, words: str, said: list[str]) -> None:
    done = run_here(folder, "evaluate", "p.nii.gz", "t.nii.gz", *words.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert all(text in done.stdout for text in said)


def test_lesions_are_listed_and_mapped(folder: Path) -> None:
    done = run_here(folder, "evaluate", "p.nii.gz", "t.nii.gz", "--save-lesions", "l.nii.gz", "-o", "m.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "wrote l.nii.gz, m.json" in done.stdout
    rows = json.loads((folder / "m.json").read_text())["lesions"]
    counts = {kind: sum(row["kind"] == kind for row in rows) for kind in ("found", "missed", "false")}
    assert ", ".join(f"{count} {kind}" for kind, count in counts.items()) in done.stdout
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    for row in sorted(rows, key=lambda row: -row["voxels"])[:5]:
        place = ", ".join(map(str, row["voxel"]))
        pattern = rf" {row['number']} +{row['kind']} +{row['mm3']:,.1f} +{row['voxels']} +{100 * row['overlap']:.0f} % +\({place}\)"
        assert re.search(pattern, done.stdout), pattern
    values = set(np.unique(np.asarray(nib.load(folder / "l.nii.gz").dataobj)).tolist())
    assert values == {0, *({"found": 1, "missed": 2, "false": 3}[row["kind"]] for row in rows)}


def test_specks_alone_are_said(folder: Path) -> None:
    specks = np.zeros_like(TRUTH)
    specks[2, 2, 2] = specks[9, 9, 9] = 1
    nib.save(nib.Nifti1Image(specks, AFFINE), folder / "specks.nii.gz")
    done = run_here(folder, "evaluate", "none.nii.gz", "specks.nii.gz")
    assert done.returncode == 0
    assert re.search(r"lesion F1 +undefined +all components are too small", done.stdout)
    assert "0 predicted and 2 true" in done.stdout
    assert "warning: no lesion above 3 mm³" in done.stderr


@pytest.mark.parametrize("columns", ["60", "120"])
def test_slices_and_sheared_grids_are_said(folder: Path, columns: str) -> None:
    sheared = AFFINE.copy()
    sheared[1, 2] = 0.5
    for name, data, affine in (("flat", TRUTH[..., :1], AFFINE), ("sheared", TRUTH, sheared)):
        for role in "pt":
            nib.save(nib.Nifti1Image(data, affine), folder / f"{role}_{name}.nii.gz")
    flat, tilted = (
        run(folder, "evaluate", f"p_{name}.nii.gz", f"t_{name}.nii.gz", COLUMNS=columns).stdout
        for name in ("flat", "sheared")
    )
    assert "One slice: distances are in its plane, volumes those of a slice 3 mm thick." in " ".join(
        flat.split()
    )
    assert "axes are not at right angles" in tilted


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        ((255, 255), "--binarize"),
        ((255, 4), "--scale 255 --truth-select-label 4,7"),
        ((100, 255), "--scale auto --truth-scale 255"),
        ((1, 255), "--truth-binarize"),
        ((1, 255), "--threshold 0.5 --truth-threshold 128"),
        ((4, 4), "--select-label 1,2,4"),
    ],
)
def test_foreground(folder: Path, factor: tuple[int, int], words: str) -> None:
    mask = (PREDICTION >= 0.5).astype(np.float32)
    for name, data, times in (("p2", mask, factor[0]), ("t2", TRUTH, factor[1])):
        nib.save(nib.Nifti1Image((data * times).astype(np.float32), AFFINE), folder / f"{name}.nii.gz")
    tables = [
        run_here(folder, "evaluate", *names.split(), *more.split()).stdout.split("\n", 3)[3]
        for names, more in (("p.nii.gz t.nii.gz", ""), ("p2.nii.gz t2.nii.gz", words))
    ]
    assert tables[0] == tables[1]
    plain = run_here(folder, "evaluate", "p2.nii.gz", "t2.nii.gz")
    assert plain.returncode == 2
    assert re.search(r"--(truth-)?(select-label|binarize)", plain.stderr)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("p.nii.gz", "Missing argument"),
        (
            "p.nii.gz t.nii.gz brain.nii.gz --save-lesions l.nii.gz",
            "--save-lesions is given, and there are several truths",
        ),
        ("p.nii.gz absent.nii.gz", r"absent\.nii\.gz: no such file"),
        ("p.nii.gz t.nii.gz --cut 3", r"--cut is 3\.0: it must be a number in \(0, 1\]"),
        ("p.nii.gz t.nii.gz --min-voxels -3", "--min-voxels"),
        ("p.nii.gz t.nii.gz --least-mm3 -3", r"--least-mm3 is -3\.0: it must be"),
        ("p.nii.gz t.nii.gz --tolerance-mm -3", r"--tolerance-mm is -3\.0: it must be"),
        ("p.nii.gz t.nii.gz --connectivity 8", "--connectivity"),
        ("p.nii.gz t.nii.gz --match all", "--match"),
        ("p.nii.gz t.nii.gz --select-label a", r"--select-label is 'a': it must be"),
        ("p.nii.gz t.nii.gz --truth-select-label 1,b", r"--truth-select-label is '1,b': it must be"),
        ("p.nii.gz t.nii.gz --scale 0.5", r"--scale is 0\.5: it must be"),
        ("p.nii.gz t.nii.gz --truth-scale x", r"--truth-scale is 'x': it must be"),
        ("p.nii.gz t.nii.gz --save-lesions l.json", r"l\.json: the name of an output must end in \.nii"),
        ("p.nii.gz t.nii.gz --mask none.nii.gz", r"none\.nii\.gz is empty: no voxel"),
        ("p.nii.gz t.nii.gz -o m.csv", r"m\.csv: the name of an output must end in \.json"),
        ("p.nii.gz t.nii.gz -o t.nii.gz --overwrite", r"t\.nii\.gz: the name of an output"),
    ],
)
def test_command_with_bad_input(folder: Path, words: str, message: str) -> None:
    before = {path.name for path in folder.iterdir()}
    done = run_here(folder, "evaluate", *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .*\n", done.stderr), done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize("columns", ["48", "80", "400"])
def test_tables_have_no_frame_of_blanks(folder: Path, columns: str) -> None:
    """As other commands': the title first, and no blank behind any line."""
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    for name, role in (("a", "p"), ("b", "t")):
        (folder / name / "case.nii.gz").write_bytes((folder / f"{role}.nii.gz").read_bytes())
    for words in ("p.nii.gz t.nii.gz --save-lesions l.nii", "a b", "p.nii.gz t.nii.gz brain.nii.gz"):
        lines = run_here(folder, "evaluate", *words.split(), columns=int(columns)).stdout.splitlines()
        assert lines[0].strip()
        assert [line for line in lines if line != line.rstrip()] == []
        assert not [k for k, line in enumerate(lines[1:]) if not line and not lines[k]]
