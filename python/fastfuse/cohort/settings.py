"""What is asked of a cohort, as plain data: it travels to workers, into hashes and into JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import CohortError, said
from ..files.growth import growth_of
from ..files.job import Inputs, Job
from ..files.labels.fuse import check_given
from ..files.labels.job import LabelJob, label_job
from ..files.preset import Preset
from ..files.votes import Way, checked_for, way_by, way_of
from ..fusion.labels.declared import AskedLabels
from ..fusion.methods.common import check_of_label_maps
from ..fusion.methods.pool import has_own_prior
from ..fusion.option_checks import NO_INTERVALS
from ..fusion.options import DECLARED, Options
from ..fusion.registry import Given, Method, as_given, method_called, names_of_own_defaults
from ..fusion.result import check_label_cut, check_ties
from ..images.formats.segments import with_segments
from ..images.placing import Placing
from ..images.wanted import check_channel_axis
from ..inputs.checks import check_choice, check_flag
from ..inputs.names import enumerated, quoted
from .cases import CohortCase
from .place import Print
from .placing import checked_grid, placing_of

VERSION = 1  # of what the hashes are of
PLACED = ("grid", "resample", "use")  # in a hash only where they are given: tables of before have none
NOT_OF_A_COHORT = ("mrf", "device", "spacing_mm", "intervals")  # beside rates that cases share


@dataclass(frozen=True)
class Settings:
    """How cases are read, counted, pooled and fused.

    Attributes
    ----------
    method : str or None
        None is soft-STAPLE, and STAPLE of label maps.
    pool : {"raters", "none"}
        Whether the cases share the raters' rates.
    priors : {"auto", "own", "shared"}
        As of :func:`fastfuse.pool`.
    mask : {"auto", "none"}
        Whether cases are fused inside their masks, where they have one.
    options : Options
        Of the fusion; those of the bootstrap are over cases.
    labels, label_names, candidates, confusion, knows
        Of label maps.
    select_segment, channel_axis, soften, dilation, cut, ties
        As of :func:`fastfuse.fuse_files`.
    grid : {"auto", "image", "mask"} or str, optional
        Which of a case's files is its grid; of a rater, "rater:NAME". None is "auto".
    resample, use
        As of :func:`fastfuse.fuse_files`.
    preset : mapping or None
        Its name, and what was given beside it; once it has chosen, what it set.
    save_label : bool
        Whether each case's mask is written beside its probability.
    """

    method: str | None = None
    pool: str = "raters"
    priors: str = "auto"
    mask: str = "auto"
    options: Options = field(default_factory=Options)
    labels: Any = None
    label_names: str | None = None
    candidates: str = "auto"
    confusion: str = "full"
    knows: Any = None
    select_segment: Any = None
    channel_axis: str | None = None
    soften: bool = False
    dilation: Any = None  # a mapping
    save_label: bool = False
    cut: Any = 0.5
    ties: str = "foreground"
    grid: str | None = None
    resample: str = "none"
    use: str | None = None
    preset: Any = (
        None  # a mapping: of one that is to choose yet, "given"; of one that has, what a sidecar says of it
    )

    def checked(self) -> Settings:
        """Refuse early what no case could be fused with."""
        check_choice(self.pool, "pool", ("raters", "none"))
        check_choice(self.priors, "priors", ("auto", "own", "shared"))
        check_choice(self.mask, "mask", ("auto", "none"))
        check_flag(self.save_label, "save_label")
        check_flag(self.soften, "soften")
        grid = checked_grid(self.grid)
        Placing.checked(None, self.resample, self.use)
        prior: Any = self.options.prior
        if not isinstance(prior, (str, float, int, tuple, list, dict)) or (
            isinstance(prior, str) and prior not in ("mean", "estimate")
        ):
            raise ValueError(
                f"prior is {quoted(prior)}: a cohort takes 'mean', 'estimate' or numbers; a map is one case's"
            )
        for one in DECLARED:
            if one.name in NOT_OF_A_COHORT and one.differs(getattr(self.options, one.name)):
                raise ValueError(
                    f"{one.name} is {quoted(getattr(self.options, one.name))}: a cohort has no such option; leave it out, or fuse "
                    "each case by itself"
                )
        if self.method_row.chooses and self.pools:
            raise ValueError(
                said(
                    "method is 'auto': cases that share rates are fused by one method; name it, or let each case choose by "
                    "pool='none' (--pool none)"
                )
            )
        if self.knows is not None and not all(isinstance(name, str) for name in dict(self.knows)):
            raise ValueError(
                f"knows is {quoted(self.knows)}: a cohort's raters are told by their names, as {{'rater 1': [0, 1]}}"
            )
        if self.priors == "own" and self.pools and not self.of_labels and self.options.classes == 2:
            has_own_prior(self.table_method, self.fusion_options, self.priors)
        if self.of_labels:
            check_of_label_maps(self.fusion_options)
            check_given(
                save_label=self.save_label or None, cut=self.cut, ties=self.ties, soften=self.soften,
                dilation=self.dilation, select_segment=self.select_segment, channel_axis=self.channel_axis,
            )  # fmt: skip
        elif self.asked_preset is None:
            checked_for(self.method_row, self.fusion_options)
            has_image = Path() if self.soften or self.method_row.grows else None  # or the case fails, not all
            growth_of(self.method_row, has_image, self.soften, self.dilation)
        return replace(self, grid=grid)

    @property
    def of_labels(self) -> bool:
        """Whether label maps are fused."""
        return self.labels is not None

    @property
    def pools(self) -> bool:
        """Whether the cases share the raters' rates."""
        return self.pool == "raters"

    @property
    def method_row(self) -> Method:
        """The method."""
        return method_called(self.method or ("staple" if self.of_labels else "soft-staple"))

    @property
    def table_method(self) -> Method:
        """The method on tables: of dilated-STAPLE, whose consensus grows, STAPLE."""
        return method_called("staple") if self.method_row.grows else self.method_row

    @property
    def asked_preset(self) -> Preset | None:
        """The preset, unless it has chosen already."""
        if self.preset is None or "given" not in self.preset:
            return None
        return Preset(self.preset["name"], frozenset(self.preset["given"]))

    @property
    def needs_image(self) -> bool:
        """Whether there is no fusion without the case's image."""
        return self.soften or self.method_row.grows or self.options.evidence

    @property
    def reads_image(self) -> bool:
        """Whether the case's image is read, if it has one."""
        return self.needs_image or self.method_row.of_levels or self.asked_preset is not None

    @property
    def asked_labels(self) -> AskedLabels:
        """What is asked of label maps."""
        any_candidates: Any = self.candidates
        any_confusion: Any = self.confusion
        return AskedLabels(self.labels, any_candidates, any_confusion, self.knows)

    @property
    def fusion_options(self) -> Options:
        """Options of one case's fusion: the bootstrap is over cases."""
        return replace(self.options, **NO_INTERVALS)

    @staticmethod
    def of_reading(options: Options) -> Options:
        """Return the options that a table takes: those of reading."""
        keep = ("roi", "spacing_mm", "missing", "threads", "select_label", "binarize", "threshold", "scale")
        return Options(**{name: getattr(options, name) for name in keep})

    def labels_of(self, case: CohortCase) -> AskedLabels:
        """Return what is asked of one case's label maps: of its raters alone."""
        knows = {name: labels for name, labels in (self.knows or {}).items() if name in case.raters}
        return replace(self.asked_labels, knows=knows or None)

    def mask_of(self, case: CohortCase) -> Path | None:
        """Return the region in which a case is fused."""
        return case.mask if self.mask == "auto" else None

    def files_of(self, case: CohortCase) -> dict[str, Path]:
        """Return all files that are read for a case, by what they are."""
        beside = {
            "mask": case.mask if self.grid == "mask" else self.mask_of(case),
            "image": case.image if self.reads_image or self.grid == "image" else None,
        }
        raters = {f"rater {name}": path for name, path in zip(case.raters, case.paths, strict=True)}
        return raters | {what: path for what, path in beside.items() if path is not None}

    def placing_of(self, case: CohortCase) -> Placing:
        """Return how a case's files come onto one grid."""
        return placing_of(self.grid, self.resample, self.use, case)

    def mask_job(self, case: CohortCase, consensus: Path, placing: Placing | None = None) -> tuple[Job, Way]:
        """Return the files of a fusion of a case's masks, or soft votes, and how they are fused; ``placing``: of a part of its files."""
        job = self.job_of(case, consensus, placing)
        way = way_of(job, self.method_row, self.fusion_options, self.soften, self.dilation)
        return job, replace(way, preset=self.preset)

    def preset_job(
        self,
        preset: Preset,
        case: CohortCase,
        consensus: Path,
        decisions: Path | None = None,
        placing: Placing | None = None,
    ) -> tuple[Job, Way, Inputs]:
        """Return the files of a fusion of one case as :meth:`mask_job`, the way that a preset chooses for it, and what it read."""
        row = None if self.method is None else self.method_row
        job = replace(self.job_of(case, consensus, placing), decisions=decisions)
        preset = replace(preset, alone=not self.pools)
        return way_by(preset, job, row, self.fusion_options, self.soften, self.dilation, lambda _: None)

    def job_of(self, case: CohortCase, consensus: Path, placing: Placing | None = None) -> Job:
        """Return the files of a fusion of a case's masks, or soft votes."""
        if self.needs_image and case.image is None:
            what = "soften" if self.soften else "evidence" if self.options.evidence else self.method_row.name
            raise CohortError(
                f"{what} needs an image, and the case has none: give it in a table (--table), in the column image"
            )
        return Job(
            raters=list(case.paths),
            mask=self.mask_of(case),
            image=case.image if self.reads_image else None,
            consensus=consensus,
            label=consensus.with_name("label.nii.gz") if self.save_label else None,
            counts=None,
            cut=check_label_cut(self.cut, self.ties),
            ties=check_ties(self.ties),
            channel_axis=check_channel_axis(self.channel_axis),
            segments=with_segments(self.fusion_options.foreground, self.select_segment).segments,
            overwrite=True,
            called=list(case.raters),
            placing=placing or self.placing_of(case),
        )

    def label_job(self, case: CohortCase, consensus: Path) -> LabelJob:
        """Return the fusion of a case's label maps."""
        return label_job(
            list(case.paths), consensus, self.mask_of(case), None, list(case.raters), self.placing_of(case), overwrite=True,
            prior=self.options.prior, label_names=self.label_names, save_probability=None, save_confidence=None,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON has it."""
        usual, found = Settings(), {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "options" and value != getattr(usual, one.name):
                found[one.name] = _plain(value)
        declared = {one.name: getattr(self.options, one.name) for one in DECLARED if one.name != "threads"}
        usual_ones = Options()
        own = {
            name: _plain(value)
            for name, value in declared.items()
            if value != getattr(usual_ones, name) or isinstance(value, Given)
        }
        return {**found, **({"options": own} if own else {})}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Settings:
        """Return the settings of which this is the JSON."""
        given = {name: _given(value) for name, value in kept.items() if name != "options"}
        own: dict[str, Any] = {name: _given(value) for name, value in kept.get("options", {}).items()}
        if isinstance(given.get("labels"), dict):
            given["labels"] = {int(label): name for label, name in given["labels"].items()}
        kept_as_given = {name: as_given(own[name]) for name in names_of_own_defaults() & own.keys()}
        return cls(options=Options(**(own | kept_as_given)), **given)

    @property
    def of_tables(self) -> str:
        """Text of all that a case's table depends on."""
        keep = ("roi", "missing", "select_label", "binarize", "threshold", "scale")
        own = {name: _plain(getattr(self.options, name)) for name in keep}
        row = self.table_method
        is_given = isinstance(self.options.roi, Given)
        of_method = [row.votes, None if is_given else dict(row.defaults).get("roi")]
        read = [self.mask, self.labels, self.select_segment, self.channel_axis, self.soften, self.dilation]
        placed = {
            name: getattr(self, name) for name in PLACED if getattr(self, name) != getattr(Settings, name)
        }
        return text_of([VERSION, own, of_method, _plain(read), *([placed] if placed else [])])

    @property
    def of_all(self) -> str:
        """Text of all that a case's consensus depends on, beside its files and the rates."""
        return text_of([VERSION, self.as_json()])


def by_rater(knows: Any) -> Any:
    """Return the labels that raters know as a mapping; pairs, as they are typed, name a rater once."""
    if knows is None or isinstance(knows, Mapping):
        return knows
    pairs: list[Any] = list(knows) if isinstance(knows, (list, tuple)) else [None]
    if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise TypeError(f"knows is {quoted(knows)}: it must map raters to the labels that they know")
    found: dict[Any, Any] = {}
    for rater, labels in pairs:
        if rater in found:
            raise ValueError(f"knows names {rater} twice: give all their labels at once")
        found[rater] = labels
    return found


def check_knows(knows: Any, cases: Sequence[CohortCase]) -> None:
    """Refuse to be told what a rater knows who read no case: the name is wrong."""
    raters = sorted({name for case in cases for name in case.raters})
    for name in knows or {}:
        if name not in raters:
            raise ValueError(f"knows names {quoted(name)}: the raters are {enumerated(raters)}")


def key_of(settings: Settings, prints: Mapping[str, Print]) -> str:
    """Return the hash of all that a table depends on."""
    return digest_of(settings.of_tables, *(f"{what}\0{one.sha256}" for what, one in sorted(prints.items())))


def digest_of(*parts: str) -> str:
    """Return a hash of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def text_of(value: Any) -> str:
    """Return a value as one text, the same for equal ones."""
    return json.dumps(value, sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.item() if hasattr(value, "item") else value


def _given(value: Any) -> Any:
    """Return lists as tuples, which options are of."""
    return tuple(map(_given, value)) if isinstance(value, list) else value
