"""Start-up: what a library would import that the command has no use for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from types import ModuleType

GARBAGE = 200_000  # objects between two searches for cycles: in a short run they cost more than they find


class Lean:
    """Keeps nibabel, while it is loading, from loading pydicom.

    That takes longer than all else of a start, and serves nibabel's view of DICOM in a NIfTI header only. Whoever
    imports pydicom later gets it.
    """

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Find nothing, and refuse pydicom to nibabel."""
        del path, target
        if name == "pydicom" and _loading("nibabel"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _loading(package: str) -> bool:
    spec = getattr(sys.modules.get(package), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def start_lean() -> None:
    """Start so in a process of the command's own."""
    gc.set_threshold(GARBAGE)
    sys.meta_path.insert(0, Lean)
