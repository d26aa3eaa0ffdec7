"""The public interface as plain data: names, signatures, the shell's flags, and the keys of sidecars.

After a change that is meant, write it down again::

    python -m tests.golden.interface write
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import sys
import tempfile
import typing
from pathlib import Path
from typing import Any

import typer.main

import fastfuse

from .jobs import write_images

WRITTEN = Path(__file__).with_name("interface.json")


def app() -> typer.Typer:
    """Return the shell's command."""
    from fastfuse.cli import app_of_words

    return app_of_words([])


def interface() -> dict[str, Any]:
    """Return all that users may rely on."""
    return {"python": names(), "shell": commands(), "sidecars": sidecars()}


def names() -> dict[str, Any]:
    """Describe each public name."""
    return {name: _described(getattr(fastfuse, name)) for name in sorted(fastfuse.__all__)}


def _described(value: Any) -> Any:
    if inspect.ismodule(value):
        return {name: _described(getattr(value, name)) for name in sorted(value.__all__)}
    if not inspect.isclass(value):
        return signature(value)
    if issubclass(value, BaseException):
        return {"bases": [base.__name__ for base in value.__mro__[1:-1]]}
    members = {
        name: "property" if isinstance(member, property) else signature(getattr(value, name))
        for name, member in sorted(_members(value).items())
        if not name.startswith("_") and (isinstance(member, property) or _is_callable(member))
    }
    if not dataclasses.is_dataclass(value):
        return {"signature": signature(value), "members": members}
    fields = [[field.name, _default(field.default)] for field in dataclasses.fields(value)]
    return {"fields": fields, "members": members}


def _members(value: type[Any]) -> dict[str, Any]:
    """Return what a class defines, and what comes from bases that have no public name."""
    public = {
        getattr(fastfuse, name) for name in fastfuse.__all__ if not inspect.ismodule(getattr(fastfuse, name))
    }
    own = [one for one in reversed(value.__mro__) if one.__module__.startswith("fastfuse.")]
    return {
        name: member for one in own if one is value or one not in public for name, member in vars(one).items()
    }


def _is_callable(member: Any) -> bool:
    return inspect.isroutine(member) or isinstance(member, (classmethod, staticmethod))


def signature(function: Any) -> list[list[str]]:
    """Return each parameter's name, kind and default; not its type, which may become sharper."""
    return [
        [parameter.name, parameter.kind.description, _default(parameter.default)]
        for parameter in inspect.signature(function).parameters.values()
    ]


def _default(value: Any) -> str:
    return "" if value in (inspect.Parameter.empty, dataclasses.MISSING) else repr(value)


def commands() -> dict[str, Any]:
    """Describe the flags and arguments of each command; those of the command itself are under an empty name."""
    whole: Any = typer.main.get_command(app())
    found = {name: _parameters(one) for name, one in {"": whole, **whole.commands}.items()}
    groups = {name: one.commands for name, one in whole.commands.items() if hasattr(one, "commands")}
    below = {
        f"{group} {name}": _parameters(one) for group, ones in groups.items() for name, one in ones.items()
    }
    return found | below


def _parameters(command: Any) -> dict[str, Any]:
    return {one.name: _parameter(one) for one in command.params if not one.name.endswith("_completion")}


def _parameter(parameter: Any) -> dict[str, Any]:
    kind, choices = _type(parameter)
    found = {
        "kind": parameter.param_type_name,
        "flags": [*parameter.opts, *parameter.secondary_opts],
        "type": kind,
        "choices": choices,
        "default": _word(parameter.default),
        "required": parameter.required,
        "values": parameter.nargs,
        "repeats": getattr(parameter, "multiple", False),
        "panel": getattr(parameter, "rich_help_panel", None),
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _type(parameter: Any) -> tuple[str, list[Any]]:
    """Return the type of one value, and the choices, from what any version of Typer keeps of them."""
    known = {Path: "path", int: "integer", float: "float", bool: "boolean", str: "text"}
    if hasattr(parameter, "type"):
        one = getattr(parameter.type, "types", [parameter.type])[0]  # of a tuple
        return one.name.removesuffix(" range"), [_word(choice) for choice in getattr(one, "choices", ())]
    one = parameter.type_descriptor.annotation
    while typing.get_args(one):
        one = typing.get_args(one)[0]
    if issubclass(one, enum.Enum):
        return "choice", [_word(choice) for choice in one]
    return known[one], []


def _word(value: Any) -> Any:
    """Return a default or a choice as it is typed."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_word(part) for part in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def sidecars() -> dict[str, Any]:
    """Return the keys of each kind of sidecar, and what stands there."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_images(folder)
        raters = [folder / f"rater{i}.nii.gz" for i in range(3)]
        image, mask = folder / "flair.nii.gz", folder / "brain.nii.gz"
        seen = [None, folder / "looked1.nii.gz", None]
        fusions: dict[str, dict[str, Any]] = {
            "fuse": {"mask": mask, "save_label": folder / "label.nii", "save_counts": folder / "counts.nii"},
            "fuse: simplified": {"method": "simplified-soft-staple"},
            "fuse: staple, intervals": {"method": "staple", "intervals": "information"},
            "fuse: majority": {"method": "majority"},
            "fuse: soften": {"soften": True, "image": image},
            "fuse: soften by radius and lesion": {
                "soften": True,
                "image": image,
                "dilation": {"radius_mm": 3.0, "scope": "lesion"},
            },
            "fuse: dilated": {"method": "dilated-staple", "image": image},
            "fuse: labels": {"labels": "all", "method": "majority", "save_confidence": folder / "sure.nii"},
            "fuse: present, prior map": {"present": seen, "prior": folder / "prior.nii.gz"},
        }
        found = {}
        for name, options in fusions.items():
            fastfuse.fuse_files(raters, folder / "consensus.nii.gz", overwrite=True, threads=1, **options)
            found[name] = keys(json.loads((folder / "consensus.json").read_text()))
        fastfuse.soften_files(raters[:1], image, output=folder / "soft.nii", threads=1)
        found["soften"] = keys(json.loads((folder / "soft.json").read_text()))
        fastfuse.evaluate_files(raters[0], folder / "truth.nii.gz", output=folder / "evaluation.json")
        found["evaluate"] = keys(json.loads((folder / "evaluation.json").read_text()))
    return found


def keys(value: Any) -> Any:
    """Return the keys in their order, the items of lists merged, and kinds of values."""
    if isinstance(value, dict):
        return {name: keys(part) for name, part in value.items()}
    if isinstance(value, list):
        merged: Any = None
        for part in map(keys, value):
            merged = part if merged is None else _merged(merged, part)
        return [] if merged is None else [merged]
    kinds = {bool: "flag", int: "number", float: "number", str: "text", type(None): "null"}
    return kinds[type(value)]


def _merged(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        return {
            name: _merged(first[name], second[name]) if name in first and name in second else part
            for name, part in {**first, **second}.items()
        }
    if first == second:
        return first
    return " or ".join(sorted({*str(first).split(" or "), *str(second).split(" or ")}))


if __name__ == "__main__":
    if sys.argv[1:] != ["write"]:
        sys.exit("python -m tests.golden.interface write")
    WRITTEN.write_text(json.dumps(interface(), indent=1, ensure_ascii=False) + "\n")
