"""Pictures whose edges are smoothed: what makes votes of their shades is offered, and does."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse.cli.flags import with_typed_values
from fastfuse.errors import in_the_shell
from fastfuse.inputs.names import bytes_behind, counted, plural

CORNER = np.add.outer(np.arange(8), np.arange(8))
SHADES = [np.clip(CORNER - shift, 0, 4) / 4 for shift in (5, 6, 7)]


def votes(top: int, kind: type) -> list[np.ndarray]:
    return [np.rint(one * top).astype(kind)[..., None] for one in SHADES]


@pytest.mark.parametrize(
    ("top", "kind"), [(100, np.uint8), (255, np.uint8), (255, np.float32), (65535, np.uint16)]
)
def test_a_scale_and_a_threshold(top: int, kind: type) -> None:
    raters = votes(top, kind)
    with pytest.raises(ValueError, match=rf"scale={top} makes votes, and votes >= {top / 2:g}"):
        fastfuse.majority_vote(raters)
    with pytest.raises(ValueError, match=rf"smoothed edges, votes >= {top / 2:g} makes"):
        fastfuse.staple(raters)
    truth = np.mean([np.rint(one * top) / top for one in SHADES], axis=0)[..., None]
    np.testing.assert_allclose(fastfuse.majority_vote(raters, scale=top).probability, truth, atol=1e-6)
    cut = fastfuse.majority_vote([one >= top / 2 for one in raters])
    np.testing.assert_allclose(cut.probability, np.mean([one >= 0.5 for one in SHADES], axis=0)[..., None])


@pytest.mark.parametrize("labels", [[0, 3, 255], [0, 1, 4]])
def test_label_maps_are_offered_labels(labels: list[int]) -> None:
    raters = [np.array(labels, np.uint8)[np.rint(one * 2).astype(int)][..., None] for one in SHADES]
    with pytest.raises(
        ValueError, match=r"of a label map, select_label=K .* and staple\(maps, labels='all'\)"
    ) as said:
        fastfuse.majority_vote(raters)
    assert ("scale=255" in str(said.value)) == (255 in labels)
    assert "--" not in str(said.value)
    with in_the_shell(), pytest.raises(ValueError, match="of a label map") as said:
        fastfuse.majority_vote(raters)
    typed = with_typed_values(str(said.value))
    assert "--select-label K fuses one label, and --labels all each of them" in typed
    assert not re.search(r"\([^()]*--labels", typed)


def test_pictures(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    paths = []
    for i, one in enumerate(votes(255, np.uint8)):
        paths.append(tmp_path / f"{i}.png")
        pillow.fromarray(one[..., 0].T.copy()).save(paths[-1])
    out = tmp_path / "out.nii"
    with pytest.raises(ValueError, match=r"scale=255 .*127\.5"):
        fastfuse.fuse_files(paths, out, method="majority")
    with pytest.warns(fastfuse.FusionWarning, match="no voxel size"):
        fastfuse.fuse_files(paths, out, method="majority", threshold=127.5)
    np.testing.assert_allclose(
        np.asarray(nib.load(out).dataobj)[..., 0], np.mean([one >= 0.5 for one in SHADES], axis=0), atol=1e-6
    )


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (bytes_behind(1), "1 byte follows the last voxel"),
        (bytes_behind(2), "2 bytes follow the last voxel"),
        (counted(1, "axis"), "1 axis"),
        (plural("axis"), "axes"),
        (plural("probability"), "probabilities"),
        (counted(1, "class"), "1 class"),
        (counted(0, "network"), "0 networks"),
        (counted(1.0, "voxel", ".0f"), "1 voxel"),
    ],
)
def test_one_and_many(said: str, right: str) -> None:
    assert said == right


@pytest.mark.parametrize("threshold", [0, -1, 0.05])
def test_a_threshold_below_all_values(threshold: float) -> None:
    maps = [np.random.default_rng(k).uniform(0.1, 0.9, (6, 6, 6)) for k in range(3)]
    with pytest.warns(
        fastfuse.FusionWarning, match=r"rater 0: no value lies below the threshold .*marks every voxel"
    ):
        fastfuse.majority_vote(maps, threshold=threshold)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        fastfuse.majority_vote(maps, threshold=0.5)
    assert not any("every voxel" in str(one.message) for one in given)
