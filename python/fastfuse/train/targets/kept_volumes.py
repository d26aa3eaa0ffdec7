"""What one grid for all cases makes of the volumes of the raters' masks: as it is recorded, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...images.paths import shown
from ...report.numbers import plural

Ratios = Mapping[str, Mapping[str, float]]
"""By case and expert: the mask's volume on the one grid, in that on the case's own. Cases that lie on it are left out."""

TOLERANCE = 0.1  # share of its volume that a mask may lose or gain without a warning
DIGITS = 4


def ratios_of(volumes: Mapping[str, Mapping[int, float]]) -> dict[str, dict[str, float]]:
    """Return the ratios of each changed case's raters, by their numbers, as run.json keeps them."""
    return {
        case: {f"expert {rater}": round(ratio, DIGITS) for rater, ratio in of_raters.items()}
        for case, of_raters in volumes.items()
        if of_raters
    }


def in_words(ratios: Ratios, cases: int) -> str:
    """Return the range of the ratios, of a cohort with so many cases."""
    changed = {case: found for case, found in ratios.items() if any(ratio != 1 for ratio in found.values())}
    if not changed:
        return "one grid keeps the volumes of all raters' masks"
    values = [ratio for _, _, ratio in _each(changed)]
    return (
        f"one grid changes the raters' masks of {len(changed)} of {plural(cases, 'case')}: they have {min(values):.2f} to "
        f"{max(values):.2f} times their own volume"
    )


def loss_of(ratios: Ratios, cases: int) -> str:
    """Return the range of the ratios; a warning that names the worst mask where one changes by more than a tenth."""
    case, expert, worst = max(_each(ratios), key=lambda one: abs(one[2] - 1))
    told = in_words(ratios, cases)
    if abs(worst - 1) <= TOLERANCE:
        return told
    return (
        f"warning: {told}, the most changed is {shown(case)}, {expert}, with {worst:.2f}; small lesions are lost or grow: "
        "give a finer --spacing or --grid, or set grid.masks=nearest, which keeps volumes on average; the table's caption "
        "says so"
    )


def _each(ratios: Ratios) -> Iterator[tuple[str, str, float]]:
    for case, of_experts in ratios.items():
        for expert, ratio in of_experts.items():
            yield case, expert, ratio
