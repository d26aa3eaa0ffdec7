"""Files that appear together, whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from .errors import OutputError
from .paths import shown

if TYPE_CHECKING:
    from typing_extensions import Self


def check_outputs(
    paths: list[Path], inputs: list[Path], suffixes: tuple[str, ...], *, overwrite: bool
) -> None:
    """Refuse early what must not, or cannot, be written."""
    for path in paths:
        name = shown(path)
        if not path.name.lower().endswith(suffixes):
            raise OutputError(f"{name}: the name of an output must end in {' or '.join(suffixes)}")
        if not path.parent.is_dir():
            raise OutputError(f"{name}: the folder {shown(path.parent)} does not exist; make it first")
        if path.is_dir():
            raise OutputError(f"{name}: is a folder; choose another name")
        if any(path.exists() and path.samefile(source) for source in inputs if source.exists()):
            raise OutputError(f"{name}: is one of the inputs; choose another name")
        if paths.count(path) > 1:
            raise OutputError(f"{name}: is to hold two outputs; choose another name")
        if path.exists() and not overwrite:
            raise OutputError(
                f"{name}: exists already; choose another name or pass --overwrite (overwrite=True)"
            )


class Outputs:
    """Files that appear together, or not at all.

    Each is written whole under a temporary name in its own folder; :meth:`commit` renames them in the order
    in which they came, so that the last one's presence means that all are complete.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Path, Path]] = []

    def add(self, path: Path, content: bytes) -> None:
        """Write ``content`` to stable storage under a temporary name."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._waiting.append((temporary, path))
        with _writing(path):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

    def commit(self) -> None:
        """Give every file its name."""
        while self._waiting:
            temporary, path = self._waiting[0]
            with _writing(path):
                temporary.replace(path)
            self._waiting.pop(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for temporary, _ in self._waiting:
            temporary.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{shown(path)}: cannot be written ({reason}); nothing was changed") from error
