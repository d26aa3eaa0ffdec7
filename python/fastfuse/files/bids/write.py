"""Writes a consensus as derivatives of BIDS: probability, mask or label map, table of labels, sidecars, description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import OutputError
from ...images.outputs import Outputs, check_outputs, make_folder
from ...images.paths import shown
from ...images.reading import read
from ...images.sidecar import read_sidecar, sidecar_path
from ...images.written.nifti import Holds, nifti_bytes
from ..facts import mask_told
from .description import FILE, README, Description, generated_by, json_bytes, sources
from .entities import NO_LETTERS, Entities, entities_called, entities_of, entities_of_cases

LESION = "L"  # BIDS's abbreviation
TABLE = b"index\tname\tabbreviation\n0\tbackground\tBG\n1\tlesion\tL\n"
NIFTI = (".nii", ".nii.gz")


def derivatives_of(folder: Path, entities: Entities, method: str, *, of_labels: bool) -> dict[str, Path]:
    """Return the images of a case's derivatives: "dseg", and of masks "probseg"."""
    stem = f"{entities.stem}_seg-{NO_LETTERS.sub('', method)}"
    names = {"dseg": f"{stem}_dseg.nii.gz"}
    if not of_labels:
        names["probseg"] = f"{stem}_label-{LESION}_probseg.nii.gz"
    return {what: folder / entities.folder / name for what, name in names.items()}


def entities_for(
    folder: Path | None, raters: Sequence[Path], case: str | None, output: Path, *, overlap: bool
) -> Entities | None:
    """Return whose derivatives are asked for; refuse early what cannot be written.

    Raises
    ------
    OutputError
        For a folder of other data, a consensus that is no derivative of BIDS, and names that do not tell the subject.
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
    return entities_of(raters) if case is None else entities_called(case)


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
        Of the data set of derivatives, as derivatives/fastfuse; made if it is not there.
    consensus : path
        The probability, or label map (.nii, .nii.gz), with its sidecar.
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
    facts, image = read_sidecar(consensus), read(consensus)
    of_labels = "labels" in facts
    images = derivatives_of(folder, entities, facts["method"], of_labels=of_labels)
    description = Description.of(folder, cohort)
    table = sidecar_path(images["dseg"]).with_suffix(".tsv")
    written = [*images.values(), *map(sidecar_path, images.values()), table]
    make_folder(folder / entities.folder)
    check_outputs(
        written, [consensus, sidecar_path(consensus)], (".nii.gz", ".json", ".tsv"), overwrite=overwrite
    )
    contents = {images["dseg"]: image.data if of_labels else mask_told(image.data, facts)}
    if not of_labels:
        contents[images["probseg"]] = image.data
    about = _about(facts, description)
    with Outputs(overwrite=True) as outputs:
        for path, data in contents.items():
            holds: Holds = "labels" if path == images["dseg"] else "probability"
            what = f"fastfuse {facts['method']} {holds}"
            outputs.add(path, nifti_bytes(path, data, image, what, holds, both_forms=True))
            outputs.add(sidecar_path(path), json_bytes({"Description": f"Consensus: {holds}", **about}))
        names = sidecar_path(consensus).with_suffix(".tsv")
        outputs.add(table, names.read_bytes() if of_labels and names.is_file() else TABLE)
        if not (folder / "README.md").exists():
            outputs.add(folder / "README.md", README.encode())
        outputs.add(folder / FILE, description.as_bytes())
        outputs.commit()
    return [*written, folder / FILE]


def write_cases(folder: Path, consensuses: Mapping[str, Path], cohort: Path) -> list[Path]:
    """Write the consensuses of a cohort, by case, as :func:`write_derivatives` does; what is there is replaced."""
    named = entities_of_cases(sorted(consensuses))
    return [
        path
        for case, one in named.items()
        for path in write_derivatives(folder, consensuses[case], one, overwrite=True, cohort=cohort)
    ]


def _about(facts: Mapping[str, Any], description: Description) -> dict[str, Any]:
    """Return what the sidecars say of a consensus."""
    files = [one["file"] for one in facts["raters"]]
    told = facts.get("recipe", {}).get("inputs") or [{"file": (facts.get("region") or {}).get("mask")}]
    files += [one["file"] for one in told if one["file"] not in files and "beside" not in one]
    read_ones = sources(description, files)
    return {
        "Sources": read_ones,
        "SpatialReference": read_ones[0],
        "GeneratedBy": generated_by(),
        "Fastfuse": {name: value for name, value in facts.items() if name not in ("recipe", "outputs")},
    }
