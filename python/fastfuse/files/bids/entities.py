"""Names of BIDS: which subject and session a case is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import OutputError
from ...images.paths import shown
from ...inputs.names import enumerated, quoted
from .letters import in_latin, label_of, strange_letters

ENTITY = re.compile(r"(?:^|_)([a-z]+)-([a-zA-Z0-9]+)(?=_|$)")
CASE = re.compile(r"sub-([a-zA-Z0-9]+)(?:_ses-([a-zA-Z0-9]+))?(?:_space-([a-zA-Z0-9]+))?")


@dataclass(frozen=True)
class Entities:
    """What the names of a case's files begin with.

    Attributes
    ----------
    subject : str
    session, space : str or None
        None where the names have none.
    """

    subject: str
    session: str | None = None
    space: str | None = None

    @property
    def folder(self) -> Path:
        """Folder of the case, seen from that of the data set."""
        session = [] if self.session is None else [f"ses-{self.session}"]
        return Path(f"sub-{self.subject}", *session, "anat")

    @property
    def stem(self) -> str:
        """Beginning of the files' names."""
        given = (("sub", self.subject), ("ses", self.session), ("space", self.space))
        return "_".join(f"{key}-{value}" for key, value in given if value is not None)


def entities_of(paths: Sequence[Path]) -> Entities:
    """Return the entities that all raters' files share.

    Raises
    ------
    OutputError
        If a name has no subject, or they are of several.
    """
    found: dict[Entities, Path] = {}
    for path in paths:
        named = _named_in(path)
        if "sub" not in named:
            raise OutputError(
                f"{shown(path)}: its name has no sub-, which names of BIDS begin with: give the case's, as in --bids-case sub-01"
            )
        found.setdefault(Entities(named["sub"], named.get("ses"), named.get("space")), path)
    if len(found) != 1:
        names = enumerated([shown(path.name) for path in found.values()])
        raise OutputError(
            f"raters' files are of several subjects, sessions or spaces ({names}): name the case, as in --bids-case sub-01_ses-1"
        )
    return next(iter(found))


def _named_in(path: Path) -> dict[str, str]:
    """Return the entities that a file's name holds, without accents."""
    return dict(ENTITY.findall(in_latin(path.name.partition(".")[0])))


def entities_called(case: str) -> Entities:
    """Return the entities of a case that is named as in sub-01_ses-1."""
    met = CASE.fullmatch(case)
    if met is None:
        raise OutputError(
            f"bids_case is {quoted(case)}: it must be sub-LABEL, sub-LABEL_ses-LABEL, or with _space-LABEL behind it, of letters and digits"
        )
    return Entities(*met.groups())


def entities_of_cases(
    cases: Sequence[str], raters: Mapping[str, Sequence[Path]] | None = None
) -> dict[str, Entities]:
    """Return the entities of each case of a cohort; of a name that is none of BIDS, a subject of its letters and digits.

    Accents are left out, as Muller for Müller.

    ``raters``: the files of each case, whose names tell the space, and the session, where the case's does not.

    Raises
    ------
    OutputError
        If two cases would be one, a name has letters of another script than Latin, or raters of a case are of several spaces.
    """
    found: dict[Entities, str] = {}
    for case in cases:
        one = _with_space(case, (raters or {}).get(case, ()))
        other = found.setdefault(one, case)
        strange = strange_letters(case)
        if other != case or strange or not one.subject:
            why = f", and {quoted(other)} is {one.stem}, too" if other != case else ""
            has = f", and has {quoted(strange)}" if strange else ""
            raise OutputError(
                f"the case {quoted(case)} has no name of its own in BIDS, which takes the letters a to z and digits alone{has or why}: "
                "rename it"
            )
    return {case: one for one, case in found.items()}


def _with_space(case: str, raters: Sequence[Path]) -> Entities:
    """Return the entities of a case, with those of its raters' files that its name lacks."""
    plain = in_latin(case)
    is_named = CASE.fullmatch(plain) is not None
    one = entities_called(plain) if is_named else Entities(label_of(case))
    named = {path: _named_in(path) for path in raters}
    files = {path: own for path, own in named.items() if "sub" in own}
    spaces = {own.get("space"): path for path, own in files.items()}
    if one.space is None and len(spaces) > 1:
        names = enumerated([shown(path.name) for path in spaces.values()])
        raise OutputError(
            f"the case {quoted(case)}: raters' files are of several spaces ({names}): take those of one, by a pattern (--glob) or a "
            "table (--table)"
        )
    sessions = {own.get("ses") for own in files.values()} if is_named else set()
    session = one.session or (sessions.pop() if len(sessions) == 1 else None)
    return Entities(one.subject, session, one.space or next(iter(spaces), None))
