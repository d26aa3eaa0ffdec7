"""How a run talks: lines in a log, devices that there are not, TensorBoard's log, numbers that are typed."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse import FastfuseError
from fastfuse.train.narrator import LINES, Narrator, Pace
from fastfuse.train.network.board import board
from fastfuse.train.network.device import usable
from fastfuse.train.network.training import Epoch
from fastfuse.train.network.workers import Workers, make_workers

from ...command import run_here
from ..common import command

PAPER = 5000


class Clock:
    """A clock that goes on by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(seconds: float, epochs: int = PAPER, first: int = 1) -> list[int]:
    """Return the epochs that get a line, if each takes so many seconds."""
    clock = Clock()
    pace, due = Pace(epochs, clock), []
    for number in range(first, epochs + 1):
        clock.now += seconds
        if pace.is_due(number):
            due.append(number)
    return due


def test_fast_epochs_get_a_line_a_minute() -> None:
    due = lines(0.5)
    assert due[:3] == [1, 121, 241]
    assert due[-1] == PAPER
    assert len(due) == 43


def test_slow_epochs_get_a_line_a_hundredth() -> None:
    due = lines(100)
    assert due[:3] == [1, 51, 101]
    assert len(due) <= LINES + 1


def test_few_epochs() -> None:
    assert lines(1, 30) == [1, 30]
    assert lines(100, 30) == list(range(1, 31))
    assert lines(1, 30, first=30) == [30]
    assert lines(1, 30, first=28) == [28, 30]


def test_a_run_of_the_paper_fits_on_screens() -> None:
    """Twenty trainings; before, they gave 100,000 lines."""
    assert 20 * max(len(lines(seconds)) for seconds in (0.01, 0.3, 1, 2, 60)) <= 2020


def test_a_log_has_the_first_and_the_last_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    with Narrator() as narrator, narrator.training("staple", PAPER) as speak:
        history = []
        for number in range(1, PAPER + 1):
            history.append(Epoch(number, 0.5, None, 0.1))
            speak(history)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in said] == ["staple: epoch 1/5000", "staple: epoch 5000/5000"]


@pytest.mark.parametrize(
    "device",
    [
        "mps",
        "xla",
        "meta",
        "cuda:99",
        "hpu",
        "",
        "nonsense",
        "CPU",
        "cpu ",
        "vulkan",
        "cpu:3",
        "cpu:-1",
        "0",
        "privateuseone",
        "mkldnn",
        "fpga",
        "xpu",
        "maia",
        "lazy",
        "mtia",
        "cuda:x",
        "cuda:",
        "\x1b[0m",
        "cpu\n",
    ],
)
def test_devices_that_there_are_not(device: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("it is there")
    with pytest.raises(FastfuseError, match=r"^device is ") as caught:
        make_workers(device)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 160
    assert "try cpu" in said or "give auto, cpu, cuda" in said


def test_a_backend_that_pytorch_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch says a page."""
    page = (
        "Could not run 'aten::empty' with arguments from the 'MPS' backend. This could be\n"
        + "CPU: ...\n" * 99
    )

    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(page)

    monkeypatch.setattr(torch, "ones", refuse)
    with pytest.raises(
        FastfuseError, match=r"^device is 'mps': it cannot be used \(this PyTorch, .*, has no mps\)"
    ):
        usable("mps")


def test_the_device_that_is_there() -> None:
    assert str(make_workers("cpu").device) == "cpu"
    assert make_workers("auto").device.type in ("cpu", "cuda")


class Writer:
    """Stands for TensorBoard's writer."""

    made: list[tuple[str, int]] = []  # noqa: RUF012
    added: list[tuple[str, float, int]] = []  # noqa: RUF012

    def __init__(self, folder: Path, purge_step: int) -> None:
        self.made.append((folder.name, purge_step))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.added.append((tag, value, step))

    def close(self) -> None:
        self.added.append(("closed", 0, 0))


def test_tensorboard_repeats_no_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed training hides what the killed one logged after its checkpoint."""
    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    workers = Workers(torch.device("cpu"))
    for first in (1, 8):
        with board(tmp_path, workers) as note:
            for number in range(first, first + 3):
                note(Epoch(number, 0.5, 0.4 if number == first else None, 1.0))
    assert Writer.made == [("tensorboard", 1), ("tensorboard", 8)]
    steps = [step for tag, _, step in Writer.added if tag == "loss/training"]
    assert steps == [1, 2, 3, 8, 9, 10]
    assert [tag for tag, *_ in Writer.added].count("closed") == 2


def test_tensorboard_of_a_finished_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an epoch there is no log."""
    before = len(Writer.made)
    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    with board(tmp_path, Workers(torch.device("cpu"))):
        pass
    assert len(Writer.made) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "9223372036854775807"], "seed is 9223372036854775807: it must lie in [0, 4294967295]"),
        (["--seed", "99999999999999999999999"], "it must lie in [0, 4294967295]"),
        (["--seed", "-1"], "seed is -1: it must lie in [0, 4294967295]"),
        (["--seed", "1.5"], "Invalid value for '--seed'"),
        (["--set", "seed=1e3"], "seed is 1000.0: a whole number is needed"),
        (["--seeds", "0,x"], "--seeds is '0,x': give whole numbers, as 1,3"),
        (["--seeds", "0,-2"], "seed is -2: it must lie in"),
        (["--seeds", "0,0"], "seeds is [0, 0]: name none twice"),
        (["--seeds", "0,1", "--seed", "2"], "--seed and --seeds are both given"),
        (["--only-folds", "1,b"], "--only-folds is '1,b': give whole numbers"),
        (["--train", "Training"], "train is given alone: give --train and --test"),
        (["--test", "Testing"], "test is given alone: give --train and --test"),
        (["--train", "Testing", "--test", "Testing"], "--train and --test are both 'Testing'"),
        (["--device", "mps"], "--device is 'mps': it cannot be used"),
        (["--device", "nonsense"], "--device is 'nonsense': give auto, cpu, cuda"),
    ],
)
def test_what_is_typed(cohort: Path, tmp_path: Path, words: list[str], message: str) -> None:
    if "mps" in words and torch.backends.mps.is_available():
        pytest.skip("it is there")
    done = run_here(tmp_path, *command(cohort, tmp_path / "r", *words)[3:])
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("text", ["seed = 9223372036854775808", "seed = -1"])
def test_seeds_in_a_file(cohort: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "o.toml").write_text(text)
    words = command(cohort, tmp_path / "r", "--config", str(tmp_path / "o.toml"))[3:]
    done = run_here(tmp_path, *words)
    assert done.returncode == 2
    assert "it must lie in [0, 4294967295]" in done.stderr


def test_the_largest_seed(cohort: Path, tmp_path: Path) -> None:
    words = command(
        cohort, tmp_path / "r", "--seed", str(2**32 - 1), "--methods", "staple", "--only-folds", "1"
    )
    done = run_here(tmp_path, *words[3:])
    assert done.returncode == 0, done.stderr


def test_an_error_of_ones_own_network(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says which network and what; its own frames follow, and nothing asks to report a bug of fastfuse."""
    (tmp_path / "broken.py").write_text(
        "import torch\n\nclass Net(torch.nn.Conv2d):\n    def forward(self, x):\n        return self.missing(x)\n\n"
        "def make(in_channels, width, depth):\n    return Net(in_channels, 1, 3)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    done = run_here(tmp_path, *command(cohort, tmp_path / "r", "--model", "broken:make")[3:])
    assert done.returncode == 2
    first, *frames = done.stderr.splitlines()
    assert first.startswith(
        "error: model broken:make: AttributeError: 'Net' object has no attribute 'missing'"
    )
    assert any("broken.py" in line and "in forward" in line for line in frames)
    assert "report this" not in done.stderr
    assert "fastfuse/" not in "".join(frames)
