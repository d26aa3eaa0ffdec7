"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...errors import ImageError, reason_of
from ..paths import shown

PIECE = 1 << 20  # bytes read at once


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    ImageError
        If it is not there, or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    except FileNotFoundError:
        raise ImageError(f"{shown(path)}: there is no such file") from None
    except OSError as error:
        raise ImageError(f"{shown(path)}: cannot be read ({reason_of(error)})") from None
    return digest.hexdigest()
