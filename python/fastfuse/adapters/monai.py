"""MONAI's dictionary transforms: ``FuseRatersd`` makes a consensus of several keys, ``SoftenRatersd`` soft votes of masks.

Needs MONAI (``pip install '.[monai]'`` in a clone)::

    Compose([LoadImaged(keys), EnsureChannelFirstd(keys), FuseRatersd(raters, output_key="label")])
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from ..dilation.conditional import soften
from ..dilation.options import Dilation
from ..errors import lacking
from ..fusion.native.kind import in_memory, kind_of
from ..fusion.registry import MethodOnVotes
from ..fusion.result import DiceRule, Ties
from .common import check_fusing, check_output, check_there, checked_options, fused

try:
    from monai.transforms.transform import MapTransform
except ImportError as error:
    raise lacking("fastfuse.adapters.monai", error, "monai") from None

Keys = Hashable | Sequence[Hashable]
OF_CASE = ("raters", "image", "axis", "roi", "spacing_mm")


class FuseRatersd(MapTransform):
    """Fuse the raters that lie under some keys into a consensus under a key of its own.

    The raters' keys stay. The consensus is what the raters are: a MetaTensor with the first rater's affine and applied operations, so that
    ``Invertd`` takes it back to where the files lie; a tensor, or an array.

    Parameters
    ----------
    keys : str or sequence of str
        The raters: one channel each, channel first, as of ``EnsureChannelFirstd``, or none.
    output_key : str, default "consensus"
        Where the consensus goes.
    method : str, default "soft-staple"
        As of :func:`fastfuse.fuse`.
    image_key : str, optional
        The image of "border-staple".
    mask_key : str, optional
        The region to fuse, such as a brain mask.
    label : bool, default False
        Give the mask ``probability >= cut`` (uint8), and not the probability (float32).
    cut, ties : optional
        Of that mask, with the defaults of :meth:`fastfuse.Fusion.label`; a probability has none.
    fusion_key : str, optional
        Where the :class:`fastfuse.Fusion` goes, with each rater's rates. It is no tensor, which ``DataLoader`` cannot collate: for use without one.
    allow_missing_keys : bool, default False
        A key that a case lacks is a rater who did not read it.
    **options
        Options of the method, as of :func:`fastfuse.fuse`: ``roi=4.0``, ``prior="estimate"``, ...

    Raises
    ------
    TypeError, ValueError
        When it is built: for an option, a value or a method that does not exist, and for an output that is an input. When it is
        called: as :func:`fastfuse.fuse`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfuse.adapters.monai import FuseRatersd
    >>> case = {"a": np.eye(3)[None], "b": np.eye(3)[None], "c": np.ones((1, 3, 3))}
    >>> FuseRatersd(["a", "b", "c"], method="majority", label=True)(case)["consensus"][0]
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 0, 1]], dtype=uint8)
    """

    def __init__(
        self,
        keys: Keys,
        *,
        output_key: str = "consensus",
        method: MethodOnVotes = "soft-staple",
        image_key: str | None = None,
        mask_key: str | None = None,
        label: bool = False,
        cut: float | DiceRule | None = None,
        ties: Ties | None = None,
        fusion_key: str | None = None,
        allow_missing_keys: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(keys, allow_missing_keys)  # type: ignore[arg-type]  # MONAI's own alias is narrower
        check_fusing(method, options, cut, ties, label=label, has_image=image_key is not None)
        named = {"keys": self.keys, "image_key": (image_key,), "mask_key": (mask_key,)}
        check_output(output_key, named)
        if fusion_key is not None:
            check_output(fusion_key, {**named, "output_key": (output_key,)}, "the fusion")
        self.output_key, self.fusion_key = output_key, fusion_key
        self.method, self.options = method, options
        self.image_key, self.mask_key = image_key, mask_key
        self.label, self.cut, self.ties = label, cut, ties

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with the consensus."""
        case = dict(data)
        there = set(self.key_iterator(case))
        raters = [case[key] if key in there else None for key in self.keys]
        check_there((key for key in (self.image_key, self.mask_key) if key is not None), case, "the case")
        image, mask = (None if key is None else case[key] for key in (self.image_key, self.mask_key))
        fusion = fused(raters, image, mask, self.method, self.options)
        consensus = fusion.as_input(label=self.label, cut=self.cut, ties=self.ties)
        first = next((one for one in raters if hasattr(one, "applied_operations")), None)
        if first is not None and hasattr(consensus, "applied_operations"):
            consensus.applied_operations = copy.deepcopy(first.applied_operations)
        case[self.output_key] = consensus
        if self.fusion_key is not None:
            case[self.fusion_key] = fusion
        return case


class SoftenRatersd(MapTransform):
    """Grow raters' masks into a ring of soft votes on bright voxels, by :func:`fastfuse.soften`; each stays under its key.

    It leaves affine and applied operations alone and adds none, so that ``Compose.inverse`` and ``Invertd`` pass over it: they undo
    what is before and behind it, and what comes back is soft.

    Parameters
    ----------
    keys : str or sequence of str
        The raters' masks, 0 and 1: one channel each, channel first.
    image_key : str
        The image on which lesions are bright (FLAIR).
    roi_key : str, optional
        The region that the ring may enter, such as a brain mask.
    allow_missing_keys : bool, default False
        A key that a case lacks is left out.
    **options
        Options of :func:`fastfuse.soften`: ``size=1.2``, ``label=0.3``, ... Voxel sizes come from the masks' affines.
    """

    def __init__(
        self,
        keys: Keys,
        image_key: str,
        *,
        roi_key: str | None = None,
        allow_missing_keys: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(keys, allow_missing_keys)  # type: ignore[arg-type]  # MONAI's own alias is narrower
        checked_options(soften, options, OF_CASE)
        values = {name: value for name, value in options.items() if name not in ("select_label", "threads")}
        Dilation.checked(**values, spacing_mm=(1, 1, 1))  # the case's own is not known yet
        for key in self.keys:
            check_output(key, {"image_key": (image_key,), "roi_key": (roi_key,)}, "what a mask becomes")
        self.image_key, self.roi_key, self.options = image_key, roi_key, options

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the case with soft votes in the place of masks."""
        case = dict(data)
        keys = list(self.key_iterator(case))
        check_there((key for key in (self.image_key, self.roi_key) if key is not None), case, "the case")
        image = _volume(case[self.image_key], self.image_key)
        roi = None if self.roi_key is None else _volume(case[self.roi_key], self.roi_key)
        masks = [_volume(case[key], key) for key in keys]
        sides = None if not keys else _sides(case[keys[0]])
        for key, grown in zip(
            keys, soften(masks, image, roi=roi, spacing_mm=sides, **self.options), strict=True
        ):
            given = case[key]
            soft = kind_of([given]).of(grown.values.reshape(tuple(given.shape)), is_label=False)
            if hasattr(given, "applied_operations"):
                soft.applied_operations = copy.deepcopy(given.applied_operations)
            case[key] = soft
        return case


def _volume(value: Any, key: Hashable) -> Any:
    """Return the volume of an image, without its channel."""
    values = in_memory(value)
    if values.ndim == 4 and values.shape[0] == 1:
        return values[0]
    if values.ndim != 3:
        raise ValueError(
            f"{key!r} has shape {tuple(values.shape)}: give one channel of a volume, (1, x, y, z) or (x, y, z)"
        )
    return values


def _sides(value: Any) -> tuple[float, ...] | None:
    """Return the voxel size that an image tells, along x, y, z."""
    place = kind_of([value]).place
    return None if place is None or place.sides is None else tuple(np.asarray(place.sides)[-3:].tolist())
