"""The report beside a fusion's other files: a page of HTML that shows what the sidecar says, and slices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import lacking
from ..images.outputs import Outputs, check_outputs
from ..images.paths import recorded, shown
from ..images.sidecar import sidecar_bytes

if TYPE_CHECKING:
    from ..report.html.page import File
    from ..report.html.scan import Pictures

PIECE = 1 << 20  # bytes that are hashed at once


def check_report(report: Path | None, inputs: list[Path], *, overwrite: bool) -> None:
    """Refuse early a report that must not, or cannot, be written."""
    if report is None:
        return
    check_outputs([report], inputs, (".html",), overwrite=overwrite)
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise lacking("a report (--report)", error, "report") from None


@dataclass
class Written:
    """Hashes of the files that are written, for a report; none are taken without one."""

    report: Path | None
    hashes: dict[Path, str] = field(default_factory=dict)

    def noted(self, path: Path, content: bytes) -> bytes:
        """Return the content, after its hash has been noted."""
        if self.report is not None:
            self.hashes[path] = hashlib.sha256(content).hexdigest()
        return content

    def report_into(
        self,
        outputs: Outputs,
        sidecar: Path,
        facts: dict[str, Any],
        read: Sequence[tuple[str, Path]],
        pictures: Callable[[], Pictures],
        say: Callable[[str], None],
    ) -> None:
        """Add the report to the outputs, if there is to be one.

        Parameters
        ----------
        sidecar, facts : Path, dict
            The JSON that lies beside, and its content.
        read : sequence of (str, Path)
            What was read, each with what it is.
        """
        if self.report is None:
            return
        from ..report.html.fusion import fusion_page
        from ..report.html.page import File

        say(f"writing {shown(self.report.name)}")
        listed = files_read(read)
        listed += [File("written", recorded(path.name), one) for path, one in self.hashes.items()]
        name, content = recorded(sidecar.name), sidecar_bytes(facts)
        listed.append(File("written", name, hashlib.sha256(content).hexdigest()))
        outputs.add(self.report, fusion_page(json.loads(content), pictures(), listed, name))


def files_read(read: Sequence[tuple[str, Path]]) -> list[File]:
    """Return files that were read, each with what it is, as a page lists them."""
    from ..report.html.page import File

    return [File(what, recorded(path), hash_of(path)) for what, path in read]


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file; nothing of what is no single file."""
    if not path.is_file():
        return ""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
