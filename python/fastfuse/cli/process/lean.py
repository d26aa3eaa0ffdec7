"""Start-up and end: what a library would import that the command has no use for, and a search that finds nothing."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

GARBAGE = 200_000  # objects between two searches for cycles: in a short run they cost more than they find
WEB = "urllib.request"  # nibabel imports it for images at a URL: the web and its encryption
# Packages that take long, and the module of nibabel, not to be served, that asks for them as it loads.
REFUSED = {
    "pydicom": "nibabel.nifti1",  # for a view of DICOM in a NIfTI header
    "scipy": "nibabel.spm99analyze",  # for the matrices beside SPM's images
}


class Lean:
    """Keeps nibabel's NIfTI, while it is loading, from loading what it has no use for here, and the web until it is used.

    Whoever imports these packages later gets them.
    """

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find what is for the web, to be loaded later; refuse packages to nibabel."""
        if name in REFUSED and _loading(REFUSED[name]):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        found = PathFinder.find_spec(name, path, target) if name == WEB else None
        if found is not None and found.loader is not None:
            found.loader = LazyLoader(found.loader)
        return found


class Later(ModuleType):
    """A package whose parts can be imported without the rest; it is loaded whole when something else is asked of it."""

    _lock = threading.RLock()
    _begun = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        if any((Path(folder) / part).exists() for folder in self.__path__ for part in (name, f"{name}.py")):
            return import_module(f"{self.__name__}.{name}")
        with self._lock:
            if type(self) is Later:
                if self._begun:  # while it is loading, by itself
                    raise AttributeError(name)
                self._begun = True
                loader: Any = self.__loader__
                loader.exec_module(self)
                self.__class__ = ModuleType  # type: ignore[assignment]
            return getattr(self, name)


def _loading(package: str) -> bool:
    spec = getattr(sys.modules.get(package), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def start_lean() -> None:
    """Start so in a process of the command's own."""
    gc.set_threshold(GARBAGE)
    sys.meta_path.insert(0, Lean)
    nibabel = PathFinder.find_spec("nibabel") if "nibabel" not in sys.modules else None
    if nibabel is not None:
        module = module_from_spec(nibabel)
        module.__class__ = Later
        sys.modules["nibabel"] = module


def end_lean() -> None:
    """Let Python end without three searches for cycles among all modules, which took a sixth of a small case."""
    gc.freeze()
