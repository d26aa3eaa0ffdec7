"""The U-Net, its weights' files, and networks of one's own."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastfuse import FastfuseError
from fastfuse.train.network import checkpoint
from fastfuse.train.network.model import check_output, make_network
from fastfuse.train.network.unet import UNet
from fastfuse.train.options import NetworkOptions


@pytest.mark.parametrize(("width", "depth", "parameters"), [(32, 4, 7_760_673), (8, 3, 120_969)])
def test_parameters_as_documented(width: int, depth: int, parameters: int) -> None:
    network = UNet(5, width, depth)
    assert sum(weights.numel() for weights in network.parameters()) == parameters
    assert f"{parameters:,}" in (UNet.__doc__ or "")


def test_original_size() -> None:
    """The original, of one channel and width 64, has 31 million parameters."""
    network = UNet(1, 64, 4)
    assert round(sum(weights.numel() for weights in network.parameters()) / 1e6) == 31


def test_probabilities_of_the_slices_size() -> None:
    network = UNet(3, 4, 2)
    predicted = network(torch.randn(2, 3, 12, 20))
    assert predicted.shape == (2, 1, 12, 20)
    assert ((predicted > 0) & (predicted < 1)).all()


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="slices of 12 × 18 pixels: pad them to multiples of 4"):
        UNet(3, 4, 2)(torch.randn(1, 3, 12, 18))


def test_only_relu_and_one_sigmoid() -> None:
    kinds = {type(module).__name__ for module in UNet().modules()}
    assert kinds == {"UNet", "MaxPool2d", "ModuleList", "Sequential", "Conv2d", "ReLU", "ConvTranspose2d"}


def test_skip_connections() -> None:
    """With the deepest level cut off, the slice still shapes the output."""
    network = UNet(1, 4, 2)
    for weights in network.up.parameters():
        torch.nn.init.zeros_(weights)
    one, other = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    other[0, 0, 4, 4] = 5
    assert not torch.equal(network(one), network(other))


@pytest.mark.parametrize("weights", ["glorot-normal", "glorot-uniform"])
def test_glorot(weights: str) -> None:
    torch.manual_seed(0)
    drawn = UNet(5, 32, 2, weights=weights).down[1][2].weight.detach()
    variance = 2 / (9 * 64 + 9 * 64)
    assert float(drawn.mean()) == pytest.approx(0, abs=1e-3)
    assert float(drawn.var()) == pytest.approx(variance, rel=0.02)
    bound = math.sqrt(3 * variance)
    largest = float(drawn.abs().max())
    assert largest > 1.1 * bound if weights == "glorot-normal" else 0.98 * bound < largest <= bound


def one_by_one(in_channels: int, width: int, depth: int) -> object:
    return torch.nn.Conv2d(in_channels, 1, 1)


def no_network(in_channels: int, width: int, depth: int) -> int:
    return width


def nothing_to_train(in_channels: int, width: int, depth: int) -> object:
    return torch.nn.Sigmoid()


def made(model: str) -> object:
    return make_network(NetworkOptions(width=8, depth=3, model=model), 5)


def test_start() -> None:
    predicted = UNet(3, 4, 2, start=0.02)(torch.zeros(1, 3, 8, 8))
    torch.testing.assert_close(predicted, torch.full_like(predicted, 0.02))


def test_another_network() -> None:
    assert isinstance(made(f"{__name__}:one_by_one"), torch.nn.Conv2d)
    with pytest.raises(TypeError, match=r"no_network makes a int, not a torch\.nn\.Module"):
        made(f"{__name__}:no_network")
    with pytest.raises(ValueError, match=r"model nowhere:net cannot be imported .*PYTHONPATH"):
        made("nowhere:net")
    with pytest.raises(TypeError, match="nothing_to_train has nothing to train"):
        made(f"{__name__}:nothing_to_train")
    with pytest.raises(TypeError, match="made takes no in_channels, width and depth"):
        made(f"{__name__}:made")
    with pytest.raises(ValueError, match="give it as module:callable"):
        made("UNet")


def test_output_is_checked() -> None:
    slices = torch.randn(1, 5, 8, 8)
    check_output(UNet(5, 2, 1)(slices), slices)
    with pytest.raises(
        ValueError, match=r"output goes from .*: probabilities are needed; network\.output=logit"
    ):
        check_output(torch.nn.Conv2d(5, 1, 1)(slices), slices)
    with pytest.raises(TypeError, match="output is a tuple: one tensor is needed"):
        check_output((slices, slices), slices)
    with pytest.raises(ValueError, match=r"output has shape \(1, 2, 8, 8\) .* \(1, 1, 8, 8\) is needed"):
        check_output(torch.rand(1, 2, 8, 8), slices)


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    network = UNet(2, 4, 1)
    checkpoint.save(tmp_path / "w.pt", {"network": network.state_dict(), "loss": [0.5, None], "name": "x"})
    found = checkpoint.load(tmp_path / "w.pt")
    assert found["loss"] == [0.5, None]
    for name, weights in network.state_dict().items():
        assert torch.equal(found["network"][name], weights)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code has run",))


def test_no_code_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"network": Evil()}, tmp_path / "w.pt", pickle_module=pickle)
    with pytest.raises(FastfuseError, match=r"w\.pt: cannot be read as weights"):
        checkpoint.load(tmp_path / "w.pt")
    assert "code has run" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"weights"])
def test_damaged_weights(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(FastfuseError, match="delete it, and it is made again"):
        checkpoint.load(tmp_path / "w.pt")


def test_truncated_weights(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "w.pt", {"a": torch.from_numpy(np.arange(5000.0))})
    whole = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FastfuseError, match="cannot be read as weights"):
        checkpoint.load(tmp_path / "w.pt")
