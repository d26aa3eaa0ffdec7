"""How an option is declared: once, as a field of a dataclass. Docstrings, flags and checks are made from that."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..inputs.names import quoted
from .option_checks import as_recorded
from .registry import Given, Method, as_given, in_help_order

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..inputs.checks import Labels, Scale
    from ..inputs.foreground import Foreground

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])
PLACE = "{options}"  # where a docstring takes the entries of all parameters that it does not describe itself


def every(_: Method) -> bool:
    """Say that all methods take an option."""
    return True


def estimating(method: Method) -> bool:
    """Say that methods with EM take an option."""
    return method.estimates


def number_or_word(text: str) -> float | str:
    """Return what was typed as a number if it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def labels_typed(text: str) -> tuple[int, ...]:
    """Return the labels that were typed, as in 1,2,4."""
    try:
        return tuple(int(label) for label in text.split(","))
    except ValueError:
        raise ValueError(
            f"select_label is {quoted(text)}: it must be an integer, or several with commas between them, as in 1,2,4"
        ) from None


@dataclass(frozen=True)
class Flag:
    """How the shell takes an option.

    Attributes
    ----------
    help : str
        One line.
    kind : callable, optional
        Type that reads what was typed: bool, int, float, str, :func:`number_or_word` or :func:`labels_typed`. None where
        the option has choices, or takes a pair of numbers.
    main : bool
        Whether the help lists it among the main options, and not under "Beyond the paper".
    metavar : str, optional
        What the help shows for a value.
    several : bool
        Whether it may be typed more than once; what the kind makes of each is put together.
    """

    help: str
    kind: Callable[[str], object] | None = None
    main: bool = False
    metavar: str | None = None
    several: bool = False


@dataclass(frozen=True)
class Option:
    """The declaration of an option.

    Attributes
    ----------
    name : str
        One name everywhere: in Python, the shell, the sidecar and the core.
    default : object
        Value where none is given.
    check : callable
        Takes a value and the name. Returns the value as it travels inside, or raises ValueError or TypeError.
    kind, text : str
        Type and description for docstrings, as numpydoc has them.
    choices : tuple of str
        The words that it takes; empty if it takes something else too.
    flag : Flag, optional
        How the shell takes it; None if it does not.
    methods : callable
        Whether a method takes it.
    on_device : bool
        Whether a CUDA device takes it.
    of_table : bool
        Whether an estimate from a vote table takes it.
    recorded : bool
        Whether the sidecar lists it among the method's options.
    """

    name: str
    default: object
    check: Callable[[object, str], object]
    kind: str
    text: str
    choices: tuple[str, ...] = ()
    flag: Flag | None = None
    methods: Callable[[Method], bool] = estimating
    on_device: bool = True
    of_table: bool = True
    recorded: bool = True

    @property
    def entry(self) -> str:
        """Entry in a docstring's section on parameters."""
        default = "optional" if self.default is None else f"default {_shown(self.default)}"
        lines = [line.strip() for line in self.text.strip().splitlines()]
        return "\n".join([f"{self.name} : {self.kind}, {default}", *(f"    {line}" for line in lines)])

    def checked(self, value: object) -> Any:
        """Return a value as it travels inside; of most calls it is the default, which is checked once."""
        if value is self.default:
            return self._checked_default
        found = self.check(value, self.name)
        return as_given(found) if isinstance(value, Given) else found

    @cached_property
    def default_stands(self) -> bool:
        """Whether the default travels inside as it is."""
        return self._checked_default is self.default

    @cached_property
    def _checked_default(self) -> Any:
        return self.check(self.default, self.name)

    def differs(self, value: object) -> bool:
        """Tell whether a value is not the default; None asks for nothing."""
        if value is None or value is self.default:
            return False
        if isinstance(value, (str, int, float)):
            return bool(value != self.default)
        return value is not self.default


class OneOf:
    """The check of an option that is one of some words."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def __call__(self, value: object, name: str) -> Any:
        """Return the word."""
        from ..inputs.checks import check_choice

        return check_choice(value, name, self.choices)


def option(
    default: object,
    check: Callable[[object, str], T],
    kind: str,
    text: str,
    *,
    flag: Flag | None = None,
    methods: Callable[[Method], bool] = estimating,
    on_device: bool = True,
    of_table: bool = True,
    recorded: bool = True,
) -> T:
    """Declare the option that a dataclass's field holds; its name is the field's."""
    choices = check.choices if isinstance(check, OneOf) else ()
    one = Option("", default, check, kind, text, choices, flag, methods, on_device, of_table, recorded)
    return cast("T", field(default=default, metadata={"option": one}))


def declared(kind: type[Any]) -> Mapping[str, Option]:
    """Return the options that are declared as fields of a dataclass, by name, in order."""
    return _declared(cast(Hashable, kind))


@cache
def _declared(kind: Any) -> Mapping[str, Option]:
    of_fields: list[Field[Any]] = list(fields(kind))
    found = {
        one.name: replace(cast(Option, one.metadata["option"]), name=one.name)
        for one in of_fields
        if "option" in one.metadata and one.default is not MISSING
    }
    return MappingProxyType(found)


class OfForeground:
    """What options say of foreground."""

    select_label: Labels
    binarize: bool
    threshold: float | None
    scale: Scale

    @property
    def core_label(self) -> int | None:
        """The label that the core looks for; None for votes, and for what is made into votes before."""
        others = self.threshold is not None or self.scale is not None
        return None if others or not isinstance(self.select_label, int) else self.select_label

    @property
    def selects(self) -> bool:
        """Whether values become votes other than themselves."""
        made = self.threshold is not None or self.scale is not None
        return self.binarize or made or self.select_label is not None

    @property
    def foreground(self) -> Foreground:
        """What counts as foreground."""
        from ..inputs.checks import check_labels
        from ..inputs.foreground import Foreground

        return Foreground(check_labels(self.select_label), self.binarize, self.threshold, self.scale)

    @property
    def selection(self) -> dict[str, object]:
        """What a sidecar says of what counts as foreground."""
        others = {name: getattr(self, name) for name in ("binarize", "threshold", "scale")}
        set_ones = {
            name: value for name, value in others.items() if declared(type(self))[name].differs(value)
        }
        return {"select_label": self.select_label, **set_ones}


class OfMethods:
    """What declared options know of methods."""

    are_checked = False  # those that a check returned are

    def check_method(self, method: Method, *, images: bool = False, but: Collection[str] = ()) -> None:
        """Refuse an option that the method does not have; name those that have it (with ``images`` those that need one)."""
        for one, value in self._given():
            if one.differs(value) and one.name not in but and not one.methods(method):
                others = [
                    row.name for row in in_help_order() if one.methods(row) and (images or not row.grows)
                ]
                choose = f", or choose {either(others)}" if others else ""
                raise ValueError(
                    f"{one.name} is {quoted(value)}: {method.name} has no such option; leave it out{choose}"
                )

    def _given(self) -> list[tuple[Option, Any]]:
        """Return the options that are not the default itself, which most are, or whose default a check replaces."""
        values = vars(self)
        return [
            (one, values[one.name])
            for one in declared(type(self)).values()
            if values[one.name] is not one.default or not one.default_stands
        ]

    def each_checked(self) -> Self:
        """Check each option by itself; return them as they travel inside."""
        changed = {}
        for one, given in self._given():
            value = one.checked(given)
            if value is not given:
                changed[one.name] = value
        return replace(cast("Any", self), **changed) if changed else self

    def told(self, method: Method) -> dict[str, object]:
        """Return what a sidecar says of a method's options and of what counts as foreground; made once of the same options."""
        made: dict[str, dict[str, object]] = vars(self).setdefault("_told", {})
        if method.name not in made:
            made[method.name] = {**self.recorded(method), **cast("Any", self).selection}
        return dict(made[method.name])

    def recorded(self, method: Method) -> dict[str, object]:
        """Return what a sidecar says of a method's options."""
        known = [one.name for one in declared(type(self)).values() if one.recorded and one.methods(method)]
        return {name: as_recorded(name, getattr(self, name)) for name in known}

    def check_classes(self, of_two: Collection[str]) -> None:
        """Refuse what only a truth of two classes has."""
        known, count = declared(type(self)), getattr(self, "classes", 2)
        if count == 2:
            return
        for name in of_two:
            if known[name].differs(getattr(self, name)):
                raise ValueError(
                    f"{name} is {quoted(getattr(self, name))}, and classes is {count}: with more classes than two there is none; leave "
                    "one of both out"
                )
        _check_of_levels(f"classes={count}", getattr(self, "roi", None), getattr(self, "intervals", None))

    def check_for(self, method: Method) -> None:
        """Refuse values of common options that the method does not have.

        Raises
        ------
        ValueError
        """
        if method.of_levels:
            _check_of_levels(method.name, getattr(self, "roi", None), getattr(self, "intervals", None))

    def of_method(self, method: Method) -> Self:
        """Return the options with the method's own defaults in the place of those that are declared.

        Raises
        ------
        ValueError
            For values of common options that the method does not have.
        """
        known = declared(type(self))
        self.check_for(method)
        own = {
            name: value
            for name, value in method.defaults
            if not known[name].differs(getattr(self, name)) and not isinstance(getattr(self, name), Given)
        }
        return replace(cast("Any", self), **own) if own else self


def _check_of_levels(what: str, roi: object, intervals: object) -> None:
    """Refuse what levels do not have."""
    if isinstance(roi, str) and roi == "disputed":
        raise ValueError(
            f"roi is 'disputed': {what} needs the voxels on which all agree too; give a margin in mm, or 'all'"
        )
    if intervals == "information":
        raise ValueError(
            f"intervals is 'information': {what} has none of these; give 'lesions', or 'bootstrap'"
        )


def documented(entries: Mapping[str, str]) -> Callable[[Function], Function]:
    """Complete a docstring: {options} stands for the entries of all parameters that it does not describe itself.

    They come in the order of the signature.
    """

    def complete(function: Function) -> Function:
        text = function.__doc__
        if text is None or PLACE not in text:  # Python drops docstrings when asked to
            return function
        own = {names: entry for names, entry in entries_of(text).items() if PLACE not in entry}
        described = {name for names in own for name in names.split(", ")}
        order = list(inspect.signature(function).parameters)
        known = {**own, **{name: entries[name] for name in order if name not in described}}
        names = sorted(known, key=lambda names: order.index(names.split(", ")[0]))
        lines = "\n".join(known[name] for name in names).splitlines()
        start = text.index("----\n") + len("----\n")
        margin = " " * (text.index(PLACE) - text.rindex("\n", 0, text.index(PLACE)) - 1)
        described_all = "\n".join(margin + line for line in lines)
        function.__doc__ = text[:start] + described_all + text[text.index(PLACE) + len(PLACE) :]
        return function

    return complete


def entries_of(docstring: str | None) -> dict[str, str]:
    """Return the entries of a numpydoc section on parameters, by name."""
    section = re.search(r"Parameters\n *-+\n(.*?)\n\n", inspect.cleandoc(docstring or ""), re.DOTALL)
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", section[1] if section else ""):
        found[entry.partition(" :")[0]] = entry
    return found


def _shown(value: object) -> str:
    """Return a default as documentation has it."""
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}".replace("e-0", "e-") if isinstance(value, float) else repr(value)


def either(words: Sequence[str]) -> str:
    """Return words as a choice: "a", "a or b", "a, b or c"."""
    return " or ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


def switch(name: str) -> str:
    """Return how an option is typed in the shell."""
    return "--" + name.replace("_", "-")
