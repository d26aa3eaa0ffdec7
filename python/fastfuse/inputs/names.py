"""What raters are called: names as the caller gives them, checked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

ONE_EACH = "give a list of names, one for each rater"
MOST_NAMED = 8
DIGITS = 7  # of a number of single precision
MOST_QUOTED = 60  # letters of a value that is refused
MOST_LISTED = 8  # entries of a list that is quoted
MOST_TOLD = 3  # raters of whom a remark says the same
OF_THE_SAME = ("it ", "its ", "by its ", "the voxel size ")  # how a sentence begins that names no file
SINGULAR = re.compile(r"\bits?\b(?!s)", re.IGNORECASE)
QUOTED = re.compile(r'"((?:[^"]|"")*)"')
CELL = re.compile(r'"(?:[^"]|"")*"(?=\t|$)|[^\t]*')
CLAUSE = re.compile(r" (is|are) ")
OF_SEVERAL = tuple(
    (re.compile(one), many)
    for one, many in (
        (
            r"\bits (axes|values|voxels|marks|classes|channels|probabilities|segments) (?=are|go|lie|measure|do|have)",
            r"their \1 ",
        ),
        (r"\bits header gives\b", "their headers give"),
        (r"\bits header stores\b", "their headers store"),
        (
            r"\bits header does not say where its voxels lie\b",
            "their headers do not say where their voxels lie",
        ),
        (r"\bis its header right\?", "are their headers right?"),
        (r"\bits box has\b", "their boxes have"),
        (r"\bit holds\b", "they hold"),
        (r"\bit has\b", "they have"),
        (r"^has no place of its own and is\b", "have no place of their own and are"),
    )
)  # what remains in the singular is said of "each"
# Control characters and half surrogates, which a file does not keep, and ends of lines and paragraphs of Unicode.
UNKEPT = ("Cc", "Cs", "Zl", "Zp")


def quoted(value: Any) -> str:
    """Return a value as a message quotes it: on one line, cut short; an array or a long list by what it is."""
    if isinstance(value, (str, bytes)):
        return _cut(repr(value[: MOST_QUOTED + 1]))
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and hasattr(value, "dtype"):
        if len(shape) > 1 or any(length > MOST_LISTED for length in shape):
            return f"an array of shape {tuple(shape)}"
        value = value.tolist() if hasattr(value, "tolist") else value
        value = float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
    if isinstance(value, (list, tuple, set, frozenset, Mapping)):
        return _listing(value)
    if isinstance(value, int) and abs(value) >= 10**MOST_QUOTED:
        return (
            f"{'-' * (value < 0)}{_leading(abs(value))}..."  # Python writes no number of thousands of digits
        )
    text = repr(value)
    if hasattr(value, "__fspath__"):
        return _cut(text)
    if "\n" in text or " at 0x" in text or len(text) > MOST_QUOTED:
        return f"a value of type {type(value).__name__}"
    return text


def _listing(values: Any) -> str:
    """Return a short list as Python writes it, and any other by its length."""
    if len(values) <= MOST_LISTED:
        pairs = values.items() if isinstance(values, Mapping) else ()
        parts = [f"{quoted(key)}: {quoted(one)}" for key, one in pairs] or [quoted(one) for one in values]
        opening, closing = "()" if isinstance(values, tuple) else "[]" if isinstance(values, list) else "{}"
        last = "," if isinstance(values, tuple) and len(values) == 1 else ""
        text = f"{opening}{', '.join(parts)}{last}{closing}"
        if len(text) <= MOST_QUOTED:
            return text
    return f"a {type(values).__name__} of {len(values)} {'entry' if len(values) == 1 else 'entries'}"


def _leading(number: int) -> int:
    """Return the first digits of a large number."""
    while number >= 10**MOST_QUOTED:
        number //= 10**MOST_QUOTED
    return number


def _cut(text: str) -> str:
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."


def composed(name: str) -> str:
    """Return a name with each letter and its accent as one character: file systems and keyboards write both forms."""
    return unicodedata.normalize("NFC", str(name))  # of a text of NumPy too


def listed_names(names: Any) -> list[str] | None:
    """Return the names as a list of different texts; None for None.

    Raises
    ------
    TypeError, ValueError
        If ``names`` is no list of texts, one stands there twice, is empty, or holds a control character.
    """
    if names is None:
        return None
    if isinstance(names, (str, bytes)):
        raise TypeError(f"names is {quoted(names)}, one text: {ONE_EACH}")
    if isinstance(names, (dict, set, frozenset)) or not isinstance(names, Iterable):
        what = repr(names) if isinstance(names, (int, float)) else f"a {type(names).__name__}"
        raise TypeError(f"names is {what}: {ONE_EACH}")
    found = [_checked(name, i) for i, name in enumerate(names)]
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"names holds {quoted(twice)} twice: each rater needs a name of their own")
    return found


def check_count_of_names(names: Sequence[str] | None, raters: int) -> None:
    """Refuse names that are more or fewer than the raters."""
    if names is not None and len(names) != raters:
        have = f"{len(names)} {'entry' if len(names) == 1 else 'entries'}"
        raise ValueError(f"names has {have} for {counted(raters, 'rater')}: give one for each")


def enumerated(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return the names for a message: the first ones, and the number of the others."""
    others = len(names) - most
    return ", ".join(names) if others <= 0 else f"{', '.join(names[:most])} and {others} more"


def told(names: Sequence[str], one: str, many: str) -> str:
    """Return one remark on several raters, of whom three are named at most.

    ``one`` is the verb, and what follows, for one rater; ``many`` is that for several.
    """
    return f"{joined(names)} {one if len(names) == 1 else many}"


def joined(names: Sequence[str]) -> str:
    """Return names as the subject of a sentence: three at most, and the number of the others."""
    others = len(names) - MOST_TOLD
    *first, last = names if others <= 0 else [*names[:MOST_TOLD], counted(others, "other")]
    return f"{', '.join(first)} and {last}" if first else last


def counted(number: float, what: str, form: str = "") -> str:
    """Return a number of things: "1 byte", "2 classes"; ``form`` is that of the number, as "," or ".3g"."""
    told = format(number, form)
    return f"{told} {what if told == '1' else plural(what)}"


def bytes_behind(surplus: int) -> str:
    """Say that a file goes on behind its voxels."""
    return f"{counted(surplus, 'byte')} follow{'s' * (surplus == 1)} the last voxel"


def plural(what: str) -> str:
    """Return the plural of a noun."""
    if what.endswith("axis"):
        return f"{what[:-2]}es"
    if what.endswith(("s", "x", "sh", "ch")) and what != "epoch":
        return f"{what}es"
    return f"{what[:-1]}ies" if what.endswith("y") and what[-2:-1] not in "aeiou" else f"{what}s"


def one_remark(names: Sequence[str], text: str) -> str:
    """Return a remark of one file, or the same of several, with their names."""
    names = [*dict.fromkeys(names)]
    return f"{enumerated(names)}: {text if len(names) == 1 else of_several(text)}"


def of_several(text: str) -> str:
    """Return what is said of one file ("its header gives") as it is said of several ("their headers give")."""
    for one, many in OF_SEVERAL:
        text = one.sub(many, text)
    return f"each: {text}" if SINGULAR.search(text) else text


def grouped(remarks: Sequence[str]) -> list[str]:
    """Return the remarks with those that say the same of several files, as "name: text", in one.

    What stands before the colon is no name where it says something itself, as "A and B are one file: it is given as two raters".
    """
    named: dict[str, list[str]] = {}
    for remark in chain.from_iterable(map(_each, remarks)):
        name, colon, text = remark.partition(": ")
        of_file = bool(colon) and not CLAUSE.search(name)
        named.setdefault(text if of_file else remark, []).append(name if of_file else "")
    return [one_remark(names, text) if any(names) else text for text, names in named.items()]


def _each(remark: str) -> list[str]:
    """Return the remarks that one text holds, each as "name: text"."""
    parts = remark.split("; ")
    named = (": " in part and not part.startswith(OF_THE_SAME) for part in parts)
    return parts if all(named) else [remark]


def _checked(name: Any, place: int) -> str:
    if not isinstance(name, str):
        raise TypeError(f"names[{place}] is {quoted(name)}: a name is a text")
    if not name:
        raise ValueError(f"names[{place}] is empty: give each rater a name")
    check_in_one_line(name, f"names[{place}]")
    return composed(name)


def in_one_line(name: str) -> str:
    """Return a name of a file with escapes for what :func:`check_in_one_line` refuses of a caller."""
    return "".join(repr(one)[1:-1] if unicodedata.category(one) in UNKEPT else one for one in name)


def check_in_one_line(name: str, where: str) -> None:
    """Refuse a name that no line of a table, or of a file, can hold; ``where``: how a message calls it."""
    if in_one_line(name) != name:
        raise ValueError(f"{where} is {quoted(name)}: it holds a control character; leave it out")


def cells_of(line: str) -> list[str]:
    """Return the cells of a line of a table with tabs between them, as they are; a tab inside quotes is none between cells."""
    cells, at = [], 0
    while at <= len(line):
        met = CELL.match(line, at)
        assert met is not None  # which may be empty
        cells.append(met[0])
        at = met.end() + 1
    return cells


def unquoted(cell: str) -> str:
    """Return what a cell says that a spreadsheet wrote: without quotes around it, and with one for two inside."""
    met = QUOTED.fullmatch(cell.strip())
    return cell if met is None else met[1].replace('""', '"').strip()
