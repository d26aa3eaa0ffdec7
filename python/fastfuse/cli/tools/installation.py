"""What this installation of fastfuse is, and what this process may use."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...errors import FastfuseError
from ...images.memory import available, limits
from ...inputs.names import quoted

NEEDED = ("numpy", "nibabel", "typer")
EXTRAS = ("isal", "scipy", "matplotlib", "Pillow", "pydicom", "dask", "distributed", "h5py", "zarr", "torch")
# Files of OpenMP's run-times: GNU's, LLVM's, Intel's and Microsoft's; wheels give them names with a hash.
RUN_TIME = re.compile(r"^(lib)?(gomp|omp|iomp5|vcomp\d*)([-.].*)?\.(so|dylib|dll)[.\d]*$")
FROM_ENVIRONMENT = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_STACKSIZE", "FASTFUSE_INSTRUCTION_SET")
Facts = dict[str, Any]


def facts_of_installation(load: Iterable[str] = ()) -> Facts:
    """Return all that is to be known; packages in ``load`` are loaded first, as they may bring run-times of OpenMP."""
    problems: list[str] = []
    for name in load:
        _load(name)
    core = _core_facts(problems)
    found = {
        "fastfuse": _version("fastfuse"),
        "package": str(Path(__file__).parents[2]),
        "core": core,
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "system": {"name": platform.platform(), "machine": platform.machine()},
        "needs": {name: _version(name) for name in NEEDED},
        "extras": {name: _version(name) for name in EXTRAS},
        "gzip": _gzip(),
        "threads": _threads(),
        "environment": {name: os.environ[name] for name in FROM_ENVIRONMENT if name in os.environ},
        "openmp": loaded_run_times(),
        "cuda": _cuda(),
        "memory": {"available_bytes": available(), **limits()},
    }
    return {**found, "problems": problems + _missing(found), "remarks": _remarks(found)}


def _load(name: str) -> None:
    try:
        import_module(name)
    except Exception as error:  # noqa: BLE001 - whatever a package raises
        raise FastfuseError(f"{quoted(name)} cannot be loaded ({type(error).__name__}: {error})") from None


def _version(name: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    with suppress(PackageNotFoundError):
        return version(name)
    return None


def _core_facts(problems: list[str]) -> Facts:
    """Return where the core lies, and what it is; what is broken is added to the problems."""
    found: Facts = {"file": None, "works": False}
    try:
        from ...fusion.backends.built import facts_of_core

        found |= facts_of_core()
        found["works"] = _fuses()
    except Exception as error:  # noqa: BLE001 - whatever is broken
        what = "cannot be loaded" if found["file"] is None else "does not work"
        problems.append(f"the compiled core {what} ({type(error).__name__}: {error}): install fastfuse anew")
    return found


def _fuses() -> bool:
    """Fuse two voxels, and tell whether the mean is what it must be."""
    import numpy as np

    from ...fusion.methods.majority import majority_vote

    fusion = majority_vote([np.array([1, 0, 0], np.uint8), np.array([1, 1, 0], np.uint8)])
    if fusion.probability.tolist() == [1.0, 0.5, 0.0]:
        return True
    raise ArithmeticError(f"the mean of two masks is {fusion.probability.tolist()}")


def _gzip() -> str:
    from ...images.gz import library

    return library()


def _threads() -> Facts:
    """Return how many threads work where nobody says how many."""
    allowed = getattr(os, "sched_getaffinity", None)
    return {
        "processors": os.cpu_count(),
        "of_this_process": os.cpu_count() if allowed is None else len(allowed(0)),
        "quota": _quota(),
    }


def _quota() -> float | None:
    """Return the processors that control groups allow, of all groups above this process; None without a limit."""
    found = []
    with suppress(OSError, ValueError):
        name = Path("/proc/self/cgroup").read_text().splitlines()[-1].split(":", 2)[2]
        folder = Path("/sys/fs/cgroup") / name.lstrip("/")
        while folder.is_relative_to("/sys/fs/cgroup"):
            with suppress(OSError, ValueError):
                most, period = (folder / "cpu.max").read_text().split()
                if most != "max":
                    found.append(int(most) / int(period))
            folder = folder.parent
    return min(found, default=None)


def loaded_run_times() -> list[str] | None:
    """Return the files of OpenMP's run-times in this process; None where the system does not tell."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:
        return None
    files = dict.fromkeys(line.split(maxsplit=5)[5] for line in lines if line.count(" ") and "/" in line)
    return [file for file in files if RUN_TIME.match(Path(file).name)]


def _cuda() -> Facts:
    """Return whether this build has CUDA, and finds a device."""
    try:
        from ...fusion.backends.devices import why_not
    except ImportError:
        return {"available": False, "why_not": "the compiled core cannot be loaded"}
    reason = why_not()
    driver = Path("/proc/driver/nvidia/version")
    told = driver.read_text().splitlines()[0] if driver.is_file() else None
    models = [
        line.partition(":")[2].strip()
        for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        for line in file.read_text().splitlines()
        if line.startswith("Model:")
    ]
    return {"available": not reason, "why_not": reason or None, "driver": told, "devices": models}


def _missing(found: Facts) -> list[str]:
    """Say which packages are needed, and are not there."""
    return [
        f"{name} is not installed, and needed: pip install {name}"
        for name, there in found["needs"].items()
        if there is None
    ]


def _remarks(found: Facts) -> list[str]:
    """Say what works, and may surprise."""
    remarks = []
    files = found["openmp"] or []
    if len(files) > 1:
        remarks.append(
            f"{len(files)} run-times of OpenMP are loaded ({', '.join(Path(file).name for file in files)}): each keeps threads of "
            "its own, so that work may take several times as long, and programs have hung or crashed; use one, as by "
            "installing all packages from conda-forge, or limit one to a thread (OMP_NUM_THREADS=1)"
        )
    if found["extras"]["isal"] is None:
        remarks.append("isal is not installed: reading .nii.gz takes several times as long; pip install isal")
    quota, threads = found["threads"]["quota"], found["threads"]["of_this_process"]
    if quota is not None and threads is not None and quota < threads:
        remarks.append(
            f"this container may use {quota:g} of {threads} processors: --threads {max(1, round(quota))} avoids waits"
        )
    return remarks
