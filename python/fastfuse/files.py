"""From image files to a consensus file, whole or not at all."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .errors import FusionWarning
from .fusion import fuse_arrays
from .grids import check_same_grid
from .options import check_choice, check_count, check_cut, check_init, check_prior, check_tolerance
from .outputs import Outputs, check_outputs
from .paths import short_names, shown
from .result import METHODS, Fusion, Method

if TYPE_CHECKING:
    from .nifti import Image

PathLike = str | Path
IMAGE_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".img", ".hdr")


def fuse_files(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    method: str = "soft-staple",
    m_step: str = "paper",
    prior: str | float | Path = "mean",
    init: str | float = "vote",
    mask: PathLike | None = None,
    tol: float = 1e-7,
    max_iter: int = 1000,
    threads: int = 0,
    select_label: int | None = None,
    save_label: PathLike | None = None,
    cut: float = 0.5,
    save_counts: PathLike | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Fusion:
    """Fuse image files of one grid into a consensus file, with a JSON sidecar beside it.

    Parameters
    ----------
    paths : sequence of path
        One image per rater: .nii, .nii.gz, whatever else nibabel reads; .nrrd and .mha with SimpleITK.
    output : path
        The consensus (.nii or .nii.gz), float32, with the first rater's affine, units and codes. Its sidecar
        has the same name with .json: method, options, each rater's file and performance, prior,
        iterations, log-likelihood.
    method : {"soft-staple", "simplified-soft-staple", "staple", "majority"}
        The functions :func:`soft_staple`, :func:`simplified_soft_staple`, :func:`staple` and
        :func:`majority_vote`, which explain m_step, init, tol, max_iter, threads and select_label.
    prior : {"mean", "estimate"}, float or path
        As there; a map is given as an image file.
    mask : path, optional
        Image of the region to fuse, 0 and 1. Without it the whole volume, whose background inflates
        specificity.
    save_label, cut : path, float
        Also write the mask ``probability >= cut`` as uint8.
    save_counts : path
        Also write how many raters mark each voxel (vote >= 0.5) as uint8, 0 outside the mask.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.

    Returns
    -------
    Fusion

    Raises
    ------
    ImageError, GridError, OutputError
        Naming the file. No existing file is touched before all outputs are complete.
    ValueError, TypeError
        As the functions on arrays.

    Warns
    -----
    FusionWarning
        As the functions on arrays, and for grids that differ by up to a tenth of a voxel.
    """
    from .nifti import votes_of

    check_choice(method, "method", METHODS)
    cut = check_cut(cut)
    if not isinstance(paths, Iterable | Path):  # callers without a type checker
        raise TypeError(f"paths is {paths!r}: give a list of paths, one per rater")
    say = progress or (lambda _: None)
    options = _checked_options(method, m_step, prior, init, tol, max_iter)
    job = _Job(
        raters=[Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)],
        mask=None if mask is None else Path(mask),
        prior=_prior_file(prior),
        consensus=Path(output),
        label=None if save_label is None else Path(save_label),
        counts=None if save_counts is None else Path(save_counts),
    )
    job.check(overwrite=overwrite)
    remarks = job.repeated_raters()
    raters, region, prior_map = job.read(say, remarks)
    say("fusing")
    votes = [votes_of(image) for image in raters]
    fusion, doubts = fuse_arrays(
        votes,
        cast(Method, method),
        **{**options, "prior": options.get("prior", "mean") if prior_map is None else prior_map},
        mask=region,
        threads=threads,
        select_label=select_label,
        names=[f"rater {i} ({name})" for i, name in enumerate(short_names(job.raters))],
    )
    remarks += doubts
    label = None if select_label is None else int(select_label)
    sidecar = _sidecar(fusion, job, raters[0], {**options, "select_label": label, "cut": cut}, remarks)
    counts = None if job.counts is None else _counts(votes, region, select_label)
    job.write(fusion, counts, cut, raters[0], sidecar, say)
    if remarks:
        warnings.warn("; ".join(remarks), FusionWarning, stacklevel=2)
    return fusion


def sidecar_path(consensus: Path) -> Path:
    """Return where the JSON beside a consensus file lies."""
    name = consensus.name
    return consensus.with_name(name[: name.lower().rfind(".nii")] + ".json")


def _prior_file(prior: Any) -> Path | None:
    """Tell a prior map's file from a number or a word."""
    if isinstance(prior, str) and (prior.lower().endswith(IMAGE_SUFFIXES) or Path(prior).is_file()):
        return Path(prior)
    return prior if isinstance(prior, Path) else None


def _checked_options(
    method: str, m_step: str, prior: Any, init: Any, tol: Any, max_iter: Any
) -> dict[str, Any]:
    """Return the method's options as the sidecar keeps them; those that it does not have must be at default."""
    if not isinstance(prior, str) and np.ndim(prior):
        raise TypeError("prior is an array: fuse_files takes a prior map as an image file")
    number, _ = (None, None) if _prior_file(prior) else check_prior(prior, ())
    start = check_init(init)
    options = {
        "m_step": check_choice(m_step, "m_step", ("paper", "em")),
        "prior": str(prior) if number is None else number,
        "init": "vote" if start is None else start,
        "tol": check_tolerance(tol),
        "max_iter": check_count(max_iter, "max_iter", least=1),
    }
    defaults = {"m_step": "paper", "prior": "mean", "init": "vote", "tol": 1e-7, "max_iter": 1000}
    foreign = {"majority": list(defaults), "staple": ["m_step"]}.get(method, [])
    for name in foreign:
        if options[name] != defaults[name]:
            raise ValueError(f"{name} is {options[name]!r}: {method} has no such option")
        del options[name]
    return options


@dataclass(frozen=True)
class _Job:
    """The files of one fusion."""

    raters: list[Path]
    mask: Path | None
    prior: Path | None
    consensus: Path
    label: Path | None
    counts: Path | None

    @property
    def sidecar(self) -> Path:
        return sidecar_path(self.consensus)

    def check(self, *, overwrite: bool) -> None:
        from .nifti import NIFTI_SUFFIXES

        inputs = [path for path in (*self.raters, self.mask, self.prior) if path is not None]
        images = [path for path in (self.consensus, self.label, self.counts) if path is not None]
        check_outputs(images, inputs, NIFTI_SUFFIXES, overwrite=overwrite)
        check_outputs([self.sidecar], inputs, (".json",), overwrite=overwrite)

    def repeated_raters(self) -> list[str]:
        """Say which file counts twice."""
        seen: dict[tuple[int, int], Path] = {}
        remarks = []
        for path in filter(Path.exists, self.raters):
            status = path.stat()
            first = seen.setdefault((status.st_dev, status.st_ino), path)
            if first is not path:
                remarks.append(f"{shown(path)} and {shown(first)} are one file: it counts as two raters")
        return remarks

    def read(
        self, say: Callable[[str], None], remarks: list[str]
    ) -> tuple[list[Image], NDArray[Any] | None, NDArray[Any] | None]:
        """Return the raters, the mask and the prior map, all on the first rater's grid, or nearly."""
        from .nifti import read

        raters: list[Image] = []

        def read_next(path: Path) -> Image:
            say(f"reading {shown(path.name)}")
            image = read(path)
            remark = check_same_grid(raters[0], image) if raters else None
            remarks.extend(text for text in (image.remark, remark) if text)
            return image

        for path in self.raters:
            raters.append(read_next(path))
        region = None if self.mask is None else read_next(self.mask).data
        prior = None if self.prior is None else read_next(self.prior).data
        return raters, region, prior

    def write(
        self,
        fusion: Fusion,
        counts: NDArray[np.uint8] | None,
        cut: float,
        like: Image,
        sidecar: dict[str, Any],
        say: Callable[[str], None],
    ) -> None:
        """Write all outputs, the sidecar last: its presence means that the others are complete."""
        from .nifti import nifti_bytes

        images: list[tuple[Path | None, NDArray[Any] | None, str]] = [
            (self.consensus, fusion.probability.astype(np.float32, copy=False), "probability"),
            (self.label, fusion.label(cut), f"cut {cut:g}"),
            (self.counts, counts, "votes"),
        ]
        with Outputs() as outputs:
            for path, data, what in images:
                if path is not None and data is not None:
                    say(f"writing {shown(path.name)}")
                    outputs.add(path, nifti_bytes(path, data, like, f"fastfuse {fusion.method} {what}"))
            content = json.dumps(sidecar, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
            outputs.add(self.sidecar, content.encode())
            outputs.commit()


def _counts(votes: list[NDArray[Any]], region: NDArray[Any] | None, label: int | None) -> NDArray[np.uint8]:
    """Count the raters who mark each voxel."""
    counts = np.zeros_like(votes[0], dtype=np.uint8)
    for vote in votes:
        counts += vote >= 0.5 if label is None else vote == label
    return counts if region is None else counts * (region != 0)


def _sidecar(
    fusion: Fusion, job: _Job, like: Image, options: dict[str, Any], remarks: list[str]
) -> dict[str, Any]:
    from importlib.metadata import version

    foreground = int(np.count_nonzero(fusion.label(options["cut"])))
    outputs = {"consensus": job.consensus, "label": job.label, "counts": job.counts}
    return {
        "fastfuse": version("fastfuse"),
        "method": fusion.method,
        "options": options,
        "outputs": {what: shown(path.name) for what, path in outputs.items() if path is not None},
        "raters": [
            {
                "file": shown(path),
                "sensitivity": _number(fusion.sensitivity[i]),
                "specificity": _number(fusion.specificity[i]),
                "volume_voxels": _number(fusion.volume[i]),
                "volume_ml": round(float(fusion.volume[i]) * like.voxel_ml, 6),
            }
            for i, path in enumerate(job.raters)
        ],
        "foreground": {"voxels": foreground, "ml": round(foreground * like.voxel_ml, 6)},
        "roi": {"mask": None if job.mask is None else shown(job.mask), "voxels": fusion.n_voxels},
        "prior": fusion.prior,
        "n_iter": fusion.n_iter,
        "converged": fusion.converged,
        "log_likelihood": fusion.log_likelihood.tolist(),
        "warnings": remarks,
    }


def _number(value: float) -> float | None:
    """JSON knows no nan: what nothing determines is null."""
    return None if math.isnan(value) else float(value)
