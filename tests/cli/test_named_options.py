"""Refusals name the option that was given; options without an effect are refused, or told."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from ..command import run_here
from ..images.segmentations import seg_nrrd
from .common import AFFINE, MASKS, load, save


@pytest.fixture
def folder(case: Path, tmp_path: Path) -> Path:
    """The case, with label maps, a network's classes, and an image of whole numbers."""
    shutil.copytree(case, tmp_path / "case")
    here = tmp_path / "case"
    rng = np.random.default_rng(3)
    for i, name in enumerate(MASKS[:3]):
        mask = load(here / name)
        labels = mask.copy()
        labels[11:][mask[11:] > 0] = 2
        save(here / f"map_{i}.nii.gz", labels)
        logits = 4.0 * (labels == np.arange(3)[:, None, None, None]) + rng.normal(0, 0.2, (3, *labels.shape))
        classes = np.exp(logits) / np.exp(logits).sum(axis=0)
        channels = np.moveaxis(classes, 0, -1).astype(np.float32)
        nib.save(nib.Nifti1Image(channels, AFFINE), here / f"classes_{i}.nii.gz")
        nib.save(nib.Nifti1Image(np.log(channels), AFFINE), here / f"logs_{i}.nii.gz")
        nib.save(nib.Nifti1Image(np.exp(np.log(channels)), AFFINE), here / f"exp_{i}.nii.gz")
    return here


def said(folder: Path, *words: str, code: int = 2) -> str:
    """Run the command and return what it says, on one line."""
    done = run_here(folder, *words, columns=2000)
    assert done.returncode == code, done.stderr
    return done.stderr


MAPS = [f"map_{i}.nii.gz" for i in range(3)]
OUT = ["-o", "o.nii.gz", "--overwrite", "--quiet"]


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["--save-probability", "7=x.nii.gz"], "--save-probability names label 7: the labels are 0, 1, 2"),
        (["--save-probability", "1,7=x.nii.gz"], "--save-probability names label 7: the labels are 0, 1, 2"),
        (["--save-probability", "liver=x.nii.gz"], "--save-probability names 'liver'"),
        (["--prior", "0=0.5,7=0.5"], "--prior names label 7: the labels are 0, 1, 2"),
        (["--knows", "map_1.nii.gz=0,1,7"], "--knows map_1.nii.gz=... names label 7"),
        (["--knows", "nobody=0,1"], "--knows names 'nobody'"),
    ],
)
def test_a_label_is_told_with_its_option(folder: Path, words: list[str], begins: str) -> None:
    text = said(folder, "fuse", *MAPS, "--labels", "all", *words, *OUT)
    assert text.startswith(f"error: {begins}")
    assert "ring" not in text


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["--ring-label", "2"], "--ring-label is 2.0: it must be"),
        (["--ring-size", "0.5"], "--ring-size is 0.5: it must be"),
        (["--ring-iterations", "0"], "--ring-iterations is 0: it must be"),
        (["--ring-radius-mm", "-1"], "--ring-radius-mm is -1.0: it must be"),
        (["--ring-threshold", "bright"], "--ring-threshold is 'bright': it must be"),
        (["--threshold", "nan"], "--threshold is nan: it must be"),
    ],
)
def test_options_of_rings_keep_their_names(folder: Path, words: list[str], begins: str) -> None:
    text = said(folder, "fuse", *MASKS, "--soften", "--image", "flair.nii.gz", *words, *OUT)
    assert text.startswith(f"error: {begins}")


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["--replicates", "50"], "--replicates is 50: it is for a bootstrap"),
        (["--seed", "3"], "--seed is 3: it is for a bootstrap"),
        (["--seed", "3", "--method", "majority"], "--seed is 3: majority has no such option; leave it out"),
    ],
)
def test_options_without_use_are_refused(folder: Path, words: list[str], begins: str) -> None:
    assert said(folder, "fuse", *MASKS, *words, *OUT).startswith(f"error: {begins}")


def test_of_label_maps_too(folder: Path) -> None:
    text = said(folder, "fuse", *MAPS, "--labels", "all", "--seed", "3", *OUT)
    assert text.startswith("error: --seed is 3: it is for a bootstrap")


def test_the_remedy_works(folder: Path) -> None:
    words = ["--seed", "3", "--replicates", "20", "--intervals", "bootstrap"]
    said(folder, "fuse", *MASKS, *words, *OUT, code=0)


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (
            ["--ring-radius-mm", "3", "--ring-iterations", "2"],
            "--ring-iterations is 2: --ring-radius-mm says",
        ),
        (["--ring-threshold", "400", "--ring-size", "1.5"], "--ring-size is 1.5: a threshold"),
    ],
)
def test_options_of_rings_that_exclude_each_other(folder: Path, words: list[str], begins: str) -> None:
    text = said(folder, "soften", MASKS[0], "--image", "flair.nii.gz", "-o", "s.nii.gz", *words)
    assert text.startswith(f"error: {begins}")


@pytest.mark.parametrize(
    "words",
    [
        ["fuse", *MASKS, *OUT],
        ["soften", *MASKS, "--image", "flair.nii.gz", "--out-dir", "soft", "--quiet"],
        ["evaluate", *MASKS[:2], "--quiet"],
    ],
    ids=lambda words: words[0],
)
def test_options_of_reading_without_use_are_told(folder: Path, words: list[str]) -> None:
    text = said(folder, *words, "--channel-axis", "last", "--use", "qform", code=0)
    assert text.count("has no effect") == 2
    assert "--channel-axis last has no effect, as no file has four axes" in text
    assert "--use qform has no effect, as no file has a qform" in text


def test_options_of_reading_with_a_use(folder: Path) -> None:
    words = ["classes_0.nii.gz", "classes_1.nii.gz", MAPS[2], "--select-label", "1", "--channel-axis", "last"]
    assert "no effect" not in said(folder, "fuse", *words, "--use", "sform", *OUT, code=0)


def test_a_cut_that_cuts_nothing(folder: Path) -> None:
    cut = ["--threshold", "0.5", "--truth-threshold", "0.5", "--cut", "0.3"]
    assert said(folder, "evaluate", *MASKS[:2], *cut).startswith("error: --cut is 0.3, and threshold")
    said(folder, "evaluate", *MASKS[:2], *cut[:4], "--quiet", code=0)


def test_an_image_in_the_place_of_a_region(folder: Path) -> None:
    text = said(folder, "fuse", *MASKS, "--mask", "flair.nii.gz", *OUT)
    assert "different values from" in text
    assert "it looks like an image, such as FLAIR: give a mask of the brain" in text
    assert len(text) < 400


def test_probabilities_in_the_place_of_a_region(folder: Path) -> None:
    text = said(folder, "fuse", *MASKS, "--mask", "network_0.nii.gz", *OUT)
    assert "'fastfuse fuse FILE --threshold 0.5 --method majority -o REGION.nii.gz'" in text
    cut = ["network_0.nii.gz", "--threshold", "0.5", "--method", "majority"]
    said(folder, "fuse", *cut, "-o", "region.nii.gz", "--quiet", code=0)
    said(folder, "fuse", *MASKS, "--mask", "region.nii.gz", *OUT, code=0)


def test_logarithms_of_probabilities(folder: Path) -> None:
    def fused(what: str, code: int) -> str:
        files = [f"{what}_{i}.nii.gz" for i in range(3)]
        return said(folder, "fuse", *files, "--select-label", "1", *OUT, code=code)

    assert "exp of them sums to 1 along an axis, as of logarithms of probabilities" in fused("logs", 2)
    fused("exp", 0)


def test_a_scale_of_labels_is_doubted(folder: Path) -> None:
    text = said(folder, "fuse", *MAPS, "--scale", "2", "--method", "majority", *OUT, code=0)
    assert "if it is a label map, label 1 becomes a vote of 0.5 at scale 2: --select-label K fuses" in text
    said(folder, "fuse", *MAPS, "--select-label", "1", "--method", "majority", *OUT, code=0)


def test_methods_are_named_as_they_are_typed(folder: Path) -> None:
    text = said(folder, "fuse", "network_0.nii.gz", "network_1.nii.gz", "--method", "staple", *OUT)
    assert "soft votes are for soft-staple and simplified-soft-staple" in text
    for method in ("soft-staple", "simplified-soft-staple"):
        said(folder, "fuse", "network_0.nii.gz", "network_1.nii.gz", "--method", method, *OUT, code=0)


def test_label_maps_are_sent_to_labels_as_typed(folder: Path) -> None:
    text = said(folder, "fuse", *MAPS, "--method", "staple", *OUT)
    assert "--select-label K fuses one label, and --labels all each of them" in text
    said(folder, "fuse", *MAPS, "--labels", "all", *OUT, code=0)


@pytest.mark.parametrize("command", ["agreement", "compare"])
def test_options_that_a_command_lacks_are_no_remedy(folder: Path, command: str) -> None:
    text = said(folder, command, *MAPS)
    assert "--select-label K fuses one label" in text
    assert "--labels" not in text


def test_masks_without_a_ring_are_told(folder: Path) -> None:
    save(folder / "empty.nii.gz", np.zeros_like(load(folder / MASKS[0])))

    def grown(*words: str) -> str:
        masks = ["soften", *MASKS[:2], "empty.nii.gz", "--image", "flair.nii.gz", "--out-dir", "soft"]
        return said(folder, *masks, "--overwrite", "--quiet", *words, code=0)

    assert "empty.nii.gz marks nothing, so that nothing grows" in grown()
    names = " and ".join(MASKS[:2])
    radius = grown("--ring-radius-mm", "0.1")
    assert (
        f"{names} get no ring: --ring-radius-mm 0.1 reaches no voxel beside it, of 1 x 1.2 x 3 mm" in radius
    )
    high = grown("--ring-threshold", "5000")
    assert f"{names} get no ring: no candidate around the mask is above --ring-threshold 5000" in high
    assert "smaller than the size asked, × 50" in grown("--ring-size", "50", "--ring-iterations", "1")


def test_one_file_with_two_segments_of_a_label(tmp_path: Path) -> None:
    """It is told as one file, and not as two files that call a label by different names."""
    layers = np.zeros((1, 8, 7, 6), np.uint8)
    layers[0, 2:5, 2:5, 2:4] = 1
    twin = seg_nrrd(tmp_path / "twin.seg.nrrd", layers, [("a", 1, 0), ("b", 1, 0)])
    plain = seg_nrrd(tmp_path / "plain.seg.nrrd", layers, [("a", 1, 0)])
    with pytest.warns(fastfuse.FusionWarning) as given:
        fastfuse.fuse_files([twin, plain], tmp_path / "o.nii", method="majority", select_label=1)
    said = str(given[0].message)
    assert (
        f"{twin}: label 1 is that of 2 segments of this file, 'a', 'b', whose voxels are taken together"
        in said
    )
    assert f"label 1 is 'a' and 'b' in {twin}, 'a' in {plain}: check that they are one structure" in said


COUPLED = "with coupled voxels"
SAID_AS_TYPED = {
    "slab by slab": (["fuse", *MASKS, "--mrf", ".2", "--max-memory", "2G"], "--max-memory is given: votes are read block by block, and --mrf needs"),
    "intervals": (["fuse", *MASKS, "--mrf", ".2", "--intervals", "information"], f"--intervals is 'information', and --mrf is set: {COUPLED}"),
    "acceleration": (["fuse", *MASKS, "--mrf", ".2", "--acceleration", "squarem"], f"--acceleration is 'squarem', and --mrf is set: {COUPLED}"),
    "classes": (["fuse", *MASKS, "--mrf", ".2", "--classes", "3", "--method", "staple"], "--mrf is 0.2, and --classes is 3: with more"),
    "labels": (["fuse", *MAPS, "--labels", "all", "--classes", "3"], "--classes is 3: label maps take no such option; leave it out, or leave --labels out"),
    "structures": (["fuse", *MAPS, "--labels", "1", "--overlap", "--save-counts", "n.nii"], "--save-counts is given, and --overlap is given: count one structure, by --select-segment NAME without --labels and --overlap"),
    "structures of none": (["fuse", *MAPS, "--overlap"], "--overlap is given: say which structures, by --labels all, --labels 1,2 or --select-segment A --select-segment B"),
    "structures and a preset": (["fuse", *MAPS, "--overlap", "--select-segment", "a", "--preset", "paper"], "--preset is 'paper', and --overlap is given: it is for one structure; leave it out, or fuse one structure by --select-segment NAME, without --labels and --overlap"),
    "an image": (["fuse", *MASKS, "--image", "flair.nii.gz", "--method", "staple"], "--image is given, but nothing grows"),
    "evidence": (["fuse", *MASKS, "--evidence", "--method", "border-staple"], "--evidence is set: it is that of an image; give --image too"),
    "several at once": (["fuse", *MASKS, "--threshold", ".5", "--scale", "100"], "--threshold and --scale are given: a threshold is in the image's own unit; leave --scale out"),
    "a preset": (["fuse", *MAPS, "--preset", "paper", "--labels", "all"], "--preset is 'paper', and --labels are given"),
    "a map": (["fuse", *MASKS, "--prior", "chance.nii.gz", "--intervals", "bootstrap"], "--intervals is 'bootstrap', and --prior is a map"),
    "no report": (["agreement", *MASKS, "--image", "flair.nii.gz"], "--image is flair.nii.gz, and there is no report"),
    "a cohort's labels": (["cohort", "fuse", ".", "--labels", "all", "--classes", "3"], "--classes is 3: label maps take no such option; leave it out, or leave --labels out"),
    "a cohort's priors": (["cohort", "fuse", ".", "--method", "majority", "--priors", "own"], "--method is 'majority': with a prior of each case there is none; give --priors shared"),
    "a shard": (["cohort", "fuse", ".", "--apply"], "--apply is set: it is for a shard; give --shard i/N too, or leave it out"),
    "a merge": (["cohort", "fuse", ".", "--merge", "--apply"], "--merge is set: it is a step by itself, after all shards; leave --shard and --apply out"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", SAID_AS_TYPED)
def test_errors_say_what_was_typed(mistake: str, folder: Path) -> None:
    """Options stand as they are typed, wherever a message names them; nothing that only Python has."""
    words, told = SAID_AS_TYPED[mistake]
    save(folder / "chance.nii.gz", np.full(load(folder / MASKS[0]).shape, 0.2, np.float32))
    where = {"fuse": OUT, "agreement": [], "cohort": ["--out", "fused"]}[words[0]]
    assert told in said(folder, *words, *where)


def test_what_a_review_cannot_take_is_said_as_typed(folder: Path) -> None:
    said(folder, "fuse", *MAPS, "--labels", "all", "-o", "labels.nii.gz", "--quiet", code=0)
    text = said(folder, "review", "labels.nii.gz", "-o", "review.csv", "--everything")
    assert "--everything is set: of label maps the places" in text
    said(folder, "fuse", *MASKS, "-o", "consensus.seg.nrrd", "--quiet", code=0)
    for name in MASKS:
        (folder / name).unlink()  # it is said before the raters' files are looked for
    for name in ("consensus.seg.nrrd", "consensus.json"):
        assert "holds no probability to review: fuse to .nii.gz" in said(
            folder, "review", name, "-o", "r.csv"
        )


def test_a_folder_of_label_maps_is_counted_again_without_python(folder: Path) -> None:
    """What reads another kind of table is a function of Python's."""
    for case in ("a", "b"):
        (folder / "data" / case).mkdir(parents=True)
        for i, name in enumerate(MAPS):
            shutil.copy(folder / name, folder / "data" / case / f"r{i}.nii.gz")
    words = ["cohort", "fuse", "data", "--out", "fused", "--glob", "{case}/{rater}.nii.gz"]
    said(folder, *words, "--labels", "all", "--quiet", code=0)
    text = said(folder, *words, "--select-label", "1", "--method", "staple", code=0)
    assert "is a label table, not a vote table" in text
    assert "load reads it" not in text


NO_LISTS = {"flair.nii.gz": "a NIfTI image", "answers.xlsx": "a spreadsheet", "answers.csv": "a ZIP archive, as a spreadsheet is",
            "latin.csv": "no text in UTF-8; save it so, in a spreadsheet as CSV UTF-8"}  # fmt: skip


@pytest.mark.parametrize("name", NO_LISTS)
def test_what_is_no_list_is_called_what_it_is(name: str, folder: Path) -> None:
    if name.startswith("answers"):
        (folder / name).write_bytes(b"PK\x03\x04" + bytes([0x80, 0xFF]) * 8)
    if name.startswith("latin"):
        (folder / name).write_bytes("case;décision".encode("latin-1"))
    told = f"{name}: cannot be read as"
    kind = f"(it is {NO_LISTS[name]}): "
    text = said(folder, "fuse", *MASKS, "--decisions", name, *OUT)
    assert f"{told} a list {kind}take the .csv of fastfuse review" in text
    assert "codec" not in text
    text = said(folder, "cohort", "fuse", ".", "--table", name, "--out", "fused")
    assert f"{told} a table {kind}give a .tsv with the columns case, rater and path" in text
