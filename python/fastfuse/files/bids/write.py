"""Writes a consensus as derivatives of BIDS: probability, mask or label map, table of labels, sidecars, description."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import OutputError
from ...images.image import Image
from ...images.nifti import read_nifti
from ...images.outputs import Outputs, check_outputs, place_of_output
from ...images.paths import shown
from ...images.sidecar import read_sidecar, sidecar_path
from ...images.written.nifti import Holds, nifti_bytes
from ..facts import mask_told
from .description import FILE, README, Description, generated_by, json_bytes, sources
from .entities import Entities, entities_called, entities_of, entities_of_cases
from .letters import label_of

LESION = "L"  # BIDS's abbreviation
TABLE = b"index\tname\tabbreviation\n0\tbackground\tBG\n1\tlesion\tL\n"
NIFTI = (".nii", ".nii.gz")
SEPARATOR = re.compile(r"[/\\]")
NUMBER = re.compile(r" \(\d+\)$")  # of a file that is given several times
ENDINGS = (".nii.gz", ".json", ".tsv")


def derivatives_of(folder: Path, entities: Entities, method: str, *, of_labels: bool) -> dict[str, Path]:
    """Return the images of a case's derivatives: "dseg", and of masks "probseg"."""
    stem = f"{entities.stem}_seg-{label_of(method)}"
    names = {"dseg": f"{stem}_dseg.nii.gz"}
    if not of_labels:
        names["probseg"] = f"{stem}_label-{LESION}_probseg.nii.gz"
    return {what: folder / entities.folder / name for what, name in names.items()}


def _table_of(images: Mapping[str, Path]) -> Path:
    """Return the file of the labels' names."""
    return sidecar_path(images["dseg"]).with_suffix(".tsv")


def _files_of(images: Mapping[str, Path]) -> list[Path]:
    """Return all files of a case's derivatives."""
    return [*images.values(), *map(sidecar_path, images.values()), _table_of(images)]


def entities_for(
    folder: Path | None,
    raters: Sequence[Path],
    case: str | None,
    output: Path,
    method: str | None = None,
    *,
    overlap: bool = False,
    of_labels: bool = False,
    overwrite: bool = False,
) -> Entities | None:
    """Return whose derivatives are asked for; refuse early what cannot be written, also those of a ``method`` that is known.

    Raises
    ------
    OutputError
        For a folder of other data, a consensus that is no derivative of BIDS, names that do not tell the subject, and files that
        exist.
    """
    if folder is None:
        if case is not None:
            raise OutputError(
                "bids_case (--bids-case) is given, and no folder for derivatives: give one (--bids FOLDER)"
            )
        return None
    Description.of(folder)
    if not output.name.lower().endswith(NIFTI) or overlap:
        raise OutputError(
            f"{shown(output)}: BIDS has no such consensus: write .nii.gz, of masks or label maps that do not overlap"
        )
    entities = entities_of(raters) if case is None else entities_called(case)
    if method is not None and (folder / entities.folder).is_dir():
        written = _files_of(derivatives_of(folder, entities, method, of_labels=of_labels))
        check_outputs(written, list(raters), ENDINGS, overwrite=overwrite)
    return entities


def write_derivatives(
    folder: Path,
    consensus: Path,
    entities: Entities,
    *,
    overwrite: bool = False,
    cohort: Path | None = None,
) -> list[Path]:
    """Write a consensus that ``fuse_files`` or ``fuse_cohort`` wrote as derivatives of BIDS.

    Parameters
    ----------
    folder : path
        Of the data set of derivatives, such as derivatives/fastfuse; made if it is not there.
    consensus : path
        The probability, or label map (.nii, .nii.gz), with its sidecar; they may wait in a block of :func:`together`, and
        then the derivatives appear with them.
    entities : Entities
        Which subject and session it is.
    overwrite : bool, default False
        Replace existing files of the case. The description of the data set is always brought up to date.
    cohort : path, optional
        Folder of the raters' files, from which sources are named that belong to no data set of BIDS.

    Returns
    -------
    list of Path
        What was written, the description last.

    Raises
    ------
    OutputError
        Naming the file. Nothing is written before all is complete.
    """
    facts, image = _written(consensus)
    of_labels = "labels" in facts
    images = derivatives_of(folder, entities, facts["method"], of_labels=of_labels)
    description = Description.of(folder, cohort)
    written = _files_of(images)
    contents = {images["dseg"]: image.data if of_labels else mask_told(image.data, facts)}
    if not of_labels:
        contents[images["probseg"]] = image.data
    about = _about(facts, description)
    with Outputs(overwrite=True) as outputs:
        outputs.make_folder(folder / entities.folder)
        check_outputs(written, [consensus, sidecar_path(consensus)], ENDINGS, overwrite=overwrite)
        for path, data in contents.items():
            holds: Holds = "labels" if path == images["dseg"] else "probability"
            what = f"fastfuse {facts['method']} {holds}"
            outputs.add(path, nifti_bytes(path, data, image, what, holds, both_forms=True))
            outputs.add(sidecar_path(path), json_bytes({"Description": f"Consensus: {holds}", **about}))
        names = place_of_output(sidecar_path(consensus).with_suffix(".tsv"))
        outputs.add(_table_of(images), names.read_bytes() if of_labels and names.is_file() else TABLE)
        readme = folder / "README.md"
        also = [] if readme.exists() else [readme]
        for path in also:
            outputs.add(path, README.encode())
        outputs.add(folder / FILE, description.as_bytes())
        outputs.commit()
    return [*written, *also, folder / FILE]


def check_cases(
    folder: Path, cases: Mapping[str, Sequence[Path]], consensuses: Mapping[str, Path] | None = None
) -> None:
    """Refuse, before any work, what :func:`write_cases` would refuse in the end.

    ``cases``: the raters' files of each case that is to be fused; ``consensuses``: those that are there, of other cases too.

    Raises
    ------
    OutputError
        For a folder of other data, two cases of one name, and raters of several spaces.
    """
    Description.of(folder)
    others = {case: path for case, path in (consensuses or {}).items() if case not in cases}
    _named({**_raters_of(others), **cases})


def write_cases(folder: Path, consensuses: Mapping[str, Path], cohort: Path) -> list[Path]:
    """Write the consensuses of a cohort, by case, as :func:`write_derivatives` does; what is there is replaced."""
    named = _named(_raters_of(consensuses))
    return [
        path
        for case, one in named.items()
        for path in write_derivatives(folder, consensuses[case], one, overwrite=True, cohort=cohort)
    ]


def _raters_of(consensuses: Mapping[str, Path]) -> dict[str, list[Path]]:
    """Return the raters' files of each consensus, as its sidecar names them."""
    return {
        case: [Path(one["file"]) for one in read_sidecar(path)["raters"]]
        for case, path in consensuses.items()
    }


def _named(raters: Mapping[str, Sequence[Path]]) -> dict[str, Entities]:
    return entities_of_cases(sorted(raters), raters)


def _written(consensus: Path) -> tuple[dict[str, Any], Image]:
    """Return the sidecar and the image of a consensus that is complete."""
    facts: dict[str, Any] = json.loads(place_of_output(sidecar_path(consensus)).read_text(encoding="utf-8"))
    return facts, replace(read_nifti(place_of_output(consensus), lambda: None), path=consensus)


def _about(facts: Mapping[str, Any], description: Description) -> dict[str, Any]:
    """Return what the sidecars say of a consensus."""
    files = [one["file"] for one in facts["raters"]]
    recipe = facts.get("recipe", {})
    told = recipe.get("inputs") or [{"file": (facts.get("region") or {}).get("mask")}]
    rates = recipe.get("arguments", {}).get("estimate")  # which are made of the cohort's files
    files += [one["file"] for one in told if one["file"] not in (*files, rates) and "beside" not in one]
    read_ones = sources(description, files)
    called = dict(zip((file for file in files if file is not None), read_ones, strict=True))
    called |= _places_in_names(facts["raters"], called)
    kept = {name: value for name, value in facts.items() if name not in ("recipe", "outputs")}
    return {
        "Sources": read_ones,
        "SpatialReference": read_ones[0],
        "GeneratedBy": generated_by(facts),
        "Fastfuse": _without_places(kept, called),
    }


def _places_in_names(raters: Sequence[Mapping[str, Any]], called: Mapping[str, str]) -> dict[str, str]:
    """Return a URI for each rater's name that tells folders: the end of a path, where files of one name lie in several."""
    found = {}
    for one in raters:
        name = NUMBER.sub("", one["name"])
        number = one["name"][len(name) :]
        if one["file"] in called and SEPARATOR.search(name) and shown(one["file"]).endswith(name):
            found[one["name"]] = called[one["file"]] + number
    return found


def _without_places(value: Any, called: Mapping[str, str], key: str = "") -> Any:
    """Return facts with the URIs of files in the place of their paths, which tell of this machine; names without folders stay."""
    if isinstance(value, dict):
        named = {name: called.get(name, name) if SEPARATOR.search(name) else name for name in value}
        return {named[name]: _without_places(one, called, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_places(one, called, key) for one in value]
    if not isinstance(value, str) or (key == "name" and not SEPARATOR.search(value)):
        return value
    if value in called:
        return called[value]
    files = sorted((file for file in called if SEPARATOR.search(file)), key=len, reverse=True)
    if not files:
        return value
    whole = rf"(?<![\w./\\-])(?:{'|'.join(map(re.escape, files))})"  # and not the end of another file's path
    return re.sub(whole, lambda met: called[met[0]], value)
