"""What a table says of the limit of components, of peers, of its cut; and of runs that can only be read."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse.cli.flags import with_typed_values
from fastfuse.cohort.msseg import find_cases
from fastfuse.errors import ImageError, OutputError
from fastfuse.images.outputs import write_all
from fastfuse.train.cohort.common_grid import _read_grid
from fastfuse.train.conclude import _advised, _grid
from fastfuse.train.ensemble import marks_nothing
from fastfuse.train.finished import open_runs
from fastfuse.train.narrator import Narrator
from fastfuse.train.options import make_options
from fastfuse.train.results.entries import Entry
from fastfuse.train.results.exports import facts_of
from fastfuse.train.results.failures import Failure
from fastfuse.train.results.plots.brain import _outlined
from fastfuse.train.results.plots.cases import _difference, _told
from fastfuse.train.results.plots.palette import numbers
from fastfuse.train.results.printing import print_table
from fastfuse.train.tables import make_tables
from fastfuse.train.targets.kept_volumes import in_words

from ..common import Told

pytestmark = pytest.mark.usefixtures("no_figures")


def labels_of(run: Path, folder: Path) -> Path:
    """The networks' masks as label maps of a peer."""
    folder.mkdir()
    for path in (run / "predictions" / "staple").glob("*.nii.gz"):
        image = nib.load(path)
        mask = (np.asarray(image.dataobj) >= 0.5).astype(np.uint8)
        nib.save(nib.Nifti1Image(mask, image.affine), folder / path.name)
    return folder


def test_a_limit_that_most_lesions_are_below(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told; what it drops is no network that marks nothing, and no advice for training follows for a peer."""
    run, told = shutil.copytree(finished, tmp_path / "run"), Told()
    peer = labels_of(run, tmp_path / "peer")
    rows, out = make_tables(
        [run], tmp_path / "out", evaluation={"least_voxels": 5000}, peers={"Votes": [peer]}, narrator=told
    )
    words = "lesions of STAPLE's masks (100 %) are smaller than 5000 voxels"
    (line,) = [line for line in told.lines if words in line]
    assert "fastfuse table RUN --least-mm3 18" in line
    assert line.removeprefix("warning: ") in (out / "table1.md").read_text()
    (dropped,) = [line for line in told.lines if "was dropped, all of it in components below" in line]
    assert "Votes" in dropped
    assert not [line for line in told.lines if "nothing" in line or "where a " in line]
    print_table(rows, out)
    printed = " ".join(capsys.readouterr().out.split())
    assert words in printed
    assert facts_of(rows, out)["about"] == list(rows[0].about)
    opened = open_runs([run], Narrator(silent=True))[0]
    kept = run / "predictions" / "staple" / f"{opened.folds[0][0]}.json"
    assert {one["marked"] > 0 for one in json.loads(kept.read_text())["scored"].values()} == {True}
    assert not marks_nothing(opened, "staple", 1)
    quiet = Told()
    _, out = make_tables([run], tmp_path / "low", evaluation={"least_voxels": 1}, narrator=quiet)
    assert not [line for line in quiet.lines if "lesions of STAPLE" in line]
    assert "lesions of STAPLE's masks (" not in (out / "table1.md").read_text()


def test_label_maps_have_no_calibration(finished: Path, tmp_path: Path) -> None:
    peer = labels_of(finished, tmp_path / "peer")
    rows, out = make_tables([finished], tmp_path / "out", peers={"Votes": [peer]})
    assert "Votes: label maps, no probabilities" in (out / "table1.md").read_text()
    votes = next(row for row in rows if row.title == "Votes")
    assert np.isnan(votes.per_case[True, "brier"][0])
    assert not np.isnan(votes.per_case[True, "dice"][0])
    assert "Votes" not in (out / "calibration.csv").read_text()


def test_the_terminal_tells_the_cut(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    rows, out = make_tables([run], tmp_path / "out", evaluation={"cut": 0.3})
    print_table(rows, out)
    printed = " ".join(capsys.readouterr().out.split())
    assert "Predictions are cut at 0.3" in printed
    assert "preset quick" in printed


def test_a_run_that_can_only_be_read(finished: Path, tmp_path: Path) -> None:
    """Its scores are not kept, and its table goes elsewhere."""
    told = Told()

    def refusing(content: Any) -> None:
        raise OutputError(
            f"{next(iter(content))}: cannot be written (Permission denied); nothing was changed"
        )

    with mock.patch("fastfuse.train.scoring.write_all", refusing):
        rows, out = make_tables([finished], tmp_path / "out", evaluation={"cut": 0.37}, narrator=told)
    assert (out / "table1.md").exists()
    assert rows[0].networks == 3
    assert [line for line in told.lines if "Permission denied" in line and "not kept" in line]


def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    """The true reason is told, not that of a lock that is not there."""
    real = os.open

    def refusing(path: Any, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *mode)

    with mock.patch("os.open", refusing), pytest.raises(OutputError, match="Permission denied"):
        write_all({tmp_path / "a.json": b"{}"})


def test_advice_by_what_happened() -> None:
    def lines(*failures: Failure) -> list[str]:
        run = mock.Mock(failures=list(failures))
        return _advised([Entry("STAPLE", "staple", {0: run})], make_options("quick"))

    (broken,) = lines(Failure("staple", 1, "the loss is nan, epoch 3"))
    assert "a lower training.learning_rate" in broken
    assert "more epochs" not in broken
    (empty,) = lines(Failure("staple", 1))
    assert "more epochs" in empty
    assert lines(Failure("staple", 1, dropped=True)) == []


def test_a_method_keeps_its_colour() -> None:
    """Whatever else is in the table; other rows get colours of their own."""

    def found(*titles: tuple[str, str]) -> list[int]:
        return numbers([Entry(title, method, {}) for title, method in titles])

    all_four = [("STAPLE", "staple"), ("Dilated STAPLE", "dilated-staple"), ("Soft STAPLE", "soft-staple")]
    assert found(*all_four) == [0, 1, 2]
    assert found(all_four[0], all_four[2]) == [0, 2]
    assert found(("STAPLE, soft target", "staple"), all_four[0], ("nnU-Net", "nnU-Net")) == [5, 0, 6]
    assert found(("STAPLE (clip=1)", "staple"), ("STAPLE (clip=2)", "staple")) == [0, 5]


def test_legend_of_another_cut() -> None:
    assert _outlined(0.5) == "probability ≥ 0.5"
    assert _outlined(0.3) == "consensus ≥ 0.5,\nprediction ≥ 0.3"


def test_cases_whose_axes_alone_are_permuted() -> None:
    ratios = {"A": {"expert 1": 0.7, "expert 2": 1.0}, "B": {"expert 1": 1.0}}
    assert "masks of 1 of 2 cases: they have 0.70 to 1.00" in in_words(ratios, 2)
    assert in_words({"B": {"expert 1": 1.0}}, 2) == "one grid keeps the volumes of all raters' masks"


def test_the_grid_of_a_file_is_named(finished: Path, cohort: Path) -> None:
    (run,) = open_runs([finished], Narrator(silent=True))
    flair = find_cases(cohort)[0].images["FLAIR"]
    run.options = make_options("quick", None, [f"grid.file={flair}"])
    assert _grid(run) == f"; all cases on one grid, that of {flair.name} (voxels of 6 x 6 x 6 mm)"


def test_damaged_scores_are_told(finished: Path, tmp_path: Path) -> None:
    run, told = shutil.copytree(finished, tmp_path / "run"), Told()
    kept = next((run / "predictions" / "staple").glob("*.json"))
    kept.write_text(kept.read_text()[:100])
    make_tables([run], tmp_path / "out", narrator=told)
    (line,) = [line for line in told.lines if "not as the run wrote it" in line]
    assert f"{kept.name}: is not as the run wrote it; measured again" in line


def test_options_in_paths_stay() -> None:
    assert "rescored/cut=0.3: cannot" in with_typed_values("run/rescored/cut=0.3: cannot be made")
    assert with_typed_values("set cut=0.3") == "set --cut 0.3"


def test_a_sheared_grid_names_a_remedy(tmp_path: Path) -> None:
    affine = np.diag([4.0, 4, 4, 1])
    affine[0, 1] = 1.5
    path = tmp_path / "shear.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.float32), affine), path)
    with pytest.raises(ImageError, match="name an upright image, or give --spacing"):
        _read_grid(path, 0)


def test_figure_of_one_case() -> None:
    """No interval and no p are told, or drawn."""
    one = mock.Mock(experts=True, measure="dice", low=np.nan, by_case=np.array([2.0]), mean=2.0)
    row, ax = mock.Mock(differences=[one]), mock.Mock()
    assert "too few cases" in _told([row], "cases")
    _difference(ax, 0, one, "black")
    ax.text.assert_not_called()
    one.by_case = np.array([np.nan])
    _difference(ax, 0, one, "black")
    assert ax.text.call_args.args[2] == "undefined"
