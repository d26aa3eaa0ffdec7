"""Checks that the raters of a fusion mark one structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ImageError
from ..inputs.foreground import Foreground

if TYPE_CHECKING:
    from ..images.image import Image


def check_one_structure(foreground: Foreground, images: Sequence[Image], names: Sequence[str]) -> None:
    """Refuse raters of whom the same labels choose other structures: a network's region holds several labels."""
    asked = foreground.labels
    maps = [name for image, name in zip(images, names, strict=True) if not image.is_channel]
    known = [(image.held, name) for image, name in zip(images, names, strict=True) if image.held is not None]
    for held, name in known if asked else []:
        others = [(asked, one) for one in maps] + [
            (other.inside, one) for other, one in known if other.inside
        ]
        for labels, other in others:
            if (held.beside and set(held.beside) & set(labels)) or (
                other in maps and not held.may_be(labels)
            ):
                several = ",".join(map(str, held.inside))
                raise ImageError(
                    f"{name} gives {_labels_in_words(held.inside)} and {other} {_labels_in_words(labels)}: name all labels "
                    f"of a region, as in select_label=[{several}] (--select-label {several})"
                )


def _labels_in_words(labels: Sequence[int]) -> str:
    return f"label{'s' * (len(labels) > 1)} {', '.join(map(str, sorted(labels)))}"
