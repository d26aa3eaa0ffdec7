"""The report beside a fusion's other files: a page of HTML that shows what the sidecar says, and slices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError, lacking, said
from ..images.outputs import Outputs, check_outputs, write_all
from ..images.paths import recorded, shown
from ..images.sidecar import sidecar_bytes
from ..images.written.hashes import PIECE, hash_of

if TYPE_CHECKING:
    from ..evaluation.raters.files import Against
    from ..evaluation.record import Record
    from ..report.html.page import File
    from ..report.html.scan import Pictures

OWN = b'<meta name="generator" content="fastfuse '


def check_report(report: Path | None, inputs: list[Path], *, overwrite: bool) -> None:
    """Refuse early a report that must not, or cannot, be written."""
    if report is not None:
        check_outputs([report], inputs, (".html",), overwrite=overwrite)
        check_templates()


def check_image(image: Path | None, report: Path | None, inputs: Sequence[Path] = ()) -> None:
    """Refuse an image that nothing would show: without a report, or of folders among the ``inputs``."""
    folder = next((path for path in inputs if path.is_dir()), None)
    if image is not None and folder is not None:
        raise ValueError(
            f"image is {shown(image)}, and {shown(folder)} is a folder: a report of folders shows no slices; leave it out"
        )
    if image is not None and report is None:
        raise ValueError(
            said(
                f"image is {shown(image)}, and there is no report: it is for a report's slices alone; give report=FILE "
                "(--report FILE) too, or leave it out"
            )
        )


def check_own_report(report: Path | None) -> None:
    """Refuse early a report that cannot be written, or that would replace what fastfuse has not written."""
    if report is None:
        return
    check_outputs([report], [], (".html",), overwrite=True)
    if report.is_file():
        with report.open("rb") as file:
            if OWN not in file.read(PIECE):
                raise OutputError(
                    f"{shown(report)}: exists already, and is no report of fastfuse; choose another name"
                )
    check_templates()


def check_templates() -> None:
    """Refuse early a report for which a package is missing."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise lacking("a report (--report)", error, "report") from None


def add_report(
    outputs: Outputs,
    report: Path | None,
    sidecar: Path,
    facts: dict[str, Any],
    read: Sequence[tuple[str, Path]],
    pictures: Callable[[], Pictures],
    say: Callable[[str], None],
) -> None:
    """Add a report to the outputs that wait, if there is to be one.

    Parameters
    ----------
    sidecar, facts : Path, dict
        The JSON that lies beside, and its content. The report holds its hash, so that it cannot hold the report's.
    read : sequence of (str, Path)
        What was read, each with what it is.
    """
    if report is None:
        return
    from ..report.html.fusion import fusion_page
    from ..report.html.page import File

    say(f"writing {shown(report.name)}")
    listed = files_read(read)
    listed += [File("written", recorded(path.name), one) for path, one in outputs.hashes(hash_of).items()]
    name, content = recorded(sidecar.name), sidecar_bytes(facts)
    listed.append(File("written", name, hashlib.sha256(content).hexdigest()))
    outputs.add(report, fusion_page(json.loads(content), pictures(), listed, name))


def write_page(
    report: Path,
    page: Callable[[list[File], str], bytes],
    read: Sequence[tuple[str, Path]],
    output: Path | None,
    *,
    overwrite: bool,
) -> None:
    """Write a page, which ``page`` makes of the files that were read and of the name of what it is made from.

    ``output``: a JSON, or a table, that holds the same; None without one.
    """
    source = "what was read" if output is None else recorded(output.name)
    with Outputs(overwrite=overwrite) as outputs:
        outputs.add(report, page(files_read(read), source))
        outputs.commit()


def write_experiment(report: Path, facts: dict[str, Any], folder: Path) -> None:
    """Write the page of an experiment, with the figures that lie in its folder; one of an earlier run is replaced."""
    from ..images.written.versions import version_of
    from ..report.html.experiment import experiment_page

    runs = [
        *folder.glob("run.json"),
        *sorted(folder.glob("seed_*/run.json")),
    ]  # of seeds, all but these is alike
    facts = {**facts, "run": json.loads(runs[0].read_bytes())} if runs else facts
    figures = {path.stem: path.read_bytes() for path in sorted((folder / "figures").glob("*.png"))}
    write_all({report: experiment_page(facts, figures, version_of("fastfuse"), "its tables")})


def page_told(report: Path | None) -> dict[str, str]:
    """Return what JSON says of a page, if one was written."""
    return {} if report is None else {"report": recorded(report)}


def pictures_of_lesions(record: Record) -> Pictures:
    """Return the lesions that are found, missed and false, and those of the prediction and of the truth."""
    from ..evaluation.lesions import KINDS, lesion_map
    from ..report.html.scan import Pictures

    lesions, grid = record.measured.lesions, record.image.grid
    masks = [lesions.prediction > 0, lesions.truth > 0]
    labels = (0, *sorted(KINDS.values()))
    return Pictures(lesion_map(lesions), masks, grid.affine, record.below, grid.known, labels)


def pictures_of_raters(found: Against) -> Pictures:
    """Return the probability of a prediction, and where each rater marks."""
    from ..report.html.scan import Pictures

    held, grid = found.compared, found.grid
    return Pictures(held.probability, held.masks, grid.affine, found.below, grid.known)


def files_read(read: Sequence[tuple[str, Path]]) -> list[File]:
    """Return files that were read, each with what it is, as a page lists them; what is no single file has no hash."""
    from ..report.html.page import File

    return [File(what, recorded(path), hash_of(path) if path.is_file() else "") for what, path in read]
