"""What the transforms share: options that are checked when a pipeline is built, and the fusion."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..fusion.labels.declared import LABEL_OPTIONS
from ..fusion.methods.by_name import fuse
from ..fusion.methods.common import check_needs_no_image
from ..fusion.native.outlets import taken_cut
from ..fusion.options import BY_NAME, Options
from ..fusion.registry import method_called
from ..fusion.result import Fusion, check_label_cut
from ..inputs.checks import check_dtype

# What a transform gives, or cannot: volumes come from the case, and one mask goes back into it.
TAKEN = (
    "raters",
    "method",
    "axis",
    "mask",
    "image",
    "present",
    "out",
    "executor",
    "decisions",
    *LABEL_OPTIONS,
)


def checked_options(function: Callable[..., Any], options: Mapping[str, Any], taken: Sequence[str]) -> None:
    """Refuse options that a function does not have, before any case is read.

    Raises
    ------
    TypeError
        Naming the option, and those that there are.
    """
    known = [name for name in inspect.signature(function).parameters if name not in taken]
    for name in options:
        if name not in known:
            raise TypeError(f"{name!r} is no option here; there are {', '.join(known)}")


def check_fusing(
    method: str, options: Mapping[str, Any], cut: Any, ties: Any, *, label: bool, has_image: bool
) -> None:
    """Refuse a method or option that cannot be, or a value that it does not take, before any case is read."""
    row = method_called(method, images=False)
    check_needs_no_image(row)
    if has_image and not row.of_levels:
        raise ValueError(
            f"an image is named, and {row.name} takes none: leave it out, or choose border-staple"
        )
    checked_options(fuse, options, TAKEN)
    asked = Options(**{name: value for name, value in options.items() if name in BY_NAME})
    if asked.checked(row).of_method(row).evidence and not has_image:
        raise ValueError("evidence is set: it is that of an image; name one, too")
    if "dtype" in options:
        check_dtype(options["dtype"])
    check_label_cut(*taken_cut(cut, ties, label=label))


def check_output(output: Any, inputs: Mapping[str, Any], what: str = "the consensus") -> None:
    """Refuse an output that would take the place of an input; ``inputs`` by what asks for them.

    Raises
    ------
    ValueError
        Naming both.
    """
    for inputs_of, names in inputs.items():
        if output in names:
            raise ValueError(
                f"{what} would take the place of {output!r} of {inputs_of}: give it another name"
            )


def check_there(names: Iterable[Any], case: Mapping[Any, Any], what: str) -> None:
    """Refuse a case that lacks what is asked for.

    Raises
    ------
    KeyError
        Naming what it lacks, and what it has.
    """
    lacking = [name for name in names if name not in case]
    if lacking:
        raise KeyError(f"{what} has no {', '.join(map(repr, lacking))}; it has {', '.join(map(repr, case))}")


def fused(raters: Sequence[Any], image: Any, mask: Any, method: Any, options: Mapping[str, Any]) -> Fusion:
    """Fuse the raters of a case; TorchIO has NumPy raise for what is usual here, such as 0/0 of an empty rater."""
    given = {name: value for name, value in (("image", image), ("mask", mask)) if value is not None}
    with np.errstate(divide="warn", over="warn", invalid="warn"):
        fusion: Fusion = fuse(raters, method, **given, **options)
    return fusion
