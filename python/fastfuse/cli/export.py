"""``fastfuse export``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from ..errors import FastfuseError, lacking
from ..images.paths import shown
from ..report.terminal import Say
from .common import answer, progress, warnings_as_lines
from .experiment import folds_typed
from .words.declared import Argument, Option

EXAMPLES = (
    "fastfuse export nnunet MSSEG --out nnUNet_raw --method soft-staple",
    "fastfuse export nnunet MSSEG --out nnUNet_raw --method staple --ignore 0.2 0.8",
    "fastfuse export nnunet MSSEG --out nnUNet_raw --method staple --folds run/folds.json",
    "fastfuse export nnunet fused --out nnUNet_raw --images DATA --channel 'T1={case}/t1.nii.gz' --channel 'FLAIR={case}/flair.nii.gz'",
    "fastfuse export nnunet fused --out nnUNet_raw --images BIDS --channel 'FLAIR=**/{case}_*FLAIR.nii.gz' --folds 4",
)
OF_MSSEG, OF_FUSED = "Cohort in MSSEG-2016's layout", "Fused cohort"


class FormatName(str, Enum):
    """Programs for which a cohort can be written."""

    nnunet = "nnunet"


def _msseg(help: str, *names: str, show_default: str | bool = False) -> Any:
    return Option(*names, help=help, show_default=show_default, rich_help_panel=OF_MSSEG)


def _fused(help: str, *, metavar: str | None = None, show_default: str | bool = False) -> Any:
    return Option(help=help, metavar=metavar, show_default=show_default, rich_help_panel=OF_FUSED)


def export(
    format: Annotated[FormatName, Argument(help="nnunet: a data set of nnU-Net, version 2.")],
    cohort: Annotated[
        Path,
        Argument(
            help="Folder that fastfuse cohort fuse wrote into; or folder of cases, laid out as MSSEG-2016, which is fused now.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, Option(help="nnU-Net's folder nnUNet_raw.", show_default=False)],
    dataset_id: Annotated[int, Option(help="Number of the data set.", metavar="N")] = 501,
    name: Annotated[
        str | None, Option(help="Name of the data set.", show_default="MSSEG, or the fused folder's")
    ] = None,
    ignore: Annotated[
        tuple[float, float] | None,
        Option(
            metavar="LOW HIGH",
            help="Between these probabilities a voxel is contested, and gets the label ignore.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        str | None,
        Option(
            help="How many, or the folds.json of a run. All sessions of a subject are in one.",
            show_default="5",
        ),
    ] = None,
    force: Annotated[
        bool,
        Option(
            "--force",
            help="Take cases that lack a rater, as the experiment's --force does; leave fused cases out that failed.",
        ),
    ] = False,
    images: Annotated[Path | None, _fused("Folder of the images.", metavar="FOLDER")] = None,
    channel: Annotated[
        list[str] | None,
        _fused(
            "A channel, and paths below --images with {case} in them, as 'T1={case}/t1.nii.gz'; once for each, in their order.",
            metavar="NAME=PATTERN",
        ),
    ] = None,
    cut: Annotated[
        float | None, _fused("The mask is probability >= cut.", show_default="the fusion's")
    ] = None,
    method: Annotated[
        str | None, _msseg("Whose consensus is the label: staple, soft-staple, ... It must be given.")
    ] = None,
    split: Annotated[str | None, _msseg("Training, Testing, or all.", show_default="Training")] = None,
    train: Annotated[str | None, _msseg("Split to train on; the other becomes imagesTs.")] = None,
    test: Annotated[str | None, _msseg("Split to test on then.")] = None,
    fix_flips: Annotated[bool, _msseg("Mend masks with reversed axes.", "--fix-flips")] = False,
    config: Annotated[Path | None, _msseg("Options of the run, as TOML.")] = None,
    assign: Annotated[
        list[str] | None, _msseg("Option as name=value, e.g. consensus.label=0.5.", "--set")
    ] = None,
) -> None:
    """Write a cohort for another program to learn from, with a consensus as its labels."""
    try:
        from ..train.nnunet.fused import is_fused
    except ImportError as error:
        raise lacking("the export", error, "train") from None
    fused = is_fused(cohort)
    of_msseg = {
        "method": method,
        "split": split,
        "train": train,
        "test": test,
        "fix-flips": fix_flips,
        "config": config,
    }
    of_fused = {"images": images, "channel": channel, "cut": cut}
    _check_given(cohort, {**of_msseg, "set": assign} if fused else of_fused, fused=fused)
    count, file = folds_typed(folds)
    common: dict[str, Any] = {"number": dataset_id, "ignore": ignore, "gaps": force}
    with warnings_as_lines(), progress(None, lines=True) as say:
        if fused:
            own = {
                "images": images,
                "channels": channel or [],
                "folds": count if file is None else file,
                "cut": cut,
            }
            facts = _of_fused(cohort, out, say, {**own, "name": name, **common})
        else:
            given = {"methods": method, "split": split, "train": train, "test": test, "folds": count}
            options = {**given, "fix_flips": fix_flips or None}
            common["name"] = "MSSEG" if name is None else name
            facts = _of_msseg(cohort, out, say, (config, assign or (), options, file), common)
    facts = {"format": format.value, **facts}
    answer(lambda: facts, lambda: _print(facts))


def _check_given(cohort: Path, others: dict[str, Any], *, fused: bool) -> None:
    """Refuse an option of the other kind of cohort."""
    for option, value in others.items():
        if value not in (None, False, []):
            kind, folder = OF_MSSEG if fused else OF_FUSED, shown(cohort)
            if fused:
                remedy = f"{folder} is fused already; leave the option out"
            elif cohort.is_dir():
                remedy = f"give the folder that fastfuse cohort fuse wrote into in place of {folder}, or leave the option out"
            else:
                remedy = f"there is no folder {folder}; give the one that fastfuse cohort fuse wrote into"
            raise FastfuseError(f"--{option} is given, which is for a {kind[0].lower()}{kind[1:]}: {remedy}")


def _of_msseg(
    cohort: Path, out: Path, say: Say, asked: tuple[Any, ...], common: dict[str, Any]
) -> dict[str, Any]:
    """Fuse a cohort in MSSEG-2016's layout and write it; return what came of it."""
    try:
        from ..train.cohort.division import divided
        from ..train.nnunet.export import Dataset
        from ..train.nnunet.export import export as write
    except ImportError as error:
        raise lacking("the export", error, "train") from None
    from ..train.options import make_options

    config, assign, given, file = asked
    if given["methods"] is None:
        if not cohort.is_dir():
            raise FastfuseError(
                f"{shown(cohort)}: no such folder; give the one that fastfuse cohort fuse wrote into, or that holds the cohort"
            )
        raise FastfuseError(
            f"{shown(cohort)} is fused now: say by which method, as --method soft-staple; or give the folder that fastfuse cohort fuse wrote "
            "into"
        )
    options = make_options(None, config, assign, **given)
    cases, parts = divided(cohort, options, file)
    dataset = Dataset(cases, parts, _one_of(options.methods), options, **common)
    return _counted(write(dataset, out, say), dataset)


def _of_fused(cohort: Path, out: Path, say: Say, given: dict[str, Any]) -> dict[str, Any]:
    """Write a fused cohort; return what came of it."""
    from ..train.nnunet.fused_export import export_fused, fused_dataset

    if given["images"] is None:
        raise FastfuseError("--images is missing: give the folder that holds the images of the cases")
    dataset = fused_dataset(cohort, **given)
    left_out = sorted(dataset.fused.left_out)
    return {
        **_counted(export_fused(dataset, out, say), dataset),
        "left_out": left_out,
        "notes": dataset.notes,
    }


def _counted(folder: Path, dataset: Any) -> dict[str, Any]:
    alone = len(dataset.tested_alone)
    return {"folder": str(folder), "training": len(dataset.cases) - alone, "testing": alone}


def _one_of(methods: tuple[str, ...]) -> str:
    """Return the only method; labels come from one."""
    if len(methods) > 1:
        raise FastfuseError(f"--method is {','.join(methods)}: name one; export a data set of each")
    return methods[0]


def _print(facts: dict[str, Any]) -> None:
    from ..report.numbers import plural
    from ..report.terminal import console, printable
    from ..train.nnunet.dataset import SPLITS

    folder = Path(facts["folder"])
    lines = [f"wrote {plural(facts['training'], 'training case')} below {folder}"]
    if facts["testing"]:
        lines = [f"{lines[0]}, and {facts['testing']} to test in imagesTs"]
    else:
        lines.append(
            f"after nnUNetv2_plan_and_preprocess copy {SPLITS} to nnUNet_preprocessed/{folder.name}: the same folds"
        )
    for line in [*lines, *facts.get("notes", ())]:
        console().print(printable(line), highlight=False)
