"""Pictures of any size are read if the memory is there: Pillow's own limit is not asked."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import fastfuse
from fastfuse.images import checks
from fastfuse.images.reading import read

pillow = pytest.importorskip("PIL.Image")

MASK = np.zeros((40, 50), np.uint8)
MASK[10:20, 5:30] = 1


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", 100)
    return 100


def save(path: Path, *, pages: int = 1) -> Path:
    first, *others = (pillow.fromarray(MASK) for _ in range(pages))
    first.save(path, **({"save_all": True, "append_images": others} if others else {}))
    return path


@pytest.mark.parametrize(("name", "pages"), [("a.png", 1), ("a.tif", 1), ("a.tif", 3)])
def test_more_pixels_than_pillow_allows(name: str, pages: int, tmp_path: Path, low_limit: int) -> None:
    found = read(save(tmp_path / name, pages=pages)).data
    assert found.shape == (50, 40, pages)
    assert all(np.array_equal(found[..., page], MASK.T) for page in range(pages))
    assert low_limit == pillow.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_less_memory_than_it_needs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header's size is held against it before a pixel is read."""
    path = save(tmp_path / name)
    monkeypatch.setattr(checks, "available", lambda: MASK.size)
    with pytest.raises(
        fastfuse.ImageError, match=r"it needs 8.0 kB of memory, more than the 2.0 kB that are free; crop"
    ):
        read(path)
    assert pillow.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize(
    ("side", "told"),
    [(200_000, "it has 1 page of 200000 × 200000 pixels, and up to"), (40_000, "of memory, more than the")],
)
def test_a_bomb(side: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes that claim to be a large picture."""
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(99))),
        (b"IEND", b""),
    ):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    (tmp_path / "a.png").write_bytes(content)
    monkeypatch.setattr(checks, "available", lambda: 10**9)
    with pytest.raises(fastfuse.ImageError, match=told):
        read(tmp_path / "a.png")


def test_the_limit_is_others_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a picture within it, it is not lifted, which would let other threads read anything meanwhile."""
    monkeypatch.setattr(pillow, "MAX_IMAGE_PIXELS", MASK.size)
    seen = []
    monkeypatch.setattr(checks, "available", lambda: seen.append(pillow.MAX_IMAGE_PIXELS) or 10**9)
    read(save(tmp_path / "a.tif"))
    assert set(seen) == {MASK.size}
