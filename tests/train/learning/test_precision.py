"""Half precision: where it is taken, what stays in float32, and states that go from one device to another."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

torch = pytest.importorskip("torch")

from fastfuse import FastfuseError
from fastfuse.train.network import checkpoint, precision
from fastfuse.train.network.batches import predict
from fastfuse.train.network.loss import soft_dice_loss
from fastfuse.train.network.model import make_network
from fastfuse.train.network.precision import computing_in, precision_of
from fastfuse.train.network.training import State, Steps, train
from fastfuse.train.network.unet import UNet
from fastfuse.train.network.workers import Workers
from fastfuse.train.options import NetworkOptions, TrainingOptions, make_options

from ..test_training import QUICK, case

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


class Ending(torch.nn.Module):
    """A network of one's own with any end."""

    def __init__(self, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.last, self.end = torch.nn.Conv2d(2, 1, 1), end

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        return self.end(self.last(slices))


def of_two_classes(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(torch.cat([torch.zeros_like(logits), logits], 1), 1)[:, 1:]


def network_with(end: str) -> torch.nn.Module:
    if end == "unet":
        return UNet(2, 2, 1)
    if end == "logit":
        return make_network(NetworkOptions(model=f"{__name__}:without_end", output="logit"), 2)
    return Ending(
        {
            "module": torch.nn.Sigmoid(),
            "function": torch.sigmoid,
            "method": torch.Tensor.sigmoid,
            "functional": torch.nn.functional.sigmoid,
            "by name": lambda logits: torch.sigmoid(input=logits),
            "expit": torch.special.expit,
            "two classes": of_two_classes,
        }[end]
    )


def without_end(in_channels: int, width: int, depth: int) -> torch.nn.Module:
    return Ending(torch.nn.Identity())


ENDS = ["unet", "logit", "module", "function", "method", "functional", "by name", "expit", "two classes"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("logit", [-12.0, 12.0])
def test_gradient_of_a_sure_prediction(logit: float, half: torch.dtype, end: str) -> None:
    """In half precision a sigmoid would be 1 from a logit of 6.3 (bfloat16) or 8.4 (float16) on, with gradient 0."""
    network, logits = network_with(end), []
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.constant_(network.last.bias, logit)
    network.last.register_forward_hook(lambda *given: logits.append(given[2]) or given[2].retain_grad())
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1
    with computing_in(CPU, half):
        predicted = network(torch.randn(1, 2, 4, 4))
    assert logits[0].dtype == half
    assert predicted.dtype == torch.float32
    assert ((predicted > 0) & (predicted < 1)).all()
    scale = 2.0**16 if half == torch.float16 else 1.0  # where torch.amp.GradScaler begins
    (scale * soft_dice_loss(predicted, target)).backward()
    gradient = logits[0].grad
    assert (gradient[target > 0] < 0).all()
    assert (gradient[target == 0] > 0).all()
    assert torch.sigmoid(logits[0]).max() == 1 or logit < 0


def test_losses_are_float32() -> None:
    predicted = torch.rand(1, 1, 300, 300, dtype=torch.bfloat16)
    assert soft_dice_loss(predicted, torch.ones_like(predicted)).dtype == torch.float32
    assert predict(UNet(2, 2, 1), torch.randn(3, 2, 8, 8), CPU, 2, torch.bfloat16).dtype == torch.float32


@pytest.mark.parametrize(
    ("able", "capability", "expected"),
    [
        (True, None, torch.bfloat16),
        (False, None, torch.float32),
        (True, (9, 0), torch.bfloat16),
        (True, (8, 0), torch.bfloat16),
        (True, (7, 5), torch.float16),
    ],
)
def test_the_fastest(able: bool, capability: tuple[int, int] | None, expected: torch.dtype) -> None:
    device = CPU if capability is None else CUDA
    with (
        mock.patch.object(precision, "cpu_has_bfloat16", return_value=able),
        mock.patch.object(torch.cuda, "get_device_capability", return_value=capability),
    ):
        assert precision_of(device, "auto") == expected


def test_named_precisions() -> None:
    assert precision_of(CPU, "float32") == torch.float32
    assert precision_of(CPU, "bfloat16") == torch.bfloat16
    assert precision_of(CUDA, "float16") == torch.float16
    with pytest.raises(FastfuseError, match=r"precision is float16 and the device cpu: float16 is for CUDA"):
        precision_of(CPU, "float16")
    with pytest.raises(FastfuseError, match="precision is bfloat16 and the device mps: take float32 there"):
        precision_of(torch.device("mps"), "bfloat16")
    assert precision_of(torch.device("mps"), "auto") == torch.float32
    for device, wanted in ((CPU, "float16"), (torch.device("mps"), "bfloat16")):  # trained on another device
        assert precision_of(device, wanted, predicting=True) == torch.float32
    assert precision_of(CPU, "bfloat16", predicting=True) == torch.bfloat16
    assert precision_of(CUDA, "float16", predicting=True) == torch.float16
    assert make_options("paper").training.precision == "float32"
    assert make_options("quick").training.precision == "auto"


@pytest.mark.parametrize("newer", [True, False])
def test_what_the_processor_can(newer: bool) -> None:
    """By PyTorch's word, or by the system's where it is older: both say the same here."""
    flags = Path("/proc/cpuinfo")
    text = flags.read_text() if flags.exists() else ""
    precision.cpu_has_bfloat16.cache_clear()
    with (
        mock.patch.object(torch.cpu, "get_capabilities", None, create=True) if not newer else mock.MagicMock()
    ):
        found = precision.cpu_has_bfloat16()
    precision.cpu_has_bfloat16.cache_clear()
    if text and (not newer or hasattr(torch.cpu, "get_capabilities")):
        assert found == ("avx512_bf16" in text or "amx_bf16" in text)


def test_half_precision_learns_as_much(tmp_path: Path) -> None:
    losses = {}
    for name in ("float32", "bfloat16"):
        torch.manual_seed(0)
        network = UNet(2, 8, 2)
        options = replace(QUICK, precision=name, epochs=20, batch=10, save_every_s=1e9)
        history = train(
            network, [case(0)], [], options,
            resume_from=tmp_path / name, seed=(0,), workers=Workers(CPU),
        )  # fmt: skip
        losses[name] = history[-1].loss
        assert all(weights.dtype == torch.float32 for weights in network.parameters())
        assert history[-1].loss < 0.5
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.1)
    assert losses["bfloat16"] != losses["float32"]


def stepped(options: TrainingOptions) -> State:
    from fastfuse.train.network.batches import Pool

    torch.manual_seed(0)
    network = UNet(2, 2, 1)
    state = State.first(network, options, CPU)
    Steps(network, Pool([case(0)], 0.5, 5.0), options, Workers(CPU), "").epoch(state, (0,), 1)
    return state


class FakeScaler:
    """Stands in for that of a card with float16."""

    def __init__(self, scale: float) -> None:
        self.kept = {"scale": scale, "growth_factor": 2.0}

    def is_enabled(self) -> bool:
        return True

    def state_dict(self) -> dict[str, float]:
        return self.kept

    def load_state_dict(self, kept: dict[str, float]) -> None:
        if not kept:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled one"
            )
        self.kept = kept


def test_from_cpu_to_card_and_back(tmp_path: Path) -> None:
    """A scaler's state is kept where there is one, asked for nowhere, and passes through a run on the CPU unharmed."""
    options = replace(QUICK, steps=2)
    on_cpu = stepped(options)
    on_cpu.save(tmp_path / "cpu.pt", "")
    on_card = stepped(replace(options, steps=1))
    on_card.scaler = FakeScaler(1024.0)
    on_card.restore(tmp_path / "cpu.pt", "")
    assert on_card.scaler.kept["scale"] == 1024.0  # its own: the CPU had none
    on_card.scaler.kept["scale"] = 2048.0
    on_card.save(tmp_path / "card.pt", "")
    back = stepped(replace(options, steps=1))
    back.restore(tmp_path / "card.pt", "")
    for name, weights in on_cpu.network.state_dict().items():
        assert torch.equal(back.network.state_dict()[name], weights)
    again = stepped(replace(options, steps=1))
    again.scaler = FakeScaler(1.0)
    again.restore(tmp_path / "card.pt", "")
    assert again.scaler.kept["scale"] == 2048.0


def test_states_are_kept_on_the_cpu(tmp_path: Path) -> None:
    """The meta device stands for a card: what is saved and chosen comes from it, what is loaded does not go there."""
    seen: list[str] = []
    real = torch.Tensor.to

    def noting(tensor: torch.Tensor, *args: object, **more: object) -> torch.Tensor:
        seen.append(str(args[0]) if args else "")
        return real(tensor, *args, **more)

    state = stepped(replace(QUICK, steps=1))
    with mock.patch.object(torch.Tensor, "to", noting):
        state.save(tmp_path / "a.pt", "")
        state.keep_if_best(0.5)
    assert seen.count("cpu") > 40
    assert state.best is not None
    assert not any(
        kept.data_ptr() == weights.data_ptr()
        for kept, weights in zip(state.best.values(), state.network.state_dict().values(), strict=True)
    )
    assert checkpoint.load(tmp_path / "a.pt")["network"].keys() == state.network.state_dict().keys()


def test_counts_of_steps_stay_on_the_cpu(tmp_path: Path) -> None:
    """The meta device stands for a card, where each would be waited for: at first, and after a run of the CPU goes on."""
    options, meta = replace(QUICK, steps=2), torch.device("meta")
    stepped(options).save(tmp_path / "cpu.pt", "")
    for resumes in (False, True):
        network = UNet(2, 2, 1).to(meta)
        state = State.first(network, options, meta)
        if resumes:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # weights cannot be copied to nowhere
                state.restore(tmp_path / "cpu.pt", "")
        network(torch.empty(1, 2, 8, 8, device=meta)).sum().backward()
        state.optimizer.step()
        kept = list(state.optimizer.state.values())
        assert {one["exp_avg"].device.type for one in kept} == {"meta"}
        assert {(one["step"].device.type, float(one["step"])) for one in kept} == {
            ("cpu", 3.0 if resumes else 1.0)
        }


def test_bound_of_pytorch() -> None:
    """torch.amp.GradScaler, and a device_id for process groups, came with 2.3."""
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    bounds = re.findall(r'"torch>=(\d+)\.(\d+)', text)
    assert bounds
    assert all((int(major), int(minor)) >= (2, 3) for major, minor in bounds)
