"""The demo of label maps: made, fused by the majority and by STAPLE, compared with the truth, written and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError
from ..evaluation.overlap import overlap
from ..fusion.labels.fuse import fuse_label_votes
from ..fusion.labels.options import LabelMethod, LabelOptions
from ..fusion.labels.result import LabelFusion
from ..fusion.votes import Votes
from ..images.formats.label_names import tsv_bytes
from ..images.image import Image
from ..images.outputs import Outputs, together
from ..images.paths import needed_path, shown
from ..images.written.nifti import nifti_bytes
from ..inputs.names import enumerated
from ..report.plots.panels import draw_labels
from . import organs
from .organs import COLOURS, NAMES, RATERS, UNKNOWN, LabelCase

KNOWN = tuple(label for label in NAMES if label != UNKNOWN)
WHO = next(i for i, style in enumerate(RATERS) if not style.knows_all)
FITS: dict[str, tuple[LabelMethod, dict[str, Any]]] = {
    "majority": ("majority", {}),
    "staple": ("staple", {}),
    "staple, knows": ("staple", {"knows": {WHO: KNOWN}}),
}
TRUE = "truth"


@dataclass(frozen=True)
class LabelDemo:
    """Results of the demo of label maps.

    Attributes
    ----------
    folder, figure : Path
    dice : dict of str to dict of int to float
        Of each fusion, and of each rater: Dice's coefficient with the truth, by label.
    accuracy : dict of str to float
        Share of the voxels that anybody marks on which a fusion, or a rater, is right.
    sensitivity : dict of str to float
        Mean sensitivity of the raters who know lesions in these: against the truth, and as each way of STAPLE estimates it.
    command : str
        What does the same in the shell.
    """

    folder: Path
    figure: Path
    dice: dict[str, dict[int, float]]
    accuracy: dict[str, float]
    sensitivity: dict[str, float]
    command: str

    @property
    def note(self) -> str:
        """What the tables tell: which estimates are nearest to the truth and farthest, and where which fusion is better."""
        shown = {name: round(value, 3) for name, value in self.sensitivity.items()}  # as the table has them
        true = shown.pop(TRUE)
        off = {name: round(abs(value - true), 3) for name, value in shown.items()}
        nearest, farthest = (
            " and ".join(f"{name} ({shown[name]:.3f})" for name in shown if off[name] == end)
            for end in (min(off.values()), max(off.values()))
        )
        gains = {
            NAMES[label]: round(dice, 3) - round(self.dice["majority"][label], 3)
            for label, dice in self.dice["staple"].items()
        }
        better = enumerated([name for name, gain in gains.items() if gain > 0], len(NAMES)) or "none"
        worse = enumerated([name for name, gain in gains.items() if gain < 0], len(NAMES)) or "none"
        return (
            f"{RATERS[WHO].name} does not know the {NAMES[UNKNOWN]}. The others' true sensitivity is {true:.3f} on average; "
            f"of the estimates, nearest: {nearest}; farthest: {farthest}.\n"
            f"staple has the higher Dice in {better}; the majority has the higher Dice in {worse}."
        )


def run_labels(
    directory: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    shape: tuple[int, int, int] = organs.SHAPE,
    spacing_mm: float = organs.SPACING_MM,
    say: Callable[[str], None] = lambda _: None,
) -> LabelDemo:
    """Write raters' label maps below ``directory``, fuse them, and draw the result.

    Raises
    ------
    OutputError
        If there is a case already, or it cannot be written.
    """
    directory = needed_path(directory, "directory")
    figure = directory / "labels.png"
    if figure.exists() and not overwrite:
        raise OutputError(
            f"{shown(figure)}: exists already; choose another folder or pass --overwrite (overwrite=True)"
        )
    say("painting the phantom")
    case = organs.make_label_case(seed, shape=shape, spacing_mm=spacing_mm)
    say("fusing")
    fusions = {name: _fused(case.maps, *fit) for name, fit in FITS.items()}
    maps = {name: fusion.label() for name, fusion in fusions.items()}
    raters = {style.name: one for style, one in zip(RATERS, case.maps, strict=True)}
    with together():
        _write(directory, case, maps, say)
        say("drawing")
        draw_labels(figure, {"truth": case.truth, **raters, **maps}, COLOURS, NAMES, overwrite=overwrite)
    marked = (case.truth > 0) | np.any([one > 0 for one in case.maps], axis=0)
    return LabelDemo(
        directory,
        figure,
        {name: _dice(one, case.truth) for name, one in {**maps, **raters}.items()},
        {name: float(np.mean((one == case.truth)[marked])) for name, one in {**maps, **raters}.items()},
        _sensitivities(case, fusions),
        _command(directory),
    )


def _fused(maps: Any, method: LabelMethod, options: dict[str, Any]) -> LabelFusion:
    fusion, _ = fuse_label_votes(Votes(list(maps)), method, NAMES, LabelOptions(**options))
    return fusion


def _dice(labels: NDArray[Any], truth: NDArray[Any]) -> dict[int, float]:
    return {label: overlap(labels == label, truth == label).dice for label in NAMES if label}


def _sensitivities(case: LabelCase, fusions: dict[str, LabelFusion]) -> dict[str, float]:
    """Return what the raters who know the structure see of it, and are found to: with and without the one who does not."""
    others = [i for i in range(len(RATERS)) if i != WHO]
    alone = _fused([case.maps[i] for i in others], "staple", {})
    there = case.truth == UNKNOWN
    found = {
        TRUE: float(np.mean([np.mean(case.maps[i][there] == UNKNOWN) for i in others])),
        f"without {RATERS[WHO].name}": float(alone.sensitivity[:, UNKNOWN].mean()),
    }
    of_staple = {name: options for name, (method, options) in FITS.items() if method == "staple"}
    plain = {
        f"{name}, no prior": _fused(case.maps, "staple", {**options, "performance_prior": None})
        for name, options in of_staple.items()
    }
    for name, fusion in {**{name: fusions[name] for name in of_staple}, **plain}.items():
        found[name] = float(fusion.sensitivity[others, UNKNOWN].mean())
    return found


def _write(
    directory: Path, case: LabelCase, maps: dict[str, NDArray[Any]], say: Callable[[str], None]
) -> None:
    """Write the raters' maps, the fused ones, the truth and the names of labels."""
    files = {
        directory / "raters" / f"{style.name}.nii.gz": one
        for style, one in zip(RATERS, case.maps, strict=True)
    }
    for name, one in maps.items():
        files[directory / "fused" / f"{name.replace(', ', '_')}.nii.gz"] = one
    files[directory / "truth.nii.gz"] = case.truth
    with Outputs(overwrite=True) as outputs:
        for path, data in files.items():
            say(f"writing {path.name}")
            outputs.make_folder(path.parent)
            like = Image(path, case.truth, case.affine)
            outputs.add(path, nifti_bytes(path, data, like, f"fastfuse demo {path.name.split('.')[0]}"))
        outputs.add(directory / "labels.tsv", tsv_bytes(NAMES.items(), COLOURS))
        outputs.commit()


def _command(directory: Path) -> str:
    folder = quote(shown(directory))
    known = ",".join(map(str, KNOWN))
    return (
        f"fastfuse fuse {folder}/raters/*.nii.gz -o {folder}/consensus.nii.gz --labels all --label-names {folder}/labels.tsv "
        f"--knows {RATERS[WHO].name}={known}"
    )


def facts_of_labels(result: LabelDemo) -> dict[str, Any]:
    """Return the results as plain data, for JSON."""
    return {
        "folder": str(result.folder),
        "figure": str(result.figure),
        "dice": {who: {NAMES[label]: dice for label, dice in of.items()} for who, of in result.dice.items()},
        "accuracy": result.accuracy,
        f"sensitivity in the {NAMES[UNKNOWN]}": result.sensitivity,
        "command": result.command,
        "note": result.note,
    }
