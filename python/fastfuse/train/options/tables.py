"""The tables of options: each option with its default, which is the paper's, its meaning and its unit."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

from .checking import METHODS, check_options, flat


@dataclass(frozen=True)
class ConsensusOptions:
    """Fusion of the raters' masks to one target."""

    size: float = 1.2  #: (mask + ring) / mask after conditional dilation
    label: float = 0.3  #: vote of the ring
    iterations: int = 6  #: dilations by one voxel; the voxels that they add are the candidates
    radius_mm: float = 0.0  #: in place of ``iterations``: candidates are the voxels this near; 0: not used
    threshold: str | float = "adaptive"  #: cut of FLAIR: "adaptive", "exact", or a number in FLAIR's unit
    scope: str = "volume"  #: the size holds for the "volume", or for each "lesion"
    m_step: str = "paper"  #: M-step of the soft methods: "paper", as printed, or "em", the true maximiser
    prior: str | float = "mean"  #: "mean" vote, "estimate", or a number in (0, 1)
    brain: bool = True  #: fuse, and scale FLAIR, inside the brain mask if there is one
    pool: str = "none"  #: targets by each case's own rates ("none"), or by those of the "raters" over a fold's training cases

    @property
    def pools(self) -> bool:
        """Whether the cases that a network is trained on share the raters' rates."""
        return self.pool == "raters"


@dataclass(frozen=True)
class GridOptions:
    """One grid for all cases; without it their voxels must be of one size."""

    spacing_mm: float = 0.0  #: edge of the voxels that every case is brought to; 0: not used
    file: str = ""  #: image whose grid every case is brought to, in the same space
    masks: str = (
        "partial"  #: a voxel is marked where at least half of it is ("partial"), or its "nearest" voxel
    )

    @property
    def used(self) -> bool:
        """Whether cases are brought to another grid than their own."""
        return bool(self.spacing_mm or self.file)


@dataclass(frozen=True)
class NetworkOptions:
    """Size and start of the network."""

    width: int = 32  #: channels of the first level
    depth: int = 4  #: poolings; slices are padded to multiples of 2**depth
    start: float = 0.5  #: output of the untrained U-Net, a probability
    weights: str = "glorot-normal"  #: first weights of the U-Net: "glorot-normal" or "glorot-uniform"
    model: str = ""  #: "module:callable" that makes another torch.nn.Module from in_channels, width and depth
    output: str = "probability"  #: of another network: "probability", or "logit", which gets a sigmoid


@dataclass(frozen=True)
class TrainingOptions:
    """Loss, optimiser, batches and validation."""

    target: str = "method"  #: "binary" for STAPLE, eq. (6), "soft" for the others ("method"); or one for all
    dice: str = "paper"  #: intersection of the soft Dice loss: "paper", eq. (14), or "l1"
    learning_rate: float = 1e-4  #: of Adam
    weight_decay: float = 1e-4  #: of Adam
    clip: float = 0.0  #: largest norm of a step's gradient, which is scaled down to it; 0: no limit
    batch: int = 32  #: number of slices in a step
    steps: int = 16  #: number of steps in an epoch
    epochs: int = 5000
    rotation_deg: float = 5.0  #: largest rotation of a slice, drawn uniformly from both sides
    lesion_share: float = 0.0  #: share of a batch drawn from slices with lesions by STAPLE
    validation: str = "share"  #: cases that select the best epoch: a "share" of them, one of each of the "centres", or "none"
    validation_share: float = 0.2  #: of the training cases, with validation=share
    validate_every: int = 10  #: epochs between two validations
    save_every_s: float = 30.0  #: seconds between two checkpoints to resume from
    precision: str = (
        "float32"  #: "float32", "bfloat16", "float16" (CUDA), or "auto": the fastest that is safe here
    )

    def binary(self, method: str) -> bool:
        """Tell whether a method's network learns from 0 and 1: STAPLE's by eq. (6), T = argmax, unless all are to be alike."""
        return self.target == "binary" or (self.target == "method" and method == "staple")


@dataclass(frozen=True)
class EvaluationOptions:
    """Conversion of a prediction to the mask that is scored."""

    cut: float = 0.5  #: a mask is probability >= cut
    least_voxels: int = 18  #: components of fewer voxels are removed from a prediction
    least_mm3: float = (
        0.0  #: in place of ``least_voxels``: components of less volume are removed; 0: not used
    )
    connectivity: int = (
        6  #: of components and lesions: voxels that share a face (6), an edge (18) or a corner (26)
    )

    def least_on(self, voxel_mm3: float) -> int:
        """Return the voxels of the smallest component that is kept, where a voxel has this volume."""
        if not self.least_mm3:
            return self.least_voxels
        return math.ceil(self.least_mm3 / voxel_mm3 * (1 - 1e-6))  # voxel sizes are rounded in headers


@dataclass(frozen=True)
class ExperimentOptions:
    """All options of the experiment."""

    preset: str = "quick"
    methods: tuple[str, ...] = METHODS
    folds: int = 5
    split: str = "Training"  #: cases of the cohort: "Training", "Testing" or "all"
    train: str = (
        ""  #: split to train on, "Training" or "Testing", in place of a cross-validation; needs ``test``
    )
    test: str = ""  #: split to test on
    seed: int = 0
    fix_flips: bool = False  #: flip masks back whose axes are reversed
    grid: GridOptions = field(default_factory=GridOptions)
    consensus: ConsensusOptions = field(default_factory=ConsensusOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_options(flat(asdict(self)))
