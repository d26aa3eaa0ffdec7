"""Batches, their rotation, the training loop and its checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fastfuse import FastfuseError
from fastfuse.evaluation.overlap import overlap
from fastfuse.train.network.batches import Pool, predict, rotate
from fastfuse.train.network.training import Epoch, train
from fastfuse.train.network.unet import UNet
from fastfuse.train.network.workers import Workers
from fastfuse.train.options import TrainingOptions
from fastfuse.train.targets.slices import Slices

HERE = Workers(torch.device("cpu"))
QUICK = TrainingOptions(
    learning_rate=3e-3, batch=4, steps=4, epochs=6, lesion_share=0.5, validate_every=2, save_every_s=0
)


def blob(x: float, y: float, shape: tuple[int, int]) -> np.ndarray:
    at = np.stack(np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij"))
    return np.exp(-((at[0] - x) ** 2 + (at[1] - y) ** 2) / 8)


def centre_of_mass(image: Any) -> np.ndarray:
    at = np.stack(np.meshgrid(*(np.arange(n, dtype=float) for n in image.shape), indexing="ij"))
    return (at * np.asarray(image)).sum(axis=(1, 2)) / np.asarray(image).sum()


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (2.0, 0.8)])
@pytest.mark.parametrize("degrees", [5.0, -20.0])
def test_rotation_turns_space(pixel_mm: tuple[float, float], degrees: float) -> None:
    """A spot goes where geometry says, in mm, whatever the pixels' shape."""
    shape, spot = (40, 60), np.array([26.0, 41.0])
    slices = torch.from_numpy(blob(*spot, shape))[None, None]
    angle = np.deg2rad(degrees)
    turned = rotate(slices, np.array([angle]), np.array([pixel_mm]))
    middle = (np.array(shape) - 1) / 2
    away = (spot - middle) * pixel_mm
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = middle + turn @ away / pixel_mm
    np.testing.assert_allclose(centre_of_mass(turned[0, 0]), expected, atol=0.05)


def test_no_rotation_changes_nothing() -> None:
    slices = torch.rand(3, 2, 16, 24)
    turned = rotate(slices, np.zeros(3), np.ones((3, 2)))
    torch.testing.assert_close(turned, slices, atol=1e-5, rtol=0)


def case(seed: int, slices: int = 10) -> Slices:
    """Make bright discs in noise, which are the target, on half of the slices."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 0.3, (slices, 2, 24, 32)).astype(np.float32)
    target = np.zeros((slices, 24, 32), np.float32)
    at = np.stack(np.meshgrid(np.arange(24), np.arange(32), indexing="ij"))
    for z in range(0, slices, 2):
        x, y = rng.integers(6, 18), rng.integers(6, 26)
        target[z] = (at[0] - x) ** 2 + (at[1] - y) ** 2 < rng.integers(6, 16)
    images[:, 0] += 2 * target
    images[:, 1] -= target
    marked = target.any(axis=(1, 2))
    target += np.float32(1e-7)  # a consensus is 0 nowhere
    return Slices(torch.from_numpy(images), torch.from_numpy(target), (1.0, 1.0), marked)


def test_batches_are_drawn_from_a_seed() -> None:
    pool = Pool([case(0), case(1)], 0.0, 5.0)
    a, b, c = (pool.draw(np.random.default_rng(seed), 8) for seed in (3, 3, 4))
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])
    assert not torch.equal(a[0], c[0])
    assert a[0].shape == (8, 2, 24, 32)
    assert a[1].shape == (8, 1, 24, 32)
    assert 0 <= float(a[1].min()) <= float(a[1].max()) <= 1


@pytest.mark.parametrize(("share", "least"), [(1.0, 40), (0.5, 20)])
def test_share_of_slices_with_lesions(share: float, least: int) -> None:
    _, target = Pool([case(0), case(1)], share, 0.0).draw(np.random.default_rng(0), 40)
    marked = int((target.amax(dim=(1, 2, 3)) > 0.5).sum())
    assert marked == 40 if share == 1 else least < marked < 40


def test_image_and_mask_turn_together() -> None:
    images, target = Pool([case(0)], 1.0, 30.0).draw(np.random.default_rng(1), 6)
    for image, mask in zip(images[:, 0], target[:, 0], strict=True):
        bright = torch.where(image > 1, image, 0)
        np.testing.assert_allclose(centre_of_mass(bright), centre_of_mass(mask), atol=0.7)


def fit(folder: Path, options: TrainingOptions, **more: Any) -> tuple[UNet, list[Epoch]]:
    torch.manual_seed(0)
    network = UNet(2, 4, 2)
    held_out = more.pop("held_out", [case(7)])
    history = train(
        network,
        [case(0), case(1)],
        held_out,
        options,
        resume_from=folder / "r.pt",
        seed=(0, 1),
        workers=HERE,
        **more,
    )
    return network, history


def test_overfits_one_case(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, one = UNet(2, 8, 2), case(0)
    options = replace(QUICK, epochs=25, batch=10, lesion_share=0, rotation_deg=0)
    train(network, [one], [], options, resume_from=tmp_path / "r.pt", seed=(0,), workers=HERE)
    found = predict(network, one.images, HERE.device, 4).numpy() >= 0.5
    assert overlap(found, one.target.numpy() > 0.5).dice > 0.95


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [1, 3, 5])
def test_goes_on_as_if_unbroken(tmp_path: Path, at: int) -> None:
    unbroken, history = fit(tmp_path, replace(QUICK, save_every_s=1e9))

    def kill(history: list[Epoch]) -> None:
        if len(history) == at + 1:  # the epoch that is under way is lost
            raise Killed

    with pytest.raises(Killed):
        fit(tmp_path, QUICK, after=kill)
    assert (tmp_path / "r.pt").exists()
    resumed, again = fit(tmp_path, QUICK)
    assert [epoch.loss for epoch in again] == [epoch.loss for epoch in history]
    assert [epoch.validation for epoch in again] == [epoch.validation for epoch in history]
    for name, weights in unbroken.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weights), name


def test_gradient_is_clipped(tmp_path: Path) -> None:
    """Adam forgets a gradient's length but for its change: two steps tell."""
    weights = {}
    for clip in (0.0, 1e9, 1e-3):
        (tmp_path / str(clip)).mkdir()
        network, _ = fit(tmp_path / str(clip), replace(QUICK, clip=clip, epochs=2, steps=2))
        weights[clip] = network.last.weight.detach()
    assert torch.equal(weights[0.0], weights[1e9])
    assert not torch.equal(weights[0.0], weights[1e-3])


class WithDropout(UNet):
    def __init__(self) -> None:
        super().__init__(2, 4, 2)
        self.last = torch.nn.Sequential(torch.nn.Dropout(0.3), self.last)


def test_dropout_goes_on_too(tmp_path: Path) -> None:
    def once(folder: Path, epochs: int) -> dict[str, Any]:
        torch.manual_seed(0)
        network = WithDropout()
        train(
            network, [case(0)], [], replace(QUICK, epochs=epochs),
            resume_from=folder / "r.pt", seed=(0,), workers=HERE,
        )  # fmt: skip
        return network.state_dict()

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    unbroken = once(tmp_path / "a", 5)
    once(tmp_path / "b", 2)
    torch.rand(7)
    resumed = once(tmp_path / "b", 5)
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)


def test_best_epoch_is_kept(tmp_path: Path) -> None:
    """With a rate that ruins the network at the end, the best epoch's weights are those that stay."""
    kept: dict[int, dict[str, Any]] = {}
    torch.manual_seed(0)
    network = UNet(2, 4, 2)

    def remember(history: list[Epoch]) -> None:
        kept[len(history)] = {name: weights.clone() for name, weights in network.state_dict().items()}

    history = train(
        network, [case(0)], [case(7)], replace(QUICK, epochs=8, learning_rate=0.05),
        resume_from=tmp_path / "r.pt", seed=(0, 1), workers=HERE, after=remember,
    )  # fmt: skip
    made = {epoch.number: epoch.validation for epoch in history if epoch.validation is not None}
    assert list(made) == [2, 4, 6, 8]
    best = min(made, key=lambda number: made[number])
    for name, weights in network.state_dict().items():
        assert torch.equal(kept[best][name], weights)


def test_last_epoch_without_held_out_cases(tmp_path: Path) -> None:
    _, history = fit(tmp_path, QUICK, held_out=[])
    assert [epoch.validation for epoch in history] == [None] * 6
    assert history[-1].loss < history[0].loss


def test_divergence_is_reported(tmp_path: Path) -> None:
    bad = replace(case(0), images=torch.full((10, 2, 24, 32), float("nan")))
    with pytest.raises(FastfuseError, match=r"the loss is nan in epoch 1; lower training\.learning_rate"):
        train(UNet(2, 4, 2), [bad], [], QUICK, resume_from=tmp_path / "r.pt", seed=(0,), workers=HERE)
    assert not (tmp_path / "r.pt").exists()


def test_other_numbers_that_are_none(tmp_path: Path) -> None:
    """A validation that says nan, and weights that the last step ruins, which no loss tells any more."""
    bad = replace(case(7), images=torch.full((10, 2, 24, 32), float("nan")))
    with pytest.raises(FastfuseError, match=r"the validation loss is nan in epoch 2; lower"):
        fit(tmp_path, QUICK, held_out=[bad])
    network = UNet(2, 4, 2)
    network.last.bias.register_hook(lambda gradient: gradient * float("inf"))
    once = replace(QUICK, epochs=1, steps=1)
    with pytest.raises(FastfuseError, match=r"a weight is not finite in epoch 1; lower"):
        train(network, [case(0)], [], once, resume_from=tmp_path / "b.pt", seed=(0,), workers=HERE)


def test_soft_targets_train_too(tmp_path: Path) -> None:
    for dice in ("paper", "l1"):
        _, history = fit(tmp_path / dice, replace(QUICK, dice=dice, save_every_s=1e9))
        assert history[-1].loss < history[0].loss
