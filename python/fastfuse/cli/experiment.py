"""``fastfuse experiment``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..errors import FastfuseError, lacking
from ..inputs.names import quoted
from .common import Interrupted, manner
from .switches import ReportOfCases, choice
from .table import tell
from .words.declared import Argument, Option

EXAMPLES = (
    "fastfuse demo --cohort cohort && fastfuse experiment cohort --out run",
    "fastfuse experiment MSSEG --out run --preset paper --device cuda",
    "fastfuse experiment MSSEG --out run --seeds 0,1,2",
    "fastfuse experiment MSSEG --out run --train Training --test Testing",
    "fastfuse experiment MSSEG --out run --set training.epochs=200 --set consensus.label=0.5",
)


def experiment(
    cohort: Annotated[Path, Argument(help="Folder of cases, laid out as MSSEG-2016.", show_default=False)],
    out: Annotated[Path, Option(metavar="FOLDER", help="Folder of the run.", show_default=False)],
    preset: Annotated[
        str | None, choice("quick is for two cores.", metavar="quick|paper", show_default="quick")
    ] = None,
    methods: Annotated[
        str | None,
        Option(
            help="Comma-separated: staple, dilated-staple, soft-staple, simplified-soft-staple, border-staple.",
            show_default="the first four",
        ),
    ] = None,
    folds: Annotated[
        str | None, Option(help="How many, or a folds.json of your own.", show_default="5")
    ] = None,
    only_folds: Annotated[
        str, Option(help="Comma-separated: train these alone, from 1.", show_default=False)
    ] = "",
    seed: Annotated[
        int | None, Option(help="Of weights, batches and held-out cases.", show_default="0")
    ] = None,
    seeds: Annotated[
        str, Option(help="Comma-separated: a run of each, and one table of all.", show_default=False)
    ] = "",
    device: Annotated[str, Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    split: Annotated[str | None, Option(help="Training, Testing, or all.", show_default="Training")] = None,
    train: Annotated[
        str | None,
        Option(help="Split to train on, in place of a cross-validation.", show_default=False),
    ] = None,
    test: Annotated[str | None, Option(help="Split to test on then.", show_default=False)] = None,
    model: Annotated[
        str | None,
        Option(help="module:callable of another network, in place of the U-Net.", show_default=False),
    ] = None,
    spacing: Annotated[
        float | None,
        Option(help="Bring every case to cubes of so many mm.", metavar="MM", show_default=False),
    ] = None,
    grid: Annotated[
        Path | None,
        Option(help="Bring every case to this image's grid, in the same space.", show_default=False),
    ] = None,
    report: ReportOfCases = None,
    jobs: Annotated[
        int,
        Option(help="Networks to train at once. On a CPU each takes a core.", show_default="as many as fit"),
    ] = 0,
    fix_flips: Annotated[bool, Option("--fix-flips", help="Mend masks with reversed axes.")] = False,
    config: Annotated[Path | None, Option(help="Options as TOML.", show_default=False)] = None,
    assign: Annotated[
        list[str] | None,
        Option("--set", help="Any option as name=value, e.g. training.epochs=100.", show_default=False),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Go on with the run in --out.")] = False,
    force: Annotated[
        bool, Option("--force", help="Begin despite problems of the cohort, which run.json lists.")
    ] = False,
) -> None:
    """Fuse a cohort's raters by four methods, train a network on each, cross-validate: the paper's Table 1."""
    try:
        from ..train.experiment import run_experiment
        from ..train.finished import notes_on
        from ..train.narrator import Narrator
    except ImportError as error:
        raise lacking("the experiment", error, "train") from None
    from ..files.report import check_own_report
    from ..train.options import make_options

    count, file = folds_typed(folds)
    several = _numbers(seeds, "--seeds")
    if several and seed is not None:
        raise FastfuseError("--seed and --seeds are both given: give one of them")
    options = make_options(
        preset,
        config,
        assign or (),
        methods=methods,
        folds=count,
        seed=seed,
        split=split,
        train=train,
        test=test,
        fix_flips=fix_flips or None,
        **{
            "network.model": model,
            "grid.spacing_mm": spacing,
            "grid.file": None if grid is None else str(grid),
        },
    )
    check_own_report(report)
    with Narrator(silent=manner.quiet) as narrator:
        try:
            rows = run_experiment(
                cohort,
                out,
                options,
                device=device,
                resume=resume,
                force=force,
                folds_file=file,
                only_folds=_numbers(only_folds, "--only-folds"),
                seeds=several,
                jobs=jobs,
                narrator=narrator,
            )
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; the same command with --resume goes on in {out}") from None
    if rows is not None:
        tell(rows, out, notes_on([out]), report)
        if rows and not any(row.networks for row in rows):
            raise FastfuseError(
                "every training has failed, so that the table has no values: try a lower training.learning_rate, or another "
                "seed, in a new run"
            )


def folds_typed(text: str | None) -> tuple[int | None, Path | None]:
    """Tell a number of folds from a file of them."""
    if text is None:
        return None, None
    return (int(text), None) if text.lstrip("-").isdecimal() else (None, Path(text))


def _numbers(text: str, name: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",") if number.strip()]
    except ValueError:
        raise FastfuseError(f"{name} is {quoted(text)}: give whole numbers, as 1,3") from None
