"""Files that are no raters', that repeat each other, or stand in each other's place: told in a line each."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..command import run_here
from .common import SHAPE, save


@pytest.fixture
def flair(tmp_path: Path, masks: np.ndarray) -> Path:
    bright = 100 + 300 * masks.mean(axis=0) + np.random.default_rng(1).normal(0, 10, SHAPE)
    return save(tmp_path / "flair.nii", bright.astype(np.float32))


def remarks_of(*words: object, folder: Path) -> list[str]:
    """Run the command; return its warnings."""
    done = run_here(folder, *map(str, words))
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("warning: ") for line in done.stderr.splitlines()]


def test_plain_files_raise_no_doubt(tmp_path: Path, paths: list[Path], flair: Path) -> None:
    assert remarks_of("fuse", *paths, "-o", "c.nii", folder=tmp_path) == []


@pytest.mark.parametrize("kind", ["uint8", "float32", "bool-like int16", "gz"])
def test_equal_content(tmp_path: Path, paths: list[Path], masks: np.ndarray, kind: str) -> None:
    """Of another type, or compressed otherwise, too."""
    data = masks[1].astype({"float32": np.float32, "bool-like int16": np.int16}.get(kind, np.uint8))
    copy = save(tmp_path / f"copy.nii{'.gz' if kind == 'gz' else ''}", data)
    said = remarks_of("fuse", *paths, copy, "-o", "c.nii", folder=tmp_path)
    assert [one for one in said if "does not fit" not in one] == [
        f"rater2.nii.gz and {copy.name} hold the same votes: they count as 2 raters; leave copies out"
    ]


def test_three_copies_are_one_line(tmp_path: Path, paths: list[Path]) -> None:
    for name in ("a", "b"):
        shutil.copy(paths[0], tmp_path / f"{name}.nii.gz")
    said = remarks_of("fuse", *paths, "a.nii.gz", "b.nii.gz", "-o", "c.nii", folder=tmp_path)
    assert len([one for one in said if "does not fit" not in one]) == 1
    assert said[0].startswith(
        "rater1.nii.gz, a.nii.gz and b.nii.gz hold the same votes: they count as 3 raters"
    )


def test_empty_masks_are_no_copies(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    empty = [save(tmp_path / f"none{i}.nii", 0 * masks[0]) for i in range(2)]
    said = remarks_of("fuse", *paths, *empty, "-o", "c.nii", folder=tmp_path)
    assert said == [
        "none0.nii and none1.nii mark nothing: leave them out if they did not read, keep them if they did"
    ]


@pytest.mark.parametrize("method", ["staple", "soft-staple", "majority"])
@pytest.mark.parametrize("which", ["c.nii.gz", "l.nii.gz", "n.nii.gz"])
def test_own_outputs(tmp_path: Path, paths: list[Path], method: str, which: str) -> None:
    fastfuse.fuse_files(
        paths, tmp_path / "c.nii.gz", method=method, save_label=tmp_path / "l.nii.gz", save_counts=tmp_path / "n.nii.gz"
    )  # fmt: skip
    label = ["--select-label", "1"] if which == "n.nii.gz" else []
    label += ["--method", "majority"] if which == "c.nii.gz" else []
    said = remarks_of("fuse", *paths, which, "-o", "d.nii", *label, folder=tmp_path)
    kind = "count of raters' marks" if which == "n.nii.gz" else "consensus"
    assert [line for line in said if line.startswith(f"{which} is a {kind} that fastfuse wrote")]


OWN_SEGMENTS = {
    "c.seg.nrrd": ["-o", "c.seg.nrrd"],
    "l.seg.nrrd": ["-o", "c.nii.gz", "--save-label", "l.seg.nrrd"],
    "m.seg.nrrd": ["-o", "m.seg.nrrd", "--labels", "all", "--method", "majority"],
    "d.dcm": ["-o", "d.dcm"],
}


@pytest.mark.parametrize("which", OWN_SEGMENTS)
@pytest.mark.parametrize("lone", [False, True], ids=["beside its sidecar", "copied"])
def test_own_segments_and_dicom(tmp_path: Path, paths: list[Path], which: str, lone: bool) -> None:
    pytest.importorskip("pydicom")
    assert run_here(tmp_path, "fuse", *map(str, paths), *OWN_SEGMENTS[which]).returncode == 0
    given = tmp_path / which
    if lone:
        (tmp_path / "elsewhere").mkdir()
        given = Path(shutil.copy(given, tmp_path / "elsewhere" / which))
    words = {"m.seg.nrrd": ["--select-label", "1"], "d.dcm": ["--select-label", "1", "--method", "majority"]}
    said = remarks_of(
        "fuse", *paths, given, "-o", "x.nii", *words.get(which, ["--select-segment", "consensus"]), folder=tmp_path
    )  # fmt: skip
    assert [line for line in said if f"{given.name} is a consensus that fastfuse wrote" in line], said


def test_a_raters_own_segment_beside_a_consensus_is_a_raters(tmp_path: Path, paths: list[Path]) -> None:
    names = [f"--names={','.join(f'r{i}' for i in range(len(paths)))}"]
    made = [
        run_here(tmp_path, "fuse", *map(str, paths), *names, "-o", f"{k}.seg.nrrd", "--method", "staple")
        for k in "ab"
    ]
    assert [one.returncode for one in made] == [0, 0]
    said = remarks_of(
        "fuse", "a.seg.nrrd", "b.seg.nrrd", "-o", "x.nii", "--select-segment", "r1", folder=tmp_path
    )
    assert not [line for line in said if "that fastfuse wrote" in line]


def test_own_output_that_is_fused_in_slabs(tmp_path: Path, paths: list[Path]) -> None:
    fastfuse.fuse_files(paths, tmp_path / "c.nii.gz", method="staple", save_label=tmp_path / "l.nii.gz")
    said = remarks_of("fuse", *paths, "l.nii.gz", "-o", "x.nii", "--max-memory", "1G", folder=tmp_path)
    assert [line for line in said if line.startswith("l.nii.gz is a consensus that fastfuse wrote")]


def test_own_output_that_lost_its_description(tmp_path: Path, paths: list[Path]) -> None:
    """The sidecar beside it tells."""
    fastfuse.fuse_files(paths, tmp_path / "c.nii", method="staple", save_label=tmp_path / "l.nii")
    image = nib.load(tmp_path / "l.nii")
    save(tmp_path / "l.nii", np.asarray(image.dataobj).copy(), image.affine)
    assert remarks_of("fuse", *paths, "l.nii", "-o", "d.nii", folder=tmp_path) == []
    save(tmp_path / "c.nii", np.asarray(nib.load(tmp_path / "c.nii").dataobj).copy(), image.affine)
    said = remarks_of("fuse", *paths, "c.nii", "-o", "d.nii", "--overwrite", folder=tmp_path)
    assert said[0].startswith("c.nii is a consensus that fastfuse wrote")


@pytest.mark.parametrize(
    "content", ["[1]", "{", '{"outputs": {"consensus": "rater1.nii.gz"}}', '{"fastfuse": 1}']
)
def test_other_files_beside_a_rater(tmp_path: Path, paths: list[Path], content: str) -> None:
    (tmp_path / "rater1.json").write_text(content)
    assert remarks_of("fuse", *paths, "-o", "c.nii", folder=tmp_path) == []


@pytest.mark.filterwarnings("ignore:rings are counted in voxels")  # of slices of 3 mm
def test_soft_masks_are_raters(tmp_path: Path, paths: list[Path], flair: Path) -> None:
    fastfuse.soften_files(paths, flair, out_dir=tmp_path / "soft", threshold="exact")
    soft = sorted((tmp_path / "soft").glob("*.nii.gz"))
    assert remarks_of("fuse", *soft, "-o", "c.nii", folder=tmp_path) == []


@pytest.mark.parametrize("command", ["fuse", "dilated", "soften"])
@pytest.mark.parametrize("values", [(0, 1), (0, 255), (-3, 7)])
def test_an_image_of_two_values(
    tmp_path: Path, paths: list[Path], masks: np.ndarray, command: str, values: tuple[int, int]
) -> None:
    save(tmp_path / "mask.nii", np.where(masks[0], values[1], values[0]).astype(np.int16))
    words = {
        "fuse": ["fuse", *paths, "--soften", "-o", "c.nii"],
        "dilated": ["fuse", *paths, "--method", "dilated-staple", "-o", "c.nii"],
        "soften": ["soften", *paths, "--out-dir", "out"],
    }[command]
    said = remarks_of(*words, "--image", "mask.nii", folder=tmp_path)
    found = [line for line in said if f"holds {values[0]} and {values[1]} only, as a mask does" in line]
    assert len(found) == 1
    assert "mask.nii" in found[0]


def test_growth_far_beyond_the_size(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    """A flat bright image makes every candidate part of the ring; the remedy keeps to the size."""
    few = np.zeros(SHAPE, np.uint8)
    few[4:7, 4:7, 4:7] = 1
    small = save(tmp_path / "small.nii", few)
    image = np.random.default_rng(0).normal(0, 1, SHAPE)
    image[2:9, 2:9, 2:9] = 50
    save(tmp_path / "bright.nii", image.astype(np.float32))
    said = remarks_of("soften", small, "--image", "bright.nii", "-o", "s.nii", folder=tmp_path)
    size = json.loads((tmp_path / "s.json").read_text())["size"]
    assert size > 1.5 * 1.2
    assert len(said) == 2
    assert said[1].startswith("rings are counted in voxels, of 1 x 1.2 x 3 mm")
    assert said[0].startswith(f"grown far beyond the size asked, × 1.2: small.nii × {size:.2f}; see that")
    assert said[0].endswith("--ring-threshold exact keeps to the size")
    assert json.loads((tmp_path / "s.json").read_text())["warnings"]
    exact = ["--image", "bright.nii", "-o", "e.nii", "--ring-threshold", "exact"]
    assert remarks_of("soften", small, *exact, folder=tmp_path) == said[1:]
    assert json.loads((tmp_path / "e.json").read_text())["size"] < 1.25


def test_remarks_one_by_one_in_python(tmp_path: Path, paths: list[Path]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fastfuse.fuse_files([*paths, paths[0]], tmp_path / "c.nii", max_iter=1)
    (warning,) = caught
    assert len(warning.message.remarks) == 2
    assert str(warning.message) == "; ".join(warning.message.remarks)


def test_raters_are_called_by_their_files(tmp_path: Path, paths: list[Path], masks: np.ndarray) -> None:
    """Never by a number, in whatever is said of them."""
    bad = {
        "nine": 9 * masks[0], "nan": np.where(masks[0], np.nan, 0).astype(np.float32),
        "above": 1.5 * masks[0].astype(np.float32),
    }  # fmt: skip
    for name, data in bad.items():
        path = save(tmp_path / f"{name}.nii", data)
        for names in ([], ["--names", "A,B,C,D,E"]):
            done = run_here(tmp_path, "fuse", *map(str, paths), str(path), "-o", "c.nii", *names)
            assert done.returncode == 2
            assert f"{name}.nii" in done.stderr
            assert ("E (" in done.stderr) == bool(names)
            assert "rater 4" not in done.stderr
    full = save(tmp_path / "full.nii", 0 * masks[0] + 1)
    assert remarks_of("fuse", *paths, full, "-o", "c.nii", folder=tmp_path) == ["full.nii marks everything"]


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("cut", [0.7, 0.5, 1.0, 1 / 3])
@pytest.mark.parametrize("soften", [False, True])
def test_empty_by_ties(tmp_path: Path, masks: np.ndarray, cut: float, soften: bool) -> None:
    """Where the highest probability is the cut, the option is named that makes it background."""
    if soften and cut != 1:
        pytest.skip("masks that grow are 0 and 1 where they were drawn")
    path = save(tmp_path / "a.nii", (masks[0] * np.float32(1 if soften else cut)).astype(np.float32))
    more: dict[str, Any] = {}
    if soften:
        flair = save(tmp_path / "f.nii", np.random.default_rng(0).normal(size=masks[0].shape))
        more = {"image": flair, "soften": True}
    for ties, words in (("background", ["ties='background'"]), ("foreground", [])):
        fastfuse.fuse_files(
            [path, path], tmp_path / "c.nii", method="majority", cut=cut, ties=ties, overwrite=True, **more
        )
        said = " ".join(json.loads((tmp_path / "c.json").read_text())["warnings"])
        assert ("the consensus is empty at the cut" in said) == bool(words)
        assert all(word in said for word in words)
    fastfuse.fuse_files(
        [path, path], tmp_path / "c.nii", method="majority", cut=min(1, cut * 1.01), ties="background", overwrite=True
    )  # fmt: skip
    said = " ".join(json.loads((tmp_path / "c.json").read_text())["warnings"])
    assert ("ties=" in said) == (cut == 1)


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_map_of_lesions_is_no_rater(tmp_path: Path, masks: np.ndarray) -> None:
    block = np.zeros(masks[0].shape, np.uint8)
    block[2:6, 2:6, 2:6] = 1
    truth = save(tmp_path / "t.nii", block)
    other = save(tmp_path / "p.nii", block | np.roll(block, 7, 0))
    for prediction, only_found in ((truth, True), (other, False)):
        lesions = tmp_path / "l.nii"
        fastfuse.evaluate_files(prediction, truth, save_lesions=lesions, overwrite=True)
        if only_found:
            fastfuse.fuse_files([truth, lesions], tmp_path / "c.nii")
            said = " ".join(json.loads((tmp_path / "c.json").read_text())["warnings"])
            assert "l.nii is a map of found, missed and false lesions that fastfuse wrote" in said
        else:
            with pytest.raises(
                fastfuse.ImageError,
                match=r"l\.nii: it is a map of found, .* that fastfuse wrote, not a rater's",
            ):
                fastfuse.fuse_files([truth, lesions], tmp_path / "d.nii")


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_counts_are_no_rater(tmp_path: Path, paths: list[Path]) -> None:
    fastfuse.fuse_files(paths, tmp_path / "c.nii", save_counts=tmp_path / "n.nii")
    with pytest.raises(
        fastfuse.ImageError, match=r"n\.nii: it is a count of raters' marks that fastfuse wrote"
    ):
        fastfuse.fuse_files([*paths, tmp_path / "n.nii"], tmp_path / "d.nii")


def test_a_text_is_no_list(tmp_path: Path, paths: list[Path]) -> None:
    """Its letters are neither names nor files."""
    ones = [np.array([[0, 1], [1, 1]])] * 2
    for call in (
        lambda: fastfuse.tabulate(ones, names="ab"),
        lambda: fastfuse.VoteTable([[0, 1]], [3], names="ab"),
        lambda: fastfuse.fuse_files(paths[:2], tmp_path / "c.nii", names="ab"),
    ):
        with pytest.raises(TypeError, match="names is 'ab', one text: give a list of names"):
            call()
    with pytest.raises(TypeError, match=r"present is 'a\.nii': give a list of paths"):
        fastfuse.fuse_files(paths, tmp_path / "c.nii", present="a.nii")
