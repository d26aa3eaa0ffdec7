"""What a page's numbers mean, in words."""

from collections.abc import Mapping
from typing import Any

from ..fit import NATS
from ..fusion import DISPUTED

Terms = tuple[tuple[str, str], ...]

_DICE = (
    "Dice",
    "Of two masks: twice what they have in common, divided by the sum of both: 1 is the same, 0 has nothing in common.",
)
_DISAGREEMENT = (
    "Disagreement",
    "At a voxel the share of pairs of raters who differ. A place is a connected region of such voxels.",
)

TERMS: Terms = (
    (
        "Sensitivity",
        "The share of true foreground that a rater marks, by the consensus's probabilities as truth; votes between 0 and 1 are marks in part.",
    ),
    (
        "Specificity",
        "The share of true background that a rater leaves unmarked. The more background counts, the higher it is.",
    ),
    (
        "PPV, NPV",
        "Of what a rater marks (leaves unmarked), the share that the consensus calls foreground (background).",
    ),
    (
        "Dice",
        f"{_DICE[1]} A rater's mask holds votes of at least 0.5; that of the consensus probabilities from the cut on.",
    ),
    (
        "Soft Dice",
        "The same of a rater's votes q and the consensus's probabilities w as they are: 2 Σ w q / (Σ w + Σ q). It is mostly below Dice where these lie between 0 and 1, and far below where maps have a floor above 0.",
    ),
    (
        "Expected volume",
        "The sum of all probabilities, in ml. The consensus's volume is that of its mask, at the cut.",
    ),
    ("Prior", "The probability of foreground before any vote."),
    _DISAGREEMENT,
    (
        "Fit",
        "STAPLE takes raters' errors for independent. Where experts draw nested contours, far more voxels are marked by all or by none than it expects, and its rates and probabilities are too sure.",
    ),
    ("Nats", f"The {NATS}."),
)

SATURATED = "STAPLE of two raters, and of three if its prior is estimated, fits any votes: that it fits tells nothing of these."


def rates_are(options: Mapping[str, Any], method: str, *, labels: bool = False) -> str:
    """Return in what sensitivity and specificity differ from the shares that the terms name; nothing where they do not.

    ``labels``: of label maps.
    """
    told = []
    prior = options.get("performance_prior")
    if labels:
        if not isinstance(prior, list | tuple):
            return ""
        return (
            f"The performance prior adds {prior[0]:,.4g} voxels to each label, of which the share {prior[1]:g} is right: where a "
            "label has no more voxels than some times this, it is far from the share of the consensus. PPV and soft Dice have no prior."
        )
    if method == "border-staple":
        told.append(
            "By border-STAPLE it is the model's probability, of a mark inside of the consensus's border or of none outside; "
            "PPV, NPV and soft Dice are sums over the consensus."
        )
    if options.get("m_step") == "em":
        told.append(
            "By the true maximiser it is the model's probability that a vote is a mark: of votes between 0 and 1 it is not this "
            "share, while PPV, NPV and soft Dice are sums over the consensus."
        )
    if prior not in (None, "none", "auto"):
        told.append("The counts of the performance prior are added.")
    if options.get("classes") == 3:
        told.append("Of three classes, half of the border counts, and half a voxel is added to every count.")
    if options.get("roi") == "disputed":
        told.append(DISPUTED)
    return " ".join(told)


OF_MASKS = ("Specificity", "Expected volume")  # terms that a page of label maps has no number for

BORDER_TERMS: Terms = (
    (
        "Border against the consensus's, sharpness",
        "How much farther in (+, a smaller mask) or out (-) than the consensus a rater draws, in levels of depth, not in mm; and how steeply their marks begin there. From one level outside of a border of sharpness 1 to one inside, marks rise from 27 to 73 %; the mean of all, each weighted by their sharpness, is 1.",
    ),
)

AGREEMENT_TERMS: Terms = (
    (
        "Kappa, alpha, AC1",
        "Agreement of all raters beyond what chance would give: 1 is the same everywhere, 0 no more than chance. They differ in what chance is taken to give.",
    ),
    _DICE,
    (
        "Conformity",
        "What two raters have in common by what either marks, both summed over all pairs; background does not count.",
    ),
    _DISAGREEMENT,
)

MEASURE_TERMS: Terms = (
    _DICE,
    ("Precision", "The share of what is predicted that is true."),
    ("Recall", "The share of what is true that is predicted; also called sensitivity."),
    (
        "Specificity",
        "The share of true background that is not predicted. The more background counts, the higher it is.",
    ),
    (
        "HD95, HD100",
        "How far the two surfaces are apart, in mm: 95 % of the surface voxels, or all of them, have the other surface within this distance; the larger of both directions.",
    ),
    ("ASSD", "The mean distance of the surface voxels of both masks to the other surface, in mm."),
    (
        "Surface Dice",
        "The share of both surfaces that lies within a tolerance of the other (--tolerance-mm).",
    ),
    (
        "Lesion sensitivity, PPV, F1",
        "The share of true lesions that are found, the share of predicted ones that are true, and the harmonic mean of both. A lesion is a connected component that is not too small; see the options.",
    ),
)

EXPERIMENT_TERMS: Terms = (
    *(term for term in MEASURE_TERMS if term[0] not in ("Specificity", "Surface Dice")),
    (
        "Brier score",
        "The mean over the brain's voxels of the squared difference of the network's probability and an expert's vote, in percent, then over experts: the less the better; the least that there is is the experts' own disagreement.",
    ),
    (
        "Calibration error",
        "How far the network's probability is from the share of experts who mark: the mean over the brain's voxels, in 10 ranges of probability, in percent. A perfect forecast has 0.",
    ),
    (
        "p, Holm",
        "Wilcoxon's signed-rank test over the cases, two-sided; then corrected by Holm for all tests of the family: overlap, or further measures.",
    ),
)

LESION_TERMS: Terms = (
    (
        "Found, missed, false",
        "A true lesion that the prediction finds, or does not; a predicted one that is no true one. Overlap: the share of its voxels in lesions of the other mask.",
    ),
)

RATER_TERMS: Terms = (
    (
        "Dice where all agree",
        "Dice of the prediction's mask with what all raters mark, over the voxels that all of them mark, or none.",
    ),
    (
        "Confidence there",
        "The mean probability of what all agree on: of foreground where all mark, of background where none does; the mean of both.",
    ),
    (
        "Calibration error",
        "How far the probability of the likelier class is from the share of voxels at which a rater says the same: the mean over voxels, in 50 ranges of probability, then over raters. Where raters differ, it is seldom 0.",
    ),
    (
        "Reliability error",
        "How far the probability is from the share of raters who mark: the mean over voxels, in 10 ranges of probability. The raters' mean vote has 0.",
    ),
    (
        "CRPS of the volume",
        "Continuous ranked probability score: how far the expected volume, the sum of the prediction's probabilities, is from the spread of the raters' volumes, taken as a normal distribution; in ml, and the less the better. If all raters have one volume, it is the distance from it.",
    ),
)
