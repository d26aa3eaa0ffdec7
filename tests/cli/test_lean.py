"""What the command loads: the command that is typed, and no pydicom for nibabel's sake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fastfuse.cli.shell import app_of_words
from fastfuse.cli.words.commands import COHORT, COMMANDS, TOOLS


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_the_named_command_alone_is_known() -> None:
    assert [one.name for one in app_of_words(["fuse", "--help"]).registered_commands] == ["fuse"]
    assert not app_of_words(["fuse"]).registered_groups
    assert [one.name for one in app_of_words([COHORT, "fuse"]).registered_groups] == [COHORT]


@pytest.mark.parametrize("words", [[], ["--help"], ["fuze"]])
def test_all_are_known_otherwise(words: list[str]) -> None:
    app = app_of_words(words)
    assert [one.name for one in app.registered_commands] == [*COMMANDS, *TOOLS]
    assert [one.name for one in app.registered_groups] == [COHORT]


def test_nibabel_loads_without_pydicom_which_can_be_loaded_later() -> None:
    pytest.importorskip("pydicom", reason="needs pydicom: pip install '.[dicom]'")
    lean = "from fastfuse.cli.process.lean import start_lean\nstart_lean()\nimport nibabel.nifti1\n"
    assert not {"pydicom", "fastfuse.cli.predict"} & loaded_after(lean)
    assert "pydicom" in loaded_after(f"{lean}import pydicom")


def test_nibabel_loads_without_scipy_which_can_be_loaded_later() -> None:
    pytest.importorskip("scipy", reason="needs scipy: pip install '.[evaluate]'")
    lean = "from fastfuse.cli.process.lean import start_lean\nstart_lean()\nimport nibabel.nifti1\n"
    assert "scipy" not in loaded_after(lean)
    assert "scipy.ndimage" in loaded_after(f"{lean}import scipy.ndimage")


LEAN = "from fastfuse.cli.process.lean import start_lean\nstart_lean()\nimport nibabel\n"


def test_of_nibabel_what_nifti_needs_alone_is_loaded() -> None:
    loaded = loaded_after(f"{LEAN}from nibabel.nifti1 import Nifti1Image\nNifti1Image")
    assert not {"nibabel.cifti2", "nibabel.loadsave", "http.client"} & loaded


@pytest.mark.parametrize(
    "asked", ["nibabel.load", "nibabel.__version__", "from nibabel import save", "nibabel.MGHImage"]
)
def test_whatever_else_is_asked_of_nibabel_is_there(asked: str) -> None:
    assert "nibabel.loadsave" in loaded_after(
        f"{LEAN}from nibabel.nifti2 import Nifti2Image\n{asked}\nnibabel.funcs"
    )


def test_nibabel_is_loaded_once_by_many_threads() -> None:
    code = (
        f"{LEAN}import threading\nfound = []\n"
        "threads = [threading.Thread(target=lambda: found.append(nibabel.load)) for _ in range(8)]\n"
        "[one.start() for one in threads], [one.join() for one in threads]\n"
        "from nibabel.loadsave import load\nassert found == [load] * 8\n"
    )
    assert "nibabel.loadsave" in loaded_after(code)


def test_the_web_is_there_once_it_is_used() -> None:
    assert "http.client" in loaded_after(f"{LEAN}from urllib import request\nrequest.Request")


def test_other_commands_are_not_loaded() -> None:
    typed = "from fastfuse.cli.shell import app_of_words\napp_of_words(['fuse'])"
    assert "fastfuse.cli.fuse" in (loaded := loaded_after(typed))
    assert not {"fastfuse.cli.predict", "fastfuse.cli.evaluate"} & loaded


END = """
import atexit, gc, sys
from fastfuse.__main__ import main
atexit.register(lambda: print(*sys.modules, f"frozen={gc.get_freeze_count() > 1000}"))
main()
"""


def test_a_fuse_of_nifti_loads_what_it_needs_and_ends_without_a_search(tmp_path: Path) -> None:
    for i in range(2):
        mask = np.zeros((4, 4, 4), np.uint8)
        mask[: 2 + i] = 1
        nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / f"{i}.nii")
    words = ["fuse", "0.nii", "1.nii", "-o", "out.nii", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", END, *words], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(done.stdout.split())
    needless = {"typer", "scipy", "statistics", "shutil", "zipfile", "csv"}
    ours = (
        "files.bids",
        "files.review",
        "files.labels.fuse",
        "images.nnunet",
        "report.html",
    )
    of_formats = {
        f"fastfuse.images.formats.{name}" for name in ("dicom", "meta_image", "nrrd", "other", "pictures")
    }
    needless -= loaded_after(
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import isal.igzip"
    )  # an older one needs more
    assert loaded & (needless | of_formats | {f"fastfuse.{name}" for name in ours}) == set()
    assert {"fastfuse.files.fuse", "frozen=True"} <= loaded


POLICY = """
import os
import fastfuse.cli
fastfuse.cli.main = lambda **_: print(os.environ.get("OMP_WAIT_POLICY"))
from fastfuse.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("word", "given", "found"),
    [("fuse", None, "passive"), ("fuse", "active", "active"), ("experiment", None, "None")],
)
def test_threads_that_wait_leave_processors_to_others(word: str, given: str | None, found: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    env |= {} if given is None else {"OMP_WAIT_POLICY": given}
    done = subprocess.run(
        [sys.executable, "-c", POLICY, word], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.split() == [found]
