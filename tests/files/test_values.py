"""Files with other values than votes: several labels, everything above 0, thresholds, scales, rounding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import FusionWarning

from ..command import run_here
from .common import AFFINE, SHAPE, save

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
NOISE = np.random.default_rng(5).uniform(0, 0.4, (4, *SHAPE))


def written(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


def facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "c.json").read_text())


@pytest.fixture
def labels(tmp_path: Path, masks: np.ndarray) -> list[Path]:
    kinds = np.random.default_rng(1).choice([1, 2, 4], masks.shape)
    maps = np.where(masks == 1, kinds, np.where(NOISE > 0.35, 3, 0)).astype(np.uint8)
    return [save(tmp_path / f"l{i}.nii.gz", one) for i, one in enumerate(maps)]


@pytest.mark.parametrize("method", ["staple", "soft-staple", "majority"])
def test_union_of_labels(tmp_path: Path, labels: list[Path], masks: np.ndarray, method: str) -> None:
    fused = fastfuse.fuse_files(
        labels,
        tmp_path / "c.nii.gz",
        method=method,
        select_label=[1, 2, 4],
        save_counts=tmp_path / "n.nii.gz",
    )
    np.testing.assert_array_equal(fused.probability, fastfuse.fuse(masks, method).probability)
    np.testing.assert_array_equal(written(tmp_path / "n.nii.gz"), masks.sum(axis=0))
    assert facts(tmp_path)["options"]["select_label"] == [1, 2, 4]


@pytest.mark.parametrize(
    "words", [["1,2,4"], ["1", "2", "4"], ["4", "1,2"], ["1,2", "2,4"]], ids=lambda words: " ".join(words)
)
def test_union_in_the_shell(tmp_path: Path, labels: list[Path], masks: np.ndarray, words: list[str]) -> None:
    given = [part for word in words for part in ("--select-label", word)]
    done = run_here(tmp_path, "fuse", *[path.name for path in labels], "-o", "c.nii.gz", *given)
    assert done.returncode == 0
    np.testing.assert_array_equal(written(tmp_path / "c.nii.gz"), fastfuse.soft_staple(masks).probability)


@pytest.mark.parametrize("typed", ["1,,2", "one", "1.5", "", "1;2"])
def test_labels_that_are_none(tmp_path: Path, labels: list[Path], typed: str) -> None:
    done = run_here(tmp_path, "fuse", labels[0].name, "-o", "c.nii.gz", "--select-label", typed)
    assert done.returncode == 2
    assert f"--select-label is '{typed}': it must be an integer, or several" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("method", ["staple", "soft-staple", "majority"])
@pytest.mark.parametrize("chosen", [3, [3, 5]])
def test_a_rater_without_the_label(tmp_path: Path, masks: np.ndarray, method: Any, chosen: Any) -> None:
    """Which labels do occur is said of the rater, whatever the method."""
    files = [save(tmp_path / "a.nii", masks[0] * 3), save(tmp_path / "b.nii", masks[1] * 4)]
    fastfuse.fuse_files(files, tmp_path / "c.nii", method=method, select_label=chosen)
    named = "label 3 does" if chosen == 3 else "labels 3, 5 do"
    said = facts(tmp_path)["warnings"]
    assert f"b.nii: {named} not occur (values that occur: 0, 4)" in said
    assert not any(remark.startswith("a.nii") for remark in said)


def test_labels_that_do_not_occur(tmp_path: Path, labels: list[Path]) -> None:
    with pytest.warns(FusionWarning, match=r"label 9 does not occur \(values that occur: 0, 1, 2, 3, 4\)"):
        fastfuse.fuse_files(labels, tmp_path / "c.nii.gz", select_label=[2, 9])
    with pytest.warns(FusionWarning, match=r"labels 8, 9 do not occur \(values that occur: 0, 1, 2, 3, 4\)"):
        fastfuse.fuse_files(labels, tmp_path / "d.nii.gz", select_label=[8, 9])


@pytest.mark.parametrize("codes", [(255, 255, 255, 255), (1, 255, 2, 7)])
@pytest.mark.parametrize("more", [[], ["--method", "staple"], ["--prior", "smooth:4"]])
def test_binarize(tmp_path: Path, masks: np.ndarray, codes: tuple[int, ...], more: list[str]) -> None:
    coded = [save(tmp_path / f"m{i}.nii.gz", masks[i] * np.uint8(code)) for i, code in enumerate(codes)]
    plain = [save(tmp_path / f"p{i}.nii.gz", mask) for i, mask in enumerate(masks)]
    names = [[path.name for path in paths] for paths in (coded, plain)]
    refused = run_here(tmp_path, "fuse", *names[0], "-o", "c.nii.gz", *more)
    assert refused.returncode == 2
    assert "--binarize counts whatever is above 0" in refused.stderr.replace("\n", " ") or more[:1] == [
        "--prior"
    ]
    assert run_here(tmp_path, "fuse", *names[0], "-o", "c.nii.gz", "--binarize", *more).returncode == 0
    assert run_here(tmp_path, "fuse", *names[1], "-o", "d.nii.gz", *more).returncode == 0
    np.testing.assert_array_equal(written(tmp_path / "c.nii.gz"), written(tmp_path / "d.nii.gz"))
    assert facts(tmp_path)["options"]["binarize"] is True


@pytest.mark.parametrize("option", [{"binarize": True}, {"select_label": [2, 255]}, {"threshold": 100}])
def test_masks_that_grow(tmp_path: Path, masks: np.ndarray, option: dict[str, Any]) -> None:
    image = save(tmp_path / "flair.nii.gz", np.random.default_rng(2).random(SHAPE).astype(np.float32))
    coded = [save(tmp_path / f"m{i}.nii.gz", mask * np.uint8(255)) for i, mask in enumerate(masks)]
    plain = [save(tmp_path / f"p{i}.nii.gz", mask) for i, mask in enumerate(masks)]
    for more in ({"soften": True}, {"method": "dilated-staple"}):
        kind: dict[str, Any] = {**more, "image": image, "overwrite": True}
        found = fastfuse.fuse_files(coded, tmp_path / "c.nii.gz", **kind, **option)
        expected = fastfuse.fuse_files(plain, tmp_path / "d.nii.gz", **kind)
        np.testing.assert_array_equal(found.probability, expected.probability)
    name = {"threshold": "mask_threshold"}.get(next(iter(option)), next(iter(option)))
    softened = fastfuse.soften_files(
        coded, image, out_dir=tmp_path / "soft", **{name: next(iter(option.values()))}
    )
    for soft, expected in zip(
        softened, fastfuse.soften_files(plain, image, out_dir=tmp_path / "s"), strict=True
    ):
        np.testing.assert_array_equal(soft.values, expected.values)


@pytest.mark.parametrize(
    "words", [["--binarize"], ["--select-label", "2,255"], ["--threshold", "100"]], ids=lambda words: words[0]
)
def test_soften_in_the_shell(tmp_path: Path, masks: np.ndarray, words: list[str]) -> None:
    save(tmp_path / "flair.nii.gz", np.random.default_rng(2).random(SHAPE).astype(np.float32))
    save(tmp_path / "m.nii.gz", masks[0] * np.uint8(255))
    save(tmp_path / "p.nii.gz", masks[0])
    common = ["--image", "flair.nii.gz", "-o"]
    assert run_here(tmp_path, "soften", "m.nii.gz", *common, "c.nii.gz", *words).returncode == 0
    assert run_here(tmp_path, "soften", "p.nii.gz", *common, "d.nii.gz").returncode == 0
    np.testing.assert_array_equal(written(tmp_path / "c.nii.gz"), written(tmp_path / "d.nii.gz"))


@pytest.mark.parametrize("method", ["staple", "soft-staple", "dilated-staple"])
def test_threshold(tmp_path: Path, masks: np.ndarray, method: str) -> None:
    soft = np.where(masks == 1, 1 - NOISE, NOISE).astype(np.float32)
    paths = [save(tmp_path / f"v{i}.nii.gz", one) for i, one in enumerate(soft)]
    plain = [save(tmp_path / f"p{i}.nii.gz", mask) for i, mask in enumerate(masks)]
    more: dict[str, Any] = {"method": method}
    if method == "dilated-staple":
        more["image"] = save(
            tmp_path / "flair.nii.gz", np.random.default_rng(2).random(SHAPE).astype(np.float32)
        )
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", threshold=0.5, **more)
    expected = fastfuse.fuse_files(plain, tmp_path / "d.nii.gz", **more)
    np.testing.assert_array_equal(fused.probability, expected.probability)
    assert facts(tmp_path)["options"]["threshold"] == 0.5


@pytest.mark.parametrize("top", [100, 255])
@pytest.mark.parametrize("given", ["auto", "top"])
def test_scale(tmp_path: Path, masks: np.ndarray, top: int, given: str) -> None:
    soft = np.round(np.where(masks == 1, 1 - NOISE, NOISE) * top).astype(np.uint8)
    names = [save(tmp_path / f"v{i}.nii.gz", one).name for i, one in enumerate(soft)]
    refused = run_here(tmp_path, "fuse", *names, "-o", "c.nii.gz")
    assert refused.returncode == 2
    assert f"look like probabilities times {top}, which --scale {top} takes" in refused.stderr.replace(
        "\n", " "
    )
    scale = given if given == "auto" else str(top)
    done = run_here(tmp_path, "fuse", *names, "-o", "c.nii.gz", "--scale", scale)
    assert done.returncode == 0
    assert (f"scale 'auto' takes {top} for a vote of 1" in done.stderr) == (given == "auto")
    expected = fastfuse.soft_staple(np.divide(soft, top, dtype=np.float32)).probability
    np.testing.assert_allclose(written(tmp_path / "c.nii.gz"), expected, atol=1e-6)


def test_dilated_staple_takes_no_scale(tmp_path: Path, paths: list[Path]) -> None:
    with pytest.raises(ValueError, match=r"scale is 100: dilated-staple has no such option"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", method="dilated-staple", image=paths[0], scale=100)


# --- rounding ------------------------------------------------------------------------------------------------


def stored_in_bytes(path: Path, values: np.ndarray) -> Path:
    """Save as 8-bit numbers with a scale in the header, as older tools do with any image."""
    image = nib.Nifti1Image(values, AFFINE)
    image.set_data_dtype(np.uint8)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("highest", [7, 12, 100, 200])
@pytest.mark.parametrize("label", [1, 3])
def test_labels_stored_in_bytes(tmp_path: Path, masks: np.ndarray, highest: int, label: int) -> None:
    paths = []
    for i, mask in enumerate(masks):
        values = np.where(mask == 1, label, 0.0)
        values[0, :2, 0], values[0, 3, 0] = highest, 5
        paths.append(stored_in_bytes(tmp_path / f"l{i}.nii.gz", values))
    assert np.abs(written(paths[0]) - np.rint(written(paths[0]))).max() > 1e-4
    with pytest.warns(
        FusionWarning, match=r"l0\.nii\.gz, .*l1.*: the header stores labels in steps of .* were rounded"
    ):
        fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", method="majority", select_label=label)
    expected = [np.rint(written(path)) == label for path in paths]
    np.testing.assert_array_equal(fused.probability, fastfuse.majority_vote(expected).probability)


def test_votes_stored_in_bytes_stay_soft(tmp_path: Path, masks: np.ndarray) -> None:
    soft = np.where(masks == 1, 1 - NOISE, NOISE)
    paths = [stored_in_bytes(tmp_path / f"v{i}.nii.gz", one) for i, one in enumerate(soft)]
    fused = fastfuse.fuse_files(paths, tmp_path / "c.nii", method="majority")
    np.testing.assert_allclose(fused.probability, soft.mean(axis=0), atol=0.01)


def test_steps_too_wide_for_labels(tmp_path: Path, masks: np.ndarray) -> None:
    """Labels up to 700 in 8 bits: 3 is stored as 2.7, and 2 would be too."""
    values = 3.0 * masks[0]
    values[0, 0, 0] = 700
    path = stored_in_bytes(tmp_path / "l.nii.gz", values)
    with pytest.raises(ValueError, match="labels get lost by that"):
        fastfuse.fuse_files([path], tmp_path / "c.nii", select_label=3)


def test_votes_just_above_one(tmp_path: Path, masks: np.ndarray) -> None:
    near = masks.astype(np.float32) * np.float32(1.0000001)
    names = [save(tmp_path / f"v{i}.nii.gz", one).name for i, one in enumerate(near)]
    for more in ([], ["--method", "staple"]):
        done = run_here(tmp_path, "fuse", *names, "-o", "c.nii.gz", "--overwrite", *more)
        assert done.returncode == 0
        assert "rounding left just beside 0 or 1" in done.stderr.replace("\n", " ")
        expected = fastfuse.staple(masks) if more else fastfuse.soft_staple(masks)
        np.testing.assert_array_equal(written(tmp_path / "c.nii.gz"), expected.probability)
        assert any("rounding" in text for text in facts(tmp_path)["warnings"])


@pytest.mark.parametrize("method", ["majority", "soft-staple", "simplified-soft-staple"])
@pytest.mark.parametrize(
    ("times", "scale", "remedy"),
    [
        (1, 255, "leave it out"),
        (1, 100, "leave it out"),
        (1, 1000, "leave it out"),
        (100, 255, "give scale=100 "),
        (255, 1000, "give scale=255 "),
        (300, 1000, "give the value that stands for a vote of 1"),
    ],
)
def test_wrong_scale(
    tmp_path: Path, masks: np.ndarray, method: Any, times: int, scale: float, remedy: str
) -> None:
    """An empty consensus, or raters no better than chance, is laid to the scale, and never to the cut or the fit."""
    values = (masks * 0.8 + 0.2 * (NOISE > 0.3)).clip(0, 1).astype(np.float32) * np.float32(times)
    files = [save(tmp_path / f"r{i}.nii", one) for i, one in enumerate(values)]
    for fuse in (
        lambda: fastfuse.fuse(values, method, scale=scale),
        lambda: fastfuse.fuse_files(files, tmp_path / "c.nii", method=method, scale=scale, overwrite=True),
    ):
        with pytest.warns(FusionWarning) as caught:
            fuse()
        told = [one for one in caught[0].message.remarks if "the consensus" in one]  # type: ignore[union-attr]
        assert len(told) == 1, told
        assert f"scale={scale} (--scale {scale}) makes votes of at most" in told[0]
        assert told[0].rpartition("; ")[2].startswith(remedy)
        assert "another cut" not in told[0]
        assert "m_step" not in told[0]


def test_votes_that_are_low_of_themselves(masks: np.ndarray) -> None:
    """Where no scale is given, and where votes reach the cut, nothing is said of a scale."""
    with pytest.warns(FusionWarning, match="empty at the cut 0.5.*choose another cut"):
        fastfuse.fuse(masks * 0.3, "majority")
    high = np.zeros((3, *SHAPE))
    high[0, 2:5] = 200  # of one rater, so that the mean is low
    with pytest.warns(FusionWarning, match="empty at the cut 0.5.*choose another cut"):
        fastfuse.fuse(high, "majority", scale=255)
