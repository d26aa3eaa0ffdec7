"""What a report's numbers mean, in words."""

TERMS = (
    (
        "Sensitivity",
        "The share of true foreground that a rater marks, by the consensus's probabilities as truth.",
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
        "Twice what two have in common, divided by the sum of both: 1 is the same, 0 has nothing in common.",
    ),
    (
        "Expected volume",
        "The sum of all probabilities, in ml. The consensus's volume is that of its mask, at the cut.",
    ),
    ("Prior", "The probability of foreground before any vote."),
    (
        "Disagreement",
        "At a voxel the share of pairs of raters who differ. A place is a connected region of such voxels.",
    ),
    (
        "Fit",
        "STAPLE takes raters' errors for independent. Where experts draw nested contours, far more voxels are marked by all or by none than it expects, and its rates and probabilities are too sure.",
    ),
)
