"""The result of a fusion."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..inputs.arrays import as_array
from ..inputs.checks import check_choice, check_cut
from ..inputs.libraries import is_torch
from ..inputs.names import counted
from .backends.found import CoreEstimate, Found
from .intervals import shown_rates
from .native.outlets import Outlets

if TYPE_CHECKING:
    from .fit.result import Fit, Tested
    from .intervals import Intervals
    from .native.origin import Origin

Rates = NDArray[np.float64]
Ties = Literal["foreground", "background"]
DiceRule = Literal["dice"]
AnchorFrom = Literal["votes", "image"]
PER_RATER = ("sensitivity", "specificity", "ppv", "npv", "dice", "volume", "n_read")
OF_STORES = vars(object)["__ge__"]  # zarr and h5py compare with nothing
OF_LEVELS = ("offsets", "sharpness", "false_marks", "finds")


@dataclass(frozen=True, eq=False)
class Fusion(Outlets):
    """A consensus and what it says of the raters.

    Attributes
    ----------
    probability : ndarray of float32 or float64, the raters' shape
        p(truth 1 | votes) of each voxel, in [0, 1]; 0 outside the mask. A tensor where the raters' votes are tensors of
        PyTorch, or of another library on a device.
    sensitivity : ndarray of float64, shape (m,)
        p(vote 1 | truth 1) of each rater, kept 1e-12 away from 0 and 1; nan if nobody marks anything, or the rater has no
        vote. It is 0/0, of no meaning, if the consensus holds nothing where they read: tables show it as undefined.
    specificity : ndarray of float64, shape (m,)
        p(vote 0 | truth 0) of each rater; nan if everybody marks everything.
    prior : float
        p(truth 1) that was used, before any vote; the last estimate for ``prior="estimate"``, the mean
        inside the mask for a map.
    log_likelihood : ndarray of float64, shape (n_iter,)
        Of all votes, in nats; entry k is the value at the parameters after M-step k + 1.
    n_iter : int
        M-steps done; with acceleration, extrapolations that were kept count too.
    converged : bool
        Whether no sensitivity or specificity moved by more than ``tol`` in the last M-step.
    method : str
        Name of the method: "staple", "soft-staple", "simplified-soft-staple", "border-staple", "dilated-staple" or
        "majority".
    n_voxels : int
        Voxels that were fused: those inside the mask and the roi on which somebody votes.
    volume : ndarray of float64, shape (m,)
        Sum of each rater's votes there, in voxels; of soft votes too.
    n_read : ndarray of float64, shape (m,)
        Voxels on which each rater votes: inside the mask, and the margin if ``roi`` is one.
    ppv, npv : ndarray of float64, shape (m,)
        Positive and negative predictive value against the consensus w: Σ w q / Σ q and
        Σ (1 - w)(1 - q) / Σ (1 - q) over the voxels on which the rater votes; nan for 0/0.
    dice : ndarray of float64, shape (m,)
        Soft Dice with the consensus, 2 Σ w q / (Σ w + Σ q): of votes and probabilities as they are, not of masks. Fractions
        mostly lower it, however alike the masks are; :func:`evaluate` has the Dice of two masks.
    intervals : Intervals or None
        Standard errors and 95 % intervals of sensitivity and specificity; None if they were not asked for, nan where
        they are not defined.
    """

    probability: NDArray[Any]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]
    prior: float
    log_likelihood: NDArray[np.float64]
    n_iter: int
    converged: bool
    method: str
    n_voxels: int
    volume: NDArray[np.float64]
    n_read: NDArray[np.float64]
    ppv: NDArray[np.float64]
    npv: NDArray[np.float64]
    dice: NDArray[np.float64]
    intervals: Intervals | None = None
    _votes: Tested | None = field(default=None, repr=False, kw_only=True)
    _origin: Origin | None = field(default=None, repr=False, kw_only=True)
    _untold: NDArray[np.bool_] | None = field(default=None, repr=False, kw_only=True)  # whose rates are 0/0

    @property
    def fit(self) -> Fit | None:
        """Whether the model fits: the voxels with 0 to m marks that there are, and those that models expect.

        STAPLE, three classes and border-STAPLE are fitted to the same votes when this is first asked for. Votes between 0 and 1
        count as marks with that probability; missing ones are left out; a map of priors counts by its mean. None where
        the votes are no table: with ``mrf``, with ``roi="disputed"``, for votes that hardly repeat, as a network's;
        and where nobody marks anything, or everybody everything. A majority vote has no model of its own.

        Returns
        -------
        Fit or None
        """
        return None if self._votes is None else self._votes.fit

    @property
    def own_fit(self) -> Fit | None:
        """The same as far as it is known without fitting further models."""
        return None if self._votes is None else self._votes.told

    def label(self, cut: float | DiceRule = 0.5, *, ties: Ties = "foreground") -> NDArray[np.uint8]:
        """Return the consensus as a mask: 1 where ``probability >= cut``.

        Parameters
        ----------
        cut : float or "dice", default 0.5
            In (0, 1]. "dice": the cut whose mask has the highest expected Dice with the truth, 2 Σ w / (k + M): Σ over the
            k voxels that it takes, M over all. It lies at half of that Dice, so at 0.5 or below, and lower where the
            consensus is less sure; ``ties`` has no place there.
        ties : {"foreground", "background"}, default "foreground"
            What a voxel becomes whose probability is the cut itself, as where one of two raters marks it and the method is
            "majority". "background": 1 where ``probability > cut``.

        Returns
        -------
        ndarray of uint8, the raters' shape
            A tensor where ``probability`` is one; an array where it is ``out`` in zarr or h5py.
        """
        cut = cut_of(self.probability, check_label_cut(cut, ties))
        above = check_ties(ties) == "background"
        values: Any = self.probability  # an array, or a tensor
        if type(values).__ge__ is OF_STORES:
            values = np.asarray(values)
        marked = values > cut if above else values >= cut
        ones: NDArray[np.uint8] = marked.byte() if hasattr(marked, "byte") else marked.astype("uint8")
        return ones

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each rater: a list of dicts, as ``pandas.DataFrame`` takes it; nan for a rate that is 0/0."""
        raters = len(self.sensitivity)
        names = (
            [f"rater {i}" for i in range(raters)] if self._origin is None else map(str, self._origin.names)
        )
        columns = {name: values.tolist() for name, values in self._columns().items()}
        return [
            {"rater": name, **{what: values[i] for what, values in columns.items()}}
            for i, name in enumerate(names)
        ]

    def _columns(self) -> dict[str, Rates]:
        """Return the columns of the table."""
        rates: dict[str, Rates] = {}
        for name, shown in shown_rates(self).items():
            rates[name] = shown
            if self.intervals is not None:
                rates[f"{name}_error"] = getattr(self.intervals, f"{name}_error")
                rates[f"{name}_low"], rates[f"{name}_high"] = getattr(self.intervals, name).T
        return {
            **rates, "ppv": self.ppv, "npv": self.npv, "dice": self.dice, "voxels": self.volume, "read_voxels": self.n_read,
        }  # fmt: skip

    def __repr__(self) -> str:
        state = "converged" if self.converged else "not converged"
        of = f"{counted(len(self.sensitivity), 'rater')}, shape {tuple(self.probability.shape)}, prior {self.prior:.4g}"
        title = f"{type(self).__name__}({self.method}, {of}, {counted(self.n_iter, 'iteration')}, {state})"
        rates = (f"  {name} {np.array2string(one, precision=4)}" for name, one in shown_rates(self).items())
        return "\n".join([title, *rates])


def best_cut(probability: Any) -> float:
    """Return the cut of the mask with the highest expected Dice, as :meth:`Fusion.label` takes it; 0.5 where all is 0.

    The mask that maximises 2 Σ w / (k + M) holds the k voxels of the highest probabilities w; M is the sum of all. At the
    best ratio λ, those are the voxels with 2 w >= λ: Dinkelbach's iteration finds it (Management Science 13, 1967,
    doi:10.1287/mnsc.13.7.492). The expected Dice is taken as the ratio of expectations.
    """
    values: Any = probability
    w = as_array(values.detach().cpu() if hasattr(values, "detach") else values, "probability")
    held = w[w > 0].astype(np.float64)
    whole = float(held.sum())
    taken, ratio = held, 0.0
    while held.size:
        taken = held[held >= ratio / 2]
        better = 2 * float(taken.sum()) / (taken.size + whole)
        if better <= ratio:
            break
        ratio = better
    half = float(np.float32(ratio / 2)) if held.size else 0.5
    same = np.count_nonzero(held >= half) == taken.size
    return half if same else float(taken.min())


def cut_of(probability: Any, cut: float | DiceRule) -> float:
    """Return the cut, found where it is "dice"."""
    return best_cut(probability) if isinstance(cut, str) else cut


def check_label_cut(cut: Any, ties: Any) -> float | DiceRule:
    """Return a cut or "dice"; refuse ``ties`` beside that, where the mask takes what lies on the cut."""
    if not isinstance(cut, str):
        return check_cut(cut)
    check_choice(cut, "cut", get_args(DiceRule), "a number in (0, 1]")
    if check_ties(ties) != "foreground":
        raise ValueError(
            f"ties is {ties!r}, and cut is 'dice', whose mask takes the voxels on the cut: leave ties out"
        )
    return "dice"


@dataclass(frozen=True, eq=False, repr=False)
class OfLevels:
    """What border-STAPLE tells beyond the rates: the attributes of :class:`BorderFusion`."""

    offsets: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    sharpness: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    false_marks: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    finds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    anchor: float = np.nan
    anchor_from: AnchorFrom = "votes"


@dataclass(frozen=True, eq=False, repr=False)
class BorderFusion(OfLevels, Fusion):
    """A consensus of border-STAPLE, and what it says of the raters.

    Sensitivity and specificity are against the consensus as truth; ``prior`` is its mean before any vote. Levels are in
    the unit in which a mean rater has sharpness 1.

    Attributes
    ----------
    offsets : ndarray of float64, shape (m,)
        Level of each rater's border; the higher, the smaller is what they mark. Levels have no origin of their own: what
        counts is how far a border lies from the anchor, ``offsets - anchor``.
    sharpness : ndarray of float64, shape (m,)
        How sharp each rater's border is.
    false_marks, finds : ndarray of float64, shape (m,)
        p(vote 1) far outside and deep inside; 0 and 1 with three or four raters.
    anchor : float
        Level of the consensus's border.
    anchor_from : {"votes", "image"}
        What told the anchor.
    """

    def _columns(self) -> dict[str, Rates]:
        own = {"offset_from_anchor": self.offsets - self.anchor, "sharpness": self.sharpness}
        return {**super()._columns(), **own, "false_marks": self.false_marks, "finds": self.finds}

    def __repr__(self) -> str:
        return (
            f"{super().__repr__()}\n"
            f"  offsets - anchor {np.array2string(self.offsets - self.anchor, precision=2)}\n"
            f"  sharpness   {np.array2string(self.sharpness, precision=2)}\n"
            f"  anchor from the {self.anchor_from}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class ClassFusion(Fusion):
    """A consensus of STAPLE with three classes: background, border, foreground.

    ``probability`` is that of foreground and half of that of border. Sensitivity and specificity are against it as truth.

    Attributes
    ----------
    marks : ndarray of float64, shape (m, 3)
        p(vote 1 | class) of each rater, from background to foreground.
    shares : ndarray of float64, shape (3,)
        p(class) before any vote.
    """

    marks: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    shares: NDArray[np.float64] = field(default_factory=lambda: np.empty(3))

    def _columns(self) -> dict[str, Rates]:
        classes = ("background", "border", "foreground")
        own = {f"marks_{name}": marks for name, marks in zip(classes, self.marks.T, strict=True)}
        return {**super()._columns(), **own}


def check_ties(ties: Any) -> Ties:
    """Return what a voxel becomes whose probability is the cut."""
    check_choice(ties, "ties", get_args(Ties))
    return "background" if ties == "background" else "foreground"


def fusion_of(
    found: Found, probability: Any, method: str, intervals: Intervals | None, votes: Tested | None = None
) -> Fusion:
    """Return a fusion from what the core found."""
    ppv, npv, dice = _agreement(found)
    latent = found.estimate.latent is not None
    levels, classes = (of_levels(found.estimate), of_classes(found.estimate)) if latent else ({}, {})
    kind = BorderFusion if levels else ClassFusion if classes else Fusion
    return kind(
        probability=probability,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        prior=found.prior,
        log_likelihood=found.log_likelihood,
        n_iter=found.iterations,
        converged=found.converged,
        method=method,
        n_voxels=int(found.voxels),
        volume=found.volume,
        n_read=found.read,
        ppv=ppv,
        npv=npv,
        dice=dice,
        intervals=intervals,
        _votes=votes,
        **levels,
        **classes,
    )


def of_levels(estimate: CoreEstimate) -> dict[str, Any]:
    """Return what border-STAPLE tells beside the rates, by the names of a result; nothing of other methods."""
    border = estimate.latent
    if border is None or "offset" not in border:
        return {}
    return {
        "offsets": np.array(border["offset"]),
        "sharpness": np.array(border["sharpness"]),
        "false_marks": np.array(border["false_marks"]),
        "finds": 1 - np.array(border["lost"]),
        "anchor": border["anchor"],
        "anchor_from": "image" if border["from_image"] else "votes",
    }


def of_classes(estimate: CoreEstimate) -> dict[str, Any]:
    """Return what three classes tell beside the rates, by the names of a result; nothing of other fits."""
    classes = estimate.latent
    if classes is None or "shares" not in classes:
        return {}
    return {"marks": np.array(classes["marks"]), "shares": np.array(classes["shares"])}


def for_all(fusion: Fusion, places: list[int], raters: int) -> Fusion:
    """Return the fusion with entries for all raters, of whom those at ``places`` read the case."""
    if len(places) == raters:
        return fusion
    parts: dict[str, Any] = {}
    for name in PER_RATER + (OF_LEVELS if isinstance(fusion, BorderFusion) else ()):
        parts[name] = np.full(raters, 0.0 if name in ("volume", "n_read") else np.nan)
        parts[name][places] = getattr(fusion, name)
    if isinstance(fusion, ClassFusion):
        parts["marks"] = np.full((raters, fusion.marks.shape[1]), np.nan)
        parts["marks"][places] = fusion.marks
    if fusion.intervals is not None:
        parts["intervals"] = fusion.intervals.of_all(places, raters)
    return replace(fusion, **parts)


def in_kind_of(raters: Sequence[Any], fusion: Fusion) -> Fusion:
    """Return the fusion with its probability as a tensor of PyTorch if all votes are such tensors.

    They share memory; an array of the caller's own (``out``) holds the same values.
    """
    given = [rater for rater in raters if rater is not None]
    probability: Any = fusion.probability
    if not isinstance(probability, np.ndarray) or not all(map(is_torch, given)):
        return fusion
    torch: Any = sys.modules["torch"]
    return replace(fusion, probability=torch.from_numpy(probability))


def _agreement(found: Found) -> tuple[Rates, Rates, Rates]:
    """Return each rater's predictive values and soft Dice against the consensus; nan for 0/0."""
    marked, volume = found.marked_by.tolist(), found.volume.tolist()
    neither, unmarked, seen = found.neither.tolist(), found.unmarked.tolist(), found.seen_by.tolist()
    return (
        np.array([_share(part, whole) for part, whole in zip(marked, volume, strict=True)]),
        np.array([_share(part, whole) for part, whole in zip(neither, unmarked, strict=True)]),
        np.array([_share(2 * both, w + q) for both, w, q in zip(marked, seen, volume, strict=True)]),
    )


def _share(part: float, whole: float) -> float:
    """Return part / whole as :func:`share_of`; of a few numbers an array takes longer."""
    return min(part / whole, 1.0) if whole > 0 else np.nan


def share_of(part: Rates, whole: Rates) -> Rates:
    """Return part / whole, sums of the same positive terms, at most 1; nan for 0/0."""
    return np.asarray(np.minimum(divided(part, whole), 1))


def divided(part: Rates, whole: Rates) -> Rates:
    """Return part / whole; nan where whole is not above 0."""
    found: Rates = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found
