"""Options of an evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..images.placing import AS_IT_IS, Placing
from ..images.wanted import ChannelAxis, check_channel_axis
from ..inputs.checks import check_choice, check_count, check_cut
from ..inputs.foreground import Foreground
from ..inputs.names import quoted
from .components import check_connectivity
from .detection import CONNECTIVITY, LEAST_MM3, MATCHES, check_least
from .surface import check_tolerance

Match = Literal["msseg", "any"]
CUT = 0.5
DROPPING = 26  # connectivity of components that are dropped, unless one is given


@dataclass(frozen=True)
class Options:
    """Options of an evaluation, checked.

    Attributes
    ----------
    cut : float
        Foreground is what is at least this.
    least_voxels : int
        Smaller components are first removed from the prediction.
    least_mm3 : float
        Components of this volume or less are no lesions.
    connectivity : int or None
        Of all components; None for 6 of lesions and 26 of the components that are removed.
    match : str
        When a lesion counts as found.
    tolerance_mm : float or None
        Of the surface Dice.
    prediction, truth : Foreground
        What counts as foreground in each image.
    channel_axis : str or None
        Axis of a network's channels in images of four axes.
    placing : Placing
        How files come onto one grid.
    truth_apart : bool
        Whether the foreground of the truth is chosen by options of its own.
    """

    cut: float = CUT
    least_voxels: int = 0
    least_mm3: float = LEAST_MM3
    connectivity: int | None = None
    match: str = "msseg"
    tolerance_mm: float | None = None
    prediction: Foreground = field(default_factory=Foreground)
    truth: Foreground = field(default_factory=Foreground)
    channel_axis: ChannelAxis | None = None
    placing: Placing = AS_IT_IS
    truth_apart: bool = False

    @classmethod
    def checked(
        cls,
        *,
        cut: Any,
        least_voxels: Any,
        least_mm3: Any,
        connectivity: Any,
        match: Any,
        tolerance_mm: Any,
        select_label: Any,
        binarize: Any,
        threshold: Any,
        scale: Any,
        truth_select_label: Any,
        truth_binarize: Any,
        truth_threshold: Any,
        truth_scale: Any,
        select_segment: Any = None,
        channel_axis: Any = None,
        grid: Any = None,
        resample: Any = "none",
        use: Any = None,
    ) -> Options:
        """Check all options."""
        prediction = replace(
            Foreground.checked(select_label, binarize, threshold, scale),
            segments=_checked_names(select_segment),
        )
        if prediction.segments and (prediction.labels or prediction.binarize):
            raise ValueError("select_segment and select_label or binarize are given: choose one of them")
        if cut != CUT and threshold is not None and truth_threshold is not None:
            raise ValueError(
                f"cut is {quoted(cut)}, and threshold and truth_threshold make masks, which are not cut: leave it out"
            )
        own = _foreground_of_truth(truth_select_label, truth_binarize, truth_threshold, truth_scale)
        shared = replace(prediction, threshold=None, scale=None)
        return cls(
            cut=check_cut(cut),
            least_voxels=check_count(least_voxels, "least_voxels", least=0),
            least_mm3=check_least(least_mm3),
            connectivity=None if connectivity is None else check_connectivity(connectivity),
            match=check_choice(match, "match", MATCHES),
            tolerance_mm=check_tolerance(tolerance_mm),
            prediction=prediction,
            truth=own if own.selects else shared,
            channel_axis=check_channel_axis(channel_axis),
            placing=Placing.checked(grid, resample, use),
            truth_apart=own.selects,
        )

    @property
    def of_lesions(self) -> int:
        """Connectivity of lesions."""
        return CONNECTIVITY if self.connectivity is None else self.connectivity

    @property
    def of_dropped(self) -> int:
        """Connectivity of the components that are first removed from the prediction."""
        return DROPPING if self.connectivity is None else self.connectivity

    @property
    def recorded(self) -> dict[str, Any]:
        """The options for a JSON file, with the connectivities that were used."""
        return {
            "cut": self.cut,
            "least_voxels": self.least_voxels,
            "least_mm3": self.least_mm3,
            "connectivity": self.of_lesions,
            "connectivity_of_dropped": self.of_dropped,
            "match": self.match,
            "tolerance_mm": self.tolerance_mm,
            "foreground": {"prediction": _recorded(self.prediction), "truth": _recorded(self.truth)},
        }


def _foreground_of_truth(select_label: Any, binarize: Any, threshold: Any, scale: Any) -> Foreground:
    """Check the options of the truth alone; messages call them by their own names."""
    try:
        return Foreground.checked(select_label, binarize, threshold, scale)
    except (TypeError, ValueError) as error:
        raise type(error)(f"truth_{error}") from None


def _checked_names(names: Any) -> tuple[str, ...]:
    """Return the names of segments."""
    listed = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
    if names is not None and not (listed and all(isinstance(name, str) and name for name in listed)):
        raise ValueError(f"select_segment is {quoted(names)}: it must be a name, or a list of names")
    return tuple(listed)


def _recorded(foreground: Foreground) -> dict[str, Any]:
    return {
        "select_label": list(foreground.labels) or None,
        "binarize": foreground.binarize,
        "threshold": foreground.threshold,
        "scale": foreground.scale,
        "select_segment": list(foreground.segments) or None,
    }
