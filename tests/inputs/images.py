"""Images of other libraries, and what stands for those that are not installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest


def of_nibabel(mask: np.ndarray, affine: np.ndarray) -> Any:
    return nib.Nifti1Image(mask, affine)


def of_simpleitk(mask: np.ndarray, affine: np.ndarray) -> Any:
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(mask.transpose(2, 1, 0))
    image.SetSpacing(np.linalg.norm(affine[:3, :3], axis=0).tolist())
    lps = np.diag([-1, -1, 1, 1]) @ affine
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)).ravel().tolist())
    return image


class ItkImage:
    """What an image of ITK's has, as Python sees it."""

    def __init__(self, mask: np.ndarray, affine: np.ndarray) -> None:
        self._array = np.ascontiguousarray(mask.transpose(2, 1, 0))
        self._lps = np.diag([-1, -1, 1, 1]) @ affine
        self.shape = self._array.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self._array

    def GetSpacing(self) -> list[float]:
        return np.linalg.norm(self._lps[:3, :3], axis=0).tolist()

    def GetOrigin(self) -> list[float]:
        return self._lps[:3, 3].tolist()

    def GetDirection(self) -> np.ndarray:
        return self._lps[:3, :3] / np.linalg.norm(self._lps[:3, :3], axis=0)

    def GetLargestPossibleRegion(self) -> Any:
        return SimpleNamespace(GetSize=lambda: self.shape[::-1])

    def GetNumberOfComponentsPerPixel(self) -> int:
        return 1


class TorchIoImage(dict[str, Any]):
    """What an image of TorchIO's has: a tensor with channels first, an affine; it is a dict, too."""

    def __init__(self, mask: np.ndarray, affine: np.ndarray) -> None:
        super().__init__()
        torch = pytest.importorskip("torch")
        self.data = torch.from_numpy(mask)[None]
        self.affine = affine
        self.spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist())
        self.origin, self.direction = tuple(affine[:3, 3].tolist()), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)

    def numpy(self) -> np.ndarray:
        return self.data.numpy()

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape[1:])


class AntsImage:
    """What an image of ANTsPy's has."""

    def __init__(self, mask: np.ndarray, affine: np.ndarray) -> None:
        lps = np.diag([-1, -1, 1, 1]) @ affine
        self._array, self.shape, self.components = mask, mask.shape, 1
        self.spacing = tuple(np.linalg.norm(lps[:3, :3], axis=0).tolist())
        self.origin = tuple(lps[:3, 3].tolist())
        self.direction = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)

    def numpy(self) -> np.ndarray:
        return self._array


def of_monai(mask: np.ndarray, affine: np.ndarray) -> Any:
    monai = pytest.importorskip("monai.data")
    torch = pytest.importorskip("torch")
    return monai.MetaTensor(torch.from_numpy(mask), affine=torch.from_numpy(affine))


def of_monai_with_channel(mask: np.ndarray, affine: np.ndarray) -> Any:
    return of_monai(mask, affine)[None]


class DataArray:
    """What an array of xarray's has: names of axes, and coordinates along them."""

    def __init__(self, mask: np.ndarray, affine: np.ndarray) -> None:
        self.values, self.shape, self.dims = mask, mask.shape, ("x", "y", "z")
        steps = [affine[k, 3] + affine[k, k] * np.arange(mask.shape[k]) for k in range(3)]
        self.coords = {name: Coordinate(step) for name, step in zip("xyz", steps, strict=True)}

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values


class Coordinate:
    def __init__(self, values: np.ndarray) -> None:
        self.values, self.attrs = values, {"units": "mm"}

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values
