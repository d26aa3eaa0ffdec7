"""Structure sets that are damaged, unclear, or not drawn on the grid: what is refused, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

from .structures import circle, ct, flat, rectangle, rt_struct
from .test_shapes import SHAPE, STRAIGHT, affine_of, drawn, read

pydicom = pytest.importorskip("pydicom")

BOX = [flat(rectangle((2.5, 11.5), (4.5, 8.5)), at) for at in (2, 3, 4)]
OTHER = [flat(circle((28.1, 20.2), 4.3), at) for at in (1, 2, 3)]


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return ct(tmp_path / "ct.nii.gz", SHAPE, STRAIGHT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return rt_struct(tmp_path / "a.dcm", {"GTV": BOX, "Cord": OTHER}, STRAIGHT)


def changed(file: Path, change: Callable[[Any], None]) -> Path:
    found = pydicom.dcmread(file)
    change(found)
    found.save_as(file)
    return file


def check_refused(file: Path, grid: Path, message: str, **foreground: Any) -> str:
    with pytest.raises(fastfuse.ImageError, match=message) as caught:
        read(file, grid, **foreground)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(str(file))
    return str(caught.value)


def contour(found: Any, at: int = 0, structure: int = 0) -> Any:
    return found.ROIContourSequence[structure].ContourSequence[at]


def test_structures_are_chosen_as_segments_are(file: Path, grid: Path) -> None:
    one, two = (read(file, grid, segments=(name,)).data for name in ("GTV", " cord"))
    assert one.sum() == 3 * 9 * 4
    np.testing.assert_array_equal(read(file, grid).data, one + 2 * two)
    np.testing.assert_array_equal(read(file, grid, labels=(2,)).data, two)
    for both in ({"segments": ("GTV", "Cord")}, {"labels": (1, 2)}, {"binarize": True}):
        found = read(file, grid, **both)
        np.testing.assert_array_equal(found.data, one | two)
        assert found.is_channel
    np.testing.assert_array_equal(read(file, grid, segments=("tumour|GTV",)).data, one)
    assert [(one.name, one.label) for one in read(file, grid).segments] == [("GTV", 1), ("Cord", 2)]
    check_refused(file, grid, "there is no segment 3; it holds GTV", labels=(3,))
    check_refused(file, grid, "there is no segment 'CTV'; it holds GTV", segments=("CTV",))
    assert "case does not count" in str(read(file, grid, segments=("cord",)).remark)


def test_structures_that_overlap(tmp_path: Path, grid: Path) -> None:
    file = rt_struct(
        tmp_path / "a.dcm",
        {"PTV": [flat(circle((18.1, 17.2), 12), 3)], "GTV": [flat(circle((18.1, 17.2), 4), 3)]},
        STRAIGHT,
    )
    check_refused(file, grid, r"its segments overlap, PTV \(label 1\), GTV \(label 2\): choose one with")
    assert read(file, grid, binarize=True).data.sum() == read(file, grid, segments=("PTV",)).data.sum()


def test_numbers_of_any_size(tmp_path: Path, grid: Path) -> None:
    structures = {"GTV": BOX, "Cord": OTHER}
    large = read(rt_struct(tmp_path / "a.dcm", structures, STRAIGHT, numbers=(7, 70000)), grid)
    assert set(np.unique(large.data)) == {0, 7, 70000}
    zero = rt_struct(tmp_path / "b.dcm", structures, STRAIGHT, numbers=(0, 1))
    check_refused(zero, grid, "the ROINumber of its segment 'GTV' is 0, which is background")
    assert read(zero, grid, segments=("GTV",)).data.sum() == 3 * 9 * 4


@pytest.mark.parametrize("how", ["no sequence", "empty", "no item"])
def test_a_structure_without_contours_marks_nothing(file: Path, grid: Path, how: str) -> None:
    def change(found: Any) -> None:
        if how == "no item":
            del found.ROIContourSequence[0]
        elif how == "empty":
            found.ROIContourSequence[0].ContourSequence = []
        else:
            del found.ROIContourSequence[0].ContourSequence

    changed(file, change)
    image = read(file, grid, segments=("GTV",))
    assert image.data.shape == SHAPE
    assert not image.data.any()
    assert read(file, grid, segments=("Cord",)).data.any()


def test_points_and_lines_enclose_nothing(file: Path, grid: Path) -> None:
    def change(found: Any) -> None:
        contour(found, 1).ContourGeometricType = "OPEN_PLANAR"
        for one in found.ROIContourSequence[1].ContourSequence:
            one.ContourGeometricType = "POINT"
        short = contour(found, 2)
        short.ContourData, short.NumberOfContourPoints = list(short.ContourData)[:6], 2

    changed(file, change)
    image = read(file, grid, segments=("GTV",))
    assert image.data.sum() == 9 * 4
    assert "2 contours that enclose nothing left out: 1 OPEN_PLANAR, 1 fewer than three points" in str(
        image.remark
    )
    check_refused(file, grid, r"its segment 'Cord' holds no closed contour \(3 POINT\)", segments=("Cord",))
    assert read(file, grid).data.sum() == 9 * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: setattr(c, "NumberOfContourPoints", 5), "contour 1 of its segment 'GTV' holds 4 points, and its NumberOfContourPoints is 5"),
        (lambda c: setattr(c, "NumberOfContourPoints", 2**31 - 1), "holds 4 points, and its NumberOfContourPoints is 2147483647"),
        (lambda c: setattr(c, "ContourData", list(c.ContourData)[:-1]), "holds 11 numbers .ContourData., and a point has three"),
        (lambda c: setattr(c, "ContourGeometricType", "WEIRD"), "is of type WEIRD .ContourGeometricType., which is not known"),
        (lambda c: delattr(c, "ContourGeometricType"), "it lacks ContourGeometricType"),
        (lambda c: delattr(c, "ContourData"), "holds 0 points, and its NumberOfContourPoints is 4"),
    ],
)  # fmt: skip
def test_damaged_contours(file: Path, grid: Path, change: Callable[[Any], None], message: str) -> None:
    changed(file, lambda found: change(contour(found)))
    check_refused(file, grid, message, segments=("GTV",))
    assert read(file, grid, segments=("Cord",)).data.any()  # which is sound


@pytest.mark.parametrize("text", [b"nan", b"inf", b"1e400", b"1,5", b"abc", b"      "])
def test_points_that_are_no_numbers(file: Path, grid: Path, text: bytes) -> None:
    content = file.read_bytes()
    first = str(contour(pydicom.dcmread(file)).ContourData[0]).encode()
    at = content.index(b"\\", content.index(first)) + 1  # the second number
    end = content.index(b"\\", at)
    file.write_bytes(content[:at] + text.ljust(end - at) + content[end:])
    check_refused(
        file, grid, r"a point of its segment 'GTV' is \(.*\), and not three numbers", segments=("GTV",)
    )


@pytest.mark.parametrize("form", ["explicit", "implicit", "undefined lengths"])
def test_a_file_that_was_cut(file: Path, grid: Path, form: str) -> None:
    """Wherever that was, also right behind the name of a list, it is refused, and no structure is empty."""
    found = pydicom.dcmread(file)
    if form == "undefined lengths":
        for one in (found.StructureSetROISequence, found.ROIContourSequence):
            one.is_undefined_length = True
        for item in found.ROIContourSequence:
            item.is_undefined_length_sequence_item = item.ContourSequence.is_undefined_length = True
    if form == "implicit":
        found.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    pydicom.dcmwrite(file, found, enforce_file_format=True)
    content = file.read_bytes()
    names = content.index(b"\x06\x30\x20\x00")  # tag of StructureSetROISequence
    contours = content.index(b"\x06\x30\x39\x00")
    ends = [
        *range(names, names + 20, 3),
        *range(contours, contours + 40),
        *range(contours + 40, len(content) - 20, 397),
    ]
    for end in ends:
        file.write_bytes(content[:end])
        check_refused(file, grid, r"is it complete\?$")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: setattr(f.StructureSetROISequence[1], "ROINumber", 1), "'GTV' and 'Cord' both have ROINumber 1"),
        (lambda f: setattr(f.ROIContourSequence[1], "ReferencedROINumber", 9), "contours of ROI 9, which StructureSetROISequence"),
        (lambda f: setattr(f.ROIContourSequence[1], "ReferencedROINumber", 1), "two lists of contours of ROI 1"),
        (lambda f: delattr(f, "StructureSetROISequence"), "it names no structures"),
        (lambda f: delattr(f, "ROIContourSequence"), "it holds no contours"),
        (lambda f: setattr(f.StructureSetROISequence[1], "ROIName", "GTV"), "2 segments are called 'GTV' .labels 1, 2."),
        (lambda f: setattr(f.StructureSetROISequence[1], "ReferencedFrameOfReferenceUID", "1.9"), "'GTV', 'Cord' lie in different frames"),
    ],
)  # fmt: skip
def test_headers_that_contradict_themselves(
    file: Path, grid: Path, change: Callable[[Any], None], message: str
) -> None:
    changed(file, change)
    names = ("GTV",) if "are called" in message else ("GTV", "Cord")
    check_refused(file, grid, message, segments=names)


@pytest.mark.parametrize("degrees", [1.0, 12.0, 90.0])
def test_contours_across_slices(tmp_path: Path, degrees: float) -> None:
    turn = np.eye(4)
    angle = np.radians(degrees)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = (0.3, 0.2, 0.1)
    file = rt_struct(
        tmp_path / "a.dcm", {"GTV": [flat(circle((18, 17), 9), 4)]}, turn @ np.diag([-1.0, -1, 1, 1])
    )
    grid = ct(tmp_path / "ct.nii.gz", (40, 40, 40), np.diag([-1.0, -1, 1, 1]))
    if degrees == 90:  # of other planes of the grid's voxels
        assert read(file, grid).data.sum() > 100
        return
    said = check_refused(
        file,
        grid,
        rf"contour 1 of its segment 'GTV' is tilted by {degrees:.2g} degrees against the slices of",
    )
    assert said.endswith(
        "name the image that they were drawn on, as NIfTI of its series by dcm2niix: grid=FILE"
    )


def test_a_contour_of_no_plane(tmp_path: Path, grid: Path) -> None:
    bent = flat(circle((18, 17), 9, 40), 4)
    bent[::2, 2] += 0.4
    file = rt_struct(tmp_path / "a.dcm", {"GTV": [bent]}, STRAIGHT)
    check_refused(file, grid, "contour 1 of its segment 'GTV' lies in no plane")
    bent[:, 2] = 4 + 0.04 * np.sin(np.arange(40))
    assert read(rt_struct(tmp_path / "b.dcm", {"GTV": [bent]}, STRAIGHT), grid).data[:, :, 4].any()


def test_planes_that_lie_far_too_close(tmp_path: Path) -> None:
    fine, coarse = np.diag([-1.0, -1, 0.1, 1]), np.diag([-1.0, -1, 5.0, 1])
    file = rt_struct(tmp_path / "a.dcm", {"GTV": [flat(circle((18, 17), 9), at) for at in range(60)]}, fine)
    check_refused(
        file, ct(tmp_path / "ct.nii.gz", (40, 36, 9), coarse), "lie closer together than a tenth of a slice"
    )


def test_contours_of_another_place(tmp_path: Path, grid: Path) -> None:
    file = rt_struct(tmp_path / "a.dcm", {"GTV": [one + 1e7 for one in BOX]}, STRAIGHT)
    check_refused(
        file, grid, "lies 1e.07 voxels away from .*: one header is wrong, or they do not belong together"
    )


def test_every_second_slice(tmp_path: Path) -> None:
    image = drawn(tmp_path, [flat(rectangle((2.5, 11.5), (4.5, 8.5)), at) for at in (1, 3, 5)])
    assert list(np.flatnonzero(image.data.any(axis=(0, 1)))) == [1, 3, 5]
    assert "2 of the 5 slices of " in str(image.remark)
    assert (
        "between its first and its last contour have none, and are empty: nothing is interpolated, and its volume lacks theirs"
        in str(image.remark)
    )
    image = drawn(tmp_path, [flat(rectangle((2.5, 11.5), (4.5, 8.5)), at) for at in (1, 2, 4)])
    assert "1 of the 4 slices of " in str(image.remark)
    assert "has none, and is empty: nothing is interpolated, and its volume lacks that" in str(image.remark)


def test_several_planes_of_one_slice(tmp_path: Path) -> None:
    """That which is nearest to the slice's centre counts, with all its islands; none is added to another."""
    outer, inner, island = (
        rectangle((2.5, 20.5), (3.5, 21.5)),
        rectangle((8.5, 14.5), (8.5, 15.5)),
        rectangle((25.5, 30.5), (3.5, 9.5)),
    )
    polygons = [flat(outer, 2.8), flat(outer, 3.1), flat(inner, 3.1), flat(island, 3.1), flat(island, 3.45)]
    image = drawn(tmp_path, polygons)
    assert image.data[:, :, 3].sum() == image.data.sum() == 18 * 18 - 6 * 7 + 5 * 6
    assert "2 of 3 planes of contours left out, as another lies nearer to the centre of its slice" in str(
        image.remark
    )
    between = drawn(tmp_path, [flat(outer, 2.5), flat(outer, 4.4)])
    assert list(np.flatnonzero(between.data.any(axis=(0, 1)))) == [3, 4]
    assert "lie up to 1.5 mm beside the centres of the slices" in str(between.remark)


def test_contours_that_enclose_no_centre_or_run_through_them(tmp_path: Path) -> None:
    image = drawn(tmp_path, [flat(rectangle((2.1, 2.9), (4.1, 4.9)), 2)])
    assert not image.data.any()
    assert "its contours enclose no voxel's centre" in str(image.remark)
    traced = drawn(tmp_path, [flat(rectangle((3, 11), (5, 8)), 2)])
    assert traced.data.sum() == 8 * 3
    assert "run through the centres of voxels, as if they were traced from a mask" in str(traced.remark)


def test_without_a_grid(file: Path) -> None:
    with pytest.raises(
        fastfuse.ImageError,
        match=r"it holds contours \(RTSTRUCT\), and no voxels or grid: give a mask of them, as 'fastf",
    ):
        reading.read(file)


def test_oblique_planes_fit_their_own_grid_alone(tmp_path: Path) -> None:
    affine = affine_of(seed=3)
    file = rt_struct(tmp_path / "a.dcm", {"GTV": BOX}, affine)
    assert read(file, ct(tmp_path / "own.nii.gz", SHAPE, affine)).data.sum() == 3 * 9 * 4
    check_refused(file, ct(tmp_path / "ct.nii.gz", SHAPE, STRAIGHT), "is tilted by .* degrees")
