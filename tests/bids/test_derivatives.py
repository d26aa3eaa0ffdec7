"""``--bids``: what is written, what the official validator says of it, and what is read back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fastfuse.cohort.cases import find_cohort
from fastfuse.errors import OutputError
from fastfuse.files.bids.entities import Entities, entities_called, entities_of, entities_of_cases

from ..cli.common import ran

SHAPE = (12, 11, 9)
AFFINE = np.array([[-2.0, 0.3, 0, 9], [0.3, 2.0, 0, -8], [0, 0, 3, 1], [0, 0, 0, 1]])
STEM = "sub-01_ses-1_seg-staple"
VALIDATORS = ("bids-validator-deno", "bids-validator")


def save(path: Path, data: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


def dataset_in(folder: Path) -> Path:
    """Write a data set with FLAIR of two subjects, and three raters' derivatives of them."""
    rng = np.random.default_rng(0)
    raw = folder / "study"
    for subject in ("01", "02"):
        truth = np.zeros(SHAPE, bool)
        truth[3:8, 3:8, 2:6] = True
        where = Path(f"sub-{subject}", "ses-1", "anat")
        save(raw / where / f"sub-{subject}_ses-1_FLAIR.nii.gz", (100 * truth + 50).astype(np.int16))
        for rater in ("anna", "bert", "carla"):
            marks = (truth ^ (rng.random(SHAPE) < 0.03)).astype(np.uint8)
            name = f"sub-{subject}_ses-1_label-L_desc-{rater}_mask.nii.gz"
            save(raw / "derivatives" / "raters" / where / name, marks)
    for place, kind in ((raw, "raw"), (raw / "derivatives" / "raters", "derivative")):
        facts = {"Name": "study", "BIDSVersion": "1.10.0", "DatasetType": kind}
        facts |= {"GeneratedBy": [{"Name": "readers"}]} if kind == "derivative" else {}
        (place / "dataset_description.json").write_text(json.dumps(facts))
    return raw


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return dataset_in(tmp_path)


def masks_of(raw: Path, subject: str = "01") -> list[str]:
    found = sorted((raw / "derivatives" / "raters").rglob(f"sub-{subject}_*_mask.nii.gz"))
    return [str(path) for path in found]


def check_valid(folder: Path) -> None:
    """Let the official validator look at a data set."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    validator = next((found for name in VALIDATORS if (found := shutil.which(name, path=places))), None)
    if validator is None:
        pytest.skip("needs the validator of BIDS: pip install '.[test]', or npm install -g bids-validator")
    done = subprocess.run(
        [validator, str(folder), "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [one for one in issues if one["severity"] == "error"] == []
    assert done.returncode == 0


def test_a_consensus_and_its_mask_are_derivatives(raw: Path, tmp_path: Path) -> None:
    out = raw / "derivatives" / "fastfuse"
    made = ran(
        tmp_path,
        "fuse",
        *masks_of(raw),
        "-o",
        "c.nii.gz",
        "--method",
        "staple",
        "--cut",
        "0.6",
        "--bids",
        out,
    )
    assert made.returncode == 0, made.stderr
    anat = out / "sub-01" / "ses-1" / "anat"
    names = {f"{STEM}_label-L_probseg.nii.gz", f"{STEM}_label-L_probseg.json"}
    names |= {f"{STEM}_dseg.nii.gz", f"{STEM}_dseg.json", f"{STEM}_dseg.tsv"}
    assert {path.name for path in anat.iterdir()} == names
    consensus = nib.load(tmp_path / "c.nii.gz")
    probability = nib.load(anat / f"{STEM}_label-L_probseg.nii.gz")
    mask = nib.load(anat / f"{STEM}_dseg.nii.gz")
    w = np.asarray(consensus.dataobj)
    np.testing.assert_array_equal(np.asarray(probability.dataobj), w)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), w >= 0.6)
    for image in (probability, mask):  # both forms are set, and say the same
        assert int(image.header["qform_code"]) > 0
        assert int(image.header["sform_code"]) > 0
        np.testing.assert_allclose(image.get_qform(), AFFINE, atol=1e-5)
        np.testing.assert_allclose(image.get_sform(), AFFINE, atol=1e-5)
    assert (anat / f"{STEM}_dseg.tsv").read_text().splitlines() == [
        "index\tname\tabbreviation", "0\tbackground\tBG", "1\tlesion\tL",
    ]  # fmt: skip
    facts = json.loads((anat / f"{STEM}_dseg.json").read_text())
    assert facts["GeneratedBy"][0]["Name"] == "fastfuse"
    said = json.loads((out / "dataset_description.json").read_text())
    assert said["DatasetType"] == "derivative"
    (link,) = said["DatasetLinks"].items()
    assert (out / link[1]).resolve() == (raw / "derivatives" / "raters").resolve()
    for source, path in zip(facts["Sources"], masks_of(raw), strict=True):
        _, name, inside = source.split(":", 2)
        assert name == link[0]
        assert (out / link[1] / inside).samefile(path)
    check_valid(out)


def test_label_maps_keep_their_table(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "d"
    words = [*masks_of(raw), "-o", "c.nii.gz", "--labels", "all", "--method", "majority"]
    made = ran(tmp_path, "fuse", *words, "--bids", out, "--bids-case", "sub-7")
    assert made.returncode == 0, made.stderr
    anat = out / "sub-7" / "anat"
    assert {path.name for path in anat.iterdir()} == {
        f"sub-7_seg-majority_dseg{end}" for end in (".nii.gz", ".json", ".tsv")
    }
    assert (anat / "sub-7_seg-majority_dseg.tsv").read_text().startswith("index\tname")
    check_valid(out)


def test_a_cohort_is_read_and_written(raw: Path, tmp_path: Path) -> None:
    out = raw / "derivatives" / "fastfuse"
    words = ["cohort", "fuse", raw, "--out", tmp_path / "fused", "--method", "staple", "--bids", out]
    made = ran(tmp_path, *words, columns=1000)
    assert made.returncode == 0, made.stderr
    assert f"wrote into {tmp_path / 'fused'}, and {out}" in made.stdout
    for subject in ("01", "02"):
        consensus = tmp_path / "fused" / "cases" / f"sub-{subject}_ses-1" / "consensus.nii.gz"
        found = out / f"sub-{subject}/ses-1/anat/sub-{subject}_ses-1_seg-staple_label-L_probseg.nii.gz"
        np.testing.assert_array_equal(
            np.asarray(nib.load(found).dataobj), np.asarray(nib.load(consensus).dataobj)
        )
    check_valid(out)
    again = ran(tmp_path, *words)  # what was written is no rater's of the next run
    assert again.returncode == 0, again.stderr
    cases = find_cohort(raw)
    assert [case.raters for case in cases] == [("anna", "bert", "carla")] * 2
    assert [case.image.name for case in cases if case.image] == [
        f"sub-{subject}_ses-1_FLAIR.nii.gz" for subject in ("01", "02")
    ]


def test_a_cohort_keeps_the_space_of_its_raters(raw: Path, tmp_path: Path) -> None:
    """The names are those that fuse gives to a consensus of the same files."""
    for subject in ("01", "02"):
        for path in map(Path, masks_of(raw, subject)):
            path.rename(path.with_name(path.name.replace("_label-L", "_space-MNI152NLin2009cAsym_label-L")))
    options = ["--method", "staple"]
    made = ran(tmp_path, "cohort", "fuse", raw, "--out", "fused", *options, "--bids", "many")
    assert made.returncode == 0, made.stderr
    for subject in ("01", "02"):
        files = masks_of(raw, subject)
        alone = ran(tmp_path, "fuse", *files, "-o", f"{subject}.nii.gz", *options, "--bids", "one")
        assert alone.returncode == 0, alone.stderr
    names = [
        {path.relative_to(folder) for path in folder.rglob("*")}
        for folder in (tmp_path / "many", tmp_path / "one")
    ]
    assert names[0] == names[1]
    assert Path("sub-02/ses-1/anat/sub-02_ses-1_space-MNI152NLin2009cAsym_seg-staple_dseg.nii.gz") in names[0]
    check_valid(tmp_path / "many")
    first = Path(masks_of(raw)[0])
    first.rename(first.with_name(first.name.replace("_space-MNI152NLin2009cAsym", "_space-T1w")))
    made = ran(tmp_path, "cohort", "fuse", raw, "--out", "other", *options, "--bids", "none")
    assert made.returncode == 2
    assert "the case 'sub-01_ses-1': raters' files are of several spaces" in " ".join(made.stderr.split())
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / "other").exists()  # it was refused before any work
    words = ("cohort", "apply", "fused/estimate.json", raw, "--out", "other", "--bids", "none")
    made = ran(tmp_path, *words)
    assert (made.returncode, "of several spaces" in " ".join(made.stderr.split())) == (2, True)
    assert not (tmp_path / "other").exists()


def test_a_cohort_that_has_no_names_in_bids_is_refused_before_any_work(raw: Path, tmp_path: Path) -> None:
    """Names that become one, of an earlier run too, and a file where the folder is to be."""
    words = (
        "cohort",
        "fuse",
        "plain",
        "--glob",
        "{case}/{rater}.nii.gz",
        "--out",
        "fused",
        "--method",
        "staple",
    )
    for case in ("Patient_1", "Patient1"):
        for rater, path in zip("abc", masks_of(raw), strict=True):
            target = tmp_path / "plain" / case / f"{rater}.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    (tmp_path / "file").touch()
    for bids, said in (
        ("d", "no name of its own in BIDS"),
        ("file", "file: is a file; give a folder"),
        ("file/d", "is a file"),
    ):
        made = ran(tmp_path, *words, "--bids", bids)
        assert (made.returncode, said in " ".join(made.stderr.split())) == (2, True), made.stderr
        assert not (tmp_path / "fused").exists()
    assert ran(tmp_path, *words).returncode == 0
    before = sorted((tmp_path / "fused").rglob("*"))
    shutil.rmtree(tmp_path / "plain" / "Patient_1")
    made = ran(tmp_path, *words, "--bids", "d", "--refresh")
    assert "no name of its own in BIDS" in " ".join(made.stderr.split())
    assert sorted((tmp_path / "fused").rglob("*")) == before


def test_an_image_of_another_space_or_one_of_two_is_not_taken(raw: Path) -> None:
    anat = raw / "sub-01" / "ses-1" / "anat"
    shutil.copy(anat / "sub-01_ses-1_FLAIR.nii.gz", anat / "sub-01_ses-1_run-2_FLAIR.nii.gz")
    other = raw / "sub-02" / "ses-1" / "anat"
    (other / "sub-02_ses-1_FLAIR.nii.gz").rename(other / "sub-02_ses-1_space-MNI_FLAIR.nii.gz")
    assert [case.image for case in find_cohort(raw)] == [None, None]


def test_cases_without_names_of_bids_get_some(raw: Path, tmp_path: Path) -> None:
    for subject in ("01", "02"):
        for path in masks_of(raw, subject):
            rater = path.partition("desc-")[2].partition("_")[0]
            target = tmp_path / "plain" / f"Patient_{subject}" / f"{rater}.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    out = tmp_path / "d"
    words = ["cohort", "fuse", "plain", "--glob", "{case}/{rater}.nii.gz", "--out", "fused", "--bids", out]
    made = ran(tmp_path, *words, "--method", "majority")
    assert made.returncode == 0, made.stderr
    facts = json.loads((out / "sub-Patient01/anat/sub-Patient01_seg-majority_dseg.json").read_text())
    assert facts["Sources"] == [
        f"bids:plain:Patient_01/{rater}.nii.gz" for rater in ("anna", "bert", "carla")
    ]
    check_valid(out)


def test_what_cannot_be_written_is_refused_before_any_work(raw: Path, tmp_path: Path) -> None:
    first = masks_of(raw)
    for words, said in (
        ([*first, "-o", "c.nii.gz", "--bids", raw], "is of a data set that fastfuse did not make"),
        ([*first, "-o", "c.seg.nrrd", "--bids", "d"], "BIDS has no such consensus"),
        ([*first[:2], masks_of(raw, "02")[0], "-o", "c.nii.gz", "--bids", "d"], "of several subjects"),
        ([*first, "-o", "c.nii.gz", "--bids", "d", "--bids-case", "01"], "it must be sub-LABEL"),
        ([*first, "-o", "c.nii.gz", "--bids-case", "sub-01"], "no folder for derivatives"),
    ):
        made = ran(tmp_path, "fuse", *words)
        assert made.returncode == 2
        assert said in " ".join(made.stderr.split()), made.stderr
        assert not list(tmp_path.glob("c.*"))
    whole = ["fuse", *first, "-o", "c.nii.gz", "--method", "staple", "--bids", "d"]
    assert ran(tmp_path, *whole).returncode == 0
    twice = ran(tmp_path, "fuse", *first, "-o", "other.nii.gz", "--method", "staple", "--bids", "d")
    assert "exists already" in twice.stderr
    assert ran(tmp_path, *whole, "--overwrite").returncode == 0


@pytest.mark.parametrize("method", ["staple", "soft-staple", "majority", "border-staple"])
def test_what_made_it_names_the_method_with_the_works_to_cite(raw: Path, tmp_path: Path, method: str) -> None:
    words = [*masks_of(raw), "-o", "c.nii.gz", "--method", method, "--bids", "d"]
    made = ran(tmp_path, "fuse", *words)
    assert made.returncode == 0, made.stderr
    name = f"sub-01_ses-1_seg-{method.replace('-', '')}_dseg.json"
    ((one),) = json.loads((tmp_path / "d/sub-01/ses-1/anat" / name).read_text())["GeneratedBy"]
    cited = json.loads(ran(tmp_path, "cite", "c.json", "--json").stdout)
    assert f"by {method}" in one["Description"]
    dois = [work["doi"] for work in cited if work["doi"]]
    assert [doi for doi in dois if doi in one["Description"]] == dois
    assert one["Description"].count("doi.org") == len(dois)
    ((whole),) = json.loads((tmp_path / "d/dataset_description.json").read_text())["GeneratedBy"]
    assert "doi" not in whole["Description"]  # several methods may lie there


def test_names() -> None:
    whole = Path("sub-a1_ses-2_acq-x_space-MNI_desc-anna_mask.nii.gz")
    assert entities_of([whole]) == Entities("a1", "2", "MNI")
    assert entities_of([whole]).stem == "sub-a1_ses-2_space-MNI"
    assert entities_called("sub-01") == Entities("01")
    named = entities_of_cases(["P 1", "sub-a1"], {"P 1": [whole], "sub-a1": [whole, Path("plain.nii.gz")]})
    assert named == {"P 1": Entities("P1", None, "MNI"), "sub-a1": Entities("a1", "2", "MNI")}
    assert (
        entities_of_cases(["sub-9_space-own"], {"sub-9_space-own": [whole]})["sub-9_space-own"].space == "own"
    )
    with pytest.raises(OutputError, match="its name has no sub-"):
        entities_of([Path("rater.nii.gz")])
    with pytest.raises(OutputError, match="no name of its own in BIDS"):
        entities_of_cases(["Patient_1", "Patient1"])
    with pytest.raises(OutputError, match="no name of its own in BIDS"):
        entities_of_cases(["__"])


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("Müller", "Muller"),
        ("Mu\u0308ller", "Muller"),  # as macOS writes it
        ("Weiß, Renée", "WeissRenee"),
        ("Łukasz Ørsted", "LukaszOrsted"),
        ("Þór-1", "THor1"),
        ("Nguyễn №２", "NguyenNo2"),
    ],
)
def test_accents_are_left_out_and_no_letter_is_lost(name: str, subject: str) -> None:
    assert entities_of_cases([name])[name] == Entities(subject)


def test_accents_in_names_of_bids() -> None:
    """Of cases that a pattern finds, and of files."""
    assert entities_of_cases(["sub-Müller_ses-1"])["sub-Müller_ses-1"] == Entities("Muller", "1")
    assert entities_of([Path("sub-Müller_ses-1_desc-anna_mask.nii.gz")]) == Entities("Muller", "1")


def test_names_that_would_be_one_or_lose_letters_are_refused() -> None:
    with pytest.raises(
        OutputError, match=r"'Müller' has no name of its own in BIDS.*'Muller' is sub-Muller, too: rename it"
    ):
        entities_of_cases(["Muller", "Müller"])
    for name, strange in (("患者1", "患者"), ("Иванов", "Ивано"), ("Müller β", "β")):
        with pytest.raises(
            OutputError, match=f"the case '{name}' has no name .* and has '{strange}': rename it"
        ):
            entities_of_cases([name])


def test_a_sheared_volume_keeps_the_form_that_can_say_it(raw: Path, tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 1.0
    for path in masks_of(raw):
        image = nib.Nifti1Image(np.asarray(nib.load(path).dataobj), None)
        image.set_sform(sheared, 2)
        image.set_qform(None, 0)
        nib.save(image, path)
    made = ran(tmp_path, "fuse", *masks_of(raw), "-o", "c.nii.gz", "--method", "staple", "--bids", "d")
    assert made.returncode == 0, made.stderr
    header = nib.load(tmp_path / "d/sub-01/ses-1/anat" / f"{STEM}_dseg.nii.gz").header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 2)
    np.testing.assert_allclose(header.get_sform(), sheared, atol=1e-5)


@pytest.mark.parametrize("case", [["--bids-case", "sub-01"], []], ids=["no data set", "a data set"])
def test_no_file_tells_where_on_this_machine_the_sources_lie(
    raw: Path, tmp_path: Path, case: list[str]
) -> None:
    """Folders are shared as they are: paths have names of users, of patients and of disks in them."""
    raters = [Path(path) for path in masks_of(raw)]
    mirrored = nib.load(raters[0]).get_fdata()[::-1].astype(np.uint8)
    if case:
        raters = [Path(shutil.copy(path, tmp_path / f"rater {i}.nii.gz")) for i, path in enumerate(raters)]
    mask = save(raters[0].with_name("sub-01_ses-1_desc-brain_mask.nii.gz"), np.ones(SHAPE, np.uint8))
    save(raters[0], mirrored)  # which is told with its name
    out = raw / "derivatives" / "fastfuse"
    words: list[str | Path] = ["--mask", mask, "--prior", mask.with_name("p.nii.gz"), "--bids", out, *case]
    save(mask.with_name("p.nii.gz"), np.full(SHAPE, 0.2, np.float32))
    made = ran(tmp_path, "fuse", *raters, "-o", "c.nii.gz", *words)
    assert made.returncode == 0, made.stderr
    assert str(tmp_path) in (tmp_path / "c.json").read_text()  # by which rerun finds them
    for path in out.rglob("*.json"):
        assert str(tmp_path) not in path.read_text(), path
    about = json.loads(next(out.rglob("*_dseg.json")).read_text())
    kept = json.loads((tmp_path / "c.json").read_text())
    assert [one["file"] for one in about["Fastfuse"]["raters"]] == about["Sources"][:3]
    assert [one["name"] for one in about["Fastfuse"]["raters"]] == [one["name"] for one in kept["raters"]]
    assert about["Fastfuse"]["grid"]["file"] == about["SpatialReference"]
    assert about["Fastfuse"]["region"]["mask"] in about["Sources"]
