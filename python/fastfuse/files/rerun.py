"""Makes a result again by the recipe that its sidecar keeps, and tells whether both say the same, outputs to the byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FastfuseError, ImageError
from ..images import gz
from ..images.outputs import made_folder
from ..images.paths import shown
from ..images.sidecar import json_of, sidecar_path
from ..images.written.endings import OF_CONSENSUS
from ..images.written.hashes import hash_of
from ..images.written.versions import version_of
from ..inputs.names import quoted
from .fuse import fuse_files
from .recipe import FUNCTIONS, from_json
from .soften import soften_files

MOST_NAMES = 5  # of files, in one message
OF_MAKER = ("fastfuse", "recipe")  # what a sidecar says of who made it, and how
OF_PLACE = ("name", "warnings")  # where inputs that lie elsewhere may be called otherwise
MAKERS: Mapping[str, Callable[..., Any]] = {"fuse_files": fuse_files, "soften_files": soften_files}


@dataclass(frozen=True)
class Remade:
    """An output that was made again.

    Attributes
    ----------
    path : Path
        Where it is now.
    sha256 : str
    same : bool
        Whether its bytes are those of the first time.
    """

    path: Path
    sha256: str
    same: bool


@dataclass(frozen=True)
class Rerun:
    """A result that was made again.

    Attributes
    ----------
    outputs : tuple of Remade
    sidecar : Path
        The JSON that was written now.
    otherwise : tuple of str
        What the JSON of the first time says otherwise, with both values.
    reasons : tuple of str
        What may explain that something differs.
    report : Path or None
        The page that was made again, and is not compared; None without one.
    """

    outputs: tuple[Remade, ...]
    sidecar: Path
    otherwise: tuple[str, ...]
    reasons: tuple[str, ...]
    report: Path | None = None

    @property
    def same(self) -> bool:
        """Whether all bytes are those of the first time, and the JSON says the same."""
        return all(one.same for one in self.outputs) and not self.otherwise


def rerun(
    sidecar: Path,
    folder: Path,
    *,
    inputs: Path | None = None,
    threads: int = 0,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
    makers: Mapping[str, Callable[..., Any]] = MAKERS,
) -> Rerun:
    """Make a result again, into a folder.

    Parameters
    ----------
    sidecar : Path
        The JSON beside the result, or the result.
    folder : Path
        Where all outputs go, under their names; made if it is not there.
    inputs : Path, optional
        Folder where the inputs lie now: each is sought there by the end of its path, however long. Else they are sought
        where they were, from the current folder and from the sidecar's.
    threads, overwrite, progress
        As in :func:`fuse_files`.
    makers : mapping
        What makes results again, by the name that the recipe gives it.

    Returns
    -------
    Rerun

    Raises
    ------
    FastfuseError, ImageError
        For a JSON without a recipe, and for inputs that are missing or have changed, all by name.
    """
    facts, recipe, given = call_kept_in(sidecar, inputs)
    for name in FUNCTIONS[recipe["function"]].written:
        if name in given:
            given[name] = _with_leaves(given[name], lambda text: folder / Path(text).name)
    with made_folder(folder):
        makers[recipe["function"]](**given, threads=threads, overwrite=overwrite, progress=progress)
    outputs = [(folder / Path(one["file"]).name, one["sha256"]) for one in recipe["outputs"]]
    now = [Remade(path, digest := hash_of(path), digest == was) for path, was in outputs]
    beside = sidecar_path(Path(given["output"]))
    page = given.get("report")
    return Rerun(
        tuple(now),
        beside,
        tuple(_otherwise(facts, json_of(beside))),
        tuple(_reasons(facts, recipe)),
        None if page is None else Path(page),
    )


def call_kept_in(
    sidecar: Path, moved: Path | None = None, *, but: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return what a sidecar says, its recipe, and the arguments of the call, with the inputs where they are now.

    ``but``: arguments whose files are not needed, wherever they are.
    """
    named, facts, recipe, given = call_told_by(sidecar)
    unneeded = [recipe["arguments"].get(name) for name in but]
    found = _found([one for one in recipe["inputs"] if one["file"] not in unneeded], named, moved)
    for name in FUNCTIONS[recipe["function"]].read:
        if name in given:
            given[name] = _with_leaves(given[name], lambda text: found.get(text, text))
    return facts, recipe, given


def call_told_by(sidecar: Path) -> tuple[Path, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the JSON, what it says, its recipe, and the arguments of the call as they were; no input is looked at."""
    named = sidecar_path(sidecar) if sidecar.name.lower().endswith(OF_CONSENSUS) else sidecar
    facts, recipe = _recipe_in(named)
    return named, facts, recipe, {name: from_json(value) for name, value in recipe["arguments"].items()}


def _recipe_in(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a sidecar says, and its recipe."""
    if not path.is_file():
        raise ImageError(f"{shown(path)}: there is no such file; name the .json beside a result")
    facts = json_of(path)
    recipe = facts.get("recipe") if isinstance(facts, dict) else None
    if recipe is None:
        raise FastfuseError(
            f"{shown(path)}: it keeps no recipe, as the .json of fuse, soften and a cohort's cases does since 0.1.0; run the "
            "command again"
        )
    if not _is_recipe(recipe):
        raise FastfuseError(
            f"{shown(path)}: its recipe is damaged, or of a later fastfuse; run the command anew"
        )
    return facts, recipe


def _is_recipe(recipe: Any) -> bool:
    """Tell whether a recipe has what a rerun takes."""
    lists = ("inputs", "outputs")
    return (
        isinstance(recipe, dict)
        and recipe.get("function") in FUNCTIONS
        and isinstance(recipe.get("arguments"), dict)
        and recipe["arguments"]
        .keys()
        .isdisjoint(
            ("threads", "overwrite", "progress", FUNCTIONS[recipe["function"]].folder)
        )  # of outputs, which go where the caller of rerun says
        and all(isinstance(recipe.get(name), list) for name in lists)
        and all(
            isinstance(one, dict) and {type(one.get("file")), type(one.get("sha256"))} == {str}
            for name in lists
            for one in recipe[name]
        )
    )


def _found(kept: Sequence[Mapping[str, str]], sidecar: Path, moved: Path | None) -> dict[str, Path]:
    """Return where each input is now; refuse those that are missing or have changed, all by name."""
    found: dict[str, Path] = {}
    missing: list[str] = []
    changed: list[str] = []
    for one in kept:
        name, main = one["file"], one.get("beside")
        if main is None:
            places = _places(Path(name), sidecar, moved)
        elif main in found:
            places = [Path(os.path.normpath(found[main].parent / os.path.relpath(name, Path(main).parent)))]
        else:
            continue  # the file that it lies beside is told of
        there = [path for path in places if path.is_file()]
        same = next((path for path in there if hash_of(path) == one["sha256"]), None)
        if same is not None:
            found[name] = same
        else:
            (changed if there else missing).append(shown(there[0] if there else name))
    if missing or changed:
        parts = [f"{_listed(names)} {what}" for names, what in _told(missing, changed) if names]
        raise ImageError(
            f"{shown(sidecar)}: {'; '.join(parts)}: name the folder where its inputs lie as they were, by inputs=FOLDER (--inputs FOLDER)"
        )
    return found


def _listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    others = len(names) - MOST_NAMES
    return ", ".join(names) if others < 2 else f"{', '.join(names[:MOST_NAMES])} and {others} others"


def _told(missing: list[str], changed: list[str]) -> list[tuple[list[str], str]]:
    return [
        (missing, "is missing" if len(missing) == 1 else "are missing"),
        (changed, "has changed since" if len(changed) == 1 else "have changed since"),
    ]


def _places(name: Path, sidecar: Path, moved: Path | None) -> list[Path]:
    """Return where an input may be, the likeliest first."""
    if moved is None:
        return [name, sidecar.parent / name]
    parts = name.parts[1:] if name.is_absolute() else name.parts
    return [*(moved.joinpath(*parts[begin:]) for begin in range(len(parts))), sidecar.parent / name]


def _with_leaves(value: Any, change: Callable[[str], Any]) -> Any:
    """Return an argument with other texts."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _with_leaves(one, change) for key, one in value.items()}
    return [_with_leaves(one, change) for one in value] if isinstance(value, list) else value


def _reasons(facts: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    """Return what is other than the first time, and may make other bytes."""
    now = {"fastfuse": version_of("fastfuse"), "gzip": gz.library()}
    was = {"fastfuse": facts.get("fastfuse"), "gzip": recipe.get("gzip")}
    words = {"fastfuse": "made by fastfuse", "gzip": "compressed by"}
    return [
        f"it was {words[name]} {quoted(was[name])[1:-1]}, now by {now[name]}"
        for name in now
        if was[name] != now[name]
    ]


def _otherwise(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yield what two sidecars of one result say otherwise, but for where inputs lie, and who made it.

    Of another version's sidecar only what both tell is compared.
    """
    moved = _inputs_of(was) != _inputs_of(now)
    of_both = was.get("fastfuse") != now.get("fastfuse")
    first, second = (_told_of_result(facts, OF_PLACE if moved else ()) for facts in (was, now))
    for where in [*first, *(one for one in second if one not in first)]:
        if of_both and not (where in first and where in second):
            continue
        values = [_in_words(where, facts) for facts in (first, second)]
        if values[0] != values[1]:
            yield f"{where} was {values[0]}, is {values[1]}"


def _inputs_of(facts: Mapping[str, Any]) -> list[str]:
    return [one["file"] for one in facts["recipe"]["inputs"]]


def _told_of_result(facts: Mapping[str, Any], but: Sequence[str]) -> dict[str, Any]:
    """Return each value with its place, such as raters[0].dice; files by their names alone."""
    names = sorted(_inputs_of(facts), key=len, reverse=True)

    def walk(value: Any, where: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for key, one in value.items():
                if key not in but:
                    yield from walk(one, f"{where}.{key}" if where else key)
        elif isinstance(value, list) and value:
            for place, one in enumerate(value):
                yield from walk(one, f"{where}[{place}]")
        elif isinstance(value, str):
            for name in names:
                value = value.replace(name, Path(name).name)
            yield where, value
        else:
            yield where, value

    return dict(walk({key: one for key, one in facts.items() if key not in OF_MAKER}, ""))


def _in_words(where: str, facts: Mapping[str, Any]) -> str:
    return quoted(facts[where]) if where in facts else "not told"
