"""Names and colours of labels, of four kinds of files; and of raters' own files."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images.formats.label_names import read_label_names, tsv_bytes

from ..images.segmentations import seg_nrrd
from .files import LABELS, NAMES, TSV, raters, save, saved

pytestmark = pytest.mark.filterwarnings("ignore:.*never gives label")

LUT = """#$Id: FreeSurferColorLUT.txt
#No. Label Name:                R   G   B   A

0   background                  0   0   0   0
1   necrosis                  255 128   0   0
2   edema                       0 255   0   0
4   enhancing                  12  48 255   0
"""
SLICER = [("necrosis", 1, 0), ("edema", 2, 0), ("enhancing", 4, 0)]


def written(folder: Path, kind: str) -> Path:
    path = folder / {"json": "dataset.json", "tsv": "a_dseg.tsv", "lut": "FreeSurferColorLUT.txt"}.get(
        kind, "a.seg.nrrd"
    )
    if kind == "json":
        path.write_text(json.dumps({"labels": {name: label for label, name in NAMES.items()}}))
    elif kind == "tsv":
        path.write_text(TSV)
    elif kind == "lut":
        path.write_text(LUT)
    else:
        seg_nrrd(path, np.zeros((2, 2, 2)), SLICER)
        text = path.read_bytes()
        path.write_bytes(
            text.replace(b"Segment0_Name:=necrosis", b"Segment0_Name:=necrosis\nSegment0_Color:=1 0.5 0")
        )
    return path


@pytest.mark.parametrize(
    ("kind", "colours"),
    [
        ("json", {}),
        ("tsv", {0: "#000000", 1: "#ff0000", 2: "#00ff00"}),
        ("lut", {0: "#000000", 1: "#ff8000", 2: "#00ff00", 4: "#0c30ff"}),
        ("seg", {1: "#ff8000"}),
    ],
)
def test_each_kind(tmp_path: Path, kind: str, colours: dict[int, str]) -> None:
    path = written(tmp_path, kind)
    found = read_label_names(path)
    assert found.names == {label: name for label, name in NAMES.items() if label or kind != "seg"}
    assert found.colours == colours
    fusion = fastfuse.fuse_files(
        saved(tmp_path / "raters"), tmp_path / "o.nii", labels="all", label_names=path, method="majority",
        save_probability={"enhancing": tmp_path / "e.nii"},
    )  # fmt: skip
    assert fusion.label_names == tuple(NAMES.values())
    again = read_label_names(tmp_path / "o.tsv")
    assert again.names == dict(zip(LABELS, fusion.label_names, strict=True))
    assert again.colours == colours


def test_version_1_of_nnunet(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"labels": {str(label): name for label, name in NAMES.items()}}))
    assert read_label_names(path).names == NAMES


def test_ours_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_bytes(tsv_bytes(NAMES.items(), {1: "#ff0000"}))
    assert (read_label_names(path).names, read_label_names(path).colours) == (NAMES, {1: "#ff0000"})
    names = {1: 'the "core"', 2: '"edema"', 3: '"', 4: '""', 5: 'a", "b', 6: '"a" and "b"'}
    path.write_bytes(tsv_bytes(names.items(), {}))
    assert read_label_names(path).names == names


def test_a_table_that_a_spreadsheet_saved(tmp_path: Path) -> None:
    """It quotes cells with a comma or a quote, and doubles quotes inside, as the csv module's excel-tab."""
    names = {1: "lesion, juxtacortical", 2: 'the "core", as drawn', 3: 'so-called "edema"', 4: "plain"}
    path = tmp_path / "names.tsv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, "excel-tab", quoting=csv.QUOTE_ALL)
        writer.writerows([("index", "name", "color"), *((k, name, "255,128,0") for k, name in names.items())])
    found = read_label_names(path)
    assert (found.names, set(found.colours.values())) == (names, {"#ff8000"})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.tsv", "index\tname\n1\ta\n1\tb\n", "label 1 is 'a' and 'b': keep one of them"),
        ("a.tsv", "index\tname\n1\ta\n2\ta\n", "'a' is label 1 and label 2: give each a name of its own"),
        ("a.tsv", "number\tlabel\n1\ta\n", "its first line must name the columns index and name"),
        ("a.tsv", "index\tname\nx\ta\n", "'x' stands where a label is expected"),
        ("a.tsv", "index\tname\n", "it names no labels"),
        ("a.txt", "1 a 0 0\n", "no label, name, red, green, blue, alpha"),
        ("a.json", "[1, 2]", "holds a list, and no names of labels"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "{}", "it names no labels"),
        ("a.csv", "1,a\n", "names of labels are read from dataset.json"),
        ("a.tsv", "", "the file is empty"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(fastfuse.ImageError, match=told):
        read_label_names(tmp_path / name)
    with pytest.raises(fastfuse.ImageError, match="no such file"):
        read_label_names(tmp_path / "none.tsv")


def test_names_that_are_in_no_map(tmp_path: Path) -> None:
    names = tmp_path / "names.tsv"
    names.write_text(TSV)
    paths = saved(tmp_path)
    with pytest.raises(
        ValueError, match="save_probability names 'tumor', and no label is called so: the names are 'back"
    ):
        fastfuse.fuse_files(
            paths,
            tmp_path / "o.nii",
            labels="all",
            label_names=names,
            save_probability={"tumor": tmp_path / "t.nii"},
        )
    with pytest.raises(ValueError, match="names 'tumor', and no label is called so"):
        fastfuse.fuse_files(
            paths, tmp_path / "o.nii", labels="all", label_names=names, knows={"r3": ["tumor"]}
        )
    names.write_text("index\tname\n0\tbackground\n1\tnecrosis\n")
    with pytest.warns(fastfuse.FusionWarning, match=r"names\.tsv: labels 2, 4 have no name in it"):
        fusion = fastfuse.fuse_files(
            paths, tmp_path / "o.nii", labels="all", label_names=names, method="majority"
        )
    assert fusion.label_names == ("background", "necrosis", "2", "4")
    names.write_text("index\tname\n7\tbackground\n")
    with pytest.raises(fastfuse.ImageError, match="it names none of the labels that occur, such as 0"):
        fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all", label_names=names)


def test_raters_that_name_their_labels(tmp_path: Path) -> None:
    """Slicer's files have names; one label of two names, and one name of two labels, are refused."""
    paths = [seg_nrrd(tmp_path / f"r{i}.seg.nrrd", one, SLICER) for i, one in enumerate(raters())]
    fusion = fastfuse.fuse_files(paths, tmp_path / "o.nii", labels="all", method="majority")
    assert fusion.label_names == tuple(NAMES.values())
    np.testing.assert_array_equal(fusion.label(), fastfuse.majority_vote(raters(), labels="all").label())
    other = [("necrosis", 1, 0), ("oedema", 2, 0), ("enhancing", 4, 0)]
    seg_nrrd(paths[1], raters()[1], other)
    with pytest.raises(
        fastfuse.ImageError, match=r"label 2 is 'edema' in .*r0.* and 'oedema' in .*r1.*label_names=FILE"
    ):
        fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all")
    names = tmp_path / "names.tsv"
    names.write_text(TSV)
    fastfuse.fuse_files(paths, tmp_path / "p.nii", labels="all", label_names=names, method="majority")
    seg_nrrd(paths[1], raters()[1], [("edema", 1, 0), ("necrosis", 2, 0)])
    with pytest.raises(fastfuse.ImageError, match=r"'edema' is label 2 in .* and label 1 in"):
        fastfuse.fuse_files(paths, tmp_path / "q.nii", labels="all")


def test_layers_are_no_label_map(tmp_path: Path) -> None:
    """Of segments that overlap, and of four axes, no label map can be made."""
    path = seg_nrrd(tmp_path / "a.seg.nrrd", np.ones((2, 3, 3, 3)), [("a", 1, 0), ("b", 1, 1)])
    with pytest.raises(
        fastfuse.ImageError,
        match=r"2 layers.*to fuse all, each by itself, give overlap=True; or save it as one 3-D label map",
    ):
        fastfuse.fuse_files([path], tmp_path / "o.nii", labels="all")
    with pytest.raises(
        fastfuse.ImageError, match="label 1 stands for several segments, in layers of their own"
    ):
        read_label_names(path)
    four = save(tmp_path / "four.nii", np.zeros((3, 4, 5, 6), np.float32))
    with pytest.raises(fastfuse.ImageError, match="to fuse all labels, save it as one 3-D label map"):
        fastfuse.fuse_files([four], tmp_path / "o.nii", labels="all")


@pytest.mark.skipif(os.name == "nt", reason="the command is of a POSIX shell")
@pytest.mark.parametrize("axis", [-1, 0])
def test_the_command_that_makes_a_label_map_of_classes_works(tmp_path: Path, axis: int) -> None:
    """One-hot, classes last, as NIfTI has them, or first: what is fused then is the map that they are of."""
    whole = np.random.default_rng(0).integers(0, 3, (5, 4, 3))
    maps = [whole, np.where(np.arange(5)[:, None, None] == 2, 1, whole)]
    for i, one in enumerate(maps):
        path = save(tmp_path / f"{i} of.nii", np.stack([one == k for k in range(3)], axis).astype(np.uint8))
        with pytest.raises(fastfuse.ImageError, match="save it as one 3-D label map: python -c") as refused:
            fastfuse.fuse_files([path], tmp_path / "o.nii", labels="all")
        command = str(refused.value).partition("label map: python ")[2]
        subprocess.run(f"{shlex.quote(sys.executable)} {command}", shell=True, check=True)
    made = [tmp_path / f"{i} of_labels.nii.gz" for i in range(2)]
    for path, one in zip(made, maps, strict=True):
        np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj), one)
    fastfuse.fuse_files(made, tmp_path / "maps.nii", labels="all", method="majority")
    hot = np.stack([whole == k for k in range(3)], axis).astype(np.uint8)
    odd = save(tmp_path / "it's.nii", hot)
    times = save(tmp_path / "times.nii", np.random.default_rng(1).integers(0, 9, hot.shape).astype(np.uint8))
    for one in (odd, times):
        with pytest.raises(fastfuse.ImageError, match=r"save it as one 3-D label map$"):
            fastfuse.fuse_files([one], tmp_path / "p.nii", labels="all")
