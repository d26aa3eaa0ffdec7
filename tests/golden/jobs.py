"""Golden jobs on files, by Python and by the shell: images, sidecars, and what is printed."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

import fastfuse

from .facts import array_facts, facts_of, outcome_of
from .refusals import file_refusals
from .volumes import brain, depth, flair, half_dense, looked, many_priors, masks, rings

SHAPE = (24, 25, 26)
COMMANDS = ("fuse", "soften", "evaluate", "demo", "check", "experiment")


def write_images(folder: Path) -> None:
    """Write what the jobs read."""
    affine = np.array([[-1, 0, 0, 10], [0, 1.2, 0, -5], [0, 0, 3, 2], [0, 0, 0, 1.0]])

    def write(name: str, data: np.ndarray, to: np.ndarray = affine) -> None:
        nib.save(nib.Nifti1Image(data, to), folder / name)

    where = looked(3, SHAPE)
    for i in range(3):
        write(f"rater{i}.nii.gz", masks(3, SHAPE)[i])
        write(f"ring{i}.nii.gz", rings(3, SHAPE)[i])
        write(f"network{i}.nii", half_dense(3, SHAPE)[i])
        write(f"label{i}.nii.gz", masks(3, SHAPE)[i].astype(np.int16) * 3)
        if where[i] is not None:
            write(f"looked{i}.nii.gz", where[i])
    write("flair.nii.gz", flair(SHAPE))
    write("brain.nii.gz", brain(SHAPE, np.uint8))
    write("prior.nii.gz", many_priors(SHAPE, np.float32))
    write("truth.nii.gz", (depth(SHAPE) > 0).astype(np.uint8))
    write("mirrored.nii.gz", masks(3, SHAPE)[0], np.diag([1.0, 1.2, 3, 1]))


def _python_jobs(folder: Path) -> dict[str, Callable[[Path], Any]]:
    """Return calls that write into a folder of their own."""

    def named(kind: str) -> list[Path]:
        return sorted(folder.glob(f"{kind}[0-2].nii*"))

    def fuse(kind: str, **options: Any) -> Callable[[Path], Any]:
        return lambda out: fastfuse.fuse_files(named(kind), out / "consensus.nii.gz", threads=2, **options)

    image, mask = folder / "flair.nii.gz", folder / "brain.nii.gz"
    seen = [None, folder / "looked1.nii.gz", folder / "looked2.nii.gz"]
    return {
        "fuse": fuse("ring", mask=mask),
        "fuse: staple, all outputs": lambda out: fuse(
            "rater", method="staple", save_label=out / "label.nii", save_counts=out / "counts.nii.gz", cut=0.3
        )(out),
        "fuse: soften": fuse("rater", soften=True, image=image, mask=mask, dilation={"size": 1.4}),
        "fuse: simplified, soften by radius": fuse(
            "rater",
            method="simplified-soft-staple",
            soften=True,
            image=image,
            dilation={"radius_mm": 3.0, "scope": "lesion"},
        ),
        "fuse: dilated": fuse("rater", method="dilated-staple", image=image, mask=mask, mrf=0.2),
        "fuse: present": fuse("rater", present=seen, roi="disputed"),
        "fuse: information": fuse("rater", method="staple", intervals="information"),
        "fuse: lesions": fuse("ring", intervals="lesions", replicates=5),
        "fuse: prior map": fuse("ring", prior=folder / "prior.nii.gz", performance_prior=(5, 1.5)),
        "fuse: smoothed prior, margin": fuse("rater", prior="smooth:4", roi=5.0, method="staple"),
        "fuse: network": fuse("network", m_step="em", max_iter=5, prior="estimate"),
        "fuse: label": fuse("label", method="majority", select_label=3),
        "fuse: label, soften": fuse("label", select_label=3, soften=True, image=image),
        "fuse: missing": fuse("ring", missing="nan", mrf=0.3, init=0.9),
        "soften": lambda out: fastfuse.soften_files(named("rater"), image, out_dir=out, roi=mask),
        "soften: exact": lambda out: fastfuse.soften_files(
            named("rater")[:1], image, output=out / "soft.nii", threshold="exact", connected=True
        ),
        "evaluate": lambda out: fastfuse.evaluate_files(
            named("network")[0], folder / "truth.nii.gz", mask=mask, output=out / "evaluation.json"
        ),
    }


def _shell_jobs(folder: Path) -> dict[str, list[str]]:
    """Return what is typed in that folder; OUT is the folder that is written into."""
    raters = " ".join(f"rater{i}.nii.gz" for i in range(3))
    typed = {
        "version": "--version",
        "help": "--help",
        **{f"help: {command}": f"{command} --help" for command in COMMANDS},
        "fuse": f"fuse {raters} -o OUT/c.nii.gz --mask brain.nii.gz --intervals information --save-label OUT/l.nii",
        "fuse: dilated": f"fuse {raters} -o OUT/c.nii.gz --method dilated-staple --image flair.nii.gz --ring-size 1.5",
        "fuse: present": f"fuse {raters} -o OUT/c.nii.gz --present - --present looked1.nii.gz --present -",
        "soften": f"soften {raters} --image flair.nii.gz --out-dir OUT/soft --ring-scope lesion",
        "evaluate": "evaluate rater0.nii.gz truth.nii.gz -o OUT/e.json",
        "no command": "fuses",
        "no flag": f"fuse {raters} -o OUT/c.nii.gz --mrv 3",
        "bad choice": f"fuse {raters} -o OUT/c.nii.gz --method mean",
        "bad number": f"fuse {raters} -o OUT/c.nii.gz --ring-size 0.5 --soften --image flair.nii.gz",
        "bad option": f"fuse {raters} -o OUT/c.nii.gz --max-iter 0",
        "no file": "fuse none.nii.gz -o OUT/c.nii.gz",
    }
    return {name: line.split() for name, line in typed.items()}


def _type(words: list[str], folder: Path, out: Path) -> dict[str, Any]:
    """Run the shell's command; return its status and what it prints."""
    root = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    path = os.pathsep.join(os.path.abspath(part) for one in root for part in one.split(os.pathsep))  # noqa: PTH100
    plain = {"COLUMNS": "110", "TERM": "dumb", "NO_COLOR": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", "fastfuse", *(word.replace("OUT", str(out)) for word in words)],
        cwd=folder,
        env={**os.environ, **plain},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return {
        "status": done.returncode,
        "printed": done.stdout.splitlines(),
        "errors": done.stderr.splitlines(),
    }


def _written(out: Path) -> dict[str, Any]:
    """Return what lies in a folder: images as header and data, JSON as it is."""
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".json":
            text = path.read_text()
            keys = re.findall(r'^ *"[^"]*":', text, re.MULTILINE)
            found[name] = {"keys in order": keys, "content": facts_of(json.loads(text))}
        elif path.is_file():
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            found[name] = {
                "file": array_facts(np.frombuffer(raw, np.uint8)),
                "data": array_facts(np.asanyarray(nib.load(path).dataobj)),
            }
    return found


def _plain(value: Any, names: dict[str, str]) -> Any:
    """Replace folders and the version in all texts."""
    if isinstance(value, dict):
        return {_plain(name, names): _plain(part, names) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, names) for part in value]
    if isinstance(value, str):
        for name, word in names.items():
            value = value.replace(name, word)
        value = re.sub(r"\b\d+(\.\d+)? (s|ms)\b", "TIME", value)
    return value


def outcomes_of_jobs() -> dict[str, Any]:
    """Run all jobs on files; return an outcome for each, in a fixed order."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve() / "in"
        folder.mkdir()
        write_images(folder)
        out = folder.parent / "out"

        def note(name: str, job: Callable[[Path], Any]) -> None:
            out.mkdir()
            outcome = job(out)
            names = {str(folder): "IN", str(out): "OUT", fastfuse.__version__: "VERSION"}
            found[name] = _plain({"outcome": outcome, "written": _written(out)}, names)
            for path in sorted(out.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            out.rmdir()

        for name, job in _python_jobs(folder).items():
            note(f"files: {name}", lambda out, job=job: outcome_of(lambda: job(out)))
        for name, call in file_refusals(folder).items():
            note(f"refused files: {name}", lambda _, call=call: outcome_of(call))
        for name, words in _shell_jobs(folder).items():
            note(f"shell: {name}", lambda out, words=words: _type(words, folder, out))
    return found
