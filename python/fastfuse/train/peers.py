"""Rows of networks that were trained elsewhere, such as nnU-Net: their predictions of a run's test cases are scored alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FastfuseError
from ..images.paths import shown
from ..images.reading import read
from ..inputs.grids import SAME, shift_of
from .cohort.loading import LoadedCase
from .cohort.resampling import Move
from .nnunet.predictions import predictions_of
from .options import EvaluationOptions
from .results.entries import TITLES, Entry, Scored
from .results.failures import empty_networks
from .results.reliability import reliability_from
from .results.scores import Score, evaluation_from
from .run import Run
from .scoring import References, measure

NO_PROBABILITIES = "{title}: label maps, no probabilities, so there is no Brier score and no ECE"


def peers_from(words: Sequence[str]) -> dict[str, list[Path]]:
    """Return the folders of predictions by title, from "title=folder" texts; several of one title are its seeds.

    Raises
    ------
    FastfuseError
        If a text is no such pair.
    """
    found: dict[str, list[Path]] = {}
    for word in words:
        title, equals, folder = word.partition("=")
        if not (title.strip() and equals and folder):
            raise FastfuseError(f"--peer is {word!r}: give a title and a folder, as nnU-Net=predictions")
        found.setdefault(title.strip(), []).append(Path(folder))
    return found


def entries_of_peers(
    runs: Sequence[Run], peers: Mapping[str, Sequence[Path]], evaluation: EvaluationOptions
) -> list[Entry]:
    """Return a row for each title; its first folder is paired with the first seed of the runs, and so on."""
    by_seed = {run.options.seed: run for run in reversed(runs)}
    seeds = sorted(by_seed)
    entries = []
    for title, folders in peers.items():
        if title in TITLES.values():
            raise FastfuseError(f"--peer {title}: a row of the runs has that title; choose another")
        if len(folders) > len(seeds):
            raise FastfuseError(
                f"--peer {title}: {len(folders)} folders, but the runs have {len(seeds)} seeds: give one for each at most"
            )
        scored = {
            seed: _scored(by_seed[seed], title, folder, evaluation)
            for seed, folder in zip(seeds, folders, strict=False)
        }
        entries.append(Entry(title, title, scored))
    return entries


def _scored(run: Run, title: str, folder: Path, evaluation: EvaluationOptions) -> Scored:
    predictions = predictions_of(folder, run.cases.values())
    is_map = not any(((values > 0) & (values < 1)).any() for values in predictions.values())
    scores, reliability, marked, small = [], {}, {}, {}
    for fold, names in enumerate(run.folds, start=1):
        for name in names:
            references = References(run, name)
            facts = measure(_placed(predictions[name], references.loaded), references, evaluation)
            scores += [
                Score(title, fold, name, run.cases[name].center, reference, evaluation_from(values))
                for reference, values in facts["scores"].items()
            ]
            marked[title, name] = facts["marked"]
            small[name] = (facts["lesions_below"], facts["lesions"])
            if not is_map:
                reliability[title, name] = reliability_from(facts["reliability"])
    failures = empty_networks(scores, marked)
    remarks = [NO_PROBABILITIES.format(title=title)] if is_map else []
    return Scored(shown(folder), run.options, run.folds, scores, reliability, failures, small, remarks)


def _placed(values: NDArray[Any], loaded: LoadedCase) -> NDArray[np.float32]:
    """Return a prediction of the case's own grid on that of the run."""
    own = read(loaded.case.images["FLAIR"])
    like = loaded.like
    if own.data.shape == like.data.shape and shift_of(own.grid, like.grid) <= SAME:
        return values
    return Move.between(own.data.shape, own.affine, like.data.shape, like.affine).image(values)
