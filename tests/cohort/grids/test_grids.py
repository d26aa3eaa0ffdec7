"""Cohorts whose files differ in their headers: resampled, by the other affine, on the grid of a case's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import fastfuse
from fastfuse import fuse_files
from fastfuse.cli.flags import with_typed_values
from fastfuse.cohort.cases import CohortCase
from fastfuse.cohort.placing import for_a_cohort
from fastfuse.cohort.review.make import review_cohort
from fastfuse.cohort.settings import Settings, digest_of
from fastfuse.cohort.tasks import fuse_case
from fastfuse.errors import in_the_shell
from fastfuse.files.rerun import rerun
from fastfuse.fusion.options import Options

from ...command import run_here
from ..files import NAMES, SHAPE, contents, fused, make_cohort, mask_path, masks, without_recipe
from ..test_new_raters import counting, new_mask, tables  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
AFFINE = np.array([[1.0, 0, 0, -40], [0, 1, 0, 25], [0, 0, 2, 7], [0, 0, 0, 1]])
HALF = np.eye(4) + 0.5 * np.eye(4, k=3)  # a voxel's half along x
TABLE = "case\trater\tpath\tmask\timage"


def save(path: Path, data: Any, affine: Any = AFFINE, qform: Any = None) -> Path:
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine if qform is None else qform, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def replace(path: Path, affine: Any, qform: Any = None) -> None:
    save(path, np.asanyarray(nib.load(path).dataobj), affine, qform)


def shifted(root: Path, cases: int = 3, *, by: Any = HALF, rater: str = "Bob", labels: bool = False) -> Path:
    """Write a cohort, one rater of which shifts the grid in every case."""
    make_cohort(root, cases, labels=labels)
    for path in root.glob("*/masks/*.nii.gz"):
        replace(path, AFFINE @ by if path.name == f"{rater}.nii.gz" else AFFINE)
    return root


def listed(root: Path, raters: dict[str, tuple[str, ...]]) -> Path:
    """Write a table of cases that have a mask, and an image of the scan's larger grid, a voxel further in each direction."""
    large = tuple(size + 2 for size in SHAPE)
    region = np.zeros(SHAPE, np.uint8)
    region[1:-1] = 1
    rows = [TABLE]
    rng = np.random.default_rng(4)
    for case, names in raters.items():
        here = root / case
        if not (here / "brain.nii.gz").exists():
            whole = AFFINE.copy()
            whole[:3, 3] -= whole[:3, :3].sum(axis=1)
            save(here / "brain.nii.gz", region)
            save(here / "flair.nii.gz", rng.normal(100, 9, large).astype(np.float32), whole)
        rows += [
            "\t".join((case, name, f"{case}/masks/{name}.nii.gz", f"{case}/brain.nii.gz", f"{case}/flair.nii.gz"))
            for name in names
        ]  # fmt: skip
    (root / "cases.tsv").write_text("\n".join(rows))
    return root / "cases.tsv"


def facts_of(out: Path, case: str = "case-00") -> Any:
    return json.loads((out / "cases" / case / "consensus.json").read_text())


@pytest.mark.parametrize("labels", [None, "all"])
def test_cases_on_two_lattices_are_fused_as_files_are(tmp_path: Path, labels: Any) -> None:
    """With the same bytes as one fusion of each; and without --resample each of them fails, with the remedy."""
    root = shifted(tmp_path / "in", labels=labels is not None)
    refused = fused(root, tmp_path / "refused", labels=labels)
    assert len(refused.failed) == 3
    assert all(said.endswith("or pass resample='nearest'") for said in refused.failed.values())
    out = tmp_path / "out"
    assert fused(root, out, pool="none", resample="nearest", labels=labels).failed == {}
    paths = [mask_path(root, "case-01", name) for name in NAMES]
    alone = tmp_path / "alone" / "consensus.nii.gz"
    alone.parent.mkdir()
    fuse_files(paths, alone, method="staple", resample="nearest", names=NAMES, labels=labels)
    case = contents(out / "cases" / "case-01")
    assert case.pop("made.json")
    assert without_recipe(case) == without_recipe(contents(alone.parent))
    assert "resampled by the nearest voxel" in facts_of(out)["grid"]["placed"][0]


@pytest.mark.parametrize("labels", [None, "all"])
def test_other_affine_of_a_header(tmp_path: Path, labels: Any) -> None:
    """A registration moved the sform of one rater's files, whose qform fits."""
    root = make_cohort(tmp_path / "in", 2, labels=labels is not None)
    for path in root.glob("*/masks/*.nii.gz"):
        moved = AFFINE.copy()
        moved[0, 3] += 3.25 * (path.name == "Eve.nii.gz")
        replace(path, moved, qform=AFFINE)
    refused = fused(root, tmp_path / "refused", labels=labels)
    assert all("use='qform'" in said for said in refused.failed.values()), refused.failed
    assert len(refused.failed) == 2
    done = fused(root, tmp_path / "out", use="qform", labels=labels)
    assert done.failed == {}
    assert facts_of(tmp_path / "out")["grid"]["use"] == "qform"
    for path in root.glob("*/masks/*.nii.gz"):
        replace(path, AFFINE)
    plain = fused(root, tmp_path / "plain", labels=labels)
    np.testing.assert_array_equal(done.estimate.sensitivity, plain.estimate.sensitivity)


@pytest.mark.parametrize(
    ("grid", "named", "region"),
    [
        ("image", "flair.nii.gz", "none"),
        ("mask", "brain.nii.gz", "none"),
        ("rater:Eve", "masks/Eve.nii.gz", "auto"),
    ],
)
def test_grid_is_that_of_a_file_of_the_case(tmp_path: Path, grid: str, named: str, region: Any) -> None:
    """The first rater's grid is another's: without a choice it decides. Shape and affine are the file's, read for it alone."""
    root = shifted(tmp_path / "in", 2, rater="Ann")
    table = listed(root, dict.fromkeys(("case-00", "case-01"), NAMES))
    out = tmp_path / "out"
    options: dict[str, Any] = {"glob": None, "table": table, "mask": region, "resample": "nearest"}
    assert fused(root, out, grid=grid, **options).failed == {}
    image = nib.load(root / "case-00" / named)
    found = facts_of(out)["grid"]
    assert (found["shape"], found["affine"]) == ([*image.shape], image.affine.tolist())
    assert found["file"].endswith(named)
    assert ["Ann.nii.gz: resampled" in said for said in found["placed"]].count(True) == 1
    consensus = nib.load(out / "cases" / "case-00" / "consensus.nii.gz")
    np.testing.assert_array_equal(consensus.affine, image.affine)
    of_case = json.loads((out / "tables" / "case-00.json").read_text())["files"]
    other = {"image", "mask"} - {grid, "mask" if region == "auto" else ""}
    assert other.isdisjoint(of_case)
    assert {grid} & {"image", "mask"} <= of_case.keys()
    fused(root, tmp_path / "box", **options)
    assert facts_of(tmp_path / "box")["grid"]["affine"] == (AFFINE @ HALF).tolist()


def test_settings_that_were_there_before_keep_their_hashes() -> None:
    """A cohort that was finished before there were grids is not counted anew."""
    kept = [
        (Settings(), "4d6346786cbcc120", "7674a781fc38e94c"),
        (Settings(method="staple", labels="all"), "499bbb3cbab4a8e1", "98070c6090b5c3cd"),
        (Settings(method="staple", mask="none", options=Options(roi=4.0)), "66d207bf65eb5d16", "c9a1a78858f02973"),
    ]  # fmt: skip
    for settings, of_tables, of_all in kept:
        assert digest_of(settings.of_tables).startswith(of_tables)
        assert digest_of(settings.of_all).startswith(of_all)
    others = [Settings(grid="mask"), Settings(resample="nearest"), Settings(use="qform"), Settings()]
    assert len({one.of_tables for one in others}) == len({one.of_all for one in others}) == 4
    assert [Settings.of_json(one.as_json()) for one in others] == others


def test_other_grids_are_counted_and_fused_anew(tmp_path: Path, counting: set[str]) -> None:  # noqa: F811
    root, out = shifted(tmp_path / "in", 2), tmp_path / "out"
    fused(root, out, resample="nearest")
    counting.clear()
    fused(root, out, resample="nearest")
    assert counting == set()
    fused(root, out, resample="nearest", grid="rater:Bob")
    assert len(counting) == 6


@pytest.mark.parametrize("grid", ["mask", "image", "rater:Eve", None])
def test_new_rater_on_another_lattice(tmp_path: Path, counting: set[str], grid: Any) -> None:  # noqa: F811
    """Costs a read of the new file, and of that whose grid it gets; without a grid of the case's all files are read."""
    root, out = shifted(tmp_path / "in", 2), tmp_path / "out"
    raters: dict[str, tuple[str, ...]] = dict.fromkeys(("case-00", "case-01"), NAMES)
    options: dict[str, Any] = {
        "glob": None,
        "table": listed(root, raters),
        "grid": grid,
        "resample": "nearest",
    }
    fused(root, out, keep_index=True, **options)
    save(mask_path(root, "case-01", "Zoe"), new_mask(), AFFINE @ HALF)
    listed(root, {**raters, "case-01": (*NAMES, "Zoe")})
    counting.clear()
    fused(root, out, keep_index=True, **options)
    of_grid = {"mask": "brain.nii.gz", "image": "flair.nii.gz", "rater:Eve": "masks/Eve.nii.gz"}
    new = {"case-01/masks/Zoe.nii.gz"}
    if grid is None:
        assert counting > {*new, "case-01/masks/Ann.nii.gz", "case-01/masks/Bob.nii.gz"}
    else:
        assert counting == {*new, f"case-01/{of_grid[grid]}"}
    fused(root, tmp_path / "fresh", **options)
    assert tables(out) == tables(tmp_path / "fresh")


def test_apply_goes_by_the_estimate_or_by_what_is_typed(tmp_path: Path) -> None:
    root = shifted(tmp_path / "in", 3)
    fused(root, tmp_path / "fused", resample="nearest")
    estimate, glob = tmp_path / "fused" / "estimate.json", ("--glob", "{case}/masks/{rater}.nii.gz")

    def applied(out: str, *words: str) -> Any:
        return run_here(tmp_path, "cohort", "apply", str(estimate), "in", "--out", out, *glob, *words)

    assert applied("as-it-is").returncode == 0
    assert facts_of(tmp_path / "as-it-is")["grid"]["affine"] == AFFINE.tolist()
    assert applied("of-bob", "--grid", "rater:Bob").returncode == 0
    assert facts_of(tmp_path / "of-bob")["grid"]["affine"] == (AFFINE @ HALF).tolist()
    refused = applied("refused", "--resample", "none")
    assert refused.returncode == 3
    assert refused.stderr.count("or pass --resample nearest") == 6  # as it goes on, and at the end
    wrong = applied("wrong", "--grid", "rater:Dan")
    assert (wrong.returncode, (tmp_path / "wrong").exists()) == (2, False)
    assert "--grid is 'rater:Dan': the raters are Ann, Bob, Eve" in wrong.stderr


def test_apply_leaves_the_grid_of_the_estimate(tmp_path: Path) -> None:
    """A word goes back to the default, and what is refused of the estimate's grid blames no option that nobody typed."""
    root = shifted(tmp_path / "in", 2)
    fused(root, tmp_path / "fused", resample="nearest", grid="rater:Bob")
    glob = ("--glob", "{case}/masks/{rater}.nii.gz")

    def applied(out: str, *words: str) -> Any:
        return run_here(
            tmp_path, "cohort", "apply", "fused/estimate.json", "in", "--out", out, *glob, *words, columns=400
        )

    assert applied("as-it-is").returncode == 0
    assert facts_of(tmp_path / "as-it-is")["grid"]["affine"] == (AFFINE @ HALF).tolist()
    mask_path(root, "case-01", "Bob").unlink()
    some = applied("some")
    assert some.returncode == 3
    assert (
        "case-01: failed: the estimate's grid is 'rater:Bob', and the case has no file of 'Bob'"
        in some.stderr
    )
    mask_path(root, "case-00", "Bob").unlink()
    none = applied("none")
    assert (none.returncode, (tmp_path / "none").exists()) == (2, False)
    assert (
        "the estimate's grid is 'rater:Bob': the raters are Ann, Eve; choose another, as --grid auto"
        in none.stderr
    )
    assert applied("back", "--grid", "auto").returncode == 0
    assert facts_of(tmp_path / "back")["grid"]["affine"] == AFFINE.tolist()


def test_what_the_estimate_asks_for_is_called_its_own(tmp_path: Path) -> None:
    """Also of other options: here nobody typed --soften, which apply does not even have."""
    root = make_cohort(tmp_path / "in", 2)
    table = listed(root, dict.fromkeys(("case-00", "case-01"), NAMES))
    options: dict[str, Any] = {"glob": None, "table": table, "method": "soft-staple", "soften": True}
    for path in root.glob("*/masks/*.nii.gz"):
        replace(path, AFFINE)
    assert fused(root, tmp_path / "fused", **options).failed == {}
    glob = ("--glob", "{case}/masks/{rater}.nii.gz")
    done = run_here(
        tmp_path, "cohort", "apply", "fused/estimate.json", "in", "--out", "new", *glob, columns=400
    )
    assert "case-00: failed: the estimate's soften needs an image, and the case has none" in done.stderr


def test_auto_is_the_image_that_is_read_or_the_box_of_all(tmp_path: Path) -> None:
    """As help and README say; and it is the default, whose tables and consensuses stand."""
    root = shifted(tmp_path / "in", 1)
    table = listed(root, {"case-00": NAMES})
    options: dict[str, Any] = {"glob": None, "table": table, "resample": "nearest", "mask": "none"}
    assert fused(root, tmp_path / "box", **options).failed == {}
    assert facts_of(tmp_path / "box")["grid"]["shape"] == [*SHAPE]
    written = tmp_path / "box" / "cases" / "case-00" / "consensus.nii.gz"
    before = written.stat()
    said: list[str] = []
    fused(root, tmp_path / "box", grid="auto", progress=said.append, **options)
    assert (written.stat().st_ino, written.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not any("counted" in one for one in said)
    options |= {"method": "soft-staple", "soften": True}
    assert fused(root, tmp_path / "image", grid="auto", **options).failed == {}
    image = nib.load(root / "case-00" / "flair.nii.gz")
    assert facts_of(tmp_path / "image")["grid"]["shape"] == [*image.shape]


def test_shards_and_workers_make_the_same_bytes(tmp_path: Path) -> None:
    """The settings travel to processes, and parts of a cohort find each other's tables by them."""
    root = shifted(tmp_path / "in", 3, rater="Ann")
    options: dict[str, Any] = {"resample": "nearest", "grid": "rater:Eve"}
    fused(root, tmp_path / "whole", **options)
    out = tmp_path / "parts"
    for part in (1, 2):
        assert fused(root, out, shard=(part, 2), **options).failed == {}
    fused(root, out, merge=True, **options)
    for part in (1, 2):
        assert fused(root, out, shard=(part, 2), apply=True, **options).failed == {}
    same = contents(tmp_path / "whole")
    assert contents(out / "cases") == contents(tmp_path / "whole" / "cases")
    assert contents(out / "tables") == contents(tmp_path / "whole" / "tables")
    words = ("--glob", "{case}/masks/{rater}.nii.gz", "--method", "staple", "--replicates", "10")
    typed = ("--resample", "nearest", "--grid", "rater:Eve", "--workers", "2")
    done = run_here(tmp_path, "cohort", "fuse", "in", "--out", "typed", *words, *typed)
    assert done.returncode == 0, done.stderr
    held = contents(tmp_path / "typed")
    assert {name for name in same if name.endswith(".nii.gz") and held[name] != same[name]} == set()


def test_cases_are_made_again_and_reviewed_on_their_grid(tmp_path: Path) -> None:
    root, out = shifted(tmp_path / "in", 2), tmp_path / "out"
    table = listed(root, dict.fromkeys(("case-00", "case-01"), NAMES))
    fused(root, out, glob=None, table=table, mask="none", grid="image", resample="nearest")
    case = out / "cases" / "case-01"
    again = rerun(case / "consensus.json", tmp_path / "again", makers={"fuse_case": fuse_case})
    assert again.same, again.otherwise
    review = review_cohort(out, tmp_path / "review.csv", everything=True)
    assert (
        len(review.rows if hasattr(review, "rows") else (tmp_path / "review.csv").read_text().splitlines())
        > 1
    )
    (root / "case-01" / "flair.nii.gz").unlink()
    with pytest.raises(fastfuse.ImageError, match=r"flair\.nii\.gz is missing"):
        rerun(case / "consensus.json", tmp_path / "gone", makers={"fuse_case": fuse_case})


def test_what_a_case_lacks_costs_it_alone(tmp_path: Path) -> None:
    root = shifted(tmp_path / "in", 2)
    mask_path(root, "case-01", "Eve").unlink()
    made = fused(root, tmp_path / "out", grid="rater:Eve", resample="nearest")
    assert made.failed == {
        "case-01": "grid is 'rater:Eve', and the case has no file of 'Eve'; or choose another grid"
    }
    made = fused(root, tmp_path / "image", grid="image")
    assert set(made.failed) == {"case-00", "case-01"}
    assert "give it in a table (table=FILE), in the column image" in made.failed["case-00"]


@pytest.mark.parametrize("preset", ["recommended", "paper"])
def test_a_preset_looks_at_a_case_on_its_grid(tmp_path: Path, preset: Any) -> None:
    """Also where images count as none, since one case lacks one."""
    root = shifted(tmp_path / "in", 2)
    table = listed(root, dict.fromkeys(("case-00", "case-01"), NAMES))
    text = table.read_text().splitlines()
    table.write_text("\n".join([line.removesuffix("case-01/flair.nii.gz") for line in text]))
    made = fastfuse.fuse_cohort(
        root, tmp_path / "out", table=table, preset=preset, grid="image", resample="nearest", replicates=10
    )
    assert set(made.failed) == {"case-01"}
    assert facts_of(tmp_path / "out")["grid"]["file"].endswith("flair.nii.gz")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"grid": "flair.nii.gz"}, "grid is 'flair.nii.gz': the grid of a cohort is each case's own"),
        ({"grid": "rater:"}, "it must be 'auto', 'image', 'mask' or 'rater:NAME'"),
        ({"grid": "rater:Dan"}, "grid is 'rater:Dan': the raters are Ann, Bob, Eve"),
        ({"resample": "linear"}, "resample is 'linear'"),
        ({"use": "pixdim"}, "use is 'pixdim'"),
    ],
)
def test_words_that_are_none_of_the_choices(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    make_cohort(tmp_path / "in", 1)
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        fused(tmp_path / "in", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_advice_on_grids_is_that_of_a_cohort() -> None:
    bare = CohortCase("a", ("Ann",), (Path("ann.nii.gz"),))
    whole = CohortCase("a", ("Ann",), (Path("ann.nii.gz"),), Path("brain.nii.gz"), Path("flair.nii.gz"))
    own = "grid='/a (b)/flair.nii.gz'"
    assert for_a_cohort("the grid of both: grid=FILE", bare) == "the grid of both: grid='rater:NAME'"
    assert for_a_cohort("grid=FILE, or", whole) == "grid='image' or 'mask' or 'rater:NAME', or"
    assert for_a_cohort(f"its own grid: {own}", whole) == "its own grid: grid='image'"
    with in_the_shell():
        found = for_a_cohort("the grid of both: grid=FILE (--grid FILE), and", whole)
        assert with_typed_values(found) == "the grid of both: --grid image or mask or rater:NAME, and"
        found = for_a_cohort(f"its own grid: {own} (--grid /a (b)/flair.nii.gz)", whole)
        assert with_typed_values(found) == "its own grid: --grid image"


def test_marks_that_are_cut_off_are_told_with_the_remedy(tmp_path: Path) -> None:
    """A lattice that reaches less far: of a case with an image, whose grid holds all; as of files, of a case without one."""
    root = shifted(tmp_path / "in", 1)
    near = AFFINE.copy()
    near[0, 3] -= 3.5
    replace(mask_path(root, "case-00", "Bob"), near)
    table = listed(root, {"case-00": NAMES})
    fused(root, tmp_path / "a", glob=None, table=table, mask="none", resample="nearest")
    (said,) = [one for one in facts_of(tmp_path / "a")["warnings"] if "cropped by" in one]
    assert "(a grid that holds all keeps them, as grid='image' where the image reaches that far)" in said
    fused(root, tmp_path / "b", resample="nearest")
    (said,) = [one for one in facts_of(tmp_path / "b")["warnings"] if "cropped by" in one]
    assert "grid that holds all" not in said
    assert masks(0).any()
