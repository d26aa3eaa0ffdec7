"""Segments that .seg.nrrd files name: read, chosen, and told apart between raters."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading
from fastfuse.images.formats.segments import Segment
from fastfuse.images.wanted import Wanted
from fastfuse.inputs.foreground import Foreground

from ..cli.test_cli import run
from ..files.common import save
from .segmentations import dicom_seg, seg_nrrd

RNG = np.random.default_rng(3)
A = (RNG.random((7, 5, 6)) < 0.4).astype(np.uint8)
B = (RNG.random((7, 5, 6)) < 0.4).astype(np.uint8)
AFFINE = np.array([[-1.0, 0, 0, -90], [0, -1, 0, -120], [0, 0, 2, -60], [0, 0, 0, 1]])  # of seg_nrrd
NAMES = [("Tumour", 1, 0), ("Edema", 2, 0), ("Necrosis", 1, 1)]
LAYERS = np.stack([np.where(A, 1, 2 * B), A & B])


def wanted(**foreground: Any) -> Wanted:
    return Wanted(Foreground(**foreground))


def test_one_layer(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", LAYERS[0], NAMES[:2])
    image = reading.read(path)
    np.testing.assert_array_equal(image.data, LAYERS[0])
    assert image.segments == (Segment("Tumour", 1), Segment("Edema", 2))
    np.testing.assert_array_equal(
        image.affine, np.array([[-1, 0, 0, -90], [0, -1, 0, -120], [0, 0, 2, -60], [0, 0, 0, 1]])
    )


@pytest.mark.parametrize(
    ("names", "mask"),
    [
        (("Tumour",), LAYERS[0] == 1),
        (("Edema",), LAYERS[0] == 2),
        (("Necrosis",), LAYERS[1] == 1),
        ((" necrosis",), LAYERS[1] == 1),
        (("Edema", "Necrosis"), (LAYERS[0] == 2) | (LAYERS[1] == 1)),
    ],
)
def test_layers(tmp_path: Path, names: tuple[str, ...], mask: np.ndarray) -> None:
    found = reading.read(seg_nrrd(tmp_path / "a.seg.nrrd", LAYERS, NAMES), wanted=wanted(segments=names))
    np.testing.assert_array_equal(found.data, mask)
    assert found.data.flags.f_contiguous


def test_layers_by_label(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", LAYERS, NAMES)
    found = reading.read(path, wanted=wanted(labels=(2,)))
    np.testing.assert_array_equal(found.data == 2, LAYERS[0] == 2)
    np.testing.assert_array_equal(
        reading.read(path, wanted=wanted(binarize=True)).data, (LAYERS > 0).any(axis=0)
    )
    with pytest.raises(
        fastfuse.ImageError, match=r"label 1 stands in layers 0, 1 of overlapping .*select_segment=NAME"
    ):
        reading.read(path, wanted=wanted(labels=(1,)))
    with pytest.raises(
        fastfuse.ImageError, match=r"it holds 2 layers of overlapping segments, Tumour \(label 1, la"
    ):
        reading.read(path)


def test_old_files_give_each_segment_a_layer(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", np.stack([A, B]), [("one", 9, 9), ("two", 9, 9)])
    content = path.read_bytes()
    for line in (b"_LabelValue:=9\n", b"_Layer:=9\n"):
        for number in (b"Segment0", b"Segment1"):
            content = content.replace(number + line, b"")
    path.write_bytes(content)
    for name, mask in (("one", A), ("two", B)):
        np.testing.assert_array_equal(reading.read(path, wanted=wanted(segments=(name,))).data, mask)


@pytest.mark.parametrize(
    ("segments", "names", "message"),
    [
        (NAMES, ("Liver",), r"there is no segment 'Liver'; it holds Tumour, Edema, Necrosis"),
        ([("x", 1, 0), ("X ", 2, 0)], ("x ",), r"2 segments are called 'x ' \(labels 1, 2\): rename"),
        ([("x", 1, 7)], ("x",), r"segment 'x' lies in layer 7, but it holds 2"),
        ([], ("x",), r"it names no segments .*select_label"),
    ],
)
def test_refused(tmp_path: Path, segments: Any, names: tuple[str, ...], message: str) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", LAYERS, segments)
    with pytest.raises(fastfuse.ImageError, match=message):
        reading.read(path, wanted=wanted(segments=names))


def on_grid(path: Path, data: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


def test_files_without_names_are_refused(tmp_path: Path) -> None:
    paths = [on_grid(tmp_path / "a.nii", A), seg_nrrd(tmp_path / "b.nrrd", A)]
    message = r"it names no segments .*where no file does, choose by select_label=K"
    with pytest.raises(fastfuse.ImageError, match=message):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", select_segment="x")
    with pytest.raises(fastfuse.ImageError, match=message):
        fastfuse.evaluate_files(*paths, select_segment="x")
    with pytest.raises(fastfuse.ImageError, match=message):
        fastfuse.soften_files(
            paths,
            image=on_grid(tmp_path / "i.nii", A.astype(np.float32)),
            out_dir=tmp_path / "soft",
            select_segment="x",
        )
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".nii"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int16])
def test_a_plain_mask_beside_files_that_name_their_segments(tmp_path: Path, ending: str, dtype: Any) -> None:
    named = seg_nrrd(tmp_path / "a.seg.nrrd", np.stack([A, B]), [("rest", 1, 0), ("lesion", 1, 1)])
    plain = tmp_path / f"b{ending}"
    (seg_nrrd if ending == ".nrrd" else on_grid)(plain, A.astype(dtype))
    for paths in ([named, plain], [plain, named]):
        with pytest.warns(
            fastfuse.FusionWarning, match="names no segments, so its mask of 0 and 1 was taken"
        ):
            fused = fastfuse.fuse_files(
                paths, tmp_path / "c.nii", method="majority", select_segment="lesion", overwrite=True
            )
        np.testing.assert_array_equal(fused.probability, (A.astype(float) + B) / 2)
    for pair in ([named, plain], [plain, named]):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            measured = fastfuse.evaluate_files(*pair, select_segment="lesion")
        # A NIfTI cannot name segments: a mask is what it holds. An NRRD can, and does not.
        assert [one for one in told if "names no segments" in str(one.message)] == (
            told if ending == ".nrrd" else []
        )
        assert bool(told) == (ending == ".nrrd")
    assert measured.dice == 2 * np.sum(A & B) / (A.sum() + B.sum())


@pytest.mark.parametrize("other", [2, 255])
def test_a_label_map_beside_files_that_name_their_segments_is_refused(tmp_path: Path, other: int) -> None:
    named = seg_nrrd(tmp_path / "a.seg.nrrd", np.stack([A, B]), [("rest", 1, 0), ("lesion", 1, 1)])
    maps = on_grid(tmp_path / "b.nii", (A * other).astype(np.uint8))
    with pytest.raises(
        fastfuse.ImageError, match=r"b\.nii: it names no segments .*write what is meant as a mask of 0"
    ):
        fastfuse.fuse_files([named, maps], tmp_path / "c.nii", select_segment="lesion")


def test_fused_by_name(tmp_path: Path) -> None:
    """Raters who number their segments differently, and one who has layers."""
    masks = [A, B, A & B]
    paths = [
        seg_nrrd(tmp_path / "0.seg.nrrd", np.where(A, 2, 1), [("rest", 1, 0), ("lesion", 2, 0)]),
        seg_nrrd(tmp_path / "1.seg.nrrd", B, [("lesion", 1, 0)]),
        seg_nrrd(tmp_path / "2.seg.nrrd", np.stack([A, A & B]), [("rest", 1, 0), ("Lesion", 1, 1)]),
    ]
    given: Any = {"method": "staple", "select_segment": "lesion"}
    with pytest.warns(fastfuse.FusionWarning, match="its segment 'Lesion' was taken for 'lesion'"):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", **given)
    np.testing.assert_array_equal(fused.probability, fastfuse.staple(masks).probability)
    assert json.loads((tmp_path / "c.json").read_text())["options"]["select_segment"] == ["lesion"]
    done = run(
        tmp_path,
        "fuse",
        *(path.name for path in paths),
        "-o",
        "d.nii",
        "--method",
        "staple",
        "--select-segment",
        "lesion",
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(
        nib.load(tmp_path / "d.nii").get_fdata(), nib.load(tmp_path / "c.nii.gz").get_fdata()
    )
    with pytest.raises(fastfuse.ImageError, match=r"label 1 is 'lesion', which is label 2 in .*0\.seg\.nrrd"):
        fastfuse.fuse_files(paths[:2], tmp_path / "e.nii", select_label=1)
    region = seg_nrrd(tmp_path / "region.nrrd", np.ones_like(A))
    given["select_segment"] = ["lesion|Lesion"]
    fastfuse.fuse_files(paths, tmp_path / "f.nii", **given, mask=region)


def test_other_names_for_one_label_are_said(tmp_path: Path) -> None:
    paths = [
        seg_nrrd(tmp_path / f"{k}.seg.nrrd", mask, [(name, 1, 0)])
        for k, (name, mask) in enumerate([("Tumour", A), ("tumour ", B), ("Cyst", A & B)])
    ]
    fastfuse.fuse_files(paths[:2], tmp_path / "a.nii", method="staple")
    with pytest.warns(
        fastfuse.FusionWarning, match=r"what is taken is 'Tumour' in .*0\.seg\.nrrd, 'Cyst' in .*2\.seg\.nrrd"
    ):
        fastfuse.fuse_files(paths, tmp_path / "b.nii", method="staple")


def test_evaluated_by_name(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    prediction = seg_nrrd(tmp_path / "p.seg.nrrd", LAYERS, NAMES)
    truth = seg_nrrd(tmp_path / "t.seg.nrrd", 5 * (A & B), [("necrosis", 5, 0)])
    with pytest.warns(fastfuse.FusionWarning, match="its segment 'necrosis' was taken for 'Necrosis'"):
        assert fastfuse.evaluate_files(prediction, truth, select_segment="Necrosis").dice == 1
    other = seg_nrrd(tmp_path / "o.seg.nrrd", A, [("Tumour", 1, 0)])
    cyst = seg_nrrd(tmp_path / "c.seg.nrrd", A, [("Cyst", 1, 0)])
    with pytest.warns(fastfuse.FusionWarning, match="what is taken is 'Tumour' in .*'Cyst' in"):
        fastfuse.evaluate_files(other, cyst)
    turned = seg_nrrd(tmp_path / "u.seg.nrrd", np.where(A, 2, B), [("Cyst", 1, 0), ("Tumour", 2, 0)])
    with pytest.raises(fastfuse.ImageError, match="label 1 is 'Tumour', which is label 2 in"):
        fastfuse.evaluate_files(other, turned, select_label=1)


def test_softened_by_name(tmp_path: Path) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", LAYERS, NAMES)
    flair = seg_nrrd(tmp_path / "flair.nrrd", (200 * RNG.random(A.shape)).astype(np.uint8))
    soft = fastfuse.soften_files([path], flair, output=tmp_path / "s.nii", select_segment="Necrosis")[0]
    assert soft.voxels == int((A & B).sum())


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"select_segment": ""}, ValueError, "give a segment's name"),
        ({"select_segment": []}, ValueError, "give a segment's name"),
        ({"select_segment": 3}, TypeError, "select_segment is 3"),
        ({"select_segment": ["a", 3]}, TypeError, "select_segment is"),
        ({"select_segment": "a", "select_label": 1}, ValueError, "select_segment and select_label are given"),
        ({"select_segment": "a", "binarize": True}, ValueError, "select_segment and binarize are given"),
    ],
)
def test_wrong_options(tmp_path: Path, given: dict[str, Any], error: type[Exception], message: str) -> None:
    path = seg_nrrd(tmp_path / "a.seg.nrrd", A, [("a", 1, 0)])
    with pytest.raises(error, match=message):
        fastfuse.fuse_files([path], tmp_path / "c.nii", **given)


def test_channels_of_floats_are_a_network_s(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    p = RNG.random(A.shape).astype(np.float32)
    channels = [sitk.GetImageFromArray(one.T.copy()) for one in (1 - p, p)]
    for name in ("a.nrrd", "a.mha"):
        sitk.WriteImage(sitk.Compose(channels), str(tmp_path / name))
        found = reading.read(tmp_path / name, wanted=wanted(labels=(1,)))
        np.testing.assert_array_equal(found.data, p)
        with pytest.raises(fastfuse.ImageError, match="one 3-D image per file is needed"):
            reading.read(tmp_path / name)


@pytest.mark.parametrize("layered", [False, True])
@pytest.mark.parametrize("choice", [{"select_segment": "Tumour"}, {"select_label": 1}])
def test_boxes_of_all_segments_that_lie_elsewhere(
    tmp_path: Path, layered: bool, choice: dict[str, Any]
) -> None:
    """A box that all segments fill is a crop, although the one that is fused does not reach its ends."""
    files = []
    for i, low in enumerate((2, 1)):
        tumour, oedema = np.zeros((10, 9, 7), np.uint8), np.ones((10, 9, 7), np.uint8)
        tumour[2:6, 2:6, low : low + 3] = 1
        layers = np.stack([tumour, 2 * oedema]) if layered else np.where(tumour, 1, 2 * oedema)
        names = [("Tumour", 1, 0), ("Oedema", 2, int(layered))]
        files.append(seg_nrrd(tmp_path / f"{i}.seg.nrrd", layers, names))
    second = files[1].read_bytes().replace(b"(90,120,-60)", b"(90,120,-58)")
    files[1].write_bytes(second)
    with pytest.warns(fastfuse.FusionWarning, match="padded with 0"):
        found = fastfuse.fuse_files(files, tmp_path / "o.nii", method="majority", **choice)
    assert found.probability.shape == (10, 9, 8)
    assert np.count_nonzero(found.probability == 1) == 4 * 4 * 3


def test_a_volume_whose_segments_end_before_its_faces_is_no_crop(tmp_path: Path) -> None:
    tumour, oedema = np.zeros((2, 12, 12, 12), np.uint8)
    tumour[5:7, 5:7, 5:7], oedema[3:9, 3:9, 3:9] = 1, 1
    names = [("Tumour", 1, 0), ("Oedema", 1, 1)]
    files = [seg_nrrd(tmp_path / f"{i}.seg.nrrd", np.stack([tumour, oedema]), names) for i in range(2)]
    files[1].write_bytes(files[1].read_bytes().replace(b"(90,120,-60)", b"(90,120,-58)"))
    with pytest.raises(fastfuse.GridError, match="one header is wrong; or"):
        fastfuse.fuse_files(files, tmp_path / "o.nii", select_segment="Tumour")


def of_floats(path: Path, layers: np.ndarray, segments: Any) -> Path:
    """As :func:`seg_nrrd`, in single precision."""
    head, _, _ = seg_nrrd(path, layers, segments).read_bytes().partition(b"\n\n")
    head = head.replace(b"unsigned char", b"float").replace(b"encoding", b"endian: little\nencoding")
    path.write_bytes(head + b"\n\n" + gzip.compress(layers.astype("<f4").tobytes(order="F")))
    return path


SEVERAL: dict[str, Any] = {
    "one-layer": lambda folder: seg_nrrd(folder / "a.seg.nrrd", LAYERS[0], NAMES[:2]),
    "layers": lambda folder: seg_nrrd(folder / "a.seg.nrrd", LAYERS, NAMES),
    "floats": lambda folder: of_floats(folder / "a.seg.nrrd", LAYERS[0], NAMES[:2]),
    "layers-of-floats": lambda folder: of_floats(folder / "a.seg.nrrd", LAYERS, NAMES),
    "dicom": lambda folder: dicom_seg(folder / "a.dcm", {"Tumour": A, "Edema": B & ~A}),
    "dicom-overlapping": lambda folder: dicom_seg(folder / "a.dcm", {"Tumour": A, "Edema": B}),
    "dicom-soft": lambda folder: dicom_seg(
        folder / "a.dcm", {"Tumour": A * 0.5, "Edema": B * 1.0}, fractional=True
    ),
    "dicom-label-map": lambda folder: dicom_seg(folder / "a.dcm", {"Tumour": A, "Edema": B}, label_map=True),
}


@pytest.mark.parametrize("kind", SEVERAL)
def test_none_chosen_of_several(tmp_path: Path, kind: str) -> None:
    """The refusal names the segments and the option, which then works; no axis of channels is asked for."""
    if "dicom" in kind:
        pytest.importorskip("pydicom")
    path = SEVERAL[kind](tmp_path)
    save(tmp_path / "flair.nii.gz", RNG.random(A.shape), reading.read(path, wanted=EDEMA).affine)
    for words in (
        ("fuse", path.name, "-o", "c.nii"),
        ("evaluate", path.name, path.name),
        ("soften", path.name, "--image", "flair.nii.gz", "-o", "s.nii"),
    ):
        refused = run(tmp_path, *words)
        assert refused.returncode == 2, refused.stdout
        for part in ("a.", "Tumour (label 1", "Edema (label 2", "--select-segment NAME"):
            assert part in refused.stderr
        assert "channel" not in refused.stderr
        assert run(tmp_path, *words, "--select-segment", "Edema").returncode == 0


EDEMA = wanted(segments=("Edema",))


@pytest.mark.parametrize("choice", [{"select_segment": "Tumour"}, {"select_label": 1}])
def test_soft_layers_hold_no_labels(tmp_path: Path, choice: dict[str, Any]) -> None:
    path = of_floats(tmp_path / "a.seg.nrrd", LAYERS / 4, NAMES)
    with pytest.raises(
        fastfuse.ImageError, match=r"a\.seg\.nrrd: its segment 'Tumour' holds fractions, such as"
    ):
        fastfuse.fuse_files([path], tmp_path / "c.nii", **choice)


def test_header_that_tells_the_axis_of_channels(tmp_path: Path) -> None:
    """No axis is asked for where the header tells it, and a wrong one given does no harm."""
    layers = RNG.random((3, *A.shape)).astype(np.float32)
    of_floats(tmp_path / "a.nrrd", layers, ())
    for axis in (None, "first", "last"):
        asked = Wanted(Foreground(labels=(2,)), axis)
        np.testing.assert_array_equal(reading.read(tmp_path / "a.nrrd", wanted=asked).data, layers[1])


def test_one_of_several_that_is_marked(tmp_path: Path) -> None:
    """A map whose only label is 1 is a mask, whatever else the header names."""
    path = seg_nrrd(tmp_path / "a.seg.nrrd", A, NAMES[:2])
    with pytest.warns(fastfuse.FusionWarning, match="one rater only"):
        found = fastfuse.fuse_files([path], tmp_path / "c.nii", method="majority")
    assert found.probability.sum() == A.sum()


def test_background_is_no_segment(tmp_path: Path) -> None:
    """Label 0 is background, whatever .seg.nrrd or dataset.json call it: it cannot be chosen by its name."""
    slicer = seg_nrrd(tmp_path / "a.seg.nrrd", LAYERS[0], [("Hintergrund", 0, 0), *NAMES[:2]])
    assert [one.name for one in reading.read(slicer).segments] == ["Tumour", "Edema"]
    network = save(tmp_path / "b.nii.gz", LAYERS[0], AFFINE)
    (tmp_path / "dataset.json").write_text(
        json.dumps({"labels": {"Hintergrund": 0, "Tumour": 1, "Edema": 2}})
    )
    for path in (slicer, network):
        with pytest.raises(fastfuse.ImageError, match=r"Hintergrund|names no segments"):
            reading.read(path, wanted=wanted(segments=("Hintergrund",)))
        assert (reading.read(path, wanted=wanted(segments=("Tumour",))).data == (LAYERS[0] == 1)).all()


@pytest.mark.parametrize("kind", ["one", "layers", "dicom"])
def test_a_label_that_does_not_occur(tmp_path: Path, kind: str) -> None:
    """A segment whose label no voxel has is said, with the values that occur."""
    if kind == "one":
        path = seg_nrrd(tmp_path / "a.seg.nrrd", LAYERS[0], [("lesion", 5, 0), ("Edema", 2, 0)])
    elif kind == "layers":
        path = seg_nrrd(tmp_path / "a.seg.nrrd", LAYERS[::-1], [("lesion", 5, 1), ("Edema", 1, 0)])
    else:
        masks = {"Tumour": A, "Edema": B & ~A & 1, "lesion": np.zeros_like(A)}
        path = dicom_seg(tmp_path / "a.dcm", masks, label_map=True)
    image = reading.read(path, wanted=wanted(segments=("lesion",)))
    assert not image.data.any()
    label = 3 if kind == "dicom" else 5
    assert f"its segment 'lesion' is label {label}, which does not occur (values that occur: 0, 1, 2)" in str(
        image.remark
    )
    assert reading.read(path, wanted=wanted(segments=("Edema",))).remark is None
