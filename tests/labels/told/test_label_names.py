"""Files of names: ITK-SNAP's by its own format, colours as people write them, and what is left out is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import fastfuse
from fastfuse.images.formats.label_names import read_label_names

from ..files import NAMES, saved

HEAD = """################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
"""
SNAP = HEAD + (
    '    0     0    0    0        0  0  0    "Clear Label"\n    1   255    0    0        1  1  1    "necrosis"\n'
    '    2     10  255    0        0.35  1  0    "edema, # around"\n    4     255    0  255     1  0  1    "enhancing tumour"\n'
)


@pytest.mark.parametrize("name", ["itk.txt", "itk.label", "ITK.LUT"])
@pytest.mark.parametrize("head", [True, False])
def test_itk_snap(tmp_path: Path, name: str, head: bool) -> None:
    """Red is no name, also where it repeats."""
    path = tmp_path / name
    path.write_text(SNAP if head else SNAP.removeprefix(HEAD))
    found = read_label_names(path)
    assert found.names == {0: "Clear Label", 1: "necrosis", 2: "edema, # around", 4: "enhancing tumour"}
    assert found.colours == {0: "#000000", 1: "#ff0000", 2: "#0aff00", 4: "#ff00ff"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1 255 0 0 1 1 1 necrosis", "is no label, name, red, green, blue, alpha"),
        ('0 0 0 0 0 0 0 "a"\n1 255 0 0 1 1 1 necrosis', "as ITK-SNAP writes the others"),
        ('0 0 0 0 0 0 0 "a"\n1 necrosis 255 0 0 0', "as ITK-SNAP writes the others"),
        ('0 0 0 0 0 0 0 "a"\n1 0 0 0 0 0 0 "a"', "'a' is label 0 and label 1"),
    ],
)
def test_neither_of_both(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(line + "\n")
    with pytest.raises(fastfuse.ImageError, match=told):
        read_label_names(path)


def test_freesurfer_with_tissues(tmp_path: Path) -> None:
    path = tmp_path / "FreeSurferColorLUT.txt"
    path.write_text("1 necrosis 255 0 0 0 2 # lesion\n2 edema 0 255 0 0\n4 enhancing\n")
    assert read_label_names(path).names == {1: "necrosis", 2: "edema", 4: "enhancing"}


@pytest.mark.filterwarnings("ignore:.*never gives label")
def test_colours_of_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("index\tname\tcolor\n0\tbg\tn/a\n1\tn\t#F80\n2\te\t0 0 255\n4\tx\tred\n9\ty\t\n")
    found = read_label_names(path)
    assert found.colours == {1: "#ff8800", 2: "#0000ff"}
    with pytest.warns(
        fastfuse.FusionWarning, match=r"a\.tsv: the color 'red' of label 4 is none as in #ff8000"
    ):
        fastfuse.fuse_files(
            saved(tmp_path / "r"), tmp_path / "o.nii", labels="all", label_names=path, method="majority"
        )
    assert set(NAMES) == {0, 1, 2, 4}
    assert read_label_names(tmp_path / "o.tsv").colours == found.colours
