"""Networks of one's own are tried on slices of the cohort; errors in their code are told with it."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fastfuse.cohort.msseg import find_cases
from fastfuse.errors import ModelError
from fastfuse.train.network.model import check_network, make_network
from fastfuse.train.options import NetworkOptions, make_options
from fastfuse.train.targets.sample import sample_of

from ...command import run_here
from ..common import command

HERE = __name__.rpartition(".")[0] + ".nets"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sample(cohort: Path) -> tuple[torch.Tensor, torch.Tensor]:
    return sample_of(find_cases(cohort)[0], 4, 8)


def tried(sample: tuple[torch.Tensor, torch.Tensor], name: str, output: str = "probability") -> None:
    options = NetworkOptions(depth=3, model=f"{HERE}:{name}", output=output)
    for precision in (torch.float32, torch.bfloat16):
        check_network(options, *sample, CPU, precision)


def test_sample_is_of_the_cohort(sample: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, target = sample
    assert images.shape[:2] == (4, 5)
    assert target.shape == (4, 1, *images.shape[2:])
    assert not images.shape[2] % 8
    assert not images.shape[3] % 8
    assert 0 < float(target.mean()) < float(target.max()) <= 1
    assert float(images.std()) > 0.3


@pytest.mark.parametrize(
    "name", ["plain", "instance", "deep_instance", "batch", "group", "dropout", "frozen"]
)
def test_any_normalisation(sample: tuple[torch.Tensor, torch.Tensor], name: str) -> None:
    tried(sample, name)


@pytest.mark.parametrize("name", ["logits", "rectified", "halves"])
def test_no_sigmoid(sample: tuple[torch.Tensor, torch.Tensor], name: str) -> None:
    """Also where the untrained network says 0.5, or anything else in [0, 1]; the remedy works."""
    with pytest.raises(ValueError, match=r"probabilities are needed; network\.output=logit puts a sigmoid"):
        tried(sample, name)
    tried(sample, name, "logit")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["in_place", "scripted"])
def test_a_sigmoid_that_stays_in_half_precision(sample: tuple[torch.Tensor, torch.Tensor], name: str) -> None:
    """Refused there, where a sure prediction could not learn; in float32 it trains."""
    options = NetworkOptions(depth=3, model=f"{HERE}:{name}")
    check_network(options, *sample, CPU, torch.float32)
    with pytest.raises(
        ValueError, match=r"sigmoid is computed in bfloat16, .* or set training\.precision=float32"
    ):
        check_network(options, *sample, CPU, torch.bfloat16)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_with_logits(sample: tuple[torch.Tensor, torch.Tensor]) -> None:
    tried(sample, "scripted_logits", "logit")


def test_one_sigmoid_is_enough(sample: tuple[torch.Tensor, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r"seems to end with a sigmoid: take network\.output=probability"):
        tried(sample, "plain", "logit")
    with pytest.raises(ValueError, match=r"network\.output is logit without network\.model"):
        make_options("quick", None, ["network.output=logit"])


def test_logits_keep_the_names_of_weights() -> None:
    bare = make_network(NetworkOptions(model=f"{HERE}:logits"), 5)
    with_sigmoid = make_network(NetworkOptions(model=f"{HERE}:logits", output="logit"), 5)
    with_sigmoid.load_state_dict(bare.state_dict())
    slices = torch.randn(2, 5, 8, 8)
    torch.testing.assert_close(with_sigmoid(slices), torch.sigmoid(bare(slices)))
    with torch.autocast("cpu", torch.bfloat16):
        assert with_sigmoid(slices).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unused", r"unused: other_head\.weight has no part in the output .* set its requires_grad to False"),
        ("endless", r"endless: the gradient of .* is not finite on slices of the cohort"),
        ("many", r"output has shape \(4, 2, .*\) .* \(4, 1, .*\) is needed"),
    ],
)
def test_what_cannot_learn(sample: tuple[torch.Tensor, torch.Tensor], name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tried(sample, name)


@pytest.mark.parametrize(
    ("name", "message", "line"),
    [
        ("failing", "failing: RuntimeError: Given groups=1", "return self.last(slices)"),
        ("failing_in_training", "failing_in_training: ZeroDivisionError: at the second step", "raise Zero"),
        ("not_made", "not_made: KeyError: 'width'", 'raise KeyError("width")'),
        ("typed_wrongly", "typed_wrongly: TypeError: .*missing 2 required", "return nn.Conv2d(in_channels)"),
    ],
)
def test_errors_in_its_code(
    sample: tuple[torch.Tensor, torch.Tensor], name: str, message: str, line: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        tried(sample, name)
    details = caught.value.details
    assert line in details
    assert "nets.py" in details
    assert "fastfuse/train" not in details
    assert "site-packages/torch" not in details
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.details) == (str(caught.value), details)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "model mine:net: ZeroDivisionError: division by zero"),
        ("def net(:", "model mine:net: SyntaxError"),
        (
            "import nowhere_to_be_found",
            "model mine:net: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("import math\nmath.nothing", "model mine:net: AttributeError"),
        ("def other(): pass", "model mine:net cannot be imported: mine holds no net"),
    ],
)
def test_modules_that_fail(
    tmp_path: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    """In the shell: one line, the user's frames, and the exit code of bad input."""
    (tmp_path / "mine.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    done = run_here(tmp_path, *command(cohort, tmp_path / "r", "--model", "mine:net")[3:])
    assert done.returncode == 2
    error, *details = done.stderr.splitlines()
    assert error.startswith(f"error: {message}")
    assert "please report" not in done.stderr
    if details:
        assert f'File "{tmp_path / "mine.py"}", line' in done.stderr
    assert not (tmp_path / "r").exists()
