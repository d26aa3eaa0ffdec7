"""The description of a data set of derivatives, and where its sources lie."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import OutputError
from ...images.paths import recorded, shown
from ...images.sidecar import json_of
from ...images.written.versions import version_of
from .letters import label_of

FILE = "dataset_description.json"
VERSION = "1.10.0"  # of BIDS
DOI = "https://doi.org/"
README = """# Consensus of several raters' segmentations

Made by fastfuse. `probseg` holds the probability of the consensus, `dseg` its mask, or its label map; the `.json` beside each tells method,
options, raters' rates and sources.
"""


def generated_by(facts: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
    """Return what made the derivatives; ``facts``: the sidecar of one consensus, whose method is named with what to cite."""
    said = "Consensus of several raters' segmentations"
    if facts is not None:
        from ...report.citing import cited_in

        works = [
            f"{one.reference.called}, {DOI}{one.reference.doi}"
            for one in cited_in(facts)
            if one.reference.doi
        ]
        said = "; ".join([f"{said} by {facts['method']}", *works])
    return [{"Name": "fastfuse", "Version": version_of("fastfuse"), "Description": said}]


@dataclass
class Description:
    """What a data set of derivatives says of itself.

    Attributes
    ----------
    folder : Path
    facts : dict
        What its file holds.
    roots : dict of str to Path
        Data sets to which its sources belong, by their names in links.
    cohort : Path, optional
        Folder that stands for the data set of sources that belong to none of BIDS; else the folder of each.
    """

    folder: Path
    facts: dict[str, Any]
    roots: dict[str, Path] = field(default_factory=dict)
    cohort: Path | None = None

    @classmethod
    def of(cls, folder: Path, cohort: Path | None = None) -> Description:
        """Take the description that is there, or begin one; ``cohort``: folder of the sources, if they are no data set of BIDS.

        Raises
        ------
        OutputError
            If the folder is that of other data, or a file.
        """
        there = next((one for one in (folder, *folder.parents) if one.exists()), folder)
        if there.exists() and not there.is_dir():
            raise OutputError(f"{shown(there)}: is a file; give a folder, such as derivatives/fastfuse")
        path = folder / FILE
        if not path.exists():
            begun = {"Name": "fastfuse", "BIDSVersion": VERSION, "DatasetType": "derivative"}
            return cls(folder, begun, cohort=cohort)
        facts = json_of(path)
        made_by = facts.get("GeneratedBy") if isinstance(facts, dict) else None
        names = [one.get("Name") for one in made_by or () if isinstance(one, dict)]
        if not (isinstance(facts, dict) and facts.get("DatasetType") == "derivative" and "fastfuse" in names):
            raise OutputError(
                f"{shown(path)}: is of a data set that fastfuse did not make: give a folder of its own, such as derivatives/fastfuse"
            )
        links = facts.get("DatasetLinks")
        kept = links if isinstance(links, dict) else {}
        return cls(folder, facts, {name: _absolute(folder / link) for name, link in kept.items()}, cohort)

    def source(self, file: Path) -> str:
        """Return the URI of a file that was read, and keep the link that it needs."""
        place = _absolute(file)
        cohort = None if self.cohort is None else _absolute(self.cohort)
        other = cohort if cohort is not None and cohort in place.parents else place.parent
        root = next((up for up in place.parents if (up / FILE).is_file()), other)
        inside = recorded(place.relative_to(root).as_posix())
        if root == _absolute(self.folder):
            return f"bids::{inside}"
        for name, known in self.roots.items():
            if known == root:
                return f"bids:{name}:{inside}"
        name = stem = label_of(root.name) or "source"
        number = 1
        while name in self.roots:
            number += 1
            name = f"{stem}{number}"
        self.roots[name] = root
        return f"bids:{name}:{inside}"

    def as_bytes(self) -> bytes:
        """Return the file's content."""
        links = {name: _link(root, self.folder) for name, root in self.roots.items()}
        facts = {**self.facts, "GeneratedBy": self.facts.get("GeneratedBy") or generated_by()}
        if links:
            facts["DatasetLinks"] = links
        return json_bytes(facts)


def sources(description: Description, files: Iterable[str | None]) -> list[str]:
    """Return the URIs of all files that were read."""
    return [description.source(Path(file)) for file in files if file is not None]


def json_bytes(facts: Any) -> bytes:
    """Return JSON as files of BIDS hold it."""
    return json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n"


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  # links stay as they are named


def _link(root: Path, folder: Path) -> str:
    """Return the path of a data set from the folder; the whole one where there is none, as on another drive."""
    try:
        return recorded(Path(os.path.relpath(root, _absolute(folder))).as_posix())
    except ValueError:
        return root.as_uri()
