"""Warnings in pages and sidecars name options as who asked for them types them, and no remedy that is in use."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fastfuse
from fastfuse.cli.flags import with_typed_values
from fastfuse.cohort.workers.crew import spawned
from fastfuse.errors import as_written, in_the_shell
from fastfuse.fusion.fit.remarks import REMEDIES, _remedy

from ...fit.test_files import drawn, files, shell, sidecar  # noqa: F401 - fixtures
from ..common import Page

MISFIT = "the model does not fit"
OF_PYTHON = re.compile(r"\bfuse\(|\w+='|\w+=\d")


def misfit(warnings: list[str]) -> str:
    (told,) = [one for one in warnings if one.startswith(MISFIT)]
    return told


@pytest.mark.parametrize("image", [True, False])
def test_remedies_of_the_shell(image: bool, files: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    words = ["fuse", *files["masks"], "-o", str(tmp_path / "o.nii.gz"), "--method", "staple"]
    words += ["--mask", files["brain"], "--report", str(tmp_path / "o.html")]
    output, code = shell(tmp_path, *words, *(["--image", files["image"]] if image else []), columns=400)
    assert code == 0, output
    told = misfit(sidecar(tmp_path / "o.json")["warnings"])
    assert told in output
    page = Page.of((tmp_path / "o.html").read_text(encoding="utf-8"))
    shown = " ".join(page.one("section", id="warnings").text.split())
    assert told in shown
    assert not OF_PYTHON.search(shown)
    end = "--method staple --classes 3, or " + ("" if image else "with an image ") + "--method border-staple"
    assert told.endswith(end)
    table = output.partition("fit: voxels by number of marks")[2].partition("Nats")[0]
    rows = [line.strip() for line in table.splitlines()]
    assert [row for row in rows if row.startswith("staple, prior estimated  ")]
    assert [row for row in rows if row.startswith("staple, prior fixed  ")]
    assert not [row for row in rows if row.startswith("staple  ")]
    fit = page.one("section", id="fit")
    assert "staple, prior estimated" in fit.text
    assert not [one for one in page.elements if one.tag in ("th", "text") and one.text.strip() == "staple"]
    assert set(sidecar(tmp_path / "o.json")["fit"]["models"]) > {"staple"}  # as in Fit.models


def test_remedies_of_python(files: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    with pytest.warns(fastfuse.FusionWarning):
        fastfuse.fuse_files(
            files["masks"],
            tmp_path / "o.nii.gz",
            method="staple",
            mask=files["brain"],
            report=tmp_path / "o.html",
        )
    told = misfit(sidecar(tmp_path / "o.json")["warnings"])
    assert told.endswith("fuse(method='staple', classes=3), or with an image method='border-staple'")
    page = Page.of((tmp_path / "o.html").read_text(encoding="utf-8"))
    assert told in " ".join(page.one("section", id="warnings").text.split())


def test_json_on_the_terminal_is_what_is_written(files: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    words = [
        "fuse",
        *files["masks"],
        "-o",
        str(tmp_path / "o.nii.gz"),
        "--method",
        "staple",
        "--quiet",
        "--json",
    ]
    output, code = shell(tmp_path, *words, "--mask", files["brain"])
    assert code == 0, output
    printed = json.loads(output[output.index("\n{") + 1 :])
    assert printed["warnings"] == sidecar(tmp_path / "o.json")["warnings"]
    assert "--method staple --classes 3" in misfit(printed["warnings"])


def test_a_method_is_no_remedy_for_itself(drawn: Any) -> None:  # noqa: F811
    """Border-STAPLE of raters whom three classes fit better is not told to take border-STAPLE."""
    with pytest.warns(fastfuse.FusionWarning, match="with an image method='border-staple'"):
        source = fastfuse.staple(drawn.masks, mask=drawn.brain)._votes
    assert "border" in _remedy("three classes", source, image=True)
    assert (
        _remedy("three classes", replace(source, name="border-staple"), image=True)
        == REMEDIES["three classes"]
    )


def test_other_processes_write_for_the_same_reader() -> None:
    text = "write it so: method='staple' (--method staple)"
    for typed, expected in ((with_typed_values, "write it so: --method staple"), (None, text)):
        with in_the_shell(typed), spawned(1) as pool:
            assert pool.submit(as_written, text).result() == expected
    with spawned(1) as pool:
        assert pool.submit(as_written, text).result() == "write it so: method='staple'"
