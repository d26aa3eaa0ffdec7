"""``fastfuse rerun``: the same bytes from the recipe that a sidecar keeps."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import fastfuse

from .common import AFFINE, MASKS, SHAPE, load, ran, save

MAPS = [f"map_{i}.nii.gz" for i in range(3)]
NETWORKS = [f"network_{i}.nii.gz" for i in range(4)]
FUSIONS = {
    "plain": [*MASKS],
    "staple": [*MASKS, "--method", "staple", "--mask", "brain.nii.gz", "--save-label", "m.nii.gz", "--ties", "background"],
    "all outputs": [*MASKS, "--save-counts", "n.nii.gz", "--save-label", "m.nii", "--label-rule", "dice"],
    "options": [*MASKS, "--m-step", "em", "--prior", "estimate", "--init", "0.9", "--roi", "3", "--tol", "1e-3", "--max-iter", "7"],
    "three classes": [*MASKS, "--method", "staple", "--classes", "3"],
    "prior of rates": [*MASKS, "--performance-prior", "5", "1.5", "--intervals", "lesions", "--replicates", "9", "--seed", "4"],
    "no prior of rates": [*MASKS, "--performance-prior", "none", "--acceleration", "squarem"],
    "prior map": [*MASKS, "--prior", "prior.nii.gz"],
    "smoothed prior": [*MASKS, "--prior", "smooth:4", "--mrf", "0.3"],
    "border": [*MASKS, "--method", "border-staple", "--image", "flair.nii.gz", "--roi", "4"],
    "auto": [*MASKS, "--method", "auto", "--names", "Anna,Bert,Carla,Dora"],
    "preset": [*MASKS, "--preset", "recommended", "--image", "flair.nii.gz", "--tol", "1e-4"],
    "soften": [*MASKS, "--soften", "--image", "flair.nii.gz", "--ring-size", "1.1", "--ring-radius-mm", "2"],
    "dilated": [*MASKS, "--method", "dilated-staple", "--image", "flair.nii.gz", "--ring-label", "0.4"],
    "networks": [*NETWORKS, "--method", "majority"],
    "threshold": [*NETWORKS, "--threshold", "0.5"],
    "present": [*MASKS, *(word for path in ("-", "brain.nii.gz", "-", "-") for word in ("--present", path))],
    "memory": [*MASKS, "--max-memory", "2M", "--mask", "brain.nii.gz"],
    "grid": [*MASKS, "cropped.nii.gz", "--grid", "flair.nii.gz", "--resample", "nearest", "--use", "sform"],
    "one label": [*MAPS, "--select-label", "1,2"],
    "label maps": [*MAPS, "--labels", "all", "--label-names", "names.tsv", "--save-probability", "core=p.nii.gz",
                   "--save-probability", "1,2=q.nii.gz", "--save-confidence", "s.nii.gz", "--undecided", "255"],
    "labels' options": [*MAPS, "--labels", "0,1,2", "--knows", "map_2=0,1,2", "--prior", "0.7,0.2,0.1", "--performance-prior", "9", "0.8",
                        "--candidates", "all"],
    "labels' prior maps": [*MAPS, "--labels", "all", "--prior", "p0.nii.gz,p1.nii.gz,p2.nii.gz"],
    "labels' named prior": [*MAPS, "--labels", "0,1,2", "--prior", "2=p2.nii.gz,0=p0.nii.gz,1=p1.nii.gz"],
    "labels' majority": [*MAPS, "--labels", "all", "--method", "majority", "--weights", "1,2,1"],
    "overlap": [*MAPS, "--labels", "1,2", "--overlap", "--save-label", "m.nii.gz", "--save-probability", "2=q.nii.gz"],
}  # fmt: skip


@pytest.fixture(scope="module")
def whole_case(tmp_path_factory: pytest.TempPathFactory, case: Path) -> Path:
    """Add label maps, priors and a cropped rater to the case."""
    folder = tmp_path_factory.mktemp("whole")
    for file in case.iterdir():
        shutil.copy(file, folder)
    rng = np.random.default_rng(3)
    marks = [load(folder / name) for name in MASKS]
    for i, name in enumerate(MAPS):
        save(folder / name, (marks[i] + (marks[i] & marks[3] & (rng.random(SHAPE) < 0.8))).astype(np.uint8))
    save(folder / "prior.nii.gz", np.full(SHAPE, 0.2, np.float32))
    for label, share in enumerate((0.6, 0.3, 0.1)):
        save(folder / f"p{label}.nii.gz", np.full(SHAPE, share, np.float32))
    moved = AFFINE.copy()
    moved[:3, 3] = AFFINE[:3, :3] @ [2, 2, 2]
    nib.save(nib.Nifti1Image(marks[0][2:-2, 2:-2, 2:-2], moved), folder / "cropped.nii.gz")
    (folder / "names.tsv").write_text("index\tname\tcolor\n1\tedema\t#ff0000\n2\tcore\t#00ff00\n")
    return folder


@pytest.mark.parametrize("words", FUSIONS.values(), ids=FUSIONS.keys())
def test_every_option_makes_the_same_bytes_again(whole_case: Path, tmp_path: Path, words: list[str]) -> None:
    outputs = [word for word in words if words[words.index(word) - 1].startswith("--save")]
    placed = [
        f"{word.rpartition('=')[0]}{'=' * ('=' in word)}{tmp_path / word.rpartition('=')[2]}"
        if word in outputs
        else word
        for word in words
    ]
    first = ran(whole_case, "fuse", *placed, "-o", tmp_path / "c.nii.gz")
    assert first.returncode == 0, first.stderr
    made = ran(whole_case, "rerun", tmp_path / "c.json", "-o", tmp_path / "again", "--threads", "1")
    assert (made.returncode, "other bytes" in made.stdout) == (0, False), made.stderr
    was = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    now = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert len(now) >= 2 + len(outputs)
    assert now == was  # the sidecars too


@pytest.mark.parametrize("name", ["c.seg.nrrd", "c.dcm"])
def test_other_formats_are_made_again(whole_case: Path, tmp_path: Path, name: str) -> None:
    first = ran(whole_case, "fuse", *MASKS, "-o", tmp_path / name, "--method", "staple", "--cut", "0.7")
    assert first.returncode == 0, first.stderr
    made = ran(whole_case, "rerun", tmp_path / name, "-o", tmp_path / "again")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    "words",
    [[*MASKS, "--image", "flair.nii.gz"], [*MAPS, "--labels", "all", "--image", "flair.nii.gz"]],
    ids=["masks", "label maps"],
)
def test_a_report_holds_the_hashes_of_all_and_is_made_again(
    whole_case: Path, tmp_path: Path, words: list[str]
) -> None:
    pytest.importorskip("jinja2", reason="needs Jinja2: pip install '.[report]'")
    first = ran(whole_case, "fuse", *words, "-o", tmp_path / "c.seg.nrrd", "--report", tmp_path / "r.html")
    assert first.returncode == 0, first.stderr
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    page = written["r.html"].decode().replace("<wbr>", "").replace('<wbr class="tight">', "")
    for name, content in written.items():
        assert name == "r.html" or hashlib.sha256(content).hexdigest() in page, name
    recipe = json.loads(next(content for name, content in written.items() if name.endswith(".json")))[
        "recipe"
    ]
    assert recipe["arguments"]["report"] == "r.html"
    assert "r.html" not in {one["file"] for one in recipe["outputs"]}  # it holds the hash of the sidecar
    made = ran(whole_case, "rerun", tmp_path / "c.seg.nrrd", "-o", tmp_path / "again")
    assert made.returncode == 0, made.stderr
    assert "made again, and not compared" in " ".join(made.stdout.partition("r.html")[2].split())
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == written


def test_soft_masks_are_made_again_one_by_one(whole_case: Path, tmp_path: Path) -> None:
    words = ["--image", "flair.nii.gz", "--roi", "brain.nii.gz", "--no-normalize"]
    assert ran(whole_case, "soften", *MASKS, *words, "--out-dir", tmp_path).returncode == 0
    name = MASKS[2].replace(".nii.gz", "")
    made = ran(whole_case, "rerun", tmp_path / f"{name}.json", "-o", tmp_path / "again", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["same"] is True
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == [f"{name}.json", f"{name}.nii.gz"]
    assert (tmp_path / "again" / f"{name}.nii.gz").read_bytes() == (tmp_path / f"{name}.nii.gz").read_bytes()


@pytest.fixture
def fused(whole_case: Path, tmp_path: Path) -> Path:
    """A consensus of files in a folder of its own."""
    (tmp_path / "in" / "masks").mkdir(parents=True)
    for name in MASKS:
        shutil.copy(whole_case / name, tmp_path / "in" / "masks")
    masks = [f"in/masks/{name}" for name in MASKS]
    assert ran(tmp_path, "fuse", *masks, "-o", "c.nii.gz").returncode == 0
    return tmp_path


def test_changed_and_missing_inputs_are_refused_by_name(fused: Path) -> None:
    save(fused / "in/masks" / MASKS[0], np.zeros(SHAPE, np.uint8))
    (fused / "in/masks" / MASKS[1]).unlink()
    made = ran(fused, "rerun", "c.json", "-o", "again")
    assert made.returncode == 2
    assert made.stderr == (
        f"error: c.json: in/masks/{MASKS[1]} is missing; in/masks/{MASKS[0]} has changed since: name the folder where its inputs "
        "lie as they were, by --inputs FOLDER\n"
    )
    assert not (fused / "again").exists()


def test_moved_inputs_are_found_below_a_folder(fused: Path) -> None:
    (fused / "in").rename(fused / "elsewhere")
    for folder in ("elsewhere", "elsewhere/masks"):
        made = ran(fused, "rerun", "c.nii.gz", "-o", "again", "--inputs", folder, "--overwrite")
        assert (made.returncode, made.stdout) == (
            0,
            "again/c.nii.gz: the same bytes\nagain/c.json: says the same\n",
        ), made.stderr


def test_inputs_are_found_beside_the_result_from_any_folder(fused: Path, whole_case: Path) -> None:
    assert ran(whole_case, "rerun", fused / "c.json", "-o", fused / "again").returncode == 0


def test_an_edited_sidecar_is_told_of(fused: Path) -> None:
    facts = json.loads((fused / "c.json").read_text())
    facts["options"]["cut"], facts["raters"][0]["dice"] = 0.7, 0.25
    del facts["converged"]
    (fused / "c.json").write_text(json.dumps(facts))
    made = ran(fused, "rerun", "c.json", "-o", "again")
    assert (made.returncode, made.stdout) == (
        2,
        "again/c.nii.gz: the same bytes\nagain/c.json: says otherwise\n",
    )
    now = json.loads((fused / "again" / "c.json").read_text())
    for told in (
        "options.cut was 0.7, is 0.5",
        f"raters[0].dice was 0.25, is {now['raters'][0]['dice']!r}",
        "converged was not told, is True",
    ):
        assert told in made.stderr
    assert "other bytes" not in made.stderr
    again = ran(fused, "rerun", "c.json", "-o", "again", "--overwrite", "--json")
    assert (again.returncode, json.loads(again.stdout)["sidecar"]["same"]) == (2, False)
    facts["fastfuse"] = "0.0.1"  # of which what both tell is compared alone
    (fused / "c.json").write_text(json.dumps(facts))
    older = ran(fused, "rerun", "c.json", "-o", "again", "--overwrite")
    assert "options.cut was 0.7" in older.stderr
    assert "converged" not in older.stderr
    assert "made by fastfuse 0.0.1" in older.stderr


def test_other_bytes_end_with_2_and_say_what_differs(fused: Path) -> None:
    facts = json.loads((fused / "c.json").read_text())
    facts["recipe"]["outputs"][0]["sha256"] = "0" * 64
    facts["fastfuse"], facts["recipe"]["gzip"] = "0.0.9", "zlib 1.2"
    (fused / "c.json").write_text(json.dumps(facts))
    made = ran(fused, "rerun", "c.json", "-o", "again")
    assert (made.returncode, made.stdout) == (2, "again/c.nii.gz: other bytes\nagain/c.json: says the same\n")
    assert "it was made by fastfuse 0.0.9, now by " in made.stderr
    assert "it was compressed by zlib 1.2, now by " in made.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{}", "keeps no recipe"),
        ("[1]", "keeps no recipe"),
        ('{"recipe": {"function": "eval", "arguments": {}, "inputs": [], "outputs": []}}', "is damaged"),
        ('{"recipe": {"function": "fuse_files", "arguments": {}, "inputs": [3], "outputs": []}}', "is damaged"),
        (None, "there is no such file"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_refused(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "c.json").write_text(content)
    made = ran(tmp_path, "rerun", "c.json", "-o", "again")
    assert made.returncode == 2
    assert told in made.stderr


@pytest.mark.parametrize(
    "hostile",
    [{"out_dir": "victim"}, {"out_dir": "victim", "output": None}, {"output": "../victim/c.nii.gz"}, {"overwrite": True}],
)  # fmt: skip
def test_a_recipe_of_others_writes_nothing_outside_the_folder(
    whole_case: Path, tmp_path: Path, hostile: dict[str, object]
) -> None:
    (tmp_path / "victim").mkdir()
    words = ["--image", "flair.nii.gz", "--out-dir", tmp_path]
    assert ran(whole_case, "soften", MASKS[0], *words).returncode == 0
    sidecar = tmp_path / MASKS[0].replace(".nii.gz", ".json")
    facts = json.loads(sidecar.read_text())
    facts["recipe"]["arguments"] |= {
        name: str(tmp_path / value) if name == "out_dir" else value for name, value in hostile.items()
    }
    sidecar.write_text(json.dumps(facts))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    made = ran(whole_case, "rerun", sidecar, "-o", tmp_path / "again", "--overwrite")
    assert made.returncode == 2
    if "output" not in hostile or hostile["output"] is None:
        assert "its recipe is damaged" in made.stderr
    now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: now[path] for path in now if path.parent.name != "again"} == before


def test_files_beside_the_named_ones_count(tmp_path: Path, whole_case: Path) -> None:
    for i, name in enumerate(MASKS):
        nib.save(nib.Nifti1Pair(load(whole_case / name), AFFINE), tmp_path / f"r{i}.hdr")
    raters = [tmp_path / f"r{i}.hdr" for i in range(len(MASKS))]
    fastfuse.fuse_files(iter(raters), tmp_path / "c.nii", names=iter("abcd"), prior="estimate")
    facts = json.loads((tmp_path / "c.json").read_text())
    kept = [Path(one["file"]).name for one in facts["recipe"]["inputs"]]
    assert kept == [f"r{i}.{end}" for i in range(len(MASKS)) for end in ("hdr", "img")]
    (tmp_path / "r2.img").write_bytes((tmp_path / "r1.img").read_bytes())
    made = ran(tmp_path, "rerun", "c.json", "-o", "again")
    assert "r2.img has changed since" in made.stderr
