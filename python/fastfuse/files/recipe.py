"""How a result is made again: the sidecar keeps the call, and the hashes of all files that it read and wrote."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from ..images import gz
from ..images.formats.beside import files_beside
from ..images.outputs import Outputs
from ..images.paths import recorded
from ..images.written.hashes import hash_of
from ..inputs.threads import cores, startable
from .call import One, described_by
from .prior import prior_file

Function = TypeVar("Function", bound=Callable[..., Any])
WITHOUT_EFFECT = ("progress", "threads", "overwrite")  # on what is written


@dataclass(frozen=True)
class Paths:
    """Which arguments of a function name files.

    Attributes
    ----------
    read : tuple of str
        Files, or several.
    written : tuple of str
        Files; of those the recipe keeps the names.
    folder : str
        The folder of all that is written, where the function takes one; empty if it takes none.
    near : tuple of str
        Of the files that are read, those that lie by the output, and are called as seen from there.
    """

    read: tuple[str, ...]
    written: tuple[str, ...]
    folder: str = ""
    near: tuple[str, ...] = ()


FUNCTIONS = {
    "fuse_files": Paths(
        ("paths", "mask", "present", "image", "prior", "grid", "label_names", "decisions"),
        ("output", "save_label", "save_counts", "save_probability", "save_confidence", "report"),
    ),
    "soften_files": Paths(("paths", "image", "roi", "grid"), ("output",), "out_dir"),
    "fuse_case": Paths(
        ("paths", "mask", "image", "label_names", "estimate", "decisions"), ("output",), near=("estimate",)
    ),  # of a cohort
}


@dataclass(frozen=True)
class Call:
    """A call under way.

    Attributes
    ----------
    function : str
        The function's name.
    given : mapping
        The arguments that were given.
    usual : mapping
        The defaults of all.
    """

    function: str
    given: Mapping[str, Any]
    usual: Mapping[str, Any]

    def of_one(self, path: Path, output: Path) -> Call:
        """Return the call that makes one of several outputs, of which each is of one file."""
        folder = FUNCTIONS[self.function].folder
        others = {name: value for name, value in self.given.items() if name != folder}
        return replace(self, given={**others, "paths": [path], "output": output})


def keeping_call(function: Function) -> Function:
    """Let the sidecars that a function writes keep how it was called."""

    @functools.wraps(function)
    def kept(*args: Any, **options: Any) -> Any:
        args = tuple(list(one) if isinstance(one, Iterator) else one for one in args)
        options = {name: list(one) if isinstance(one, Iterator) else one for name, one in options.items()}
        signature = inspect.signature(function)
        try:
            given = signature.bind_partial(*args, **options).arguments
        except TypeError:
            return function(*args, **options)  # which says what is wrong
        usual = {one.name: one.default for one in signature.parameters.values()}
        with described_by(partial(_recipe, Call(function.__name__, given, usual))):
            return function(*args, **options)

    return cast("Function", kept)


@contextmanager
def keeping(function: str, given: Mapping[str, Any]) -> Iterator[None]:
    """Let the sidecars that are written in a block keep a call with these arguments; those that are None or False are left out."""
    usual = {name: value if value is None or value is False else ... for name, value in given.items()}
    with described_by(partial(_recipe, Call(function, given, usual))):
        yield


def _recipe(call: Call, outputs: Outputs, one: One | None) -> dict[str, Any]:
    """Return how to make outputs again, or one of several."""
    call = call if one is None else call.of_one(*one)
    hashes = outputs.hashes(hash_of, None if one is None else one[1])
    return {
        "function": call.function,
        "arguments": _arguments(call),
        "inputs": _inputs(call),
        "outputs": [{"file": recorded(path.name), "sha256": digest} for path, digest in hashes.items()],
        "gzip": gz.library(),
    }


def _arguments(call: Call) -> dict[str, Any]:
    """Return what was given, as JSON: outputs by their names, without what leaves the result as it is."""
    paths = FUNCTIONS[call.function]
    kept = {}
    for name, value in call.given.items():
        nothing = (value is None or value is False) and value is call.usual[name]
        if name in (*WITHOUT_EFFECT, paths.folder) or nothing:
            continue
        as_files = _with_paths(name, call) if name in paths.read else value
        as_files = _from_output(value, call) if name in paths.near else as_files
        kept[name] = _as_json(_names_alone(value) if name in paths.written else as_files)
    return kept


def _with_paths(name: str, call: Call) -> Any:
    """Return an argument whose files are paths, each by itself; a prior's words and numbers are none."""
    value = call.given[name]
    if name != "prior":
        return _as_paths(value)
    if call.given.get("labels") is None or call.given.get("overlap"):
        return prior_file(value) or value
    from .labels.prior import label_prior

    found = label_prior(value)
    if not found.files:
        return value
    if found.labels is None:
        return found.files if len(found.files) > 1 else found.files[0]
    return dict(zip(found.labels, found.files, strict=True))


def _from_output(path: Path, call: Call) -> Path:
    """Return a file as it is seen from the folder of the output."""
    return Path(os.path.relpath(path, Path(call.given["output"]).parent))


def _as_paths(value: Any) -> Any:
    if value is None or isinstance(value, str | os.PathLike):
        return None if value is None else Path(cast("Any", value))
    return [_as_paths(one) for one in value]


def _names_alone(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _names_alone(one) for key, one in value.items()}
    return Path(value).name


def _as_json(value: Any) -> Any:
    """Return a value as JSON has it; a mapping as pairs unless its keys are text."""
    if isinstance(value, os.PathLike):
        return recorded(cast("Any", value))
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and "pairs" not in value:
            return {key: _as_json(one) for key, one in value.items()}
        return {"pairs": [[_as_json(key), _as_json(one)] for key, one in value.items()]}
    if isinstance(value, str):
        return recorded(value)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, Iterable):
        return [_as_json(one) for one in value]
    return value


def from_json(value: Any) -> Any:
    """Return the value that was kept so."""
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        if value.keys() == {"pairs"}:
            return {_as_key(key): from_json(one) for key, one in value["pairs"]}
        return {key: from_json(one) for key, one in value.items()}
    return [from_json(one) for one in value] if isinstance(value, list) else value


def _as_key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _inputs(call: Call) -> list[dict[str, Any]]:
    """Return all files that are read, each with its hash; one that is read beside another names that."""
    named = any(call.given.get(name) is not None for name in ("select_segment", "labels"))
    beside: dict[Path, Path | None] = {}
    near = {
        Path(call.given[name]) for name in FUNCTIONS[call.function].near if call.given.get(name) is not None
    }
    for name in FUNCTIONS[call.function].read:
        for path in _files_in(_with_paths(name, call)) if name in call.given else ():
            beside[path] = None
            for other in files_beside(path, named=named):
                beside.setdefault(other, path)
    hashes = _hashes(list(beside))
    return [
        {
            "file": recorded(_from_output(path, call) if path in near else path),
            "sha256": digest,
            **({} if main is None else {"beside": recorded(main)}),
        }
        for (path, main), digest in zip(beside.items(), hashes, strict=True)
    ]


def _hashes(paths: Sequence[Path]) -> list[str]:
    workers = startable(min(len(paths), cores()))
    if workers < 2:
        return [hash_of(path) for path in paths]
    with ThreadPoolExecutor(workers, "fastfuse-hashes") as pool:
        return list(pool.map(hash_of, paths))


def _files_in(value: Any) -> Iterator[Path]:
    """Yield the paths that an argument holds."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Mapping):
        yield from (one for one in value.values() if isinstance(one, Path))
    elif isinstance(value, list | tuple):
        yield from (one for one in value if isinstance(one, Path))
