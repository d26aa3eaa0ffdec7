from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias, TypedDict, type_check_only

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[Any]
_Raters: TypeAlias = Sequence[_Array]
_Mask: TypeAlias = _Array | None
_Looked: TypeAlias = Sequence[_Array | None]  # where each rater looked
_Reals: TypeAlias = NDArray[np.float64]
_Rates: TypeAlias = Sequence[float] | _Reals
_Sums: TypeAlias = list[float]
_Masses: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64], int]

most_device_raters: int
threads_by: str  # "OpenMP" or "std::thread"

class BadInput(ValueError): ...
class DeviceError(RuntimeError): ...
class OutOfMemory(DeviceError): ...
class Unavailable(RuntimeError): ...

class Options:
    method: str
    classes: int
    m_step: str
    expectation: str
    likelihood: str
    prior: str | float
    init: str | float
    roi: str
    missing: str
    mrf: float
    spacing_mm: list[float]
    performance_prior: tuple[tuple[float, float], tuple[float, float]]
    known: list[tuple[float, float, float, float]]
    intervals: str
    tol: float
    max_iter: int
    acceleration: str
    select_label: float | None
    threads: int
    route: str

class LabelOptions:
    votes_alone: bool
    weights: list[float]
    start: str
    candidates: str
    confusion: str
    estimates_prior: bool
    prior: list[float]
    performance_prior: tuple[float, float] | None
    unknown: list[list[int]]
    known: list[float]
    tol: float
    max_iter: int
    acceleration: str
    threads: int

class LabelTable:
    def __init__(self, labels: Sequence[int], codes: ArrayLike, counts: ArrayLike) -> None: ...
    @property
    def labels(self) -> list[int]: ...
    @property
    def raters(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def codes(self) -> NDArray[np.int32]: ...
    @property
    def counts(self) -> _Reals: ...
    @property
    def volume(self) -> _Reals: ...

class LabelTruths:
    def __init__(self, *args: object, **kwargs: object) -> None: ...  # made by the core alone
    @property
    def size(self) -> int: ...

class LabelEstimate:
    def __init__(self, *args: object, **kwargs: object) -> None: ...  # made by the core alone
    @property
    def confusion(self) -> _Reals: ...
    @property
    def prior(self) -> _Reals: ...
    @property
    def log_likelihood(self) -> _Reals: ...
    @property
    def log_prior(self) -> _Reals: ...
    @property
    def iterations(self) -> int: ...
    @property
    def converged(self) -> bool: ...
    @property
    def voxels(self) -> float: ...
    @property
    def mass(self) -> _Reals: ...
    @property
    def seen(self) -> _Reals: ...
    @property
    def agreed(self) -> _Reals: ...
    @property
    def truths(self) -> LabelTruths: ...

class SoftVotes:
    truncation: float
    def __init__(self, *args: object, **kwargs: object) -> None: ...  # made by the two below
    @staticmethod
    def of_arrays(
        labels: int,
        raters: Sequence[Sequence[_Array]],
        kinds: Sequence[_Reals | None],
        *,
        mask: _Mask = None,
        present: _Looked = (),
        prior: Sequence[_Array] = (),
        missing: str = "error",
    ) -> SoftVotes: ...
    @staticmethod
    def of_table(labels: int, table: LabelTable, kinds: _Raters, *, prior: _Raters = ()) -> SoftVotes: ...

class SoftEstimate:
    def __init__(self, *args: object, **kwargs: object) -> None: ...  # made by the core alone
    @property
    def found(self) -> LabelEstimate: ...

def survey_soft(votes: SoftVotes, *, threads: int = 0) -> dict[str, Any]: ...
def count_terms(votes: SoftVotes, truncations: Sequence[float], *, threads: int = 0) -> list[float]: ...
def estimate_soft(
    votes: SoftVotes, *, options: LabelOptions, model: str, m_step: str = "paper"
) -> SoftEstimate: ...
def write_soft_label(
    votes: SoftVotes,
    estimate: SoftEstimate,
    out: _Array,
    labels: Sequence[int],
    *,
    rank: int = 0,
    undecided: int | None = None,
) -> None: ...
def write_soft_ranked(votes: SoftVotes, estimate: SoftEstimate, out: _Array, *, rank: int = 0) -> None: ...
def write_soft_probability(
    votes: SoftVotes, estimate: SoftEstimate, out: _Array, codes: Sequence[int]
) -> None: ...
def write_soft_entropy(votes: SoftVotes, estimate: SoftEstimate, out: _Array) -> None: ...
def find_labels(
    raters: _Raters, *, mask: _Mask = None, present: _Looked = (), missing: str = "error", threads: int = 0
) -> list[int]: ...
def tabulate_labels(
    raters: _Raters,
    labels: Sequence[int],
    *,
    mask: _Mask = None,
    present: _Looked = (),
    missing: str = "error",
    threads: int = 0,
) -> LabelTable: ...
def estimate_labels(table: LabelTable, *, options: LabelOptions) -> LabelEstimate: ...
def fit_labels(table: LabelTable, counts: _Reals, confusion: _Reals, *, options: LabelOptions) -> _Reals: ...
def apply_labels(
    table: LabelTable,
    confusion: _Reals,
    prior: Sequence[float],
    *,
    candidates: str = "voted",
    threads: int = 0,
) -> LabelEstimate: ...
def write_label(
    table: LabelTable,
    truths: LabelTruths,
    out: _Array,
    *,
    rank: int = 0,
    undecided: int | None = None,
    threads: int = 0,
) -> None: ...
def write_ranked(
    table: LabelTable, truths: LabelTruths, out: _Array, *, rank: int = 0, threads: int = 0
) -> None: ...
def write_probability(
    table: LabelTable, truths: LabelTruths, out: _Array, codes: Sequence[int], *, threads: int = 0
) -> None: ...
def write_entropy(table: LabelTable, truths: LabelTruths, out: _Array, *, threads: int = 0) -> None: ...

class VoteTable:
    __hash__: ClassVar[None]  # type: ignore[assignment]
    def __init__(self, patterns: ArrayLike, counts: ArrayLike) -> None: ...
    def __eq__(self, other: object, /) -> bool: ...
    @property
    def patterns(self) -> _Reals: ...
    @property
    def counts(self) -> _Reals: ...
    @property
    def raters(self) -> int: ...
    def add(self, other: VoteTable) -> VoteTable: ...
    def drop(self, rater: int) -> VoteTable: ...

class Estimate:
    def __init__(
        self,
        *,
        sensitivity: _Rates,
        specificity: _Rates,
        false_negative_rate: _Rates,
        false_positive_rate: _Rates,
        prior: float,
        log_likelihood: _Rates = [],
        iterations: int = 0,
        converged: bool = True,
        method: str = "soft-staple",
        m_step: str = "paper",
        likelihood: str = "mixture",
        expectation: str = "auto",
        by_masses: bool = False,
        certain: bool = False,
        latent: dict[str, Any] | None = None,
    ) -> None: ...
    @property
    def latent(self) -> dict[str, Any] | None: ...
    @property
    def sensitivity(self) -> list[float]: ...
    @property
    def specificity(self) -> list[float]: ...
    @property
    def false_negative_rate(self) -> list[float]: ...
    @property
    def false_positive_rate(self) -> list[float]: ...
    @property
    def prior(self) -> float: ...
    @property
    def log_likelihood(self) -> list[float]: ...
    @property
    def iterations(self) -> int: ...
    @property
    def converged(self) -> bool: ...
    @property
    def method(self) -> str: ...
    @property
    def m_step(self) -> str: ...
    @property
    def likelihood(self) -> str: ...
    @property
    def expectation(self) -> str: ...
    @property
    def by_masses(self) -> bool: ...
    @property
    def certain(self) -> bool: ...

class Result:
    def __init__(self, *args: object, **kwargs: object) -> None: ...  # made by the core alone
    @property
    def sensitivity(self) -> _Reals: ...
    @property
    def specificity(self) -> _Reals: ...
    @property
    def prior(self) -> float: ...
    @property
    def log_likelihood(self) -> _Reals: ...
    @property
    def iterations(self) -> int: ...
    @property
    def converged(self) -> bool: ...
    @property
    def voxels(self) -> float: ...
    @property
    def disputed(self) -> float: ...
    @property
    def volume(self) -> _Reals: ...
    @property
    def unmarked(self) -> _Reals: ...
    @property
    def read(self) -> _Reals: ...
    @property
    def marked_by(self) -> _Reals: ...
    @property
    def seen_by(self) -> _Reals: ...
    @property
    def neither(self) -> _Reals: ...
    @property
    def lowest(self) -> float: ...
    @property
    def highest(self) -> float: ...
    @property
    def half_marks(self) -> list[float] | None: ...
    @property
    def information(self) -> _Reals: ...
    @property
    def variability(self) -> _Reals: ...
    @property
    def estimate(self) -> Estimate: ...
    @property
    def table(self) -> VoteTable | None: ...
    @property
    def pattern(self) -> NDArray[np.int32] | None: ...
    @property
    def marked(self) -> NDArray[np.bool_] | None: ...

class Plan:
    def __init__(self, *args: object, **kwargs: object) -> None: ...  # made by the core alone
    @property
    def model(self) -> str: ...
    @property
    def m_step(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def otherwise(self) -> str: ...
    @property
    def masses(self) -> str: ...
    @property
    def fine(self) -> bool: ...

def instruction_set() -> str: ...  # "avx512", "avx2" or "baseline"
def take_thread_shortage() -> tuple[int, int] | None: ...
def why_no_cuda() -> str: ...
def fuse_on_device(
    raters: Sequence[Any],
    shape: Sequence[int],
    wide: bool,
    out: Any,
    *,
    mask: Any,
    device: int,
    stream: int,
    options: Options,
) -> tuple[Result, Any]: ...

@type_check_only
class Dilated(TypedDict):
    cut: list[float]
    mask_voxels: int
    ring_voxels: int

def dilate(
    mask: _Array,
    image: _Array,
    out: _Array,
    *,
    rank_step: Sequence[int],
    roi: _Array | None = None,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    radius_mm: float | None = None,
    spacing_mm: Sequence[float] = [1.0, 1.0, 1.0],
    cut: str = "adaptive",
    intensity: float = 0.0,
    scaling: tuple[float, float] | None = None,
    per_lesion: bool = False,
    connected: bool = False,
    binarize: bool = False,
    threads: int = 0,
) -> Dilated: ...
def find_scaling(image: _Array, *, roi: _Mask = None, threads: int = 0) -> tuple[float, float] | None: ...
def near(mask: _Array, *, radius_mm: float, spacing_mm: _Rates, threads: int = 0) -> NDArray[np.bool_]: ...
def count_cuts(
    consensus: _Array, raters: _Raters, *, cut: float, cuts: _Rates, cuts_of_sums: _Rates, threads: int = 0
) -> tuple[int, list[int], list[int], list[int], int, int]: ...
def may_sum_to(arrays: _Raters, axis: int | None, total: float, tolerance: float, few: int) -> bool: ...
def surely_fits(table: VoteTable, estimate: Estimate, times: float, voxels: float, share: float) -> bool: ...
def smooth_axis(volume: _Array, *, axis: int, weight: Sequence[float], threads: int = 0) -> None: ...
def fuse(
    raters: _Raters,
    out: _Array,
    *,
    mask: _Mask = None,
    prior_map: _Array | None = None,
    present: _Looked = (),
    heights: tuple[NDArray[np.int64], _Reals, bool] | None = None,
    options: Options,
) -> Result: ...
def tabulate(
    raters: _Raters, *, mask: _Mask = None, present: _Looked = (), options: Options
) -> VoteTable | None: ...
def find_masses(raters: _Raters, *, mask: _Mask, present: _Looked, options: Options) -> _Masses | None: ...
def masses_of(table: VoteTable, *, threads: int = 0) -> _Masses | None: ...
def estimate(table: VoteTable, *, options: Options, start: Estimate | None = None) -> Result: ...
def apply(
    estimate: Estimate,
    raters: _Raters,
    out: _Array,
    *,
    mask: _Mask = None,
    prior_map: _Array | None = None,
    present: _Looked = (),
    heights: tuple[NDArray[np.int64], _Reals, bool] | None = None,
    options: Options,
) -> Result: ...
def plan(
    raters: _Raters,
    *,
    wide: bool = False,
    mask: _Mask = None,
    prior_map: _Array | None = None,
    present: _Looked = (),
    options: Options,
) -> Plan: ...
def fit(table: VoteTable, counts: _Rates, *, options: Options, start: Estimate) -> tuple[_Sums, _Sums]: ...
