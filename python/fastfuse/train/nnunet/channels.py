"""Finds the images of cases, channel by channel, by patterns of their paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...cohort.cases import FIELDS, files_below, regex_of
from ...errors import CohortError, FastfuseError
from ...images.paths import shown
from ...inputs.names import composed, enumerated, quoted

EXAMPLE = "FLAIR={case}/flair.nii.gz"
OF_BIDS = "FLAIR=**/{case}_*FLAIR.nii.gz"
MOST_NAMED = 3


@dataclass(frozen=True)
class Channel:
    """A channel of a network, and what the paths of its images are like."""

    name: str
    pattern: str


def channels_typed(words: Sequence[str]) -> list[Channel]:
    """Read channels as NAME=PATTERN.

    Raises
    ------
    FastfuseError
        Naming the word, and what is needed.
    """
    found = [_channel(word) for word in words]
    if not found:
        raise FastfuseError(
            f"no channel is given: say where each one's images lie by --channel NAME=PATTERN, as '{EXAMPLE}'"
        )
    names = [one.name for one in found]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise FastfuseError(f"--channel {enumerated(twice)}: is given twice; a channel has one pattern")
    return found


def _channel(word: str) -> Channel:
    name, equals, pattern = (part.strip() for part in word.partition("="))
    path = Path(pattern)
    if not (name and equals) or set(FIELDS.findall(pattern)) != {"case"}:
        raise FastfuseError(
            f"--channel is {quoted(word)}: give a name, = and paths below --images with {{case}} in them, as '{EXAMPLE}', "
            f"or of BIDS '{OF_BIDS}'"
        )
    if path.is_absolute() or ".." in path.parts:
        raise FastfuseError(f"--channel is {quoted(word)}: the paths must lie below the folder --images")
    return Channel(name, pattern)


def images_of(
    root: Path, channels: Sequence[Channel], cases: Sequence[str]
) -> Mapping[str, tuple[Path, ...]]:
    """Return the file of each channel, of each case.

    Raises
    ------
    CohortError
        Naming cases and channels for which no file fits, or several do.
    """
    if not root.is_dir():
        raise CohortError(f"{shown(root)}: no such folder; give the one that holds the images (--images)")
    files = {composed(path.relative_to(root).as_posix()): path for path in files_below(root)}
    found: dict[str, tuple[Path, ...]] = {}
    lost: list[str] = []
    for case in cases:
        own = [name for name in files if case in name]
        fits = [_fitting(channel, case, own) for channel in channels]
        for channel, names in zip(channels, fits, strict=True):
            if len(names) > 1:
                raise CohortError(
                    f"{case}: {enumerated(names, MOST_NAMED)} fit the pattern of channel {channel.name}, {channel.pattern}: "
                    "make it tell them apart"
                )
            if not names:
                lost.append(f"{case} (channel {channel.name}: no {channel.pattern.replace('{case}', case)})")
        found[case] = tuple(files[name] for names in fits for name in names)
    if lost:
        raise CohortError(
            f"{shown(root)}: lacks images of {enumerated(lost, MOST_NAMED)}; add the files, or mend the pattern (--channel)"
        )
    return found


def _fitting(channel: Channel, case: str, names: Sequence[str]) -> list[str]:
    """Return the paths that fit a pattern."""
    as_regex = regex_of(composed(channel.pattern), case)
    return [name for name in names if as_regex.fullmatch(name)]
