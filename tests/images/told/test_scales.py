"""Scales of the stored numbers that no reader applies, labels that a header does not give, and axes without a direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

SHAPE = (5, 4, 3)
MASK = (np.random.default_rng(1).random(SHAPE) < 0.4).astype(np.uint8)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nOffset = 1 2 3\nElementSpacing = 1 1 2\nDimSize = 5 4 3\n"
    "ElementType = MET_UCHAR\n"
)
NRRD = "NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 5 4 3\nencoding: raw\n"
DIRECTIONS = "space directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (1,2,3)\n"


def meta(path: Path, *lines: str) -> Path:
    header = META + "".join(f"{line}\n" for line in lines) + "ElementDataFile = LOCAL\n"
    path.write_bytes(header.encode() + MASK.tobytes(order="F"))
    return path


def nrrd(path: Path, *lines: str, directions: str = DIRECTIONS, data: np.ndarray = MASK) -> Path:
    header = NRRD + directions + "".join(f"{line}\n" for line in lines)
    path.write_bytes(f"{header}\n".encode() + data.tobytes(order="F"))
    return path


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["ElementToIntensityFunctionSlope = 0.5"],
            "its ElementToIntensityFunctionSlope 0.5 is ignored: no scaling",
        ),
        (
            ["ElementToIntensityFunctionOffset = -1"],
            "its ElementToIntensityFunctionOffset -1 is ignored: no scaling",
        ),
        (
            ["ElementToIntensityFunctionSlope = 2", "ElementToIntensityFunctionOffset = 3"],
            "its ElementToIntensityFunctionSlope 2 and ElementToIntensityFunctionOffset 3 are ignored: no scaling",
        ),
        (["ElementToIntensityFunctionSlope = half"], "ElementToIntensityFunctionSlope half is ignored"),
        (["ElementToIntensityFunctionSlope = 1", "ElementToIntensityFunctionOffset = 0.0"], ""),
        (["ElementMin = 0", "ElementMax = 1"], ""),  # what occurs, and no scale
    ],
)
def test_a_scale_of_metaimage(tmp_path: Path, lines: list[str], said: str) -> None:
    found = reading.read(meta(tmp_path / "a.mha", *lines))
    assert said in (found.remark or "")
    assert bool(said) == bool(found.remark)
    np.testing.assert_array_equal(found.data, MASK)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["old min: 0", "old max: 0.5"], "its old max 0.5 is ignored: no scaling"),
        (["oldmin: -1", "oldmax: 1"], "its old min -1 and old max 1 are ignored: no scaling"),
        (["old min: 0", "old max: 255"], ""),
        (["old min: nan", "old max: nan"], ""),
    ],
)
def test_a_scale_of_nrrd(tmp_path: Path, lines: list[str], said: str) -> None:
    found = reading.read(nrrd(tmp_path / "a.nrrd", *lines))
    assert said in (found.remark or "")
    assert bool(said) == bool(found.remark)
    np.testing.assert_array_equal(found.data, MASK)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cf=0\nc0=0.0\nc1=0.5\n", "its c1 0.5 is ignored: no scaling"),
        ("cf=0\nc0=-32768.0\nc1=1.0\n", "its c0 -32768.0 is ignored: no scaling"),
        ("cf=0\nc0=0\nc1=1\n", ""),
        ("", ""),
    ],
)
def test_a_calibration_of_imagej(tmp_path: Path, words: str, said: str) -> None:
    pillow: Any = pytest.importorskip("PIL.Image")
    pillow.fromarray(MASK[:, :, 0]).save(tmp_path / "a.tif", description=f"ImageJ=1.54f\nimages=1\n{words}")
    remark = reading.read(tmp_path / "a.tif").remark or ""
    assert said in remark
    assert bool(said) == ("scaling" in remark)


LABELS = (MASK + 2 * ((np.random.default_rng(2).random(SHAPE) < 0.4) & (MASK == 0))).astype(np.uint8)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["Segment0_Name:=Lesion"], "no label of segment Lesion (label 1): taken by its order"),
        (
            ["Segment0_Name:=Lesion", "Segment1_Name:=other"],
            "no label of segments Lesion (label 1), other (label 2): taken by their order",
        ),
        (
            ["Segment0_Name:=Lesion", "Segment0_LabelValue:=1", "Segment1_Name:=other"],
            "no label of segment other (label 2): taken by its order",
        ),
        (["Segment0_Name:=Lesion", "Segment0_LabelValue:=1", "Segment0_Layer:=0"], ""),
    ],
)
def test_labels_by_their_order(tmp_path: Path, lines: list[str], said: str) -> None:
    path = nrrd(tmp_path / "a.seg.nrrd", *lines, data=LABELS)
    remark = reading.read(path).remark or ""
    assert remark.count("taken by") == bool(said)
    assert said in remark


def test_layers_without_labels_are_as_slicer_wrote_them(tmp_path: Path) -> None:
    header = NRRD.replace("dimension: 3", "dimension: 4").replace("sizes: 5 4 3", "sizes: 2 5 4 3")
    header += "space directions: none (1,0,0) (0,1,0) (0,0,2)\nkinds: list domain domain domain\n"
    data = np.stack([LABELS == 1, LABELS == 2]).astype(np.uint8)
    found = {}
    for name, more in (("old", ""), ("mixed", "Segment0_Layer:=0\nSegment0_LabelValue:=1\n")):
        path = tmp_path / f"{name}.seg.nrrd"
        text = f"{header}Segment0_Name:=core\nSegment1_Name:=edge\n{more}\n"
        path.write_bytes(text.encode() + data.tobytes(order="F"))
        with pytest.warns(fastfuse.FusionWarning) as told:
            fastfuse.fuse_files(
                [path], tmp_path / "a.nii.gz", select_segment="edge", method="majority", overwrite=True
            )
        found[name] = "\n".join(str(one.message) for one in told)
    assert "by its order" not in found["old"]
    assert "no label of segment edge (label 1)" in found["mixed"]
    assert "no layer of segment edge (layer 1)" in found["mixed"]


@pytest.mark.parametrize(
    ("words", "kinds", "where"),
    [
        ("none none none", "domain domain domain", "axis 0"),
        ("none none none", "", "axis 0"),
        ("(nan,nan,nan) (nan,nan,nan) (nan,nan,nan)", "space space space", "axis 0"),
        ("(1,0,0) (0,1,0) (nan,nan,nan)", "domain domain domain", "axis 2"),
        ("(1,0,0) ( nan , nan , nan ) (0,0,1)", "", "axis 1"),
        ("(1,0,0) (0,1,0) none", "??? ??? ???", "axis 2"),
        ("none none none", "list list list", "any axis"),
    ],
)
def test_axes_in_space_need_a_direction(tmp_path: Path, words: str, kinds: str, where: str) -> None:
    lines = [f"kinds: {kinds}"] if kinds else []
    path = nrrd(tmp_path / "a.nrrd", *lines, directions=f"space directions: {words}\n")
    with pytest.raises(
        fastfuse.ImageError, match=rf"a\.nrrd: its space directions are .*gives {where} no vector"
    ):
        reading.read(path)


@pytest.mark.parametrize("field", ["space directions: (1,0,0) (0,1,0) (0,0,2)\n", "spacings: 1 1 2\n"])
def test_the_remedies_for_directions(tmp_path: Path, field: str) -> None:
    found = reading.read(nrrd(tmp_path / "a.nrrd", "kinds: domain domain domain", directions=field))
    np.testing.assert_array_equal(found.data, MASK)
    assert found.grid.spacing_mm == (1, 1, 2)
