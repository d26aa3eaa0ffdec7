"""TorchIO's transform ``FuseRaters``: adds a consensus of several label maps to a subject.

Needs TorchIO (``pip install '.[torchio]'`` in a clone)::

    subject = FuseRaters(["rater1", "rater2", "rater3"], output="lesion")(subject)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import lacking
from ..fusion.registry import MethodOnVotes
from ..fusion.result import DiceRule, Ties
from ..inputs.checks import check_flag
from .common import check_fusing, check_output, check_there, fused

try:
    from torchio import Subject, Transform
except ImportError as error:
    raise lacking("fastfuse.adapters.torchio", error, "torchio") from None


class FuseRaters(Transform):
    """Fuse a subject's raters into a consensus, which becomes one more of its images.

    Parameters
    ----------
    raters : sequence of str
        Names of the raters' images in the subject, of one channel each.
    output : str, default "consensus"
        What to call the consensus: a ScalarImage of the probability, or with ``label`` a LabelMap.
    method : str, default "soft-staple"
        As of :func:`fastfuse.fuse`.
    image : str, optional
        Name of the image of "border-staple".
    mask : str, optional
        Name of the region to fuse, such as a brain mask.
    label : bool, default False
        Give the mask ``probability >= cut`` (uint8), and not the probability (float32).
    cut, ties : optional
        Of that mask, with the defaults of :meth:`fastfuse.Fusion.label`; a probability has none.
    missing_ok : bool, default False
        A name that a subject lacks is a rater who did not read it.
    options : mapping, optional
        Options of the method, as of :func:`fastfuse.fuse`: ``{"roi": 4.0, "prior": "estimate"}``.
    **kwargs
        As of ``torchio.Transform``: ``p``, ``copy``, ...

    Raises
    ------
    TypeError, ValueError
        When it is built: for an option, a value or a method that does not exist, and for an output that is an input. When it is
        called: as :func:`fastfuse.fuse`.
    KeyError
        When it is called, for a name that the subject lacks.

    Notes
    -----
    The subject's history keeps the arguments, so that ``subject.history`` and its reproduction name them.
    """

    def __init__(
        self,
        raters: Sequence[str],
        *,
        output: str = "consensus",
        method: MethodOnVotes = "soft-staple",
        image: str | None = None,
        mask: str | None = None,
        label: bool = False,
        cut: float | DiceRule | None = None,
        ties: Ties | None = None,
        missing_ok: bool = False,
        options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(raters, str):
            raise TypeError(f"raters is {raters!r}, one text: give a list of names")
        options = dict(options or {})
        check_fusing(method, options, cut, ties, label=label, has_image=image is not None)
        self.raters, self.output = list(raters), output
        check_output(output, {"raters": self.raters, "image": (image,), "mask": (mask,)})
        self.method, self.options = method, options
        self.image, self.mask = image, mask
        self.label, self.cut, self.ties = label, cut, ties
        self.missing_ok = check_flag(missing_ok, "missing_ok")
        self.args_names = [
            "raters", "output", "method", "image", "mask", "label", "cut", "ties", "missing_ok", "options",
        ]  # fmt: skip

    def apply_transform(self, subject: Subject) -> Subject:
        """Add the consensus to the subject."""
        beside = [name for name in (self.image, self.mask) if name is not None]
        check_there([*(() if self.missing_ok else self.raters), *beside], subject, "the subject")
        raters = [subject.get(name) for name in self.raters]
        image, mask = (None if name is None else subject[name] for name in (self.image, self.mask))
        fusion = fused(raters, image, mask, self.method, self.options)
        consensus = fusion.as_input(label=self.label, cut=self.cut, ties=self.ties)
        subject.add_image(consensus, self.output)
        return subject
