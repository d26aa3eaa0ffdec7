"""What raters were given as, and a consensus as the same.

Nothing is imported here: a library whose images or tensors come in is loaded already.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inputs.libraries import Place, Slice, are_arrays, is_image, is_torch, place_of_image
from ...inputs.names import quoted

OF_FILES = "files"
ITK_FACTS = ("Spacing", "Origin", "Direction")


@dataclass(frozen=True, eq=False)
class Kind:
    """What a rater was given as; without voxels, so that it keeps no memory.

    Attributes
    ----------
    name : str
        "numpy", "torch", "array" (of another library of the array API), "nibabel", "SimpleITK", "monai", "torchio", "xarray", "files",
        or "other" for an image that none can be made of.
    place : Place or None
        Where the voxels lie, if the image tells.
    made_by : type or None
        The class of an image.
    facts : mapping
        What its maker takes beside the voxels.
    """

    name: str = "numpy"
    place: Place | None = None
    made_by: type[Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def header(self) -> Any:
        """The header of a NIfTI image; None for other kinds."""
        header = self.facts.get("header")
        return header if hasattr(header, "get_xyzt_units") else None

    def of(self, values: NDArray[Any], *, is_label: bool) -> Any:
        """Return voxels as this kind.

        Raises
        ------
        TypeError
            For an image of a library that is not known.
        """
        if self.name == "other":
            called = None if self.made_by is None else self.made_by.__name__
            raise TypeError(
                f"the raters are of type {called}, of which none is made here: take probability, or to_nifti()"
            )
        facts, made_by = self.facts, self.made_by
        if self.name == "torch":
            return _as_tensor(values)
        if self.name == "array":
            return sys.modules[facts["namespace"]].asarray(values)
        if self.name == "nibabel":
            return _as_nibabel(self, values)
        if self.name == "SimpleITK":
            return _as_sitk(self, values)
        if self.name == "monai" and made_by is not None:
            return made_by(_as_tensor(values), affine=facts["affine"], meta=dict(facts["meta"]))
        if self.name == "torchio":
            torchio = sys.modules["torchio"]
            image = torchio.LabelMap if is_label else torchio.ScalarImage
            return image(tensor=_as_tensor(values), affine=facts["affine"])
        if self.name == "xarray" and made_by is not None:
            name = "label" if is_label else "probability"
            return made_by(values, coords=facts["coords"], dims=facts["dims"], name=name)
        return values


def kind_of(raters: Sequence[Any]) -> Kind:
    """Return the kind of the first rater who read the case and is more than an array; else that of the first."""
    if are_arrays(raters):
        return Kind()
    first = None
    for rater in raters:
        kind = None if rater is None else _kind_of(rater)
        if kind is not None and kind.name != "numpy":
            return kind
        first = first or kind
    return first or Kind()


def _kind_of(value: Any) -> Kind:
    if isinstance(value, Slice):
        return Kind(place=value.place)
    if isinstance(value, np.ndarray):
        return Kind(place=place_of_image(value))
    if is_torch(value):
        return _kind_of_tensor(value)
    if hasattr(value, "dims") and hasattr(value, "coords"):  # whose axes may lie in any order: no place
        return Kind("xarray", None, type(value), {"dims": value.dims, "coords": value.coords})
    if not is_image(value):
        space = getattr(value, "__array_namespace__", None)
        return Kind() if space is None else Kind("array", facts={"namespace": space().__name__})
    place, made_by = place_of_image(value), type(value)
    if hasattr(value, "dataobj"):
        header = None if value.header is None else value.header.copy()
        return Kind("nibabel", place, made_by, {"affine": value.affine, "header": header})
    if made_by.__module__.partition(".")[0] == "SimpleITK":
        facts = {name: getattr(value, f"Get{name}")() for name in ITK_FACTS}
        return Kind("SimpleITK", place, made_by, facts)
    if hasattr(value, "spatial_shape"):
        return Kind("torchio", place, made_by, {"affine": np.array(value.affine)})
    return Kind("other", place, made_by)


def _kind_of_tensor(value: Any) -> Kind:
    if not (hasattr(value, "affine") and hasattr(value, "meta")):
        return Kind("torch", place_of_image(value))
    meta = {name: one for name, one in value.meta.items() if name != "affine"}
    facts = {"affine": value.affine.clone(), "meta": meta}
    return Kind("monai", place_of_image(value), type(value), facts)


def _as_tensor(values: NDArray[Any]) -> Any:
    return sys.modules["torch"].from_numpy(values)


def _as_nibabel(kind: Kind, values: NDArray[Any]) -> Any:
    assert kind.made_by is not None
    header = kind.facts["header"]
    if header is not None:
        header = header.copy()
        header.set_data_dtype(values.dtype)
    return kind.made_by(values, kind.facts["affine"], header)


def _as_sitk(kind: Kind, values: NDArray[Any]) -> Any:
    image = sys.modules["SimpleITK"].GetImageFromArray(values)
    for name in ITK_FACTS:
        getattr(image, f"Set{name}")(kind.facts[name])
    return image


def in_memory(values: Any) -> NDArray[Any]:
    """Return voxels as an array of NumPy's: computed where they are lazy, fetched where they lie on a device."""
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "detach"):
        return np.asarray(values.detach().cpu())
    if hasattr(values, "get") and hasattr(values, "__cuda_array_interface__"):
        return np.asarray(values.get())
    return np.asarray(values)


def upright(values: NDArray[Any], place: Place, name: str) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """Return voxels with axes x, y, z, and their affine, RAS+; None where the place has none.

    Raises
    ------
    ValueError
        If there are more axes than three in space.
    """
    shape = place.shape + (1,) * (3 - len(place.shape))
    if len(shape) != 3 or values.size != int(np.prod(shape)):
        raise ValueError(
            f"{name} has shape {quoted(tuple(values.shape))}, of which {place.shape} lie in space: an image holds one volume; "
            "give one with an array of three axes"
        )
    values = values.reshape(shape)
    if place.axes.replace(" ", "") not in ("z,y,x", "y,x"):
        return values, place.affine
    flat = len(place.shape) == 2
    order = (1, 0, 2) if flat else (2, 1, 0)
    affine = None if place.affine is None else place.affine[:, [*order, 3]]
    return values.transpose(order), affine
