"""Grows mask files into soft mask files; and conditional dilation for other jobs on files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dilation.doubts import remark_on_values, remarks_on_growth, remarks_on_reach, remarks_on_rings
from ..dilation.guide import Guide
from ..dilation.options import Dilation, DilationOptions, Scope, Threshold
from ..dilation.soft_mask import SoftMask
from ..errors import OutputError, said, warn
from ..images.formats.segments import Segment, with_segments
from ..images.outputs import Outputs, check_outputs, made_folder
from ..images.paths import PathLike, as_path, as_paths, names_of, needed_path, recorded, short_names, shown
from ..images.placing import Form, Kind, Placing, Resample
from ..images.repeats import check_pairs, repeated
from ..images.sidecar import number_or_null, sidecar_bytes, sidecar_path
from ..images.wanted import ChannelAxis, Wanted, check_channel_axis
from ..inputs.checks import Labels, Scale, check_count
from ..inputs.foreground import Foreground
from ..inputs.rounding import without_rounding
from ..inputs.threads import side_by_side
from .call import with_recipe
from .recipe import keeping_call

if TYPE_CHECKING:
    from ..images.grids.common import Common
    from ..images.image import Image
    from ..inputs.arrays import Array
    from ..inputs.grids import Grid


@keeping_call
def soften_files(
    paths: Sequence[PathLike],
    image: PathLike,
    *,
    output: PathLike | None = None,
    out_dir: PathLike | None = None,
    roi: PathLike | None = None,
    size: float = 1.2,
    label: float = 0.3,
    iterations: int = 6,
    threshold: Threshold = "adaptive",
    scope: Scope = "volume",
    connected: bool = False,
    radius_mm: float | None = None,
    normalize: bool = True,
    binarize: bool = False,
    select_label: Labels = None,
    mask_threshold: float | None = None,
    scale: Scale = None,
    select_segment: str | Sequence[str] | None = None,
    channel_axis: ChannelAxis | None = None,
    threads: int = 0,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
    grid: PathLike | None = None,
    resample: Resample = "none",
    use: Form | None = None,
) -> list[SoftMask]:
    """Grow mask files by :func:`conditional_dilation` into soft mask files, a JSON sidecar beside each.

    Parameters
    ----------
    paths : sequence of path
        Masks, in any format that :func:`fuse_files` reads.
    image : path
        The image that the masks grow on (FLAIR). Masks that are cropped or turned against it are padded and turned by
        whole voxels, as in :func:`fuse_files`.
    output : path, optional
        Soft mask (.nii or .nii.gz) of a single mask, float32, with the mask's affine, units and codes;
        or those of the image, if the mask was put on its grid.
    out_dir : path, optional
        Folder for any number of soft masks, each named as its mask; made if it is not there.
    roi : path, optional
        Image of the region of interest, 0 and 1.
    size, label, iterations, threshold, scope, connected, radius_mm, normalize, binarize, threads
        As in :func:`conditional_dilation`; the voxel's size is in the headers.
    select_label : int or sequence of int, optional
        Label of label maps to grow, or labels whose union is grown.
    mask_threshold : float, optional
        The mask is what is at least this: for probabilities. (``threshold`` is that of the ring.)
    scale, select_segment, channel_axis
        As in :func:`fuse_files`.
    overwrite : bool, default False
        Replace existing outputs.
    progress : callable, optional
        Called with a few words before each step.
    grid, resample, use
        As in :func:`fuse_files`.

    Returns
    -------
    list of SoftMask

    Raises
    ------
    ImageError, GridError, OutputError
        Naming the file. No existing file is touched before all outputs are complete.
    ValueError, TypeError
        As :func:`conditional_dilation`.

    Warns
    -----
    FusionWarning
        As :func:`conditional_dilation`, and for grids that differ by up to a tenth of a voxel.

    Examples
    --------
    >>> import fastfuse
    >>> grown = fastfuse.soften_files(["rater0.nii.gz", "rater1.nii.gz"], "flair.nii.gz", out_dir="soft")
    """
    say = progress or (lambda _: None)
    checked = dilation_options(
        {
            "size": size, "label": label, "iterations": iterations, "threshold": threshold, "scope": scope,
            "connected": connected, "radius_mm": radius_mm, "normalize": normalize, "binarize": binarize,
        }
    )  # fmt: skip
    foreground = Foreground.checked(select_label, checked.binarize, mask_threshold, scale)
    placing = Placing.checked(grid, resample, use)
    wanted = Wanted(
        with_segments(foreground, select_segment),
        check_channel_axis(channel_axis),
        use=placing.use,
        offers_use=True,
    )
    threads = check_count(threads, "threads", least=0)
    masks = as_paths(paths)
    if not masks:
        raise ValueError("no masks: give at least one file")
    image, roi = needed_path(image, "image"), as_path(roi, "roi")
    folder, results = result_paths(masks, as_path(output, "output"), as_path(out_dir, "out_dir"))
    with nullcontext() if folder is None else made_folder(folder):
        return _soften_all(
            masks, results, image, roi, checked, wanted, threads, say, placing, overwrite=overwrite
        )


def _soften_all(
    masks: list[Path],
    results: list[Path],
    image: Path,
    roi: Path | None,
    checked: Dilation,
    wanted: Wanted,
    threads: int,
    say: Callable[[str], None],
    placing: Placing,
    *,
    overwrite: bool,
) -> list[SoftMask]:
    from ..images.formats.endings import NIFTI_SUFFIXES
    from ..images.grids.common import Common, as_read
    from ..images.image import region_of, without_effect
    from ..images.reading import reading
    from ..images.structures import check_any_named

    inputs = [image, *([] if roi is None else [roi]), *masks]
    check_outputs(results, inputs, NIFTI_SUFFIXES, overwrite=overwrite)
    check_outputs([sidecar_path(path) for path in results], inputs, (".json",), overwrite=overwrite)
    check_pairs(masks)
    remarks = repeated(masks)
    asked = _asked(inputs, len(masks), wanted, placing)
    with reading(inputs, threads, asked) as found, Outputs(overwrite=overwrite) as outputs:
        images = as_read(inputs, found, say, remarks, placing)
        base = next(images)
        common = Common.of_image(base, placing)
        common.names = names_of([*inputs, *([] if placing.grid is None else [placing.grid])])
        guide = Guide.of(
            common.place_next(base, remarks, "image").data,
            None if roi is None else region_of(common.place_next(next(images), remarks, "mask"), remarks),
            in_space(checked, common.like.grid),
            threads=threads,
            image_name=shown(image),
            roi_name="roi" if roi is None else shown(roi),
            region="a region of interest, roi=FILE (--roi FILE)",
        )
        remarks += [*remark_on_values(guide), *guide.remarks]
        facts = dilation_facts(guide, image, roi)
        edges = common.like.grid.voxel_mm.tolist()
        workers, one_guide = guide.beside(len(masks))
        unused = without_effect([base], wanted.channel_axis, wanted.use)
        read = _Masks(images, common, wanted, say, remarks, unused)
        softened = []
        for mask, soft, content in side_by_side(
            partial(_grown, one_guide), read.all(masks, results), workers
        ):
            softened.append(soft)
            last, name = [soft], [shown(mask.path)]
            own = [
                *mask.remarks,
                *remarks_on_growth(last, name, checked),
                *remarks_on_rings(guide, last, name),
                *remarks_on_reach(checked, edges, last),
            ]
            outputs.add(mask.result, content)
            _add_sidecar(outputs, mask, soft, facts, own)
        check_any_named(masks[0], read.segments, wanted.foreground)
        outputs.commit()
    names = short_names(masks)
    remarks += [
        *read.unused,
        *remarks_on_growth(softened, names, checked),
        *remarks_on_rings(guide, softened, names),
        *remarks_on_reach(checked, edges, softened),
    ]
    warn(remarks, callers=2)
    return softened


def _asked(inputs: Sequence[Path], masks: int, wanted: Wanted, placing: Placing) -> list[Wanted]:
    """Return what is asked of the image, of a region, if there is one, and of the masks."""
    from ..images.grids.lattice import with_lattice

    kinds: list[Kind] = ["image"]
    kinds += ["mask"] * (len(inputs) - masks - 1)
    kinds += ["votes"] * masks
    asked = [wanted if kind == "votes" else wanted.beside() for kind in kinds]
    return with_lattice(inputs, kinds, asked, placing)


@dataclass(frozen=True)
class _Mask:
    """A mask to be grown: its file and its result's, its voxels, the grid of its result, and what was to be said."""

    path: Path
    result: Path
    votes: Array
    common: Common
    remarks: list[str]


@dataclass
class _Masks:
    """Masks as they are read, one after another: checked, and put on the image's grid."""

    images: Iterator[Image]
    common: Common
    wanted: Wanted
    say: Callable[[str], None]
    remarks: list[str]
    unused: list[str]  # options that had no effect so far
    segments: list[Segment] = field(default_factory=list)

    def all(self, paths: Sequence[Path], results: Sequence[Path]) -> Iterator[_Mask]:
        from ..images.image import chosen_votes, without_effect
        from ..images.structures import check_is_mask, check_one_chosen

        wanted = self.wanted
        for path, result in zip(paths, results, strict=True):
            mask = next(self.images)
            without = without_effect([mask], wanted.channel_axis, wanted.use)
            self.unused = [one for one in without if one in self.unused]
            mask = self.common.place_next(mask, self.remarks)
            check_one_chosen(mask, wanted.foreground)
            self.segments += mask.segments
            self.say(f"softening {self.common.names[path]}")
            votes = chosen_votes(mask, wanted.foreground, shown(path), self.remarks)
            check_is_mask(mask, votes, shown(path), wanted.foreground, threshold="mask_threshold")
            [votes], said = without_rounding([votes], [shown(path)], binary=True)
            self.remarks += said
            yield _Mask(path, result, votes, self.common.of_output(mask), list(self.remarks))


def _grown(guide: Guide, mask: _Mask) -> tuple[_Mask, SoftMask, bytes]:
    """Grow a mask; return it, what became of it, and the file that holds that."""
    from ..images.written.nifti import nifti_bytes

    soft = guide.dilate(mask.votes, shown(mask.path))
    like = mask.common.like
    return mask, soft, nifti_bytes(mask.result, soft.values, like, "fastfuse soft mask", "probability")


def _add_sidecar(
    outputs: Outputs, mask: _Mask, soft: SoftMask, facts: dict[str, Any], remarks: list[str]
) -> None:
    """Add a soft mask's sidecar to the outputs."""
    from ..images.written.versions import version_of

    sidecar = {
        "fastfuse": version_of("fastfuse"),
        "method": "conditional-dilation",
        "mask": recorded(mask.path),
        "output": recorded(mask.result.name),
        "grid": mask.common.facts(),
        **facts,
        **soft_facts(soft),
        "warnings": remarks,
    }
    kept = with_recipe(sidecar, outputs, (mask.path, mask.result))
    outputs.add(sidecar_path(mask.result), sidecar_bytes(kept))


def dilation_options(options: DilationOptions) -> Dilation:
    """Check options of a dilation whose spacing is still to be read from a header."""
    if "spacing_mm" in options:
        raise TypeError("spacing_mm is given: files have it in their headers")
    checked = Dilation.checked(**options, spacing_mm=(1.0, 1.0, 1.0))
    checked.check_use()
    return checked


def in_space(options: Dilation, grid: Grid) -> Dilation:
    """Return a dilation's options with the voxel size, where a radius in mm needs it."""
    return replace(options, spacing_mm=None if options.radius_mm is None else grid.spacing_mm)


def dilation_facts(guide: Guide, image: Path, roi: Path | None) -> dict[str, Any]:
    """Return what a sidecar says of how masks were dilated."""
    options = asdict(guide.options)
    if guide.options.radius_mm is None:
        del options["radius_mm"], options["spacing_mm"]
    else:
        del options["iterations"]
    scaling = None if guide.scaling is None else dict(zip(("low", "high"), guide.scaling, strict=True))
    return {
        "image": recorded(image),
        "roi": None if roi is None else recorded(roi),
        "options": options,
        "scaling": scaling,
    }


def soft_facts(soft: SoftMask) -> dict[str, Any]:
    """Return what a sidecar says of one soft mask; JSON knows no nan, so that it is null."""
    return {
        "mask_voxels": soft.voxels,
        "ring_voxels": soft.ring_voxels,
        "size": number_or_null(soft.size),
        "threshold": number_or_null(soft.threshold),
        "image_threshold": number_or_null(soft.image_threshold),
    }


def result_paths(
    masks: Sequence[Path], output: Path | None, out_dir: Path | None
) -> tuple[Path | None, list[Path]]:
    """Return the folder that must be there, if it is named, and what each soft mask is called."""
    if (output is None) == (out_dir is None):
        raise ValueError(said("give output (-o) for one mask, or out_dir (--out-dir) for any number"))
    if output is not None:
        if len(masks) > 1:
            raise ValueError(said(f"{len(masks)} masks, but one output: give out_dir (--out-dir) instead"))
        return None, [output]
    folder = Path(str(out_dir))
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{shown(folder)}: is a file, not a folder; choose another name")
    named: dict[str, Path] = {}
    for mask in masks:
        name = _nifti_name(mask.name)
        if named.setdefault(name, mask) is not mask:
            raise OutputError(
                f"{shown(mask)} and {shown(named[name])} would both become {shown(folder / name)}: soften them into "
                "folders of their own"
            )
    return folder, [folder / name for name in named]


def _nifti_name(name: str) -> str:
    """Return a file's name with the ending of the format that is written."""
    if name.lower().endswith((".nii", ".nii.gz")):
        return name
    return f"{name.rpartition('.')[0] or name}.nii.gz"
