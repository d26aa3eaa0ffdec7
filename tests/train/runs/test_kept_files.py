"""Whatever lies in a run's folder when it goes on: the right results come out, or one line says what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.train.experiment import run_experiment
from fastfuse.train.network import checkpoint

from ..common import Told
from .common import small, tables_of

pytestmark = pytest.mark.usefixtures("no_figures")

KINDS = {  # a file of each kind, another of that kind, and what is kept of it
    "prediction": ("predictions/staple/Patient_01.nii.gz", "predictions/staple/Patient_02.nii.gz"),
    "scores": ("predictions/staple/Patient_01.json", "predictions/staple/Patient_02.json"),
    "consensus": ("consensus/Patient_01/staple.nii.gz", "consensus/Patient_02/staple.nii.gz"),
    "about a consensus": ("consensus/Patient_01/staple.json", "consensus/Patient_02/staple.json"),
    "training.csv": ("models/staple/fold_1/training.csv", "models/staple/fold_2/training.csv"),
    "network": ("models/staple/fold_1/network.pt", "models/staple/fold_2/network.pt"),
    "hashes": ("models/staple/fold_1/made.json", "models/staple/fold_2/made.json"),
    "folds": ("folds.json", "run.json"),
    "record": ("run.json", "folds.json"),
    "table": ("table1.md", "metrics.csv"),
}
JSON = ("scores", "about a consensus", "hashes", "folds", "record")
VALUES = ("null", "[]", "{}", '"text"', '{"a": {"b": null}}', "[" * 100_000, "\ufeff{}")


def truncated(file: Path, _: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def swapped(file: Path, other: Path) -> None:
    shutil.copy(other, file)


def emptied(file: Path, _: Path) -> None:
    file.write_bytes(b"")


def flipped(file: Path, _: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x55
    file.write_bytes(bytes(content))


def removed(file: Path, _: Path) -> None:
    file.unlink()


def a_folder(file: Path, _: Path) -> None:
    file.unlink()
    file.mkdir()


def outcome(cohort: Path, run: Path, want: list[bytes]) -> str:
    """Return the error's line; an empty text if the run ends with the right tables."""
    said = ""
    try:
        run_experiment(cohort, run, small(), resume=True)
    except FastfuseError as error:
        said = str(error)
    assert "\n" not in said
    assert said or tables_of(run)[: len(want)] == want
    return said


@pytest.mark.parametrize(
    "harm",
    [
        truncated,
        swapped,
        a_folder,
        *(pytest.param(one, marks=pytest.mark.slow) for one in (emptied, removed)),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_harmed(
    cohort: Path, copy: Path, finished: Path, kind: str, harm: Callable[[Path, Path], None]
) -> None:
    file, other = (copy / name for name in KINDS[kind])
    harm(file, other)
    said = outcome(cohort, copy, tables_of(finished))
    if harm is a_folder:
        return
    if kind == "record":
        assert "run.json" in said
    else:
        assert said == ""


@pytest.mark.parametrize("values", [VALUES[2:6:3], pytest.param(VALUES, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", JSON)
def test_any_json(cohort: Path, copy: Path, finished: Path, kind: str, values: tuple[str, ...]) -> None:
    file, want = copy / KINDS[kind][0], tables_of(finished)
    for value in values:
        file.write_text(value)
        said = outcome(cohort, copy, want)
        assert (kind == "record") == bool(said), value


def typed(value: object) -> Iterator[object]:
    """Yield a JSON value with one of its parts replaced by something of another type."""
    if isinstance(value, dict):
        for key in list(value)[:6]:
            yield {name: one for name, one in value.items() if name != key}
            yield from ({**value, key: one} for one in (None, 7, "text", [], {}, [None], {"a": 1}))
            yield from ({**value, key: one} for one in typed(value[key]))


@pytest.mark.parametrize("sample", [4, pytest.param(12, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["scores", "hashes", "record"])
def test_wrong_types(cohort: Path, copy: Path, finished: Path, kind: str, sample: int) -> None:
    """A sample of all places and types, in each of which the table is right, or a line is said."""
    file, want = copy / KINDS[kind][0], tables_of(finished)
    content = file.read_text()
    variants = list(typed(json.loads(content)))
    assert len(variants) > 20
    for variant in variants[:: max(1, len(variants) // sample)]:
        file.write_text(json.dumps(variant))
        outcome(cohort, copy, want[:2])  # of another record the caption may tell
        file.write_text(content)


def test_what_is_made_again_is_told(cohort: Path, copy: Path, finished: Path) -> None:
    lost = [copy / KINDS[kind][0] for kind in ("prediction", "consensus", "training.csv", "folds")]
    for file in lost:
        flipped(file, file)
    told = Told()
    run_experiment(cohort, copy, small(), resume=True, narrator=told)
    for file in lost:
        (line,) = [line for line in told.lines if line.startswith(str(file))]
        assert "is not as " in line
        assert file.read_bytes() == (finished / file.relative_to(copy)).read_bytes()


def test_a_network_that_is_needed(cohort: Path, copy: Path, finished: Path) -> None:
    """A network of other weights is refused; the remedy works."""
    network, other = (copy / name for name in KINDS["network"])
    want, kept = tables_of(finished), network.read_bytes()
    (copy / KINDS["prediction"][0]).unlink()
    shutil.copy(other, network)
    said = outcome(cohort, copy, want)
    assert f"{network}: is not the file that the run wrote; put that one back, or delete this one" in said
    network.write_bytes(kept)
    assert outcome(cohort, copy, want) == ""
    (copy / KINDS["prediction"][0]).unlink()
    network.unlink()
    assert outcome(cohort, copy, want) == ""


def test_a_checkpoint_of_another_training(cohort: Path, copy: Path, finished: Path) -> None:
    """Shapes fit, and nothing else tells: it is refused by what it says of itself."""
    folder = copy / "models" / "staple" / "fold_1"
    for path in (copy / KINDS["prediction"][0], folder / "network.pt"):
        path.unlink()
    kept = checkpoint.load(copy / "models" / "staple" / "fold_2" / "network.pt")
    checkpoint.save(folder / "resume.pt", {**kept, "about": "fold 2"})
    said = outcome(cohort, copy, tables_of(finished))
    assert "resume.pt: cannot be read as weights" in said
    (folder / "resume.pt").unlink()
    assert outcome(cohort, copy, tables_of(finished)) == ""


def test_a_flipped_byte_of_weights(copy: Path) -> None:
    """PyTorch itself reads it without a word."""
    network = copy / KINDS["network"][0]
    weights = checkpoint.load(network)["network"]["last.weight"].numpy().tobytes()
    content = bytearray(network.read_bytes())
    at = content.index(weights[:16])
    content[at] ^= 1
    network.write_bytes(bytes(content))
    torch.load(network, weights_only=True)
    with pytest.raises(FastfuseError, match=r"network\.pt: cannot be read as weights .*is damaged"):
        checkpoint.load(network)


@pytest.mark.parametrize("kind", ["prediction", "consensus"])
def test_tables_of_changed_files(copy: Path, kind: str) -> None:
    """`fastfuse table` makes nothing again: it refuses."""
    from fastfuse.train.tables import make_tables

    file = copy / KINDS[kind][0]
    flipped(file, file)
    with pytest.raises(FastfuseError, match=rf"{file.name}: is not as the run wrote it; fastfuse experiment"):
        make_tables([copy])


@pytest.mark.parametrize("content", [None, '{"folds": [['])
def test_tables_without_folds(copy: Path, content: str | None) -> None:
    """The remedy is the one that works: run.json has the folds, too."""
    from fastfuse.train.tables import make_tables

    (copy / "folds.json").unlink()
    if content:
        (copy / "folds.json").write_text(content)
    with pytest.raises(
        FastfuseError, match=r"folds\.json: is missing or damaged; fastfuse experiment --resume"
    ):
        make_tables([copy])


def test_figures_of_a_changed_consensus(copy: Path, tmp_path: Path) -> None:
    """Of whatever method: it is shown only as the run wrote it."""
    from fastfuse.train.figures import _draw_slices
    from fastfuse.train.finished import open_runs

    shutil.copy(copy / KINDS["consensus"][1], copy / KINDS["consensus"][0])
    (run,) = open_runs([copy], Told())
    with pytest.raises(FastfuseError, match=r"Patient_01.staple\.nii\.gz: is not as the run wrote it"):
        _draw_slices(run, "Patient_01", tmp_path, 0.5)


def test_other_folds_than_the_runs(cohort: Path, copy: Path, finished: Path, tmp_path: Path) -> None:
    """Tables and predictions go by the folds that the networks were trained in; the remedy works."""
    from fastfuse.train.predict import predict_cases
    from fastfuse.train.tables import make_tables

    file = copy / "folds.json"
    file.write_text(json.dumps({"folds": json.loads(file.read_text())["folds"][::-1]}))
    case = next(cohort.rglob("Patient_01"))
    for use in (lambda: make_tables([copy]), lambda: predict_cases(copy, [case], tmp_path / "out")):
        with pytest.raises(FastfuseError, match=r"folds\.json: is not as the run wrote it; fastfuse experim"):
            use()
    assert outcome(cohort, copy, tables_of(finished)) == ""
    make_tables([copy])


@pytest.mark.parametrize(
    "content", ['{"epoch": 1, "reason": "the lo', '{"epoch": 9, "reason": "other"}', "[]"]
)
def test_a_changed_record_of_a_failure(
    cohort: Path, copy: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """A network counts as failed only by what the run wrote; by anything else it is trained again, and that is told."""
    from fastfuse.train import fit
    from fastfuse.train.finished import open_runs

    (run,) = open_runs([copy], Told())
    network, failed = run.model("staple", 1), run.model("staple", 1).with_name("failed.json")
    run.keep("staple", 1, {failed: b'{"epoch": 1, "reason": "the loss is nan"}'})
    assert run.failure("staple", 1) == "the loss is nan, epoch 1"
    failed.write_text(content)
    assert run.failure("staple", 1) is None
    network.unlink()
    lost = [copy / "predictions" / "staple" / f"{name}.nii.gz" for name in run.folds[0]]
    for path in lost:
        path.unlink()
    trained: list[int] = []
    real = fit.train
    monkeypatch.setattr(fit, "train", lambda *given, **more: (trained.append(1), real(*given, **more))[1])
    told = Told()
    run_experiment(cohort, copy, small(), resume=True, narrator=told, jobs=1)
    assert trained == [1]
    assert [line for line in told.lines if "failed.json: is not as the run wrote it; that network is" in line]
    assert not failed.exists()
    assert tables_of(copy) == tables_of(finished)


@pytest.mark.parametrize(
    "content",
    [
        "epoch,loss,validation,seconds\n1,0.5,0.1,1\n2,0.4,0.2,1\n",
        "",
        "epoch\n1\n",
        "epoch,loss,validation\n1,x,\n",
        "a\x00b",
        "epoch,loss",
    ],
)
def test_curves_of_a_damaged_history(content: str, copy: Path) -> None:
    """Where it cannot be mended, as in `fastfuse table`, its curve is left out."""
    from fastfuse.train.figures import _history
    from fastfuse.train.finished import open_runs

    (copy / KINDS["training.csv"][0]).write_text(content)
    (run,) = open_runs([copy], Told())
    assert _history(run, "staple", 1).epochs.shape == (0, 3)
    assert _history(run, "staple", 2).epochs.shape == (2, 3)
