"""Half precision: where it is taken, what stays in float32, and states that go from one device to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

torch = pytest.importorskip("torch")

from fastfuse import FastfuseError
from fastfuse.train.network import checkpoint, precision
from fastfuse.train.network.batches import predict
from fastfuse.train.network.loss import soft_dice_loss
from fastfuse.train.network.precision import computing_in, precision_of
from fastfuse.train.network.training import State, Steps, train
from fastfuse.train.network.unet import UNet
from fastfuse.train.network.workers import Workers
from fastfuse.train.options import TrainingOptions, make_options

from ..test_training import QUICK, case

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize("logit", [-12.0, 12.0])
def test_gradient_of_a_sure_prediction(logit: float) -> None:
    """Under autocast a sigmoid of bfloat16 would be 1 from a logit of 6.3 on, with gradient 0."""
    network, logits = UNet(2, 2, 1), []
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.constant_(network.last.bias, logit)
    network.last.register_forward_hook(lambda *given: logits.append(given[2]) or given[2].retain_grad())
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2] = 1
    with computing_in(CPU, torch.bfloat16):
        predicted = network(torch.randn(1, 2, 4, 4))
    assert logits[0].dtype == torch.bfloat16
    assert predicted.dtype == torch.float32
    assert ((predicted > 0) & (predicted < 1)).all()
    soft_dice_loss(predicted, target).backward()
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
    step = state.optimizer.state_dict()["state"][0]["step"]
    assert step.device.type == "cpu"
    assert state.best is not None
    assert not any(
        kept.data_ptr() == weights.data_ptr()
        for kept, weights in zip(state.best.values(), state.network.state_dict().values(), strict=True)
    )
    assert checkpoint.load(tmp_path / "a.pt")["network"].keys() == state.network.state_dict().keys()
