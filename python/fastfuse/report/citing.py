"""What to cite for what was used: methods and options by name, or as the JSON beside a result tells them.

Border-STAPLE is this package's own, so that its reference is the software, as ``CITATION.cff`` has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import FastfuseError
from ..inputs.names import quoted

SOFTWARE = "fastfuse"
TITLE = "fastfuse: exact and fast fusion of several raters' segmentations"


@dataclass(frozen=True)
class Reference:
    """A publication, or this software.

    Attributes
    ----------
    key : str
        Its key in BibTeX.
    kind : {"article", "inproceedings", "software"}
    authors : tuple of str
        Family name, comma, given names; ``"others"`` as the last stands for more. Without a comma a group.
    title : str
    place : str
        Journal, or the book of a conference; of software its version.
    year : int or None
        None for software, which has a version.
    volume, number, pages : str
        Empty where there is none.
    doi : str
        Empty for this software.
    """

    key: str
    kind: Literal["article", "inproceedings", "software"]
    authors: tuple[str, ...]
    title: str
    place: str
    year: int | None
    volume: str = ""
    number: str = ""
    pages: str = ""
    doi: str = ""

    @property
    def text(self) -> str:
        """The reference as a line of a list of references."""
        issue = f"({self.number})" if self.number else ""
        place = f"Version {self.place}" if self.kind == "software" else self.place
        parts = [place, f"{self.volume}{issue}" if self.volume else "", self.pages]
        where = ", ".join(part for part in parts if part)
        year = f" ({self.year})" if self.year else ""
        end = f" doi:{self.doi}" if self.doi else ""
        return f"{_in_text(self.authors)}: {self.title}. {where}{year}.{end}"

    @property
    def called(self) -> str:
        """What a sentence calls it: the family names of up to two authors, and the year."""
        names = [one.partition(",")[0] for one in self.authors]
        several = len(names) > 2 or names[-1] == "others"
        who = f"{names[0]} et al." if several else " and ".join(names)
        return f"{who} {self.year}" if self.year else who

    @property
    def bibtex(self) -> str:
        """The reference as an entry of BibTeX."""
        place = {"article": "journal", "inproceedings": "booktitle", "software": "version"}[self.kind]
        fields = {
            "author": " and ".join(
                one if "," in one or one == "others" else f"{{{one}}}" for one in self.authors
            ),
            "title": f"{{{self.title}}}",
            place: self.place,
            "volume": self.volume,
            "number": self.number,
            "pages": self.pages.replace("-", "--"),
            "year": str(self.year or ""),
            "doi": self.doi,
        }
        width = max(map(len, fields))
        lines = [
            f"  {name:{width}} = {{{_escaped(value, name)}}}," for name, value in fields.items() if value
        ]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


@dataclass(frozen=True)
class Cited:
    """A reference, and what it is cited for."""

    reference: Reference
    subjects: tuple[str, ...]


_SOFT = Reference(
    "kats2019soft",
    "inproceedings",
    ("Kats, Eytan", "Goldberger, Jacob", "Greenspan, Hayit"),
    "A Soft STAPLE Algorithm Combined with Anatomical Knowledge",
    "Medical Image Computing and Computer Assisted Intervention (MICCAI 2019), Lecture Notes in Computer Science",
    2019, "11766", "", "510-517", "10.1007/978-3-030-32248-9_57",
)  # fmt: skip
_STAPLE = Reference(
    "warfield2004staple",
    "article",
    ("Warfield, Simon K.", "Zou, Kelly H.", "Wells, William M."),
    "Simultaneous Truth and Performance Level Estimation (STAPLE): An Algorithm for the Validation of Image Segmentation",
    "IEEE Transactions on Medical Imaging",
    2004, "23", "7", "903-921", "10.1109/TMI.2004.828354",
)  # fmt: skip
_LABELS = Reference(
    "dawid1979maximum",
    "article",
    ("Dawid, A. P.", "Skene, A. M."),
    "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm",
    "Journal of the Royal Statistical Society Series C (Applied Statistics)",
    1979, "28", "1", "20-28", "10.2307/2346806",
)  # fmt: skip
_RATE_PRIOR = Reference(
    "commowick2010incorporating",
    "inproceedings",
    ("Commowick, Olivier", "Warfield, Simon K."),
    "Incorporating Priors on Expert Performance Parameters for Segmentation Validation and Label Fusion: A Maximum a "
    "Posteriori STAPLE",
    "Medical Image Computing and Computer-Assisted Intervention (MICCAI 2010), Lecture Notes in Computer Science",
    2010, "6363", "", "25-32", "10.1007/978-3-642-15711-0_4",
)  # fmt: skip
_SQUAREM = Reference(
    "varadhan2008simple",
    "article",
    ("Varadhan, Ravi", "Roland, Christophe"),
    "Simple and Globally Convergent Methods for Accelerating the Convergence of Any EM Algorithm",
    "Scandinavian Journal of Statistics",
    2008, "35", "2", "335-353", "10.1111/j.1467-9469.2007.00585.x",
)  # fmt: skip
_INFORMATION = Reference(
    "louis1982finding",
    "article",
    ("Louis, Thomas A.",),
    "Finding the Observed Information Matrix when Using the EM Algorithm",
    "Journal of the Royal Statistical Society Series B (Methodological)",
    1982, "44", "2", "226-233", "10.1111/j.2517-6161.1982.tb01203.x",
)  # fmt: skip
_BOOTSTRAP = Reference(
    "efron1979bootstrap",
    "article",
    ("Efron, Bradley",),
    "Bootstrap Methods: Another Look at the Jackknife",
    "The Annals of Statistics",
    1979, "7", "1", "1-26", "10.1214/aos/1176344552",
)  # fmt: skip
_CRITERION = Reference(
    "schwarz1978estimating",
    "article",
    ("Schwarz, Gideon",),
    "Estimating the Dimension of a Model",
    "The Annals of Statistics",
    1978, "6", "2", "461-464", "10.1214/aos/1176344136",
)  # fmt: skip
_FRACTIONS = Reference(
    "dinkelbach1967nonlinear",
    "article",
    ("Dinkelbach, Werner",),
    "On Nonlinear Fractional Programming",
    "Management Science",
    1967, "13", "7", "492-498", "10.1287/mnsc.13.7.492",
)  # fmt: skip
_KAPPA = Reference(
    "fleiss1971measuring",
    "article",
    ("Fleiss, Joseph L.",),
    "Measuring Nominal Scale Agreement among Many Raters",
    "Psychological Bulletin",
    1971, "76", "5", "378-382", "10.1037/h0031619",
)  # fmt: skip
_ALPHA = Reference(
    "krippendorff2004reliability",
    "article",
    ("Krippendorff, Klaus",),
    "Reliability in Content Analysis: Some Common Misconceptions and Recommendations",
    "Human Communication Research",
    2004, "30", "3", "411-433", "10.1111/j.1468-2958.2004.tb00738.x",
)  # fmt: skip
_AC1 = Reference(
    "gwet2008computing",
    "article",
    ("Gwet, Kilem Li",),
    "Computing Inter-Rater Reliability and Its Variance in the Presence of High Agreement",
    "British Journal of Mathematical and Statistical Psychology",
    2008, "61", "1", "29-48", "10.1348/000711006X126600",
)  # fmt: skip
_CONFORMITY = Reference(
    "kouwenhoven2009measuring",
    "article",
    ("Kouwenhoven, Erik", "Giezen, Marina", "Struikmans, Henk"),
    "Measuring the Similarity of Target Volume Delineations Independent of the Number of Observers",
    "Physics in Medicine and Biology",
    2009, "54", "9", "2863-2873", "10.1088/0031-9155/54/9/018",
)  # fmt: skip
_SIMPLE = Reference(
    "langerak2010label",
    "article",
    ("Langerak, Thomas Robin", "others"),
    "Label Fusion in Atlas-Based Segmentation Using a Selective and Iterative Method for Performance Level Estimation "
    "(SIMPLE)",
    "IEEE Transactions on Medical Imaging",
    2010, "29", "12", "2000-2008", "10.1109/TMI.2010.2057442",
)  # fmt: skip
_SHAPES = Reference(
    "rohlfing2007shape",
    "article",
    ("Rohlfing, Torsten", "Maurer, Calvin R."),
    "Shape-Based Averaging",
    "IEEE Transactions on Image Processing",
    2007, "16", "1", "153-161", "10.1109/TIP.2006.884936",
)  # fmt: skip
_METRICS = Reference(
    "taha2015metrics",
    "article",
    ("Taha, Abdel Aziz", "Hanbury, Allan"),
    "Metrics for Evaluating 3D Medical Image Segmentation: Analysis, Selection, and Tool",
    "BMC Medical Imaging",
    2015, "15", "", "29", "10.1186/s12880-015-0068-x",
)  # fmt: skip
_LESIONS = Reference(
    "commowick2018objective",
    "article",
    ("Commowick, Olivier", "others"),
    "Objective Evaluation of Multiple Sclerosis Lesion Segmentation Using a Data Management and Processing Infrastructure",
    "Scientific Reports",
    2018, "8", "", "13650", "10.1038/s41598-018-31911-7",
)  # fmt: skip

# A method or an option, by the name that users know it by; of an empty row the software is the reference.
SUBJECTS: Mapping[str, tuple[Reference, ...]] = {
    "staple": (_STAPLE,),
    "soft-staple": (_SOFT,),
    "simplified-soft-staple": (_SOFT,),
    "dilated-staple": (_SOFT, _STAPLE),
    "border-staple": (),
    "majority": (),
    "soften": (_SOFT,),
    "label-maps": (_STAPLE, _LABELS),
    "three-classes": (_LABELS,),
    "performance-prior": (_RATE_PRIOR,),
    "squarem": (_SQUAREM,),
    "information": (_INFORMATION,),
    "bootstrap": (_BOOTSTRAP,),
    "auto": (_CRITERION,),
    "dice-cut": (_FRACTIONS,),
    "fleiss-kappa": (_KAPPA,),
    "krippendorff-alpha": (_ALPHA,),
    "gwet-ac1": (_AC1,),
    "conformity": (_CONFORMITY,),
    "simple": (_SIMPLE,),
    "shape-average": (_SHAPES,),
    "overlap-and-distance": (_METRICS,),
    "lesions": (_LESIONS,),
}
AGREEMENT = ("fleiss-kappa", "krippendorff-alpha", "gwet-ac1", "conformity")
EVALUATION = ("overlap-and-distance", "lesions")
_WAYS = {"mean vote": "majority", "shape-based average": "shape-average"}  # what a comparison calls them
_INTERVALS = {"information": "information", "bootstrap": "bootstrap", "lesions": "bootstrap"}


def cited_for(subjects: Iterable[str], made_by: str | None = None) -> tuple[Cited, ...]:
    """Return the references of methods and options by name, each once, the software first.

    ``made_by``: the version to cite; that which runs without it.

    Raises
    ------
    FastfuseError
        For a name that nothing has.
    """
    wanted = list(dict.fromkeys(subjects))
    for name in wanted:
        if name not in SUBJECTS:
            raise FastfuseError(
                f"there is nothing called {quoted(name)} to cite; choose among {', '.join(SUBJECTS)}"
            )
    software = _software(made_by)
    found: dict[Reference, list[str]] = {software: []}
    for name in wanted:
        for one in SUBJECTS[name] or (software,):
            found.setdefault(one, []).append(name)
    return tuple(Cited(one, tuple(names)) for one, names in found.items())


def subjects_of(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what was used, by the JSON beside a result: a consensus, soft masks, agreement, evaluation, comparison."""
    method = facts.get("method")
    if method == "agreement":
        return AGREEMENT
    if method == "evaluation":
        return EVALUATION
    if method == "comparison":
        ways = [str(way["method"]).partition(",")[0].lower() for way in facts.get("ways", ())]
        return tuple(dict.fromkeys(_WAYS.get(way, way) for way in ways if _WAYS.get(way, way) in SUBJECTS))
    return _subjects_of_fusion(facts, method)


def _subjects_of_fusion(facts: Mapping[str, Any], method: object) -> tuple[str, ...]:
    options = facts.get("options") or {}
    structures = facts.get("structures") or ()
    used: list[str] = []
    if "labels" in facts and method != "majority":
        used.append("label-maps")
    elif method in SUBJECTS:
        used.append(str(method))
    used += ["three-classes"] if options.get("classes") == 3 else []
    used += ["auto"] if any(one.get("auto") for one in (facts, *structures)) else []
    used += ["soften"] if facts.get("dilation") and method != "dilated-staple" else []
    used += ["performance-prior"] if options.get("performance_prior") not in (None, "none", "auto") else []
    used += ["squarem"] if options.get("acceleration") == "squarem" else []
    used += [_INTERVALS[kind] for kind in (options.get("intervals"),) if kind in _INTERVALS]
    used += ["dice-cut"] if options.get("label_rule") == "dice" else []
    return tuple(used)


def cited_in(facts: Mapping[str, Any]) -> tuple[Cited, ...]:
    """Return the references of what was used, by the JSON beside a result, the software first, as it was then."""
    return cited_for(subjects_of(facts), facts.get("fastfuse"))


def as_text(cited: Iterable[Cited]) -> str:
    """Return references as paragraphs, each with what it is cited for."""
    return "\n".join(
        f"{one.reference.text}" + (f" [{', '.join(one.subjects)}]" if one.subjects else "") for one in cited
    )


def as_bibtex(cited: Iterable[Cited]) -> str:
    """Return references as entries of BibTeX."""
    return "\n\n".join(one.reference.bibtex for one in cited)


def _software(made_by: str | None) -> Reference:
    from importlib.metadata import version

    place = made_by or version("fastfuse")
    return Reference(SOFTWARE, "software", ("The fastfuse developers",), TITLE, place, None)


def _in_text(authors: tuple[str, ...]) -> str:
    """Return authors with their initials: Warfield S. K., Zou K. H."""
    named = []
    for one in authors:
        family, comma, given = one.partition(", ")
        initials = " ".join(f"{name[0]}." for name in given.split())
        named.append("et al." if one == "others" else f"{family} {initials}" if comma else one)
    return ", ".join(named).replace(", et al.", " et al.")


def _escaped(value: str, name: str) -> str:
    """Return text as TeX takes it; a DOI stays as it is."""
    return value if name == "doi" else value.replace("&", r"\&").replace("%", r"\%").replace("_", r"\_")
