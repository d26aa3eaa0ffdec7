"""What a run is made by: processes, device, threads, and hashes of fastfuse's code and of another network's."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from .network.precision import precision_of
from .network.workers import Workers

PACKAGES = ("fastfuse", "numpy", "scipy", "nibabel", "torch", "matplotlib")
SOURCES = ("*.py", "_core*")


def place_of(workers: Workers, precision: str, jobs: int, threads: int) -> dict[str, Any]:
    """Return what a run is trained on; none of it changes what is learnt, but for rounding."""
    return {
        "device": str(workers.device),
        "device_name": device_name(workers.device),
        "precision": str(precision_of(workers.device, precision)).removeprefix("torch."),
        "threads": threads,
        "jobs": jobs,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": dict(versions()),
        "code": code_hash(),
    }


def device_name(device: torch.device) -> str:
    """Return the model of the processor or the graphics card."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


@cache
def versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on, where they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_hash() -> str:
    """Return one hash of fastfuse's modules and its compiled core."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in package.rglob(pattern)):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def model_hash(model: str) -> str | None:
    """Return one hash of the files that hold "module:callable"; None without such a network, or without files.

    Modules that those import are not followed.
    """
    place, _, name = model.partition(":")
    if not place:
        return None
    module = importlib.import_module(place)
    files = {module.__spec__.origin if module.__spec__ else getattr(module, "__file__", None)}
    with suppress(TypeError):  # an instance that can be called has none
        files.add(inspect.getsourcefile(getattr(module, name)))
    digest = hashlib.sha256()
    contents = sorted(Path(file).read_bytes() for file in files if file and Path(file).is_file())
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest() if contents else None
