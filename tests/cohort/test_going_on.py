"""A run goes on where another ended, whatever ended it; what is done is not done again; one run at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Listener
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse import OutputError, pool, tabulate
from fastfuse.cohort import place, run, tasks

from .files import NAMES, add_case, consensus, contents, fused, make_cohort, mask_path, masks, save

pytestmark = pytest.mark.filterwarnings("ignore:case-.* has a Dice of")  # a rater of a toy cohort


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = make_cohort(tmp_path / "in"), tmp_path / "out"
    fused(root, out)
    before = contents(out)
    read: list[str] = []
    print_of = place.print_of
    monkeypatch.setattr(tasks, "print_of", lambda path: read.append(path.name) or print_of(path))  # type: ignore[func-returns-value]
    again = fused(root, out)
    assert (again.facts["skipped"], read) == (list(again.cases), [])
    assert contents(out) == before
    os.utime(mask_path(root, "case-02", "Eve"))  # read, and found to be the same
    again = fused(root, out)
    assert (len(again.facts["skipped"]), len(read)) == (5, 3)
    save(mask_path(root, "case-02", "Eve"), masks(99)[2])  # changed
    again = fused(root, out, refresh=True)
    assert again.facts["fused"] == list(again.cases)
    fresh = tmp_path / "fresh"
    fused(root, fresh)
    assert isinstance(again.estimate, fastfuse.PooledEstimate)
    np.testing.assert_allclose(consensus(out, "case-02"), consensus(fresh, "case-02"), atol=1e-5)
    other = fused(root, out, prior="estimate")  # cases are fused again, tables are kept
    assert (other.facts["counted"], other.facts["fused"]) == ([], list(other.cases))
    other = fused(root, out, missing="nan")
    assert other.facts["counted"] == list(other.cases)


def test_a_cohort_is_the_same_however_its_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by --scheduler, which makes paths absolute; shards by one, and their merge by another, too."""
    root, out = make_cohort(tmp_path / "in", 3), Path("out")
    monkeypatch.chdir(tmp_path)
    fused(Path("in"), out)
    read: list[Path] = []
    print_of = place.print_of
    monkeypatch.setattr(tasks, "print_of", lambda path: read.append(path) or print_of(path))  # type: ignore[func-returns-value]
    for again in (root, Path("in"), Path("in", "..", "in"), Path("..", tmp_path.name, "in")):
        facts = fused(again, out).facts
        assert (facts["counted"], len(facts["skipped"]), read) == ([], 3, [])
    with ThreadPoolExecutor(1) as executor:
        assert fused(Path("in"), out, executor=executor).facts["counted"] == []
    assert fused(root, out, merge=True).failed == {}
    copy = shutil.copytree(root, tmp_path / "copy")  # elsewhere: read, and found to be the same
    facts = fused(copy, out).facts
    assert (len(facts["skipped"]), len(read)) == (3, 9)


def test_of_more_cases_those_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = make_cohort(tmp_path / "in", 6), tmp_path / "out"
    before = fused(root, out)
    for number in range(6, 8):
        add_case(root, number)
    read: list[str] = []
    work = tasks.ready_votes
    monkeypatch.setattr(
        tasks, "ready_votes", lambda job, *rest: read.append(job.raters[0].parts[-3]) or work(job, *rest)
    )  # type: ignore[func-returns-value]
    with pytest.warns(fastfuse.FusionWarning, match="the consensus of 6 cases rests on rates"):
        after = fused(root, out)
    assert read == ["case-06", "case-07"]
    assert after.facts["of_earlier_rates"] == list(before.cases)
    assert after.facts["fused"] == ["case-06", "case-07"]
    cold = pool({f"case-{k:02}": tabulate(list(masks(k)), names=NAMES) for k in range(8)}, "staple")
    assert isinstance(after.estimate, fastfuse.PooledEstimate)
    assert isinstance(cold, fastfuse.PooledEstimate)
    assert after.estimate.n_iter < cold.n_iter
    np.testing.assert_allclose(after.estimate.sensitivity, cold.sensitivity, rtol=0, atol=1e-6)


def test_two_runs_into_one_folder_are_refused(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in", 2), tmp_path / "out"
    held = place.Place(out)
    with held.alone(None):
        for shard in (None, (1, 2)):
            with pytest.raises(OutputError, match="another run writes there"):
                fused(root, out, shard=shard)
    with held.alone((1, 2)):
        for shard in (None, (1, 2)):
            with pytest.raises(OutputError, match="another run writes there"):
                fused(root, out, shard=shard)
        fused(root, out, shard=(2, 2))
    fused(root, out)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a cohort of three cases and its outputs."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "draw", lambda *_: False)
        fused(make_cohort(folder / "in", 3), folder / "out")
    return folder


@pytest.mark.parametrize(
    "stage",
    ["tables/case-02.json", "estimate.json", "case-01/made.json", "case-02/consensus.nii.gz", "raters.csv"],
)
def test_interrupted_anywhere_it_goes_on(
    uninterrupted: Path, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had not been: the same bytes, and no half file."""
    from fastfuse.images.outputs import Outputs

    root, out = uninterrupted / "in", tmp_path / "out"
    add = Outputs.add

    def interrupted(self: Outputs, path: Path, content: bytes) -> None:
        if path.as_posix().endswith(stage):
            raise KeyboardInterrupt
        add(self, path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Outputs, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fused(root, out)
    whole = contents(uninterrupted / "out")
    assert not list(out.rglob(".fastfuse-*.part"))
    assert all(whole[name] == content for name, content in contents(out).items())
    fused(root, out)
    assert contents(out) == whole


@pytest.mark.parametrize("stage", ["tables/case-02.npz", "case-01/consensus.nii.gz"])
def test_a_full_disk_ends_the_run(tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastfuse.images.outputs import Outputs

    root, out = make_cohort(tmp_path / "in", 4), tmp_path / "out"
    add = Outputs.add

    def full(self: Outputs, path: Path, content: bytes) -> None:
        if path.as_posix().endswith(stage):
            raise OutputError(f"{path}: cannot be written (No space left on device)")
        add(self, path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Outputs, "add", full)
        with pytest.raises(OutputError, match="No space left on device"):
            fused(root, out)
    fused(root, out)
    fused(root, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


AT_WORK = """
import sys, time
from multiprocessing.connection import Client
sys.kept = Client(("localhost", {port}))
sys.kept.send(0)
time.sleep({seconds})
"""
KILLED = f"""
import sys, time
from fastfuse.cohort.workers.crew import spawned

with spawned(2) as pool:
    for seconds in (600, 0):
        pool.submit(exec, {AT_WORK!r}.format(port=sys.argv[1], seconds=seconds))
    time.sleep(600)
"""


def test_workers_end_with_a_process_that_is_killed() -> None:
    """Who waits would wait forever, and who is at work would write into a folder in which the next run is at work."""
    with Listener(("localhost", 0)) as listener:
        command = [sys.executable, "-c", KILLED, str(listener.address[1])]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            workers = [listener.accept() for _ in range(2)]
            assert [worker.recv() for worker in workers] == [0, 0]
            process.kill()
        for worker in workers:
            assert worker.poll(60)
            with worker, pytest.raises((EOFError, ConnectionError)):
                worker.recv()
