"""Each method's consensus of a case's raters, saved with a hash of files and options that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CohortError, ImageError, kept_warnings
from ...fusion.intervals import shown_rates
from ...fusion.methods.border import border_staple
from ...fusion.methods.dilated import dilated_staple
from ...fusion.methods.simplified import simplified_soft_staple
from ...fusion.methods.soft_staple import soft_staple
from ...fusion.methods.staple import staple
from ...fusion.options import MStep
from ...fusion.result import Fusion
from ...images.outputs import write_all
from ...images.paths import shown
from ...images.reading import read
from ...images.sidecar import json_of, number_or_null, sidecar_bytes, sidecar_path
from ...images.written.nifti import nifti_bytes
from ...inputs.names import counted
from ..cohort.loading import LoadedCase, hash_of
from ..options import ConsensusOptions
from .fold_rates import FoldRates
from .growing import SOFT, Volume, growth_of, region_of, soft_votes
from .remedies import as_experiment_takes

FEWEST = 3  # raters whose votes tell an offset from where the border lies


def consensus_of(
    case: LoadedCase,
    methods: Sequence[str],
    options: ConsensusOptions,
    folder: Path,
    *,
    key: str,
    rates: FoldRates | None = None,
    soft: Sequence[Volume] = (),
    threads: int = 0,
    say: Callable[[str], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Volume]:
    """Return each method's probabilities, read from ``folder``, or fused and saved there.

    Parameters
    ----------
    case : LoadedCase
    methods : sequence of str
    options : ConsensusOptions
    folder : Path
        Folder of METHOD.nii.gz and METHOD.json for each method.
    key : str
        Hash of the input files. With the options it tells whether saved files are up to date.
    rates : FoldRates, optional
        What is known of the raters; without them each case tells it by itself.
    soft : sequence of ndarray, optional
        The votes that the masks become where they grow; they are made if they are needed.
    say : callable
        Called with a few words before each fusion.
    tell : callable
        Called with each warning of a fusion.
    """
    found: dict[str, Volume] = {}
    title = case.case.name if rates is None else f"{case.case.name}, fold {rates.fold}"
    said: set[str] = set()  # dilated-STAPLE's votes are STAPLE's
    for method in methods:
        path = folder / f"{method}.nii.gz"
        now = _key(key, method, options)
        kept = _kept(path, now, tell)
        if kept is not None:
            found[method] = kept
            continue
        say(f"fusing {title} by {method}")
        with kept_warnings() as caught:
            if method in SOFT and not soft:
                soft = soft_votes(case, options, threads)
            fuse = fuse_case if rates is None else rates.fuse
            fusion = fuse(case, soft, method, options, threads)
        remarks = [as_experiment_takes(warning) for warning in caught]
        for remark in remarks:
            if remark not in said:
                tell(f"warning: {title}, {method}: {remark}")
        said.update(remarks)
        facts = {} if rates is None else {"pooled": rates.facts}
        _keep(path, fusion, case, {**facts, "key": now, "options": asdict(options), "warnings": remarks})
        found[method] = np.asarray(fusion.probability, np.float32)
    return found


def fuse_case(
    case: LoadedCase, votes: Sequence[Volume], method: str, options: ConsensusOptions, threads: int
) -> Fusion:
    """Fuse a case's masks, or the soft votes made of them, by one method."""
    mask = region_of(case, options)
    if method == "border-staple":  # FLAIR tells the anchor
        if len(case.masks) < FEWEST:
            raise CohortError(
                f"{case.case.name}: {counted(len(case.masks), 'rater')}, and border-staple needs {FEWEST}: leave it out of methods, or "
                "the case out of the cohort"
            )
        spacing_mm = case.like.grid.spacing_mm
        return border_staple(
            case.masks, case.images["FLAIR"], mask=mask, spacing_mm=spacing_mm, threads=threads
        )
    shared: dict[str, Any] = {"prior": options.prior, "mask": mask, "threads": threads}
    if method == "staple":
        return staple(case.masks, labels=None, classes=2, **shared)
    if method == "dilated-staple":
        return dilated_staple(case.masks, case.images["FLAIR"], **shared, **growth_of(case, options))
    fuse = soft_staple if method == "soft-staple" else simplified_soft_staple
    m_step: MStep = "em" if options.m_step == "em" else "paper"
    return fuse(votes, m_step=m_step, labels=None, **shared)


def is_kept(folder: Path, methods: Sequence[str], options: ConsensusOptions, key: str) -> bool:
    """Tell whether a case's consensus by each method is there, as it was made of these files and options."""
    return all(_is_as_written(folder / f"{method}.nii.gz", _key(key, method, options)) for method in methods)


def _key(inputs: str, method: str, options: ConsensusOptions) -> str:
    facts = [_own_version(), inputs, method, asdict(options)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


@cache
def _own_version() -> str:
    """Return the version of fastfuse; to look it up takes milliseconds, and each case and method asks."""
    from importlib.metadata import version

    return version("fastfuse")


def _is_as_written(path: Path, key: str) -> bool | None:
    """Tell whether a consensus is as it was written; None if there is none that was made of these files and options."""
    facts = json_of(sidecar_path(path))
    if not path.exists() or not isinstance(facts, dict) or facts.get("key") != key:
        return None
    return bool(facts.get("sha256") == hash_of(path))


def _kept(path: Path, key: str, tell: Callable[[str], None]) -> Volume | None:
    """Return a saved consensus; None if there is none, or not as it was made of these files and options."""
    as_written = _is_as_written(path, key)
    if as_written is None:
        return None
    if as_written:
        with suppress(ImageError):
            return np.asarray(read(path).data, np.float32)
    tell(f"{shown(path)}: is not as it was written; fused again")
    return None


def _keep(path: Path, fusion: Fusion, case: LoadedCase, more: dict[str, Any]) -> None:
    facts = {
        "method": fusion.method,
        **{name: number_or_null(rates) for name, rates in shown_rates(fusion).items()},
        "prior": fusion.prior,
        "n_iter": fusion.n_iter,
        "converged": fusion.converged,
        **more,
    }
    image = nifti_bytes(path, fusion.probability, case.like, f"fastfuse {fusion.method}")
    facts["sha256"] = hashlib.sha256(image).hexdigest()
    write_all({path: image, sidecar_path(path): sidecar_bytes(facts)})
