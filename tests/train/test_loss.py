"""The soft Dice loss, eq. (14), and its twin with the L1 intersection."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from fastfuse.evaluation.overlap import overlap
from fastfuse.train.network.loss import DICES, soft_dice_loss


def test_by_hand() -> None:
    predicted, target = torch.tensor([0.5, 1.0, 0.0]), torch.tensor([1.0, 0.3, 0.0])
    assert float(soft_dice_loss(predicted, target)) == pytest.approx(1 - 2 * 0.8 / 2.8, abs=1e-6)
    assert float(soft_dice_loss(predicted, target, "l1")) == pytest.approx(1 - 2 * 0.8 / 2.8, abs=1e-6)
    assert float(soft_dice_loss(target, target)) == pytest.approx(1 - 2 * 1.09 / 2.6, abs=1e-6)
    assert float(soft_dice_loss(target, target, "l1")) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("dice", DICES)
def test_binary_masks_have_their_dice(dice: str) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 1, 9, 8, generator=generator) > 0.7 for _ in range(2))
    expected = 1 - overlap(a.numpy(), b.numpy()).dice
    assert float(soft_dice_loss(a.float(), b.float(), dice)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dice", DICES)
def test_nothing_marked(dice: str) -> None:
    predicted = torch.zeros(4, 4, requires_grad=True)
    loss = soft_dice_loss(predicted, torch.zeros(4, 4), dice)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(predicted.grad).all()


@pytest.mark.parametrize("dice", DICES)
def test_gradient(dice: str) -> None:
    generator = torch.Generator().manual_seed(1)
    predicted, target = (torch.rand(3, 1, 4, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: soft_dice_loss(p, target, dice), (predicted,))


def test_minimum_of_one_soft_pixel() -> None:
    """T = 0.3: the paper's loss is least at P = 1, the other one at P = T."""
    places = torch.linspace(0, 1, 101, dtype=torch.float64)
    target = torch.tensor([0.3], dtype=torch.float64)
    least = {
        dice: float(places[torch.stack([soft_dice_loss(p[None], target, dice) for p in places]).argmin()])
        for dice in DICES
    }
    assert least == {"paper": 1.0, "l1": pytest.approx(0.3)}


def test_over_the_batch() -> None:
    """Not the mean of each slice's own: an empty slice does not count for a whole one."""
    predicted, target = torch.rand(2, 1, 6, 6), torch.zeros(2, 1, 6, 6)
    target[0, 0, 2:4, 2:4] = 1
    whole = float(soft_dice_loss(predicted, target))
    assert whole == pytest.approx(
        1 - 2 * float((predicted * target).sum()) / float(predicted.sum() + 4), abs=1e-5
    )


def test_half_precision_sums_in_single() -> None:
    predicted = torch.full((1, 1, 300, 300), 0.9, dtype=torch.float16)
    loss = soft_dice_loss(predicted, torch.ones(1, 1, 300, 300))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(1 - 1.8 / 1.9, abs=1e-3)


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"predicted has shape \(2,\), target \(3,\)"):
        soft_dice_loss(torch.zeros(2), torch.zeros(3))
    with pytest.raises(ValueError, match="dice is 'l2': choose one of paper, l1"):
        soft_dice_loss(torch.zeros(2), torch.zeros(2), "l2")
