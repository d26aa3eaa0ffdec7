"""The figures: of the fit, and of probabilities against a truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fastfuse

from ..border.draws import SPACING, Drawn, contours

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    return contours([0.6, 0.3, 0.0, -0.2, 0.1])


def fused(drawn: Drawn) -> fastfuse.Fusion:
    return fastfuse.staple(drawn.masks, mask=drawn.brain, roi=4.0, spacing_mm=SPACING)


def test_the_figure_shows_what_the_fit_says(drawn: Drawn, tmp_path: Path) -> None:
    fusion = fused(drawn)
    ax = fastfuse.plots.fit(fusion)
    fit = fusion.fit
    assert fit is not None
    assert [patch.get_height() + 0.5 for patch in ax.patches] == pytest.approx(fit.observed)
    shown = {line.get_label(): line.get_ydata() for line in ax.lines}
    called = [label.partition(":")[0].partition(" (")[0] for label in shown]
    names = ["staple" if name == "staple, prior estimated" else name for name in called]
    assert names == list(fit.models)
    assert "staple" not in called
    for name, expected in zip(names, shown.values(), strict=True):
        np.testing.assert_allclose(expected, np.maximum(fit.models[name].expected, 0.5))
    assert sum("(used" in label for label in shown) == 1
    ax.figure.savefig(tmp_path / "fit.png")  # type: ignore[union-attr]
    assert (tmp_path / "fit.png").stat().st_size > 5000


def test_best_is_the_best_of_the_fit(drawn: Drawn) -> None:
    """The highest likelihood, which is 0 in the legend, may be that of a model with more parameters."""
    from fastfuse.fusion.fit.result import Fit, ModelFit

    counts = np.array([10.0, 2.0, 3.0, 5.0])
    models = {"staple": ModelFit(counts, -1.0), "border-staple": ModelFit(counts, -0.99)}
    fit = Fit(counts, models, "border-staple", 10.0, 3)
    assert fit.best == "staple"
    kept: Any = SimpleNamespace(fit=fit)
    fusion = replace(fastfuse.staple([[0, 1, 1], [0, 1, 0], [1, 1, 0]]), _votes=kept)
    labels = [line.get_label() for line in fastfuse.plots.fit(fusion).lines]
    assert labels == ["staple, prior estimated (best): −0.010", "border-staple (used): 0"]


def test_it_draws_into_given_axes_and_of_estimates(drawn: Drawn) -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    estimate = fastfuse.estimate(fastfuse.tabulate(drawn.masks, mask=drawn.brain), "staple")
    assert fastfuse.plots.fit(estimate, ax) is ax
    assert len(ax.lines) == 4
    assert fastfuse.plots.fit(fastfuse.majority_vote(drawn.masks)).lines


def test_a_fusion_without_a_fit_is_refused(drawn: Drawn) -> None:
    with pytest.raises(ValueError, match="fusion has no fit: its votes are no table"):
        fastfuse.plots.fit(fastfuse.staple(drawn.masks, roi="disputed"))


def test_reliability_against_a_truth(drawn: Drawn) -> None:
    fusion, region = fused(drawn), drawn.brain
    border = fastfuse.border_staple(drawn.masks, mask=drawn.brain, spacing_mm=SPACING)
    ax = fastfuse.plots.reliability(
        {"STAPLE": fusion, "border": border.probability}, drawn.truth, mask=region
    )
    _, staple, _ = ax.lines
    p, true = fusion.probability[region > 0].astype(np.float64), drawn.truth[region > 0]
    at = np.minimum((p * 10).astype(int), 9)
    voxels = np.bincount(at, minlength=10)
    with np.errstate(invalid="ignore"):
        mean, share = (np.bincount(at, values, 10) / voxels for values in (p, true))
    held = voxels > 0
    np.testing.assert_allclose(staple.get_xdata(), mean[held], atol=1e-6)
    np.testing.assert_allclose(staple.get_ydata(), share[held], atol=1e-6)
    ece = np.nansum(voxels * np.abs(mean - share)) / voxels.sum()
    brier = ((p - true) ** 2).sum() / true.sum()
    assert staple.get_label() == f"STAPLE: Brier {brier:.3f}, ECE {ece:.3f}"
    (legend,) = ax.figure.legends
    assert legend.get_title().get_text() == "Brier: sum of squares / foreground voxels"
    counts = ax.child_axes[0].patches[0].get_data().values
    np.testing.assert_array_equal(counts, np.maximum(voxels, 0.5))


def test_reliability_against_a_held_out_rater(drawn: Drawn) -> None:
    fusion = fastfuse.staple(drawn.masks[:4], mask=drawn.brain, prior="estimate")
    ax = fastfuse.plots.reliability(fusion, drawn.masks[4], mask=drawn.brain)
    assert ax.lines[1].get_label().startswith("Brier ")
    with pytest.raises(ValueError, match="mask has shape"):
        fastfuse.plots.reliability(fusion, drawn.masks[4], mask=np.ones(3))
