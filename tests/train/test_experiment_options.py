"""Options of the experiment: presets, TOML, --set."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from fastfuse import FastfuseError
from fastfuse.train.options import (
    PRESETS,
    ExperimentOptions,
    differences,
    make_options,
    options_from,
)


def test_paper_is_the_default() -> None:
    paper = make_options("paper")
    assert differences(paper, ExperimentOptions(preset="paper")) == []
    training = paper.training
    assert (training.learning_rate, training.weight_decay, training.batch) == (1e-4, 1e-4, 32)
    assert (training.steps, training.epochs, training.rotation_deg) == (16, 5000, 5.0)
    assert (training.validation, training.validation_share) == ("share", 0.2)
    assert (training.target, training.dice, training.clip) == ("method", "paper", 0.0)
    assert (training.lesion_share, training.precision) == (0.0, "float32")
    assert (paper.network.width, paper.network.depth, paper.network.start) == (32, 4, 0.5)
    assert (paper.network.weights, paper.network.model, paper.folds) == ("glorot-normal", "", 5)
    assert (paper.consensus.size, paper.consensus.label, paper.consensus.iterations) == (1.2, 0.3, 6)
    evaluation = paper.evaluation
    assert (evaluation.cut, evaluation.least_voxels, evaluation.connectivity) == (0.5, 18, 6)


def test_presets_name_options_that_exist() -> None:
    for preset, settings in PRESETS.items():
        options = make_options(preset)
        assert options.preset == preset
        for name, value in settings.items():
            table, _, key = name.partition(".")
            assert getattr(getattr(options, table), key) == value


def test_later_ones_win(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'seed = 3\nmethods = ["staple", "soft-staple"]\n[training]\nepochs = 7\nbatch = 2\n[consensus]\nthreshold = 900\n'
    )
    options = make_options("quick", config, ["training.epochs=9", "training.precision=bfloat16"], seed=4)
    assert (options.seed, options.training.epochs, options.training.batch) == (4, 9, 2)
    assert options.methods == ("staple", "soft-staple")
    assert options.consensus.threshold == 900.0
    assert options.training.precision == "bfloat16"
    assert options.training.learning_rate == PRESETS["quick"]["training.learning_rate"]


def test_preset_in_the_file(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('preset = "paper"\n')
    assert make_options(None, config).training.epochs == 5000
    assert make_options("quick", config).preset == "quick"
    assert make_options().preset == "quick"


def test_record_round_trip() -> None:
    options = make_options("quick", None, ["seed=5", "consensus.prior=0.01", "methods=staple"])
    assert options_from(json.loads(json.dumps(asdict(options)))) == options


def test_differences_are_named() -> None:
    other = make_options("quick", None, ["training.epochs=3", "seed=1"])
    assert differences(make_options("quick"), other) == ["seed", "training.epochs"]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "training.epoch=3",
            r"training\.epoch: there is no such option; known are target, dice, learning_rate",
        ),
        ("train.epochs=3", "tables are grid, consensus, network, training and evaluation"),
        ("training=3", "training: there is no such option"),
        ("preset=paper", "give the preset by --preset, or in the file"),
        ("methods=5", "methods is 5: a list of names is needed"),
        ("training.rotation_deg=inf", r"training\.rotation_deg is inf: .* no infinity"),
        ("network.depth=9", r"network\.depth is 9: it must lie in \[1, 7\]"),
        ("network.start=0", r"network\.start is 0\.0: it must lie in \(0, 1\)"),
        ("training.epochs", r"give an option as name=value, e\.g\. training\.epochs=100"),
        ("training.epochs=many", r"training\.epochs is 'many': a whole number is needed"),
        ("training.epochs=1.5", r"training\.epochs is 1\.5: a whole number is needed"),
        ("training.epochs=0", r"training\.epochs is 0: at least 1 is needed"),
        ("training.epochs=true", r"training\.epochs is True: a whole number is needed"),
        ("training.learning_rate=-1", r"training\.learning_rate is -1\.0: at least 0"),
        ("training.learning_rate=nan", r"training\.learning_rate is nan: at least 0"),
        ("training.lesion_share=1.5", r"training\.lesion_share is 1\.5: it must lie in \[0, 1\]"),
        ("training.dice=dice", "training.dice is 'dice': it must be 'paper' or 'l1'"),
        ("methods=majority", "methods is 'majority': it must be 'staple'"),
        ("evaluation.cut=0", r"evaluation\.cut"),
        ("evaluation.cut=1.5", r"evaluation\.cut"),
        ("consensus.label=2", r"consensus\.label: label is 2"),
        ("consensus.m_step=printed", r"consensus\.m_step is 'printed'"),
        ("consensus.prior=often", r"consensus\.prior: prior is 'often'"),
    ],
)
def test_refused(assignment: str, message: str) -> None:
    with pytest.raises((FastfuseError, ValueError), match=message):
        make_options("quick", None, [assignment])


@pytest.mark.parametrize("methods", [(), ("staple", "staple")])
def test_methods_once_each(methods: tuple[str, ...]) -> None:
    with pytest.raises(FastfuseError, match="name at least one, and none twice"):
        make_options(methods=methods)


def test_bad_files(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    with pytest.raises(FastfuseError, match=r"run\.toml: cannot be read as TOML"):
        make_options("quick", config)
    config.write_text("seed = \n")
    with pytest.raises(FastfuseError, match=r"run\.toml: cannot be read as TOML .*line 1"):
        make_options("quick", config)
    config.write_text("[training]\nspeed = 1\n")
    with pytest.raises(FastfuseError, match=r"training\.speed: there is no such option"):
        make_options("quick", config)


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match="preset is 'fast'"):
        make_options("fast")


def test_every_option_has_a_default() -> None:
    assert all(item.default is not None for item in fields(ExperimentOptions))
