"""The methods of fusion: a row for each. Loads neither NumPy nor the core, so that the shell's help can read it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

if TYPE_CHECKING:
    from .result import Fusion
from ..inputs.names import quoted

Function = TypeVar("Function", bound=Callable[..., Any])
MethodOnVotes = Literal[
    "soft-staple", "simplified-soft-staple", "border-staple", "staple", "majority", "auto"
]
MethodName = Literal[
    "soft-staple", "simplified-soft-staple", "border-staple", "staple", "dilated-staple", "majority", "auto"
]


@dataclass(frozen=True)
class Method:
    """A method of fusion.

    Attributes
    ----------
    name : str
        What users call the method.
    function : str
        Name of the public function.
    module : str
        Module of ``fastfuse.fusion.methods`` that holds the function.
    votes : {"binary", "soft"}
        What the method fuses: masks of 0 and 1, or votes in [0, 1].
    core : str
        Name of the method in the compiled core.
    estimates : bool
        Whether EM estimates the raters' performance.
    grows : bool
        Whether the consensus grows on an image.
    of_levels : bool
        Whether raters see one latent level, and have offsets and sharpness. It takes an image, and runs on the CPU.
    defaults : tuple of pairs
        Options whose default is another one than is declared, by name.
    chooses : bool
        Whether it is no method, but takes the one whose model fits.
    finish : str
        Name of a function in the module that turns the core's fusion into the method's; empty for none.
    """

    name: str
    function: str
    module: str
    votes: Literal["binary", "soft"]
    core: Literal["staple", "soft-staple", "simplified-soft-staple", "majority", "border-staple"]
    estimates: bool = True
    grows: bool = False
    of_levels: bool = False
    defaults: tuple[tuple[str, object], ...] = ()
    finish: str = ""
    chooses: bool = False

    @property
    def home(self) -> str:
        """Module that holds the public function, seen from the package."""
        return f"fusion.methods.{self.module}"

    def finished(self, fusion: Fusion) -> Fusion:
        """Return the method's fusion from the core's."""
        if not self.finish:
            return fusion
        module = import_module(f".methods.{self.module}", __package__)
        return cast("Callable[[Fusion], Fusion]", getattr(module, self.finish))(fusion)


METHODS = (
    Method("staple", "staple", "staple", "binary", "staple"),
    Method("dilated-staple", "dilated_staple", "dilated", "binary", "staple", grows=True),
    Method("soft-staple", "soft_staple", "soft_staple", "soft", "soft-staple"),
    Method(
        "simplified-soft-staple", "simplified_soft_staple", "simplified", "soft", "simplified-soft-staple"
    ),
    Method(
        "border-staple",
        "border_staple",
        "border",
        "soft",
        "border-staple",
        of_levels=True,
        defaults=(("roi", 4.0), ("tol", 1e-4)),
    ),
    Method("majority", "majority_vote", "majority", "soft", "majority", estimates=False),
)
NAMES = tuple(method.name for method in METHODS)
# What it may take has levels, an image and a margin: it takes options that both sides have.
AUTO = Method(
    "auto", "fuse", "by_name", "soft", "border-staple", of_levels=True, defaults=(("roi", 4.0),), chooses=True
)
AUTO_SETS = frozenset({"prior", "classes"})


def method_called(name: object, *, images: bool = True) -> Method:
    """Return the row of a method.

    Raises
    ------
    ValueError
        Naming those that there are; without ``images``, those that need none.
    """
    written = name if isinstance(name, str) else ""
    offered = [method for method in (*METHODS, AUTO) if images or not method.grows]
    for method in (*METHODS, AUTO):
        if written == method.name:
            return method
    for method in offered:
        if _plain(written) in (method.name, _plain(method.function)):
            raise ValueError(f"method is {quoted(name)}: write {method.name!r}")
    raise ValueError(f"method is {quoted(name)}: it must be {' or '.join(repr(row.name) for row in offered)}")


def check_order(first: object, method: object, call: str, what: str) -> None:
    """Refuse a method that stands where the votes belong, and votes in its place; ``call`` is the function."""
    if isinstance(first, str) and not isinstance(method, str):
        raise TypeError(
            f"{what} and method are exchanged: write {call}({what}, {first!r}), the {what} first"
            if first in (*NAMES, AUTO.name)
            else f"{what} is {quoted(first)}: write {call}({what}, method), the {what} first"
        )


def _plain(name: str) -> str:
    """Return a name in the letters that methods' names have."""
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def in_help_order() -> list[Method]:
    """Return the methods on soft votes first, those without EM last."""
    return sorted(METHODS, key=lambda row: (not row.estimates, row.votes == "binary"))


class Given:
    """A value that the caller gave: it stands, though it is the default, where the method has a default of its own."""

    __slots__ = ()


class GivenWord(Given, str):
    """A word that was given."""

    __slots__ = ()


class GivenNumber(Given, float):
    """A number that was given."""

    __slots__ = ()


def as_given(value: object) -> Any:
    """Return a word or a number as one that was given."""
    if isinstance(value, Given):
        return value
    if isinstance(value, str):
        return GivenWord(value)
    return GivenNumber(value) if isinstance(value, float) else value


def names_of_own_defaults() -> frozenset[str]:
    """Return the options for which some method has a default of its own."""
    return frozenset(name for row in METHODS for name, _ in row.defaults)


def names_left_to_methods() -> frozenset[str]:
    """Return the options that methods set of themselves where they are not given."""
    return names_of_own_defaults() | AUTO_SETS


def keeping_given(function: Function) -> Function:
    """Let a function tell what its caller gives from defaults, as methods have some of their own."""

    @functools.wraps(function)
    def kept(*args: Any, **options: Any) -> Any:
        if AUTO_SETS & options.keys():
            _check_left_to_auto(inspect.signature(function).bind_partial(*args, **options).arguments)
        for name in names_of_own_defaults() & options.keys():
            options[name] = as_given(options[name])
        return function(*args, **options)

    return cast("Function", kept)


def _check_left_to_auto(given: Mapping[str, Any]) -> None:
    """Refuse, at whatever value, what "auto" sets."""
    for name in ("prior", "classes"):
        if given.get("method") == AUTO.name and name in given:
            raise ValueError(
                f"{name} is {quoted(given[name])}: auto has no such option, as auto chooses the model with its prior and "
                "classes; leave it out, or choose staple"
            )
