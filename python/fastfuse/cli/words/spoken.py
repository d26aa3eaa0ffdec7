"""Calls the options that a message names in Python's words as they are typed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from functools import cache

from .declared import declared_in

# Where a clause begins: what stands before an option's name, and no article does.
BEGINS = r"(?:^|(?<=[:;,] )|(?<=\band )|(?<=\bor )|(?<=\bif ))"
STATES = r"(?= (?:is|are) (?:given|set|not given|a map|True|False|\d|'|\[|\())"  # what is said of an option's value
LINKS = r"(?:,? and |,? or |, )"
OF_ONE = re.compile(r"(\w+)\['?(.*?)'?\]")  # an option of one rater, or one label
VERBS = ("is ", "are ", "has ", "holds ", "names ", "gives ")  # behind an option with which a message begins


class _Running:
    """The command that runs: the parameters of its options."""

    parameters: Sequence[inspect.Parameter] = ()


def runs(parameters: Sequence[inspect.Parameter]) -> None:
    """Let messages name the options of a command, which runs now."""
    _Running.parameters = parameters


def names_of_running() -> dict[str, str]:
    """Return how each option of the command that runs is typed, by its name."""
    found = {}
    for one in _Running.parameters:
        declared = declared_in(one.annotation)[1]
        if declared is not None and declared.kind == "Option":
            names = [name.partition("/")[0] for name in declared.names]
            long = [name for name in names if name.startswith("--")]
            found[one.name] = (long or names or [f"--{one.name.replace('_', '-')}"])[0]
    return found


def with_typed_options(message: str, names: Mapping[str, str]) -> str:
    """Call options as they are typed where a message says what they are, or to leave them out."""
    state, left_out, given_too, listed, of_python = _patterns(tuple(names))

    def typed(found: re.Match[str]) -> str:
        return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), found[0])

    message = listed.sub(typed, message)
    for pattern in (state, given_too, of_python):
        message = pattern.sub(lambda found: names[found[0]], message)
    message = left_out.sub(typed, message)
    message = re.sub(r"(--[\w-]+) \(\1\)", r"\1", message)  # by both names, which are one here
    return re.sub(r"(--[\w-]+) is True\b", r"\1 is given", message)


@cache
def _patterns(names: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """Return what finds options that are told of: their state, to leave out, to give too, several at the beginning, Python's names."""
    one = f"(?:{'|'.join(sorted(names, key=len, reverse=True))})"
    several = rf"{one}(?:{LINKS}{one})*"
    plainly = "|".join(sorted((name for name in names if "_" in name), key=len, reverse=True))
    return (
        re.compile(rf"{BEGINS}{one}{STATES}"),
        re.compile(rf"(?<=\bleave ){several}(?= out\b)|(?<=\bleave out ){several}(?=[,;.]|$| or )"),
        re.compile(rf"(?<=\bgive ){one}(?= too\b)"),
        re.compile(rf"^{one}(?:{LINKS}{one})+(?= )"),
        re.compile(rf"(?<![\w./\\'\"=[-])(?:{plainly})(?![\w/\\=('\"\[-]|\.\w| =)"),
    )


def beginning_as_typed(message: str, names: Mapping[str, str]) -> str:
    """Call the option that a message begins with as it is typed."""
    name, _, rest = message.partition(" ")
    one = OF_ONE.fullmatch(name)
    if one is not None and one[1] in names:  # knows['moose.nii.gz'] names
        return f"{names[one[1]]} {one[2]}=... {rest}"
    return f"{names[name]} {rest}" if name in names and rest.startswith(VERBS) else message
