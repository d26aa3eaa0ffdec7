"""What a fusion of label files is asked for, with names of labels and raters in the place of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...errors import ImageError, said
from ...fusion.labels.declared import Label
from ...fusion.labels.result import LabelFusion
from ...images.formats.label_names import LabelNames, read_label_names
from ...images.formats.segments import plain
from ...images.paths import needed_path, short_names, shown
from ...inputs.names import enumerated, quoted
from ..job import Job
from .datasets import SWITCH, Naming, check_agree

Group = tuple[Label, ...]
BACKGROUND = "background"


def saved_probabilities(asked: Any) -> dict[Group, Path]:
    """Return the file of each label, or group of labels, whose probability is to be written.

    Raises
    ------
    TypeError, ValueError
        If it is no mapping of labels to paths.
    """
    if asked is None:
        return {}
    if not isinstance(asked, Mapping):
        raise TypeError(
            f"save_probability is {quoted(asked)}: it must map labels, or tuples of them, to files"
        )
    found: dict[Group, Path] = {}
    for labels, path in asked.items():
        several = isinstance(labels, Iterable) and not isinstance(labels, str)
        group: Group = tuple(labels) if several else (labels,)
        if not group:
            raise ValueError("save_probability holds an empty group: name at least one label")
        found[group] = needed_path(path, f"save_probability[{quoted(labels)}]")
    return found


def names_for(given: Path | None, labels: Any, namings: Sequence[Naming]) -> LabelNames:
    """Return the names of labels: as given, else as the raters' files have them; ``namings``: what these say.

    Raises
    ------
    ImageError, ValueError
        If these files contradict each other, or names are given twice.
    """
    check_agree(namings, named=given is not None or isinstance(labels, Mapping))
    if given is not None:
        if isinstance(labels, Mapping):
            raise ValueError("labels gives names, and label_names too: leave one of both out")
        return _with_background(read_label_names(given))
    if isinstance(labels, Mapping):
        return LabelNames()  # checked where labels are
    names: dict[int, str] = {}
    colours: dict[int, str] = {}
    for one in namings:
        if one.taken:
            own = {held[0]: name for name, held in one.labels.items() if len(held) == 1}
            names, colours = {**own, **names}, {**one.colours, **colours}
    return _with_background(LabelNames(names, colours))


def _with_background(found: LabelNames) -> LabelNames:
    """Return the names with one for 0, which files of segments leave out."""
    if not found.names or 0 in found.names or BACKGROUND in found.names.values():
        return found
    return replace(found, names={0: BACKGROUND, **found.names})


def known_labels(knows: Any, job: Job, names: Mapping[int, str]) -> dict[int | str, Sequence[Label]]:
    """Return the labels that raters know, by the rater's place, as numbers.

    A rater is called by their name, their file's name, with or without its ending, or their place.

    Raises
    ------
    TypeError, ValueError
        Naming a rater or a label that there is none of.
    """
    listed = [] if knows is None else list(knows.items() if isinstance(knows, Mapping) else knows)
    found: dict[int | str, Sequence[Label]] = {}
    for rater, labels in listed:
        place = _place_of(rater, job)
        if place in found:
            raise ValueError(f"knows names {job.names[place]} twice: give all their labels at once")
        found[place] = as_values(labels, names, f"knows[{quoted(rater)}]")
    return found


def as_values(labels: Any, names: Mapping[int, str], what: str) -> list[int]:
    """Return labels as numbers; names are looked up."""
    several = isinstance(labels, Iterable) and not isinstance(labels, str)
    listed = list(labels) if several else [labels]
    return [_value(label, names, what) for label in _with_commas(listed, names)]


def _with_commas(labels: Sequence[Any], names: Mapping[int, str]) -> list[Any]:
    """Return labels with those parts put together again that a comma in a name had made two."""
    parts = {tuple(part.strip() for part in name.split(",")): name for name in names.values() if "," in name}
    found: list[Any] = []
    while len(labels):
        fitting = [one for one in parts if tuple(labels[: len(one)]) == one]
        longest = max(fitting, key=len, default=())
        found.append(parts[longest] if longest else labels[0])
        labels = labels[len(longest) or 1 :]
    return found


def probability_of(fusion: LabelFusion, labels: Sequence[int]) -> NDArray[Any]:
    """Return the probability of labels that are to be saved; a refusal names the option that asks for it."""
    try:
        return fusion.probability(labels)
    except ValueError as error:
        raise ValueError(f"save_probability names {str(error).replace('label is', 'label', 1)}") from None


def _value(label: Any, names: Mapping[int, str], what: str) -> Any:
    if not isinstance(label, str):
        return label
    exact = [value for value, name in names.items() if name == label]
    found = exact or [value for value, name in names.items() if plain(name) == plain(label)]
    if exact or len(found) == 1:
        return found[0]
    if found:
        alike = enumerated([f"{names[value]!r} (label {value})" for value in found])
        raise ValueError(
            f"{what} names {quoted(label)}, and several names differ from it in case alone: {alike}; write the name as it stands there"
        )
    if names:
        raise ValueError(
            f"{what} names {quoted(label)}, and no label is called so: the names are {enumerated([*map(repr, names.values())])}"
        )
    raise ValueError(
        said(
            f"{what} names {quoted(label)}, and the labels have no names: give them by {SWITCH}, or a label's number"
        )
    )


def _place_of(rater: Any, job: Job) -> int:
    """Return the place of a rater."""
    if isinstance(rater, str):
        files = short_names(job.raters)
        stems = [name.split(".")[0] for name in files]
        typed = [str(path) for path in job.raters]
        for called in (job.names, files, typed, stems):
            if list(called).count(rater) == 1:
                return list(called).index(rater)
        if not rater.isascii() or not rater.isdigit():
            raise ValueError(f"knows names {quoted(rater)}: the raters are {enumerated(job.names)}")
        rater = int(rater)
    if isinstance(rater, bool) or not isinstance(rater, int):
        raise TypeError(f"knows names {quoted(rater)}: a rater is a name, or a place from 0 on")
    if not 0 <= rater < len(job.raters):
        raise ValueError(
            f"knows names rater {rater}: there are {len(job.raters)}, from 0 to {len(job.raters) - 1}"
        )
    return rater


def said_of_unnamed(labels: Sequence[int], file: Path | None, names: LabelNames) -> list[str]:
    """Say which labels a file of names does not name.

    Raises
    ------
    ImageError
        If it names none of them.
    """
    lacking = [str(label) for label in labels if label not in names.names]
    if file is None or not lacking:
        return list(names.said)
    if len(lacking) == len(labels):
        raise ImageError(
            f"{shown(file)}: it names none of the labels that occur, such as {lacking[0]}; give the file that belongs to them"
        )
    one = len(lacking) == 1
    told = f"label {lacking[0]} has" if one else f"labels {enumerated(lacking)} have"
    return [
        *names.said,
        f"{shown(file)}: {told} no name in it, and {'is' if one else 'are'} called by number",
    ]
