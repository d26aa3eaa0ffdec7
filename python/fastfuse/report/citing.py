"""Works to cite for the methods that were used, as text and as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Work:
    """A publication.

    Attributes
    ----------
    key : str
        Of its BibTeX entry.
    kind : str
        Of that entry: "article" or "inproceedings".
    authors : str
        As BibTeX has them, with "and" between.
    title, where, year, doi : str
        ``where`` is the journal, or the book of the conference.
    place : mapping
        Volume, number and pages, as BibTeX calls them.
    """

    key: str
    kind: str
    authors: str
    title: str
    where: str
    year: str
    doi: str
    place: Mapping[str, str]

    @property
    def reference(self) -> str:
        """The work as a line of text."""
        names = [name.partition(",") for name in self.authors.split(" and ")]
        called = ", ".join(
            f"{last} {''.join(part[0] for part in first.split())}" if first else "et al."
            for last, _, first in names
        )
        volume = " ".join(self.place[part] for part in ("volume",) if part in self.place)
        number = f"({self.place['number']})" if "number" in self.place else ""
        pages = f", {self.place['pages'].replace('--', '–')}" if "pages" in self.place else ""
        return f"{called}. {self.title}. {self.where} {volume}{number}{pages} ({self.year})."

    @property
    def bibtex(self) -> str:
        """The work as an entry of BibTeX."""
        home = "journal" if self.kind == "article" else "booktitle"
        fields = {
            "author": self.authors, "title": f"{{{self.title}}}", home: self.where, "year": self.year, **self.place,
            "doi": self.doi,
        }  # fmt: skip
        lines = [f"  {name} = {{{value}}}" for name, value in fields.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", ",\n".join(lines), "}"])


KATS = Work(
    "kats2019soft",
    "inproceedings",
    "Kats, Eytan and Goldberger, Jacob and Greenspan, Hayit",
    "A Soft STAPLE Algorithm Combined with Anatomical Knowledge",
    "Medical Image Computing and Computer Assisted Intervention (MICCAI 2019), LNCS 11766",
    "2019",
    "10.1007/978-3-030-32248-9_57",
    {"pages": "510--517"},
)
WARFIELD = Work(
    "warfield2004staple",
    "article",
    "Warfield, Simon K. and Zou, Kelly H. and Wells, William M.",
    "Simultaneous Truth and Performance Level Estimation (STAPLE): An Algorithm for the Validation of Image Segmentation",
    "IEEE Transactions on Medical Imaging",
    "2004",
    "10.1109/TMI.2004.828354",
    {"volume": "23", "number": "7", "pages": "903--921"},
)
COMMOWICK = Work(
    "commowick2010map",
    "inproceedings",
    "Commowick, Olivier and Warfield, Simon K.",
    "Incorporating Priors on Expert Performance Parameters for Segmentation Validation and Label Fusion: "
    "A Maximum a Posteriori STAPLE",
    "Medical Image Computing and Computer-Assisted Intervention (MICCAI 2010), LNCS 6363",
    "2010",
    "10.1007/978-3-642-15711-0_4",
    {"pages": "25--32"},
)
DAWID = Work(
    "dawid1979maximum",
    "article",
    "Dawid, Alexander P. and Skene, Allan M.",
    "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm",
    "Journal of the Royal Statistical Society Series C: Applied Statistics",
    "1979",
    "10.2307/2346806",
    {"volume": "28", "number": "1", "pages": "20--28"},
)
VARADHAN = Work(
    "varadhan2008simple",
    "article",
    "Varadhan, Ravi and Roland, Christophe",
    "Simple and Globally Convergent Methods for Accelerating the Convergence of Any EM Algorithm",
    "Scandinavian Journal of Statistics",
    "2008",
    "10.1111/j.1467-9469.2007.00585.x",
    {"volume": "35", "number": "2", "pages": "335--353"},
)
DINKELBACH = Work(
    "dinkelbach1967nonlinear",
    "article",
    "Dinkelbach, Werner",
    "On Nonlinear Fractional Programming",
    "Management Science",
    "1967",
    "10.1287/mnsc.13.7.492",
    {"volume": "13", "number": "7", "pages": "492--498"},
)
FLEISS = Work(
    "fleiss1971measuring",
    "article",
    "Fleiss, Joseph L.",
    "Measuring Nominal Scale Agreement Among Many Raters",
    "Psychological Bulletin",
    "1971",
    "10.1037/h0031619",
    {"volume": "76", "number": "5", "pages": "378--382"},
)
GWET = Work(
    "gwet2008computing",
    "article",
    "Gwet, Kilem Li",
    "Computing Inter-Rater Reliability and Its Variance in the Presence of High Agreement",
    "British Journal of Mathematical and Statistical Psychology",
    "2008",
    "10.1348/000711006X126600",
    {"volume": "61", "number": "1", "pages": "29--48"},
)
KOUWENHOVEN = Work(
    "kouwenhoven2009measuring",
    "article",
    "Kouwenhoven, Erik and Giezen, Marina and Struikmans, Henk",
    "Measuring the Similarity of Target Volume Delineations Independent of the Number of Observers",
    "Physics in Medicine and Biology",
    "2009",
    "10.1088/0031-9155/54/9/018",
    {"volume": "54", "number": "9", "pages": "2863--2873"},
)
TAHA = Work(
    "taha2015metrics",
    "article",
    "Taha, Abdel Aziz and Hanbury, Allan",
    "Metrics for Evaluating 3D Medical Image Segmentation: Analysis, Selection, and Tool",
    "BMC Medical Imaging",
    "2015",
    "10.1186/s12880-015-0068-x",
    {"volume": "15", "pages": "29"},
)
MSSEG = Work(
    "commowick2018objective",
    "article",
    "Commowick, Olivier and Istace, Audrey and Kain, Michael and others",
    "Objective Evaluation of Multiple Sclerosis Lesion Segmentation Using a Data Management and Processing Infrastructure",
    "Scientific Reports",
    "2018",
    "10.1038/s41598-018-31911-7",
    {"volume": "8", "pages": "13650"},
)
OF_AGREEMENT = [
    (FLEISS, "kappa"),
    (GWET, "AC1"),
    (KOUWENHOVEN, "the generalised conformity index"),
]
OF_EVALUATION = [(TAHA, "Dice, distances of surfaces"), (MSSEG, "lesions that are found")]
SOFT = ("soft-staple", "simplified-soft-staple", "dilated-staple")

Cited = tuple[Work, str]


def works_of(facts: Mapping[str, Any]) -> list[Cited]:
    """Return the works to cite for a fusion, by its sidecar, each with what it was used for."""
    options, method = facts["options"], facts["method"]
    grown = "dilation" in facts
    latent = options.get("classes") == 3 or ("labels" in facts and method == "staple")
    used = [
        (WARFIELD, "STAPLE", method.endswith("staple")),
        (KATS, f"{method}{', conditional dilation' if grown else ''}", method in SOFT or grown),
        (DAWID, "the model of several classes", latent),
        (COMMOWICK, "the prior of raters' performance", _has_prior(options.get("performance_prior"))),
        (VARADHAN, "SQUAREM", options.get("acceleration") == "squarem"),
        (DINKELBACH, "the cut of the highest expected Dice", options.get("label_rule") == "dice"),
    ]
    return [(work, what) for work, what, was_used in used if was_used]


def _has_prior(given: Any) -> bool:
    """Tell whether a prior of the raters' performance was used, and not one that is none."""
    return given not in (None, "none", "auto")


def text_of(works: Sequence[Cited], facts: Mapping[str, Any]) -> str:
    """Return a sentence for a paper's methods."""
    raters = len(facts["raters"])
    by = "; ".join(f"{work.authors.partition(',')[0]} et al. {work.year}" for work, _ in works)
    method = "a majority vote" if facts["method"] == "majority" else facts["method"]
    return (
        f"The segmentations of {raters} raters were fused by {method}{f' ({by})' if by else ''}, "
        f"as implemented in fastfuse {facts['fastfuse']}."
    )


def cited(works: Sequence[Cited]) -> list[dict[str, str]]:
    """Return works as pages list them."""
    return [{"reference": work.reference, "doi": work.doi, "used_for": what} for work, what in works]


def software(version: str) -> str:
    """Return the entry of BibTeX of this package."""
    return "\n".join(
        [
            "@software{fastfuse,",
            "  author = {{The fastfuse developers}},",
            "  title = {{fastfuse: exact and fast fusion of several raters' segmentations}},",
            f"  version = {{{version}}}",
            "}",
        ]
    )


def bibtex_of(works: Sequence[Cited], version: str) -> str:
    """Return all entries of BibTeX, with that of this package."""
    return "\n\n".join([software(version), *(work.bibtex for work, _ in works)])
