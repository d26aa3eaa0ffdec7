"""What the command loads: the command that is typed, and no pydicom for nibabel's sake."""

from __future__ import annotations

import subprocess
import sys

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
