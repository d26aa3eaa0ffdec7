"""``fastfuse export``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from ..errors import FastfuseError, lacking
from .common import answer, progress, warnings_as_lines
from .experiment import folds_typed
from .words.declared import Argument, Option

EXAMPLES = (
    "fastfuse export nnunet MSSEG --out nnUNet_raw --method soft-staple",
    "fastfuse export nnunet MSSEG --out nnUNet_raw --method staple --ignore 0.2 0.8",
    "fastfuse export nnunet MSSEG --out nnUNet_raw --method staple --folds run/folds.json",
)


class FormatName(str, Enum):
    """Programs for which a cohort can be written."""

    nnunet = "nnunet"


def export(
    format: Annotated[FormatName, Argument(help="nnunet: a data set of nnU-Net, version 2.")],
    cohort: Annotated[Path, Argument(help="Folder of cases, laid out as MSSEG-2016.", show_default=False)],
    out: Annotated[Path, Option(help="nnU-Net's folder nnUNet_raw.", show_default=False)],
    method: Annotated[
        str, Option(help="Whose consensus is the label: staple, soft-staple, ...", show_default=False)
    ],
    dataset_id: Annotated[int, Option(help="Number of the data set.", metavar="N")] = 501,
    name: Annotated[str, Option(help="Name of the data set.")] = "MSSEG",
    ignore: Annotated[
        tuple[float, float] | None,
        Option(
            metavar="LOW HIGH",
            help="Between these probabilities a voxel is contested, and gets the label ignore.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        str | None, Option(help="How many, or the folds.json of a run.", show_default="5")
    ] = None,
    split: Annotated[str | None, Option(help="Training, Testing, or all.", show_default="Training")] = None,
    train: Annotated[
        str | None, Option(help="Split to train on; the other becomes imagesTs.", show_default=False)
    ] = None,
    test: Annotated[str | None, Option(help="Split to test on then.", show_default=False)] = None,
    fix_flips: Annotated[bool, Option("--fix-flips", help="Mend masks with reversed axes.")] = False,
    config: Annotated[Path | None, Option(help="Options of the run, as TOML.", show_default=False)] = None,
    assign: Annotated[
        list[str] | None,
        Option("--set", help="Option as name=value, e.g. consensus.label=0.5.", show_default=False),
    ] = None,
    force: Annotated[
        bool, Option("--force", help="Take cases that lack a rater, as the experiment's --force does.")
    ] = False,
) -> None:
    """Write a cohort for another program to learn from, with a consensus as its labels."""
    try:
        from ..train.cohort.division import divided
        from ..train.nnunet.export import SPLITS, Dataset
        from ..train.nnunet.export import export as write
    except ImportError as error:
        raise lacking("the export", error, "train") from None
    from ..train.options import make_options

    count, file = folds_typed(folds)
    given: dict[str, Any] = {"methods": method, "split": split, "train": train, "test": test, "folds": count}
    options = make_options(None, config, assign or (), fix_flips=fix_flips or None, **given)
    cases, parts = divided(cohort, options, file)
    dataset = Dataset(cases, parts, _one_of(options.methods), options, dataset_id, name, ignore, force)
    with warnings_as_lines(), progress(None, lines=True) as say:
        folder = write(dataset, out, say)
    facts = {
        "format": format.value,
        "folder": str(folder),
        "training": len(cases) - len(dataset.tested_alone),
        "testing": len(dataset.tested_alone),
    }
    answer(lambda: facts, lambda: _print(facts, SPLITS))


def _one_of(methods: tuple[str, ...]) -> str:
    """Return the only method; labels come from one."""
    if len(methods) > 1:
        raise FastfuseError(f"--method is {','.join(methods)}: name one; export a data set of each")
    return methods[0]


def _print(facts: dict[str, Any], splits: str) -> None:
    from ..report.numbers import plural
    from ..report.terminal import console, printable

    folder = Path(facts["folder"])
    lines = [f"wrote {plural(facts['training'], 'training case')} below {folder}"]
    if facts["testing"]:
        lines = [f"{lines[0]}, and {facts['testing']} to test in imagesTs"]
    else:
        lines.append(
            f"after nnUNetv2_plan_and_preprocess copy {splits} to nnUNet_preprocessed/{folder.name}: the same folds"
        )
    for line in lines:
        console().print(printable(line), highlight=False)
