"""What nibabel mends in silence: refused by name, or said."""

from __future__ import annotations

import gzip
import struct
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.images import reading

from ..command import run_here
from ..files.common import save

MASK = (np.random.default_rng(5).random((6, 5, 4)) < 0.4).astype(np.int16)
AFFINE = np.diag([1.0, 2, 3, 1])
# Places in the header of NIfTI-1.
BITPIX, PIXDIM, OFFSET, SLOPE, INTER, QCODE, SCODE = 72, 76, 108, 112, 116, 252, 254


def patched(path: Path, *faults: tuple[int, str, float]) -> Path:
    content = bytearray(save(path, MASK, AFFINE).read_bytes())
    for at, kind, value in faults:
        struct.pack_into(f"<{kind}", content, at, value)
    path.write_bytes(content)
    return path


BY_QFORM = ((QCODE, "h", 1), (SCODE, "h", 0))
NOWHERE = ((QCODE, "h", 0), (SCODE, "h", 0))


@pytest.mark.parametrize("codes", [BY_QFORM, NOWHERE])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_voxel_size_of_zero(tmp_path: Path, codes: Any, axis: int) -> None:
    path = patched(tmp_path / "a.nii", *codes, (PIXDIM + 4 * axis, "f", 0))
    with pytest.raises(
        fastfuse.ImageError, match=r"a\.nii: its header gives a voxel size of 0 mm \(pixdim .*0"
    ):
        reading.read(path)


def test_the_remedy_works(tmp_path: Path) -> None:
    patched(tmp_path / "a.nii", *NOWHERE, *[(PIXDIM + 4 * axis, "f", 0) for axis in (1, 2, 3)])
    data = np.asanyarray(nib.load(tmp_path / "a.nii").dataobj)
    nib.save(nib.Nifti1Image(data, AFFINE), tmp_path / "b.nii")
    image = reading.read(tmp_path / "b.nii")
    assert image.remark is None
    assert image.grid.spacing_mm == (1, 2, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("codes", [BY_QFORM, NOWHERE])
def test_voxel_size_that_is_no_number(tmp_path: Path, value: float, codes: Any) -> None:
    path = patched(tmp_path / "a.nii", *codes, (PIXDIM + 4, "f", value))
    with pytest.raises(
        fastfuse.ImageError,
        match=rf"a\.nii: .* no finite number \(pixdim {value}, 2, 3\): save it with the true size",
    ):
        reading.read(path)


@pytest.mark.parametrize("value", [0, np.nan, -1, np.inf, -np.inf, 1e30, 1e-30])
@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("pair", [False, True])
def test_voxel_sizes_beside_an_sform(tmp_path: Path, value: float, code: int, pair: bool) -> None:
    """Where the sform tells, the voxel sizes in pixdim are not read, which is said; no form lies nan mm off."""
    path = patched(tmp_path / "a.nii", (QCODE, "h", code), (PIXDIM + 4, "f", value))
    if pair:
        content = bytearray(path.read_bytes())
        content[344:348] = b"ni1\0"
        path = tmp_path / "p.hdr"
        path.write_bytes(content[:348])
        (tmp_path / "p.img").write_bytes(b"\0" * 352 + content[352:])
    image = reading.read(path)
    assert image.grid.spacing_mm == (1, 2, 3)
    assert "that of the sform is taken" in str(image.remark)
    assert "mm apart" not in str(image.remark)


@pytest.mark.parametrize(
    ("faults", "remark"),
    [
        ([*BY_QFORM, (PIXDIM + 4, "f", -1)], "voxel size below 0 mm (pixdim -1, 2, 3): the sign is dropped"),
        ([*BY_QFORM, (PIXDIM, "f", 0)], "its qfac (pixdim[0]) is neither 1 nor -1: 1 is taken"),
        ([*BY_QFORM, (PIXDIM, "f", 7)], "its qfac (pixdim[0]) is neither 1 nor -1: 1 is taken"),
        (
            [(QCODE, "h", 1), (SCODE, "h", 77)],
            "its sform_code 77 is not defined (0 to 5 are), so its sform is left out, and the qform is used",
        ),
        (
            [(QCODE, "h", 0), (SCODE, "h", -1)],
            (
                "its sform_code -1 is not defined (0 to 5 are), so its sform is left out, "
                "and its header then does not say where it lies"
            ),
        ),
        (
            [(QCODE, "h", 99), (SCODE, "h", 2)],
            "its qform_code 99 is not defined (0 to 5 are), so its qform is left out, and the sform is used",
        ),
        ([(QCODE, "h", 6), (SCODE, "h", 99)], "its qform_code 6 is not defined"),
        ([(QCODE, "h", 6), (SCODE, "h", 99)], "its sform_code 99 is not defined"),
        ([(BITPIX, "h", 8)], "its bitpix contradicts its datatype: the datatype is taken"),
        ([(OFFSET, "f", 0)], "its vox_offset is 0: 352 is taken"),
        ([(SLOPE, "f", 0), (INTER, "f", 5)], "its scl_inter 5 and scl_slope 0 are ignored: no scaling"),
        (
            [(SLOPE, "f", np.nan), (INTER, "f", 5)],
            "its scl_inter 5 and scl_slope nan are ignored: no scaling",
        ),
        ([(SLOPE, "f", np.inf)], "its scl_slope inf is ignored: no scaling"),
        ([(46, "h", 2)], "120 bytes follow the last voxel"),
    ],
)
def test_mended_and_said(tmp_path: Path, faults: Any, remark: str) -> None:
    path = patched(tmp_path / "a.nii", *faults)
    packed = tmp_path / "b.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for one in (path, packed):
        image = reading.read(one)
        assert remark in str(image.remark), image.remark
        assert str(image.remark).startswith(f"{one}: ")
        if "bytes follow" not in remark:
            np.testing.assert_array_equal(image.data, MASK)


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ([(SLOPE, "f", 2), (INTER, "f", np.nan)], "its scl_inter is nan, beside a scl_slope of 2"),
        ([(SLOPE, "f", 2), (INTER, "f", np.inf)], "its scl_inter is inf, beside a scl_slope of 2"),
        ([(OFFSET, "f", -16)], "vox offset -16 too low"),
        ([(OFFSET, "f", np.nan)], r"a\.nii: "),
        ([*BY_QFORM, (256, "f", 0.9), (260, "f", 0.9)], "its qform is no rotation"),
        ([(QCODE, "h", 1), (256, "f", 0.9), (260, "f", 0.9)], "its qform is no rotation"),
        ([(40, "h", 9)], r"a\.nii: "),
        ([(70, "h", 0)], r"a\.nii: "),
    ],
)
def test_not_mended(tmp_path: Path, faults: Any, message: str) -> None:
    with pytest.raises(fastfuse.ImageError, match=message):
        reading.read(patched(tmp_path / "a.nii", *faults))


@pytest.mark.parametrize("faults", [[(SLOPE, "f", 0)], [(SLOPE, "f", np.nan), (INTER, "f", np.nan)], []])
def test_sound_headers_need_no_remark(tmp_path: Path, faults: Any) -> None:
    assert reading.read(patched(tmp_path / "a.nii", *faults)).remark is None


def test_a_margin_is_not_of_invented_mm(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / "b.nii", MASK, AFFINE),
        patched(tmp_path / "a.nii", *NOWHERE, (PIXDIM + 12, "f", 0)),
    ]
    with pytest.raises(fastfuse.ImageError, match=r"a\.nii: its header gives a voxel size of 0 mm"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", method="staple", roi=5)
    with pytest.raises(fastfuse.ImageError, match=r"a\.nii: its header gives a voxel size of 0 mm"):
        fastfuse.evaluate_files(*paths)


def test_analyze(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """nibabel's own lines on standard error become a refusal or a remark."""
    nib.save(nib.AnalyzeImage(MASK, AFFINE), tmp_path / "a.img")
    header = tmp_path / "a.hdr"
    sound = header.read_bytes()
    assert not reading.read(tmp_path / "a.img").grid.placed
    content = bytearray(sound)
    struct.pack_into("<f", content, PIXDIM + 8, 0)
    header.write_bytes(content)
    with pytest.raises(fastfuse.ImageError, match="voxel size of 0 mm"):
        reading.read(tmp_path / "a.img")
    struct.pack_into("<f", content, PIXDIM + 8, -2)
    header.write_bytes(content)
    assert "voxel size below 0 mm" in str(reading.read(tmp_path / "a.img").remark)
    content = bytearray(sound)
    struct.pack_into("<h", content, BITPIX, 64)
    header.write_bytes(content)
    assert "bitpix contradicts" in str(reading.read(tmp_path / "a.img").remark)
    assert capfd.readouterr() == ("", "")


def test_mgh_that_does_not_say_where(tmp_path: Path) -> None:
    nib.save(nib.MGHImage(MASK, AFFINE), tmp_path / "a.mgh")
    content = bytearray((tmp_path / "a.mgh").read_bytes())
    content[28:30] = bytes(2)
    (tmp_path / "a.mgh").write_bytes(content)
    image = reading.read(tmp_path / "a.mgh")
    assert "does not say where its voxels lie" in str(image.remark)
    assert not image.grid.placed


def test_what_nibabel_warns_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its warnings are remarks, and no lines of Python's on standard error."""
    load = nib.load

    def warning(*words: Any, **named: Any) -> Any:
        warnings.warn("multiple TRs\nfound in .PAR file", UserWarning, stacklevel=2)
        return load(*words, **named)

    nib.save(nib.Nifti1Pair(MASK, AFFINE), tmp_path / "a.img")
    monkeypatch.setattr(nib, "load", warning)
    remark = reading.read(tmp_path / "a.img").remark
    assert remark == f"{tmp_path / 'a.img'}: nibabel says of its header: multiple TRs found in .PAR file"


@pytest.mark.parametrize(
    ("qform", "sform", "named"),
    [(0, 99, "sform_code 99"), (99, 0, "qform_code 99"), (-3, 6, "qform_code -3 and sform_code 6")],
)
@pytest.mark.parametrize("pair", [False, True])
def test_codes_that_are_not_defined_in_a_refusal(
    tmp_path: Path, qform: int, sform: int, named: str, pair: bool
) -> None:
    """The grid that no code tells is refused beside another, with the codes; the remedy works."""
    save(tmp_path / "good.nii", MASK, AFFINE)
    bad = patched(tmp_path / "bad.nii", (QCODE, "h", qform), (SCODE, "h", sform))
    if pair:
        content = bytearray(bad.read_bytes())
        content[344:348] = b"ni1\0"
        struct.pack_into("<f", content, OFFSET, 0)
        bad = tmp_path / "bad.hdr"
        bad.write_bytes(content[:348])
        bad.with_suffix(".img").write_bytes(content[352:])
    files = [tmp_path / "good.nii", bad]
    with pytest.raises(
        fastfuse.GridError, match=rf"the header of \S*{bad.name} does not say .*not defined: {named}\)"
    ):
        fastfuse.fuse_files(files, tmp_path / "c.nii", method="majority")
    with pytest.warns(
        fastfuse.FusionWarning, match=rf"{bad.name}.*its {named.partition(' and ')[0]} is not defined"
    ):
        fastfuse.fuse_files(files, tmp_path / "c.nii", method="majority", grid=files[0])


# --- one of two forms is none ----------------------------------------------------------------------------------

QUATERN_B, QOFFSET, SROW_X = 256, 268, 280
BOTH = ((QCODE, "h", 1), (SCODE, "h", 2))
NO_SFORM = {
    "nan": [(SROW_X, "f", np.nan)],
    "infinite": [(SROW_X + 12, "f", np.inf)],
    "zero": [(SROW_X + 4 * at, "f", 0) for at in range(12)],
    "flat": [(SROW_X, "f", 0)],
    "huge": [(SROW_X + 4 * at, "f", 1e9) for at in (0, 5, 10)],
}
NO_QFORM = {
    "nan": [(QUATERN_B, "f", np.nan)],
    "far": [(QOFFSET, "f", np.inf)],
    "no rotation": [(QUATERN_B, "f", 0.9), (QUATERN_B + 4, "f", 0.9)],
}
FAULTS = [("qform", NO_SFORM[name]) for name in NO_SFORM] + [("sform", NO_QFORM[name]) for name in NO_QFORM]


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize(("use", "faults"), FAULTS, ids=[*NO_SFORM, *[f"qform {name}" for name in NO_QFORM]])
def test_the_form_that_is_asked_for_is_used(tmp_path: Path, use: str, faults: Any) -> None:
    sound = save(tmp_path / "sound.nii", MASK, AFFINE)
    broken = patched(tmp_path / "broken.nii", *BOTH, *faults)
    out = tmp_path / "c.nii"
    given: dict[str, Any] = {"use": use}
    expected = fastfuse.fuse_files([sound, sound], out, method="majority", overwrite=True).probability
    for paths, more in (([sound, broken], {}), ([broken, sound], {}), ([sound, sound], {"grid": broken})):
        found = fastfuse.fuse_files(paths, out, method="majority", overwrite=True, **given, **more)
        np.testing.assert_array_equal(found.probability, expected)
        np.testing.assert_allclose(nib.load(out).affine, AFFINE)
    assert fastfuse.evaluate_files(broken, sound, mask=broken, **given).dice == 1
    image = save(
        tmp_path / "image.nii", np.random.default_rng(0).random(MASK.shape).astype(np.float32), AFFINE
    )
    [soft] = fastfuse.soften_files([broken], image, output=out, overwrite=True, **given)
    assert soft.voxels == MASK.sum()
    other = "sform" if use == "qform" else "qform"
    for job in (
        lambda: fastfuse.fuse_files([sound, broken], out, overwrite=True, use=other),
        lambda: fastfuse.evaluate_files(broken, sound, use=other),
        lambda: fastfuse.fuse_files([sound], out, overwrite=True, grid=broken, use=other),
    ):
        with pytest.raises(fastfuse.ImageError, match=rf"broken\.nii: .*, or take its {use} by use='{use}'"):
            job()


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("fault", NO_SFORM)
def test_the_form_to_take_is_named(tmp_path: Path, fault: str) -> None:
    """Where the caller may choose it, and where there is a sound one."""
    sound = save(tmp_path / "sound.nii", MASK, AFFINE)
    broken = patched(tmp_path / "broken.nii", *BOTH, *NO_SFORM[fault])
    words = f"fuse {sound.name} {broken.name} -o c.nii --method majority"
    refused = run_here(tmp_path, *words.split())
    assert refused.returncode == 2
    assert refused.stderr.rstrip().endswith("mend the header, or take its qform by --use qform")
    assert run_here(tmp_path, *words.split(), "--use", "qform").returncode == 0
    with pytest.raises(fastfuse.ImageError, match=r"mend the header$"):
        reading.read(broken)
    both = patched(tmp_path / "both.nii", *BOTH, *NO_SFORM[fault], *NO_QFORM["nan"])
    for use in (None, "qform", "sform"):
        with pytest.raises(fastfuse.ImageError, match=r"mend the header$"):
            fastfuse.fuse_files([sound, both], tmp_path / "d.nii", use=use)  # type: ignore[arg-type]


def test_a_qform_that_is_not_used_is_said_to_be_none(tmp_path: Path) -> None:
    path = patched(tmp_path / "a.nii", *BOTH, *NO_QFORM["nan"])
    assert "its qform is no matrix of finite numbers; the sform is used" in str(reading.read(path).remark)


@pytest.mark.parametrize(("datatype", "told"), [(4, "int16"), (16, "float32"), (64, "float64")])
def test_datatype_that_contradicts_a_bitpix_that_fits(tmp_path: Path, datatype: int, told: str) -> None:
    path = save(tmp_path / "a.nii", MASK.astype(np.uint8), AFFINE)
    content = bytearray(path.read_bytes())
    struct.pack_into("<h", content, 70, datatype)
    path.write_bytes(content)
    with pytest.raises(fastfuse.ImageError, match=rf"its datatype \({told}\) contradicts its bitpix \(8\)"):
        reading.read(path)
    path.write_bytes(content[:-1])
    with pytest.raises(fastfuse.ImageError, match="the file is truncated"):
        reading.read(path)


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_truncated_voxels_of_a_pair(tmp_path: Path, cut: int) -> None:
    nib.save(nib.Nifti1Pair(MASK, AFFINE), tmp_path / "a.hdr")
    voxels = tmp_path / "a.img"
    voxels.write_bytes(voxels.read_bytes()[:-cut])
    with pytest.raises(fastfuse.ImageError, match=rf"its voxels are {240 - cut} bytes, 240 expected"):
        reading.read(tmp_path / "a.hdr")


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "BMP"])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_other_pictures_by_the_name_of_png(tmp_path: Path, kind: str, ending: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    path = tmp_path / f"a{ending}"
    pillow.fromarray(np.zeros((8, 9), np.uint8)).save(path, kind)
    with pytest.raises(
        fastfuse.ImageError, match=f"its content looks like {kind}, and is neither PNG nor TIFF"
    ):
        reading.read(path)


@pytest.mark.parametrize("value", [0.1, 0.25])
def test_a_region_that_leaves_nothing_out(tmp_path: Path, value: float) -> None:
    paths = [save(tmp_path / f"{k}.nii", np.roll(MASK, k, 0), AFFINE) for k in range(2)]
    region = save(tmp_path / "region.nii", np.full(MASK.shape, value, np.float32), AFFINE)
    with pytest.warns(
        fastfuse.FusionWarning, match=r"region\.nii: all its values are 0\.\d+, which is taken as 1"
    ):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", mask=region, method="majority")
