"""The options of a fusion, each declared once. Loads neither NumPy nor the core: the shell reads its flags here."""
# ruff: noqa: RUF009 - each option is declared by a call, as a dataclass's field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from ..inputs.checks import Labels, Scale, check_one_selection
from ..inputs.kinds import Sides, VoxelsLike
from .declared import (
    Flag,
    OfForeground,
    OfMethods,
    OneOf,
    Option,
    declared,
    every,
    labels_typed,
    number_or_word,
    option,
)
from .option_checks import (
    OF_TWO_CLASSES,
    REPLICATES,
    SEED,
    PerformancePrior,
    as_given,
    check_acceleration,
    check_beta,
    check_classes,
    check_flag,
    check_init,
    check_intervals,
    check_label,
    check_mrf,
    check_prior,
    check_roi,
    check_scale,
    check_threshold,
    check_tol,
    checked_once,
    count_from,
    enumerates,
    has_likelihood,
    is_map,
    of_classes,
    of_levels,
    of_rates,
    of_votes,
    soft,
)
from .registry import Method
from .streamed.declared import EXECUTOR, MAX_MEMORY, Memory

MStep = Literal["paper", "em"]
Expectation = Literal["auto", "enumerate", "characteristic"]
Likelihood = Literal["mixture", "log_linear"]
Missing = Literal["error", "nan"]
IntervalKind = Literal["none", "information", "bootstrap", "lesions"]
Acceleration = Literal["none", "squarem", "sample"]
PriorOfTable: TypeAlias = Literal["mean", "estimate"] | float
Prior: TypeAlias = "PriorOfTable | VoxelsLike | Mapping[int | str, float] | Mapping[int | str, VoxelsLike]"
Init: TypeAlias = Literal["auto", "vote", "plurality", "itk"] | float
Roi: TypeAlias = Literal["all", "disputed"] | float


@dataclass(frozen=True)
class Options(OfMethods, OfForeground):
    """The options of a fusion."""

    m_step: MStep = option(
        "paper",
        OneOf(*get_args(MStep)),
        '{"paper", "em"}',
        """How sensitivity and specificity follow from the consensus. "paper": eq. (5) with the soft vote in the place of the
        binary one, as printed and as the authors ran it. "em": the true maximiser. The paper says that the likelihood rises
        monotonically. With "paper" it may fall, and usually does for votes spread over [0, 1]. With "em" it never falls. On
        binary votes the two are the same.""",
        flag=Flag("paper, as printed, or em, the true maximiser.", main=True),
        methods=soft,
    )
    expectation: Expectation = option(
        "auto",
        OneOf(*get_args(Expectation)),
        '{"auto", "enumerate", "characteristic"}',
        """How the expectation over binary patterns is computed. "enumerate": term by term, 2^f terms for f fractional votes at
        a voxel, at most 20. "characteristic": by an integral over the characteristic function of the log-odds, whose cost grows
        with f alone. "auto": whichever is cheaper. Both are exact to rounding, 1e-12 in absolute terms.""",
        flag=Flag("soft-staple's: auto, enumerate (2^m terms), or characteristic (any number of raters)."),
        methods=enumerates,
    )
    likelihood: Likelihood = option(
        "mixture",
        OneOf(*get_args(Likelihood)),
        '{"mixture", "log_linear"}',
        """Likelihood of a soft vote. "mixture": eq. (10). "log_linear": θ^q (1 - θ)^(1 - q), which weighs the
        rater's log-odds by the vote, as some other software does; both M-steps are then the same, and raise the
        likelihood.""",
        flag=Flag("simplified-soft-staple's: mixture, eq. (10), or log_linear, votes that weigh log-odds."),
        methods=has_likelihood,
        on_device=False,
    )
    prior: Prior = option(
        "mean",
        check_prior,
        '{"mean", "estimate"}, float or array_like',
        """p(truth 1) before any vote. "mean", as in ITK and the paper: the mean of all votes inside the mask, held
        fixed. If votes are missing: first the mean of each voxel's votes, then the mean over voxels. It is biased when raters
        over-mark: with five raters of sensitivity 0.8 and specificity 0.95 at a true prevalence of 0.01, the estimated sensitivity comes out 0.44 too low. "estimate": the mean consensus, updated in each iteration, is not; on contours
        it is no better, and of networks EM may end empty. A number: in (0, 1). A map: of the raters' shape; 0 and 1, as outside
        the head, are clamped to [1e-6, 1 - 1e-6], with a warning.""",
        flag=Flag(
            "mean (vote), estimate, a number in (0, 1), an image of priors, or smooth:MM, the smoothed mean vote (votes count twice); "
            "of label maps a number or an image for each label, in ascending order or as in 0=X,4=X.",
            number_or_word,
            main=True,
            metavar="mean|estimate|X|FILE|smooth:MM|X,X,...|FILE,FILE,...",
        ),
        methods=of_rates,
    )
    init: Init = option(
        "auto",
        check_init,
        '{"auto", "vote", "plurality", "itk"} or float',
        """"vote": start from the mean vote, M-step first, which is always the paper's. A number in (0.5, 1): every
        rate starts there, E-step first. "auto" is "vote", but "plurality" (most votes; or "itk") for more than two labels.""",
        flag=Flag(
            "vote, or a number in (0.5, 1) for every sensitivity and specificity; of label maps vote, plurality (most votes), or itk.",
            number_or_word,
            main=True,
            metavar="auto|vote|X|plurality|itk",
        ),
        methods=of_rates,
    )
    roi: Roi = option(
        "all",
        check_roi,
        '{"all", "disputed"} or float',
        """Where to fuse, inside the mask. "disputed": voxels on which all votes are 0, or all are 1, take that value and stay
        out of EM and prior. A voxel counts as agreed only if at least two raters read it. A number: a margin in mm around what
        anybody marks (a vote above 0.1), in at most three dimensions; beyond it the probability is 0. This changes results.
        Background that nobody would mark raises every specificity and lowers the prior; a margin or a mask takes it away.
        "disputed" takes the agreement away as well. Among disputed voxels alone, specificities fall far below those of the
        whole, and sensitivities no longer count the voxels that all find. Raters who err independently look opposed to each
        other, so that a few of them may come out as worse than chance, and the consensus upside down. Use it where many raters
        differ in kind, not to save time.""",
        flag=Flag(
            "Where to fuse: all, disputed, or a margin in mm around all marks; border-staple takes 4.",
            number_or_word,
            metavar="all|disputed|MM",
        ),
        on_device=False,
        of_table=False,
    )
    spacing_mm: Sides | None = option(
        None,
        as_given,
        "sequence of float, one per axis",
        """Voxel size in mm; for a margin, and for ``mrf`` if voxels are not cubes. Without it: that of the first image, among
        raters, mask and prior, that lies in space; for ``mrf`` alone it is 1 if there is none.""",
        recorded=False,
        of_table=False,
    )
    missing: Missing = option(
        "error",
        OneOf(*get_args(Missing)),
        '{"error", "nan"}',
        """"nan": where a rater's value is nan, they give no vote. Missing votes are left out of both steps. A voxel
        on which nobody votes stays out of all sums; its probability is the prior (0 for a majority vote, and if all are equal).""",
        flag=Flag("What nan is: an error, or (nan) no vote."),
        on_device=False,
        of_table=False,
        methods=every,
    )
    mrf: float = option(
        0.0,
        check_mrf,
        "float",
        """Strength β of a Markov random field, by mean field: neighbours across a face pull a voxel's log-odds by β
        (2 w - 1), times the smallest voxel side over the side along that axis. It removes isolated voxels; 0.1 to 1
        are usual, and ``acceleration`` must be "none". One sweep over the voxels is one E-step, so that it costs
        more time. ``log_likelihood`` is that of the votes under each voxel's own prior, and may fall. Agreed voxels
        of ``roi="disputed"`` pull too.""",
        flag=Flag("Strength that couples neighbours, 0.1 to 1; 0: none.", float),
        on_device=False,
        of_table=False,
        methods=of_rates,
    )
    performance_prior: PerformancePrior = option(
        "auto",
        check_beta,
        '{"auto"}, None, (float, float) or ((float, float), (float, float))',
        """(a, b) of a Beta prior on every sensitivity and specificity, or two pairs: for sensitivity and for
        specificity. At least 1. The M-step for sensitivity becomes (true positives + a - 1) / (true positives +
        false negatives + a + b - 2), and likewise for specificity, so that the rates of a rater who marks three
        voxels do not run to 0 or 1 (Commowick and Warfield 2010). (5, 1.5) is a mild one. For more than two labels:
        (s, d), s voxels of belief in each row of a confusion matrix, the share d of them on its diagonal (Dirichlet).
        "auto" is (5 % of a foreground label's mean voxels, 0.9) there, else none. Background is label 0 alone, else a warning tells.""",
        flag=Flag(
            "Beta prior (a, b) of every rate; of label maps S D, S voxels in each row, the share D on the diagonal; none: no prior.",
            metavar="A B|S D|none",
        ),
        methods=of_rates,
    )
    intervals: IntervalKind = option(
        "none",
        OneOf(*get_args(IntervalKind)),
        '{"none", "information", "bootstrap", "lesions"}',
        """Standard errors and 95 % intervals of sensitivity and specificity, as ``intervals`` of the result.
        "information": from the curvature of the likelihood (Louis 1982), for independent voxels and the prior as it
        was given, on the logit scale. For fractional votes it is the robust sandwich estimator of curvature and
        scores (White 1982). It is nan where EM does not end at a maximum of the likelihood, as with the paper's
        M-step on fractional votes; and for soft-STAPLE with missing votes, a prior map or more than 20 raters whose
        votes are fractional. "bootstrap": percentiles over resampled voxels, for every method; nan for more than
        131,072 distinct patterns of votes, as a network's probabilities make. "lesions": the same over resampled
        lesions, the 26-connected components of what anybody marks (a vote above 0.1). Voxels of one lesion share
        their errors, so use these for images (needs SciPy). No bootstrap with a prior map; no intervals with
        ``mrf``. Of label maps "bootstrap" alone, of each label's sensitivity: half a minute for 60,000 patterns.""",
        flag=Flag("95 % intervals of the rates: none, information, bootstrap (over voxels), or lesions."),
        on_device=False,
    )
    replicates: int = option(
        REPLICATES,
        count_from(2),
        "int",
        "Number of resampled fits of a bootstrap.",
        flag=Flag("Of the bootstrap.", int),
    )
    seed: int = option(
        SEED,
        count_from(0),
        "int",
        "Seed of the bootstrap's random numbers.",
        flag=Flag("Of the bootstrap.", int),
    )
    tol: float = option(
        1e-7,
        check_tol,
        "float",
        """Stop when no sensitivity or specificity moves by more than this in one M-step. This limits the last step, not the
        remaining error: if EM is slow, probabilities may still move by 1e-3: choose less, or ``acceleration="squarem"``.""",
        flag=Flag("Stop when no rate moves by more; border-staple: no voxel, by 1e-4.", float, main=True),
    )
    max_iter: int = option(
        1000,
        count_from(1),
        "int",
        "M-steps at most; 1 is one M-step and the E-step after it.",
        flag=Flag("Iterations at most.", int, main=True),
    )
    acceleration: Acceleration = option(
        "none",
        OneOf(*get_args(Acceleration)),
        '{"none", "squarem", "sample"}',
        """"squarem": every two steps, go as far beyond them as their difference promises (Varadhan and Roland 2008). The jump
        is kept where the likelihood rises or, with the paper's M-step, where the next step is not larger. It ends at the same
        rates if the data determine them, else perhaps at another maximum. Where the distinct vote patterns are few, plain EM
        runs as well, and the higher end is kept, up to 0.001 nats. With the paper's M-step on fractional votes neither climbs,
        and either may end lower. "sample": simplified-soft-STAPLE on a network's probabilities starts on some hundredths of the
        voxels, and passes over all of them some 3 to 7 times, until the rates are within ``tol`` of where EM ends. Where the
        sample misleads, for other votes and methods, plain EM runs.""",
        flag=Flag("none; squarem or sample, which need fewer iterations.", main=True),
        methods=of_rates,
    )
    threads: int = option(
        0,
        count_from(0),
        "int",
        "Threads to use; 0 takes what the process may use. The result has the same bits for every number.",
        recorded=False,
        methods=every,
    )
    max_memory: Memory = MAX_MEMORY
    executor: Any = EXECUTOR
    device: str | None = option(
        None,
        as_given,
        '{"cpu", "cuda", "cuda:0", ...}',
        """Where to fuse; by default where the raters lie. Tensors on a CUDA device (PyTorch, CuPy, JAX, or whatever
        else has ``__dlpack__``), contiguous, are used in place, on the stream on which their library works, and
        ``probability`` is such a tensor there. NumPy's arrays are copied there and back. Needs a fastfuse built
        with CUDA (:func:`fastfuse.cuda.is_available`). On the CPU only: a map as prior, ``roi``, ``missing``,
        ``present``, ``mrf``, ``intervals``, ``likelihood``, ``select_label``, more than 64 raters, and
        ``expectation="enumerate"`` with more than 16.""",
        flag=Flag("Where to fuse; cuda:1 and so on, too.", str, main=True, metavar="cpu|cuda"),
        recorded=False,
        of_table=False,
        methods=every,
    )
    select_label: Labels = option(
        None,
        check_label,
        "int or sequence of int",
        """Fuse this label of label maps: a vote is 1 where a rater's value equals it. Of several labels, as in [1, 2, 4],
        their union.""",
        flag=Flag(
            "Fuse this label of label maps; 1,2,4 is the union of three.",
            labels_typed,
            main=True,
            metavar="K,K,...",
            several=True,
        ),
        on_device=False,
        recorded=False,
        of_table=False,
        methods=every,
    )
    binarize: bool = option(
        False,
        check_flag,
        "bool",
        """Count values above 0 as 1: for masks of 0 and 255, of numbered lesions, of codes that differ between raters.
        nan stays a missing vote or an error.""",
        flag=Flag("Count whatever is above 0 in a mask as 1.", bool, main=True),
        on_device=False,
        recorded=False,
        of_table=False,
        methods=every,
    )
    threshold: float | None = option(
        None,
        check_threshold,
        "float",
        "Make masks of probabilities: a vote is 1 where a rater's value is at least this, in the unit of their image.",
        flag=Flag("Count what is at least this as 1, anything below as 0.", float, main=True),
        on_device=False,
        recorded=False,
        of_table=False,
        methods=every,
    )
    scale: Scale = option(
        None,
        check_scale,
        '{"auto"} or float',
        """The value that stands for a vote of 1, where probabilities are stored as percent (100) or bytes (255): votes
        are the values divided by it. "auto" takes 1, 100 or 255, whichever holds the highest value of all raters, and
        says which.""",
        flag=Flag("Value of a vote of 1.", number_or_word, main=True, metavar="100|255|X|auto"),
        on_device=False,
        recorded=False,
        of_table=False,
        methods=of_votes,
    )
    evidence: bool = option(
        False,
        check_flag,
        "bool",
        """Take the image's intensity as evidence of a voxel's level, beside the votes; it needs ``image``. Without it the image
        tells the anchor alone.""",
        flag=Flag("border-staple's: intensities of --image count beside the votes.", bool),
        on_device=False,
        of_table=False,
        methods=of_levels,
    )
    classes: Literal[2, 3] = option(
        2,
        check_classes,
        "{2, 3}",
        """Classes of the truth. 3: background, border and foreground, each with a rate of marks of each rater (Dawid and Skene
        1979), as raters who agree inside differ at borders; the probability is that of foreground and half of that of border. For
        four raters or more.""",
        flag=Flag("staple's: 2, or 3 with a class for borders.", int),
        on_device=False,
        methods=of_classes,
    )
    route: str = "auto"
    """What EM runs on: the distinct vote "patterns", the voxels in "lanes", or one by one in "rows". For tests."""

    @checked_once
    def checked(self, _method: Method | None = None) -> Options:
        """Check each option, and those that exclude each other; return them as they travel inside."""
        checked = self.each_checked()
        check_acceleration(checked.acceleration, mrf=checked.mrf)
        check_one_selection(checked.select_label, checked.threshold, checked.scale, binarize=checked.binarize)
        checked.check_classes(OF_TWO_CLASSES)
        resampling = checked.replicates, checked.seed
        check_intervals(checked.intervals, *resampling, mrf=checked.mrf, of_map=is_map(checked.prior))
        return checked

    def checked_selection(self) -> Options:
        """Refuse what says twice, and in different ways, what foreground is; return the options."""
        check_one_selection(self.select_label, self.threshold, self.scale, binarize=self.binarize)
        return self

    @property
    def as_votes(self) -> Options:
        """The options for votes that have been made of the raters' values."""
        return replace(self, select_label=None, binarize=False, threshold=None, scale=None)

    @property
    def margin_mm(self) -> float | None:
        """Margin of the region to fuse; None for a region that has a name."""
        return None if isinstance(self.roi, str) else self.roi


BY_NAME = declared(Options)
DECLARED: tuple[Option, ...] = tuple(BY_NAME.values())
ENTRIES = {name: one.entry for name, one in BY_NAME.items()}
