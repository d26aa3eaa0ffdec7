"""Slices of a fusion: the image, raters' outlines, the consensus, and how unsure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from ...fusion.labels.result import LabelFusion, entropy_of
from ...fusion.native.kind import in_memory
from ...fusion.native.marks import marks_for
from ...fusion.result import Fusion
from ...images.image import ras_axes
from ...inputs.checks import check_flag
from ..colours import BARS_MM, OUTLINES
from ..html.disputes import places_of
from ..html.scan import Pictures
from ..html.stills import PLANES
from ..seen import placed_volumes
from .charts import names_of
from .given import check_axes, check_given
from .one_label import Label, codes_of, volumes_of
from .panels import HALO, edges
from .style import COLUMN, IN_LEGEND, SMALL, TEXT, called, legend_below, new_axes

Plane = Literal["axial", "coronal", "sagittal"]
OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}
WINDOW_MM = 60.0
TALLEST = 4.5  # inches
BESIDE = 0.2  # part of a voxel by which the first and the last rater's outline lie beside the edge
LEAST = 0.05  # entropy in bits that is drawn


@dataclass(frozen=True)
class _Cut:
    """A slice: what turns volumes into rows and columns, the highest first, and where a window lies on it."""

    pictures: Pictures
    fixed: int
    across: int
    up: int
    at: tuple[int, ...]
    sides: tuple[str, str, str]

    def seen(self, volume: NDArray[Any]) -> NDArray[Any]:
        flat = np.moveaxis(volume, (self.across, self.up, self.fixed), (1, 0, 2))[..., self.at[self.fixed]]
        return flat[::-1, ::-1]

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Width and height of a pixel."""
        spacing = self.pictures.spacing_mm
        return float(spacing[self.across]), float(spacing[self.up])

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, lower and upper end, in mm; down is more."""
        width, height = self.pixel_mm
        shape = self.pictures.consensus.shape
        return 0.0, shape[self.across] * width, shape[self.up] * height, 0.0

    @property
    def centre(self) -> tuple[float, float]:
        """Where the voxel lies on the slice, in mm from the left and from the top."""
        width, height = self.pixel_mm
        shape = self.pictures.consensus.shape
        return (shape[self.across] - self.at[self.across] - 0.5) * width, (
            shape[self.up] - self.at[self.up] - 0.5
        ) * height


def slices(
    fusion: Fusion | LabelFusion,
    raters: Any = None,
    image: Any = None,
    *,
    ax: Axes | None = None,
    plane: Plane = "axial",
    at: Sequence[int] | None = None,
    window_mm: float | None = WINDOW_MM,
    names: Sequence[str] | None = None,
    cut: float = 0.5,
    like: Any = None,
    legend: bool = True,
    label: Label | None = None,
) -> Axes:
    """Draw a slice with the raters' outlines and the consensus, at the largest disagreement.

    The view is radiological: the patient's right is on the left. Letters name the sides, and a bar the scale. Outlines on the same
    edge lie beside each other, within a fifth of a voxel.

    Parameters
    ----------
    fusion : Fusion or LabelFusion
    raters : as of the fusion, optional
        The votes. Without them those that the fusion was given, as long as the caller holds them.
    image : array_like, image or path, optional
        What lies below; by default that which the fusion was given; black without one.
    ax : Axes, optional
        Where to draw; a new figure of a column's width without it.
    plane : {"axial", "coronal", "sagittal"}
    at : sequence of 3 int, optional
        Voxel through which the slice goes, along the axes x, y, z of an image. By default the middle of the largest connected region on
        which not all raters agree.
    window_mm : float, optional
        Width of the square that is shown around it, 60 mm by default; None for the whole slice.
    names : sequence of m str, optional
        What to call the raters.
    cut : float, default 0.5
        The consensus's outline is where its probability reaches this.
    like : image or path, optional
        Where the voxels lie, as of :meth:`Fusion.to_nifti`. Without it arrays are shown with no sides named, as if of 1 mm.
    legend : bool, default True
        Name the raters: below the slice in a new figure, else beside it.
    label : int, str, or sequence of them, optional
        Of label maps, which need it: the label, or labels, that are outlined; the consensus is their probability.

    Returns
    -------
    Axes
        In mm.

    Examples
    --------
    .. plot::

        import nibabel as nib
        import numpy as np
        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        affine = np.diag([-2.0, 2.0, 2.0, 1.0])  # as of your files
        masks = [nib.Nifti1Image(np.uint8(one), affine) for one in case.masks]
        flair = nib.Nifti1Image(case.images["FLAIR"], affine)
        fusion = fastfuse.border_staple(masks, flair)
        fastfuse.plots.slices(fusion)
    """
    check_given(fusion, "slices", Fusion, LabelFusion, called="fusion")
    check_axes(ax)
    check_flag(legend, "legend")
    alone = ax is None
    listed = called(names_of(fusion, names), IN_LEGEND)
    codes = codes_of(fusion, label, "slices")
    if isinstance(fusion, LabelFusion):
        consensus, marks = volumes_of(fusion, codes or (), raters)
    else:
        consensus, marks = in_memory(fusion.probability), marks_for(fusion, raters)
    pictures, _ = placed_volumes(fusion._origin, consensus, marks, image, like)
    own = pictures.affine
    pictures = pictures.in_ras()
    places = places_of(pictures.raters, 1) if at is None and len(marks) > 1 else []
    voxel = places[0].at if places else _voxel(pictures, own, at)
    shown = _cut(pictures, plane, voxel)
    ax = _below(shown, ax)
    held = shown.seen(pictures.consensus) >= cut
    _outline(ax, shown, held, "black", 4.4)
    _outline(ax, shown, held, "white", 3.2)
    handles = []
    for number, (rater, name) in enumerate(zip(pictures.raters, listed, strict=True)):
        hue = OUTLINES[number % len(OUTLINES)]
        style = ("-", (0, (3, 1.5)), (0, (1, 1)))[number // len(OUTLINES) % 3]
        beside = BESIDE * (2 * number / (len(listed) - 1) - 1) if len(listed) > 1 else 0.0
        _outline(ax, shown, shown.seen(rater) != 0, hue, 0.8, style, beside)
        handles.append(Line2D([], [], color=hue, ls=style, lw=1.5, label=name))
    around = [Stroke(linewidth=4.0, foreground="black"), Normal()]
    handles.append(Line2D([], [], color="white", lw=2.6, label="consensus", path_effects=around))
    _window(ax, shown, window_mm)
    if alone:
        _fitted(ax)
    if legend and alone:
        legend_below(ax, handles)
    elif legend:
        ax.legend(
            handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=SMALL, frameon=False,
            handlelength=1.4, borderaxespad=0.2,
        )  # fmt: skip
    return ax


def uncertainty(
    fusion: Fusion | LabelFusion,
    image: Any = None,
    *,
    ax: Axes | None = None,
    plane: Plane = "axial",
    at: Sequence[int] | None = None,
    window_mm: float | None = None,
    like: Any = None,
) -> Axes:
    """Draw the entropy of the consensus on a slice, in bits: 0 where it is sure, 1 where it is 0.5; of K labels log2 K at most.

    Parameters
    ----------
    fusion : Fusion or LabelFusion
    image : array_like, image or path, optional
        What lies below; by default that which the fusion was given; black without one.
    ax : Axes, optional
        Where to draw; a new figure of a column's width without it.
    plane : {"axial", "coronal", "sagittal"}
    at : sequence of 3 int, optional
        Voxel through which the slice goes, along the axes x, y, z of an image. By default the slice with the most entropy.
    window_mm : float, optional
        Width of the square that is shown around the voxel; the whole slice without it.
    like : image or path, optional
        Where the voxels lie, as of :meth:`Fusion.to_nifti`.

    Returns
    -------
    Axes
        In mm.

    Examples
    --------
    .. plot::

        import nibabel as nib
        import numpy as np
        import fastfuse

        case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2)
        affine = np.diag([-2.0, 2.0, 2.0, 1.0])  # as of your files
        masks = [nib.Nifti1Image(np.uint8(one), affine) for one in case.masks]
        flair = nib.Nifti1Image(case.images["FLAIR"], affine)
        fusion = fastfuse.border_staple(masks, flair)
        fastfuse.plots.uncertainty(fusion)
    """
    check_given(fusion, "uncertainty", Fusion, LabelFusion, called="fusion")
    check_axes(ax)
    of_all = (
        fusion.entropy() / np.log(2)
        if isinstance(fusion, LabelFusion)
        else entropy(in_memory(fusion.probability))
    )
    most = np.log2(len(fusion.labels)) if isinstance(fusion, LabelFusion) else 1.0
    pictures, _ = placed_volumes(fusion._origin, of_all, [], image, like)
    own = pictures.affine
    pictures = pictures.in_ras()
    bits = pictures.consensus
    fixed = PLANES[plane][0][0] if plane in PLANES else 2
    if at is None:
        others = tuple(axis for axis in range(3) if axis != fixed)
        best = int(np.argmax(bits.sum(axis=others)))
        there = np.take(bits, best, axis=fixed)
        voxel = [int(one) for one in np.unravel_index(int(np.argmax(there)), there.shape)]
        at_ras: tuple[int, ...] = (*voxel[:fixed], best, *voxel[fixed:])
    else:
        at_ras = _voxel(pictures, own, at)
    shown = _cut(pictures, plane, at_ras)
    alone = ax is None
    ax = _below(shown, ax)
    values = shown.seen(bits)
    opacity = np.where(values >= LEAST, np.minimum(0.5 + 0.5 * values, 1.0), 0.0)
    drawn = ax.imshow(
        values,
        cmap="inferno",
        vmin=0,
        vmax=max(1.0, most),
        alpha=opacity,
        extent=shown.extent,
        interpolation="nearest",
    )
    figure = ax.figure
    bar = figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.02)
    bar.set_label("entropy (bits)", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    _window(ax, shown, window_mm)
    if alone:
        _fitted(ax, beside=0.6)
    return ax


def entropy(probability: NDArray[Any]) -> NDArray[np.float64]:
    """Return the entropy of each voxel in bits."""
    p = probability.astype(np.float64)
    return np.asarray(entropy_of((p, 1 - p)) / np.log(2))


def _voxel(pictures: Pictures, own: NDArray[np.float64], at: Sequence[int] | None) -> tuple[int, int, int]:
    """Return a voxel along the patient's axes from one along the image's; without one the middle of the consensus."""
    if at is None:
        held = np.argwhere(pictures.consensus >= max(float(pictures.consensus.max()), 1e-9) / 2)
        middle = held.mean(axis=0) if len(held) else np.array(pictures.consensus.shape) / 2
        x, y, z = (int(one) for one in middle)
        return x, y, z
    order, reverse = ras_axes(own)
    shape = pictures.consensus.shape
    if len(at) != 3:
        raise ValueError(f"at is {tuple(at)}: give the three indices of a voxel")
    turned = [int(at[axis]) for axis in order]
    turned = [shape[k] - 1 - one if k in reverse else one for k, one in enumerate(turned)]
    if not all(0 <= one < size for one, size in zip(turned, shape, strict=True)):
        raise ValueError(f"at is {tuple(at)}, which lies outside of the volume")
    x, y, z = turned
    return x, y, z


def _cut(pictures: Pictures, plane: str, at: tuple[int, ...]) -> _Cut:
    if plane not in PLANES:
        raise ValueError(f"plane is {plane!r}: it must be {', '.join(PLANES)}")
    (fixed, across, up), sides = PLANES[plane]
    return _Cut(pictures, fixed, across, up, at, sides)


def _below(shown: _Cut, ax: Axes | None) -> Axes:
    """Draw the image in grey, or black, with letters for the sides."""
    ax = new_axes(COLUMN, 2.8) if ax is None else ax
    image = shown.pictures.image
    flat = (
        np.zeros(shown.seen(shown.pictures.consensus).shape)
        if image is None
        else shown.seen(image).astype(float)
    )
    flat = np.nan_to_num(flat, posinf=0, neginf=0)
    above = flat[flat > flat.min()]
    low, high = (0.0, 1.0) if not above.size else (float(flat.min()), float(np.percentile(above, 99.7)))
    ax.imshow(flat, cmap="gray", vmin=low, vmax=high, extent=shown.extent, interpolation="bilinear")
    ax.set_facecolor("black")
    ax.set(xticks=[], yticks=[])
    return ax


def _fitted(ax: Axes, beside: float = 0.0) -> None:
    """Give a figure of one's own the height of what is shown; ``beside``: inches of the width that something else takes."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    tall = min((COLUMN - beside) * abs((low - high) / (right - left)), TALLEST)
    figure: Any = ax.figure
    figure.set_size_inches(COLUMN, tall)


def _outline(
    ax: Axes, shown: _Cut, mask: NDArray[Any], hue: str, width: float, style: Any = "-", beside: float = 0.0
) -> None:
    """Outline a mask along the edges of its pixels, or some part of a pixel beside them."""
    if mask.any():
        lines = (edges(mask) + 0.5 + beside) * np.array(shown.pixel_mm)
        ax.add_collection(
            LineCollection(
                list(lines), colors=[hue], linewidths=width, linestyles=[style], capstyle="projecting"
            ),
            autolim=False,
        )


def _window(ax: Axes, shown: _Cut, window_mm: float | None) -> None:
    """Show a square about the voxel, with letters on its sides and a bar of a round length."""
    left, right, low, high = shown.extent
    if window_mm is not None:
        x, y = shown.centre
        half = min(window_mm, right, low) / 2
        x, y = (min(max(one, half), end - half) for one, end in ((x, right), (y, low)))
        left, right, low, high = x - half, x + half, y + half, y - half
    ax.set(xlim=(left, right), ylim=(low, high))
    length = max((mm for mm in BARS_MM if mm <= (right - left) / 3), default=BARS_MM[0])
    start, level = left + 0.04 * (right - left), low - 0.05 * (low - high)
    ax.plot(
        [start, start + length], [level, level], color="white", lw=2, solid_capstyle="butt", path_effects=HALO
    )
    white: dict[str, Any] = {"color": "white", "fontsize": SMALL, "path_effects": HALO}
    ax.text(start, level - 0.02 * (low - high), f"{length:g} mm", va="bottom", **white)
    if not shown.pictures.placed:
        return
    first, last, top = shown.sides
    for x, y, side, across, along in (
        (0.02, 0.5, first, "left", "center"), (0.98, 0.5, last, "right", "center"),
        (0.5, 0.98, top, "center", "top"), (0.5, 0.02, OPPOSITE[top], "center", "bottom"),
    ):  # fmt: skip
        ax.text(x, y, side, ha=across, va=along, transform=ax.transAxes, fontweight="bold", **white)
