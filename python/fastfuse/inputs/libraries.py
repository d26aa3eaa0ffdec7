"""Images of other libraries: their voxels as an array, and where these lie.

Nothing is imported here: an image is known by what it has. Arrays have the axes that its own library gives to NumPy.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .names import quoted

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
CUDA = (2, 13)  # DLPack's numbers for a device's memory, and for memory that it shares with the host
MILLIMETRES = ("mm", "millimeter", "millimeters", "millimetre", "millimetres")
UNITS = {1: "metres", 2: "mm", 3: "microns"}  # by NIfTI's codes, in the low three bits of xyzt_units
IN_MM = {"metres": 1000.0, "mm": 1.0, "microns": 1e-3}
ROUNDED = 0.01  # relative difference of voxel sizes that rounding makes
UNEVEN = 1e-3  # steps of coordinates that differ by more, relative to their size, are no voxel size


@dataclass(frozen=True, eq=False)
class Slice:
    """One rater's part of an image in which several lie.

    Attributes
    ----------
    values : ndarray
    place : Place or None
        Of the whole image, without the axis of the raters.
    labels : tuple of pandas.Index
        Of a table of pandas, along the axes without that of the raters.
    """

    values: NDArray[Any]
    place: Place | None
    labels: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Place:
    """Where an image's voxels lie.

    Attributes
    ----------
    affine : ndarray of float64, shape (4, 4), or None
        Indices along the axes to millimetres, RAS+; None where an image tells its voxels' size alone.
    sides : tuple of float or None
        Voxel size along each axis of the array in mm; None where it is not clear which axis is which.
    shape : tuple of int
        Number of voxels along the axes that lie in space; at most three.
    axes : str
        What they are called, in order.
    channels : int
        Number of values a voxel, on an axis before those in space.
    in_mm : bool
        Whether sides are known to be in mm; if not, only their ratios can be used.
    uneven : tuple of ndarray
        Coordinates along the axes, if some are not even, or no numbers, or if the axes make no grid in space.
    """

    affine: NDArray[np.float64] | None
    sides: tuple[float, ...] | None
    shape: tuple[int, ...]
    axes: str = "x, y, z"
    channels: int = 1
    in_mm: bool = True
    uneven: tuple[NDArray[Any], ...] = ()


def are_arrays(values: Iterable[Any]) -> bool:
    """Tell whether all values are plain arrays of NumPy's: no images, which lie somewhere, no tensors, no lazy arrays."""
    return {*map(type, values)} == {np.ndarray}


def is_image(value: Any) -> bool:
    """Tell whether a value is one image of another library, and no array."""
    if isinstance(value, np.ndarray) or type(value) in (list, tuple) or is_torch(value):
        return False
    return _is_nibabel(value) or _is_itk(value) or _is_torchio(value) or _is_ants(value) or _is_pillow(value)


def is_torch(value: Any) -> bool:
    """Tell whether a value is a tensor of PyTorch."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_dask(value: Any) -> bool:
    """Tell whether a value is an array of dask."""
    return hasattr(value, "dask") and hasattr(value, "chunks") and hasattr(value, "map_blocks")


def dask_of(value: Any) -> Any:
    """Return the array of dask that a value is, or that an array of xarray holds; None for others."""
    if hasattr(value, "dims") and hasattr(value, "coords"):
        return value.data if getattr(value, "chunks", None) is not None and is_dask(value.data) else None
    return value if is_dask(value) else None


def device_of(value: Any) -> int | None:
    """Return the number of the CUDA device on which a tensor lies, None for the CPU."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack_device__"):
        return None
    if is_torch(value) and sys.modules["torch"].version.hip is None:  # the same at a tenth of the time
        return int(value.get_device()) if value.is_cuda else None
    try:
        kind, number = value.__dlpack_device__()
    except (BufferError, RuntimeError, TypeError, ValueError):  # of a device that DLPack does not know
        return None
    return int(number) if int(kind) in CUDA else None


def plain_tensor(value: Any) -> Any:
    """Return a tensor of PyTorch without its gradient, in a type that NumPy and DLPack's takers have."""
    plain = value.detach() if value.requires_grad else value
    return plain.float() if plain.dtype is sys.modules["torch"].bfloat16 else plain


def voxels_of(value: Any, name: str) -> Any:
    """Return what NumPy can take as an array, in place of an image or tensor that it cannot.

    Raises
    ------
    TypeError, ValueError
        For an image with several values a voxel.
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Slice):
        return value.values
    if _is_nibabel(value):  # its array, in the type of the file
        return value.dataobj
    if is_torch(value):
        return plain_tensor(value) if value.device.type == "cpu" else value
    if _is_itk(value):
        return _voxels_of_itk(value, name)
    if _is_torchio(value):
        return voxels_of(value.data, name) if is_torch(value.data) else value.data
    if _is_ants(value):
        _check_components(getattr(value, "components", 1), name)
        return value.numpy()
    if _is_pillow(value):
        _check_components(len(value.getbands()), name)
    return value


def place_of_image(value: Any) -> Place | None:
    """Return where the voxels of an image lie; None for what does not tell."""
    if isinstance(value, Slice):
        return value.place
    if isinstance(value, np.ndarray) and not hasattr(value, "affine"):
        return None
    if _is_nibabel(value):
        return _place_of_nibabel(value)
    if _is_itk(value):
        return _place_of_itk(value)
    if _is_ants(value):
        return _placed(_lps(value.spacing, value.origin, value.direction), tuple(value.shape))
    if _is_xarray(value):
        return _place_of_xarray(value)
    affine = _affine_of(value)
    if affine is None or not hasattr(value, "shape"):
        return None
    if str(getattr(value, "meta", {}).get("space", "")).upper().endswith("LPS"):
        flips = LPS_TO_RAS if len(affine) == 4 else np.diag([-1.0, -1.0, 1.0])
        with np.errstate(invalid="ignore"):
            affine = flips @ affine
    return _placed(affine, tuple(value.shape), channels_first=True)


def other_sides(spacing_mm: Any, named: Iterable[tuple[str, Any]]) -> list[str]:
    """Say which image tells another voxel size in mm than the one that is given, which is taken."""
    for name, value in named:
        place = place_of_image(value)
        if place is None or place.sides is None or not place.in_mm or len(place.sides) != np.size(spacing_mm):
            continue
        if place.affine is not None and np.array_equal(np.abs(place.affine), np.eye(4)):
            continue  # as programs write that know no place
        if np.allclose(np.asarray(spacing_mm, dtype=np.float64), place.sides, rtol=ROUNDED, atol=0):
            return []
        given, own = (
            " x ".join(f"{float(side):.4g}" for side in sides) for sides in (spacing_mm, place.sides)
        )
        apart = f"spacing_mm is {given}, and voxels of {name} measure {own} mm"
        return [f"{apart}: spacing_mm is taken; leave it out to take the image's"]
    return []


def _is_nibabel(value: Any) -> bool:
    return hasattr(value, "dataobj")


def _is_itk(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("GetSpacing", "GetOrigin", "GetDirection"))


def _is_torchio(value: Any) -> bool:
    """Tell an image that holds its tensor, channels first, as ``data``."""
    return hasattr(value, "spatial_shape") and hasattr(value, "affine") and hasattr(value, "data")


def _is_ants(value: Any) -> bool:
    names = ("spacing", "origin", "direction", "numpy")
    return not _is_torchio(value) and all(hasattr(value, name) for name in names)


def _is_pillow(value: Any) -> bool:
    return hasattr(value, "getbands") and hasattr(value, "mode")


def _is_xarray(value: Any) -> bool:
    return hasattr(value, "dims") and hasattr(value, "coords") and hasattr(value, "shape")


def _check_components(number: int, name: str) -> None:
    if number != 1:
        raise ValueError(f"{name} has {number} values a voxel: give an image of one, such as one channel")


def _voxels_of_itk(value: Any, name: str) -> Any:
    """Return an array with axes z, y, x, as both libraries give it to NumPy."""
    _check_pixels(value, name)
    _check_components(int(value.GetNumberOfComponentsPerPixel()), name)
    if hasattr(value, "__array__"):
        return value
    sitk: Any = sys.modules.get(type(value).__module__.partition(".")[0])
    if not hasattr(sitk, "GetArrayViewFromImage"):
        raise TypeError(f"{name} is of type {type(value).__name__}: convert it to NumPy")
    return sitk.GetArrayViewFromImage(value)


def _check_pixels(value: Any, name: str) -> None:
    """Refuse pixels that are no numbers before SimpleITK converts them: of a label map it ends the process."""
    if not hasattr(value, "GetPixelIDTypeAsString"):
        return
    pixels = str(value.GetPixelIDTypeAsString()).lower()
    if "label" in pixels:
        raise TypeError(f"{name} is a label map of SimpleITK: convert it by SimpleITK.LabelMapToLabel(image)")
    if "complex" in pixels:
        raise TypeError(
            f"{name} holds complex numbers: convert them, as by SimpleITK.ComplexToModulus(image)"
        )
    if "vector" in pixels:
        raise ValueError(
            f"{name} has {value.GetNumberOfComponentsPerPixel()} values a voxel: give an image of one, such as "
            "SimpleITK.VectorIndexSelectionCast(image, 1); of raters, a list of theirs, without axis"
        )


def _affine_of(value: Any) -> NDArray[np.float64] | None:
    """Return an attribute that is an affine of two or three dimensions."""
    given = getattr(value, "affine", None)
    if given is None:
        return None
    _check_affine(value, given)
    try:
        affine = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        return None
    return affine if affine.shape in ((3, 3), (4, 4)) else None


def _check_affine(image: Any, affine: Any) -> None:
    """Refuse an affine that is a text, or numbers that are no matrix: where the image lies would go unheard."""
    plain = isinstance(affine, (str, bytes, int, float, list, tuple, np.ndarray))
    try:
        shape = np.asarray(affine, dtype=np.float64).shape if plain else (4, 4)
    except (TypeError, ValueError):
        shape = ()
    if isinstance(affine, (str, bytes)) or (plain and len(shape) < 3 and shape not in ((3, 3), (4, 4))):
        raise TypeError(
            f"the affine of a {type(image).__name__} is {quoted(affine)}: it must be a matrix of 4 x 4 numbers; set it so, or "
            "give a NumPy array"
        )


def _place_of_nibabel(image: Any) -> Place | None:
    given = getattr(image, "affine", None)
    if given is not None:
        _check_affine(image, given)
    if not isinstance(given, np.ndarray):
        return None
    shape, affine = tuple(image.shape), np.asarray(image.affine, dtype=np.float64)
    unit = IN_MM[unit_of(getattr(image, "header", None))]
    with np.errstate(invalid="ignore"):  # an affine that is not finite is refused later
        affine = np.diag([unit, unit, unit, 1.0]) @ affine
    sides: tuple[float, ...] | None = None
    if hasattr(getattr(image, "header", None), "get_zooms"):
        sides = tuple(unit * float(side) for side in image.header.get_zooms())
        sides = sides[:3] + (max(sides[:3]),) * (len(shape) - 3)  # along time nothing is near
    is_volume = all(length == 1 for length in shape[3:])
    return Place(affine if is_volume else None, sides, shape[:3])


def unit_of(header: Any) -> str:
    """Return what a header counts in; mm if it does not say, or for a format without units."""
    if not hasattr(header, "get_xyzt_units"):
        return "mm"
    return UNITS.get(int(header["xyzt_units"]) & 7, "mm")


def _place_of_itk(image: Any) -> Place | None:
    dimensions = len(image.GetSpacing())
    if dimensions not in (2, 3):
        return Place(None, None, ())
    affine = _lps(image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    order = [*range(dimensions)[::-1], dimensions]
    size = image.GetSize() if hasattr(image, "GetSize") else image.GetLargestPossibleRegion().GetSize()
    shape = tuple(int(length) for length in size)[::-1]
    return _placed(affine[:, order], shape, axes="z, y, x"[3 * (3 - dimensions) :])


def _lps(spacing: Any, origin: Any, direction: Any) -> NDArray[np.float64]:
    """Return the affine, RAS+, of spacing, origin and direction as ITK has them, LPS+."""
    sides = np.array([float(side) for side in spacing])
    dimensions = len(sides)
    affine = np.eye(dimensions + 1)
    affine[:-1, :-1] = np.asarray(direction, dtype=np.float64).reshape(dimensions, dimensions) * sides
    affine[:-1, -1] = [float(place) for place in origin]
    return np.asarray(np.diag([*(-1.0, -1.0, 1.0)[:dimensions], 1.0]) @ affine, dtype=np.float64)


def _placed(
    affine: NDArray[np.float64],
    shape: tuple[int, ...],
    *,
    axes: str = "x, y, z",
    channels_first: bool = False,
) -> Place:
    """Return the place of an array with such an affine, of as many dimensions as it has axes in space."""
    dimensions = len(affine) - 1
    lengths = tuple(np.linalg.norm(affine[:-1, :-1], axis=0).tolist())
    alone = len(shape) == dimensions
    if channels_first and alone and shape[0] == 1 and len(set(lengths)) > 1:
        alone = False  # one slice, or a plane behind a channel
    leading = shape[: len(shape) - dimensions] if channels_first else ()
    if not alone and (len(shape) <= dimensions or not leading):
        return Place(None, None, shape)
    sides = (max(lengths),) * len(leading) + lengths  # no voxel has a neighbour in another channel
    if any(length != 1 for length in leading):
        return Place(None, sides, shape, channels=max(leading))
    return Place(_in_three(affine), sides, shape[len(leading) :], axes)


def _in_three(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the affine of a plane as one in space."""
    dimensions = len(affine) - 1
    whole = np.eye(4)
    whole[:dimensions, :dimensions] = affine[:-1, :-1]
    whole[:dimensions, 3] = affine[:-1, -1]
    return whole


def _place_of_xarray(array: Any) -> Place | None:
    """Return the steps of the coordinates as the sides of voxels; where there is no coordinate, the index counts."""
    known = [array.coords.get(dim) for dim in array.dims]
    if all(coordinate is None for coordinate in known):
        return None
    names = ", ".join(map(str, array.dims))
    steps = [1.0 if coordinate is None else _step_of(coordinate) for coordinate in known]
    sides = tuple(step for step in steps if step is not None)
    if len(sides) < len(steps):
        return Place(None, None, tuple(array.shape), names, uneven=_coordinates(known))
    in_mm = all(coordinate is not None and _is_in_mm(coordinate) for coordinate in known)
    affine = np.eye(4)
    for axis, coordinate in enumerate(known[:3]):
        places = np.zeros(1) if coordinate is None else np.asarray(coordinate, dtype=np.float64)
        affine[axis, axis] = sides[axis] * (-1 if places[-1] < places[0] else 1)
        affine[axis, 3] = places[0]
    if 2 <= len(sides) <= 3:
        return Place(affine, sides, tuple(array.shape), names, in_mm=in_mm)
    return Place(None, sides, tuple(array.shape), names, in_mm=in_mm, uneven=_coordinates(known))


def _coordinates(known: Iterable[Any]) -> tuple[NDArray[Any], ...]:
    return tuple(np.asarray([] if one is None else one) for one in known)


def _is_in_mm(coordinate: Any) -> bool:
    return str(getattr(coordinate, "attrs", {}).get("units", "")).lower() in MILLIMETRES


def _step_of(coordinate: Any) -> float | None:
    """Return the even step between coordinates; None for uneven ones, or those that are no numbers."""
    try:
        steps = np.abs(np.diff(np.asarray(coordinate, dtype=np.float64)))
    except (TypeError, ValueError):
        return None
    if not steps.size:
        return 1.0
    even = np.isfinite(steps).all() and steps[0] > 0 and np.ptp(steps) <= UNEVEN * steps[0]
    return float(steps[0]) if even else None
