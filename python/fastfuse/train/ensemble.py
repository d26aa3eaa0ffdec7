"""The networks of a finished run, for predictions of new cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..cohort.layout import MODALITIES
from ..errors import FastfuseError
from ..images.paths import shown
from ..images.sidecar import json_of
from .cohort.loading import hash_of
from .network import checkpoint
from .network.batches import predict
from .network.model import inside, make_network
from .network.precision import precision_of
from .place import model_hash
from .run import Run
from .targets.prepare import Prepared

NOTHING = "marks nothing in the cases that it was tested on"


@dataclass(frozen=True)
class Member:
    """One network: where it lies, and the cases of the run that it was not trained on."""

    run: Run
    method: str
    fold: int
    sha256: str

    @property
    def path(self) -> Path:
        """The file of its weights."""
        return self.run.model(self.method, self.fold)

    def has_seen(self, case: str | None) -> bool:
        """Tell whether it was trained, or its epoch chosen, on a case of the run."""
        return case is not None and case not in self.run.folds[self.fold - 1]

    def probabilities(self, prepared: Prepared, device: torch.device) -> Tensor:
        """Return its prediction in the slices of a case."""
        content = checkpoint.load(self.path)
        options = self.run.options
        network = make_network(options.network, len(MODALITIES))
        with checkpoint.fitting(self.path):
            network.load_state_dict(content["network"])
        with inside(options.network.model):
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return _predicted(network, prepared, content, options.training, device)


def _predicted(
    network: nn.Module, prepared: Prepared, content: Mapping[str, Any], training: Any, device: torch.device
) -> Tensor:
    """Return a network's prediction, made in slices as large as it has learnt from, if the case fits into them."""
    wide = content.get("size", (0, 0))
    own = prepared.images.shape[-2:]
    grown = prepared.widened((max(own[0], wide[0]), max(own[1], wide[1])))
    precision = precision_of(device, training.precision, predicting=True)
    found = predict(network, grown.images, device, training.batch, precision)
    x, y, _ = (a - b for a, b in zip(prepared.frame.start, grown.frame.start, strict=True))
    return found[:, x : x + own[0], y : y + own[1]]


def check_sources(runs: Sequence[Run], *, force: bool) -> list[str]:
    """Refuse runs of another network whose source has changed: the same weights would then be another network.

    Returns
    -------
    list of str
        With ``force`` what differs, a line for each network.

    Raises
    ------
    FastfuseError
        If the source is not the one that run.json has the hash of, or cannot be imported.
    """
    changed: dict[str, None] = {}
    for run in runs:
        options = run.options.network
        if not options.model:
            continue
        make_network(options, len(MODALITIES))  # tells why it cannot be imported
        path = run.out / "run.json"
        if model_hash(options.model) != model_source(run):
            if not force:
                raise FastfuseError(
                    f"{shown(path)}: the source of {options.model} has changed since the run began, so that its weights "
                    "would make another network; put it back, or pass --force"
                )
            changed[options.model] = None
    return [
        f"the source of {model} has changed since the run began: these are not the predictions of the run's networks"
        for model in changed
    ]


def model_source(run: Run) -> str | None:
    """Return the hash of another network's source, as the run has recorded it."""
    found: str | None = json_of(run.out / "run.json").get("model")
    return found


def members_of(runs: Sequence[Run], method: str) -> tuple[list[Member], list[str]]:
    """Return the networks of a method that have not failed, and what is left out and why.

    Raises
    ------
    FastfuseError
        If a network is missing, or none is left.
    """
    members: list[Member] = []
    failed: dict[str, dict[int, list[int]]] = {}  # by reason and seed
    for run in runs:
        for fold in range(1, len(run.folds) + 1):
            path = run.model(method, fold)
            why = run.failure(method, fold)
            if why is not None or (path.exists() and marks_nothing(run, method, fold)):
                reason = NOTHING if why is None else f"training failed ({why})"
                failed.setdefault(reason, {}).setdefault(run.options.seed, []).append(fold)
            elif not path.exists():
                raise FastfuseError(
                    f"{shown(path)}: is missing; end the run first, by fastfuse experiment --resume"
                )
            else:
                run.check_kept(method, fold, path)
                members.append(Member(run, method, fold, hash_of(path)))
    left_out = _in_words(failed)
    if not members:
        raise FastfuseError(
            f"every network of {method} has failed ({'; '.join(left_out)}): train again, or take another"
        )
    return members, left_out


def _in_words(failed: Mapping[str, Mapping[int, list[int]]]) -> list[str]:
    """Return a line for each reason, with the seeds and folds of networks that failed by it."""
    lines = []
    for reason, by_seed in failed.items():
        places = (
            f"seed {seed}, fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}"
            for seed, folds in by_seed.items()
        )
        lines.append(f"{'; '.join(places)}: {reason}")
    return lines


def marks_nothing(run: Run, method: str, fold: int) -> bool:
    """Tell whether a network's predictions are known to be empty, by their scores."""
    counts = []
    for name in run.folds[fold - 1]:
        facts = json_of(run.prediction(method, name).with_name(f"{name}.json"))
        try:
            counts.append(next(iter(facts["scored"].values()))["marked"])
        except (KeyError, TypeError, AttributeError, StopIteration):
            return False
    return not any(counts)
