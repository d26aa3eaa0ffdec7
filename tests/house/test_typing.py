"""A type checker finds a user's slips, and none in code that is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastfuse

pytest.importorskip("mypy", reason="needs mypy: pip install . --group dev")

SOURCE = Path(__file__).parents[2] / "python"
MADE = "import fastfuse, numpy as np\nmasks = [np.zeros((3, 4, 5), np.uint8) for _ in range(3)]\n"
RIGHT = """
import nibabel as nib
from pathlib import Path

fastfuse.staple(masks, prior="estimate", roi="disputed", init=0.9, dtype=np.float64)
fastfuse.staple(np.stack(masks, axis=-1), axis=-1, prior=0.1, roi=3, spacing_mm=(1, 1, 3))
fastfuse.staple([[0, 1], None, [True, 1]])
fastfuse.staple(masks, roi=3, spacing_mm=np.linalg.norm(np.eye(3), axis=0))
fastfuse.evaluate(masks[0], masks[1], spacing_mm=np.array([1.0, 1.0, 3.0]))
fastfuse.staple(masks, classes=3).shares.sum()
table = fastfuse.tabulate(masks)
fastfuse.estimate(table, "border-staple").anchor
fastfuse.pool({"a": table, "b": table}, "staple", prior=0.1).of("a").sensitivity
fastfuse.pool({"a": fastfuse.tabulate(masks, labels="all")}, "staple").confusion.sum()
fastfuse.staple(masks, performance_prior=(5, 1))
fastfuse.staple(masks, performance_prior=[5.0, 1])
fastfuse.staple(masks, performance_prior=((5, 1.5), (9, 1)))
fastfuse.staple(masks, performance_prior=[(5, 1), (9, 1)])
fastfuse.staple([nib.load("a.nii"), nib.load("b.nii")], mask=nib.load("c.nii"))
fastfuse.soft_staple((mask for mask in masks), prior=masks[0], dtype="float64", m_step="em")
fastfuse.fuse(masks, "majority").label(0.5, ties="background")
votes = [soft.values for soft in fastfuse.soften(masks, masks[0], roi=masks[1], size=1.3, scope="lesion")]
fastfuse.soft_staple(votes)
fastfuse.fuse_files(["a.nii.gz", Path("b")], "c.nii.gz", image="f", soften=True, dilation={"size": 1.3})
fastfuse.evaluate(masks[0], nib.load("b.nii"), mask=nib.load("c.nii"), connectivity=26)
fusion = fastfuse.staple(masks)
fusion.save(Path("a.nii"), like="b.nii", save_label="c.nii", cut="dice", overwrite=True)
fusion.report("a.html", raters=masks, image=nib.load("b.nii"), names=["a", "b", "c"])
shape = fusion.to_nifti(like=nib.load("b.nii"), label=True).shape
ax = fastfuse.plots.slices(fusion, plane="coronal", at=(1, 2, 3))
ax = fastfuse.plots.agreement(fastfuse.agreement(masks), ax)
ax = fastfuse.plots.convergence({"a": fusion, "b": fastfuse.border_staple(masks, masks[0])})
fastfuse.plots.save(ax.figure, "a.pdf", dpi=300)
print(fastfuse.__version__, fastfuse.reference, fastfuse.phantom, fastfuse.plots, fastfuse.cuda.is_available())
"""
WRONG = [
    'fastfuse.soft_staple(masks, m_step="emm")',
    'fastfuse.soft_staple(masks, expectation="enum")',
    'fastfuse.simplified_soft_staple(masks, likelihood="linear")',
    'fastfuse.staple(masks, prior="estimat")',
    "fastfuse.staple(masks, performance_prior=(1,))",
    "fastfuse.staple(masks, performance_prior=(5, 1, 2))",
    "fastfuse.staple(masks, performance_prior=5)",
    'fastfuse.staple(masks, init="votes")',
    'fastfuse.staple(masks, roi="dispute")',
    'fastfuse.staple(masks, intervals="lesion")',
    'fastfuse.staple(masks, missing="NaN")',
    'fastfuse.staple(masks, acceleration="squared")',
    'fastfuse.staple(masks, dtype="float16")',
    "fastfuse.staple(masks, sise=1.3)",
    'fastfuse.staple(masks, mask="brain.nii.gz")',
    'fastfuse.staple(masks).label(ties="up")',
    'fastfuse.staple("abc")',
    'fastfuse.staple(["a.nii.gz", "b.nii.gz"])',
    'fastfuse.staple({"rater": masks[0]})',
    "fastfuse.staple(3)",
    'fastfuse.majority_vote("abc")',
    'fastfuse.tabulate("abc")',
    'fastfuse.soften("abc", masks[0])',
    'fastfuse.fuse(masks, "steple")',
    'fastfuse.fuse(masks, "dilated-staple")',
    'fastfuse.estimate(fastfuse.tabulate(masks), "steple")',
    'fastfuse.estimate(fastfuse.tabulate(masks), prior="estimat")',
    "fastfuse.soften(masks, masks[0], sise=1.3)",
    'fastfuse.soften(masks, masks[0], scope="lesions")',
    "fastfuse.dilated_staple(masks, masks[0], sise=1.3)",
    'fastfuse.conditional_dilation(masks[0], masks[0], threshold="exactly")',
    'fastfuse.soften_files(["a.nii"], "b.nii", sise=1.3)',
    'fastfuse.fuse_files(["a.nii"], "b.nii", dilation={"sise": 1.3})',
    'fastfuse.fuse_files(["a.nii"], "b.nii", method="steple")',
    'fastfuse.fuse_files(["a.nii"], "b.nii", ties="up")',
    'fastfuse.evaluate("a.nii", "b.nii")',
    "fastfuse.evaluate(masks[0], masks[1], connectivity=7)",
    'fastfuse.staple(masks).to_nifti(lik="a.nii")',
    'fastfuse.staple(masks).save("a.nii", cut="best")',
    "fastfuse.staple(masks).report()",
    'fastfuse.plots.slices(fastfuse.staple(masks), plane="oblique")',
    "fastfuse.plots.rates(masks)",
    "fastfuse.nope",
    "fastfuse.stapel(masks)",
]


def complaints(code: str, folder: Path) -> list[str]:
    """Return what mypy says of a user's file."""
    file = folder / "user.py"
    file.write_text(code)
    words = ["--strict", "--follow-imports=silent", "--no-error-summary", f"--cache-dir={folder}", file.name]
    run = [sys.executable, "-m", "mypy", *words]
    environment = {**os.environ, "MYPYPATH": str(SOURCE)}
    done = subprocess.run(
        run, capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=600
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error: " in line]


def test_slips_are_found_and_nothing_else(tmp_path: Path) -> None:
    code = MADE + "\n".join(WRONG) + RIGHT
    found = {int(line.split(":")[1]) for line in complaints(code, tmp_path)}
    first = MADE.count("\n") + 1
    missed = [slip for number, slip in enumerate(WRONG, start=first) if number not in found]
    assert missed == []
    beyond = [number for number in found if not first <= number < first + len(WRONG)]
    assert [code.splitlines()[number - 1] for number in beyond] == []


def test_pyright_finds_the_same(tmp_path: Path) -> None:
    """The other checker, which editors run; its package fetches itself from npm when it is first started."""
    pytest.importorskip("pyright", reason="needs pyright: pip install . --group dev")
    code = MADE + "\n".join(WRONG) + RIGHT
    (tmp_path / "user.py").write_text(code)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(SOURCE)]}))
    run = [
        sys.executable,
        "-m",
        "pyright",
        "--outputjson",
        "--pythonpath",
        sys.executable,
        "-p",
        str(tmp_path),
    ]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=600)
    if not done.stdout.lstrip().startswith("{"):
        pytest.skip(f"pyright cannot be started: {done.stderr.strip()[-200:]}")
    said = json.loads(done.stdout)["generalDiagnostics"]
    found = {one["range"]["start"]["line"] + 1 for one in said if one["severity"] == "error"}
    first = MADE.count("\n") + 1
    assert [slip for number, slip in enumerate(WRONG, start=first) if number not in found] == []
    beyond = [number for number in found if not first <= number < first + len(WRONG)]
    assert [code.splitlines()[number - 1] for number in beyond] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (SOURCE / "fastfuse" / "py.typed").exists()


def test_what_is_typed_is_what_is_checked() -> None:
    """The words that a type allows are those that a call takes."""
    from typing import get_args

    from fastfuse.fusion.registry import AUTO, METHODS, MethodName, MethodOnVotes

    assert set(get_args(MethodName)) == {method.name for method in (*METHODS, AUTO)}
    assert set(get_args(MethodOnVotes)) == {method.name for method in (*METHODS, AUTO) if not method.grows}


def test_dir_lists_what_is_public() -> None:
    """Also after the package's folders have been imported, which makes them attributes."""
    code = (
        "import fastfuse, fastfuse.cli, fastfuse.files.fuse, fastfuse.evaluation.evaluate;"
        "print(*dir(fastfuse))"
    )
    run = [sys.executable, "-c", code]
    listed = subprocess.run(run, capture_output=True, text=True, check=True, timeout=300).stdout.split()
    public = {name for name in listed if not name.startswith("_")}
    assert public == {*fastfuse.__all__, "reference", "phantom", "plots", "cuda"}
    assert len(public) <= 60
    assert "__version__" in listed
