"""A short run of the fuzzer, the same every time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from .fuzz import LATTICE, Fuzzer, little_memory


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("tried", [400, pytest.param(1500, marks=pytest.mark.slow)])
def test_only_image_errors_leave_the_readers(tmp_path: Path, tried: int) -> None:
    fuzzer = Fuzzer(tmp_path)
    with little_memory():
        for seed in range(tried):
            fuzzer.one(random.Random(seed))
    assert tried / 3 < fuzzer.refused < fuzzer.tried


def test_sound_files_are_read(tmp_path: Path) -> None:
    """The corpus is sound: else its mutants would show nothing."""
    from fastfuse.images import reading
    from fastfuse.images.wanted import Wanted
    from fastfuse.inputs.foreground import Foreground

    fuzzer = Fuzzer(tmp_path)
    for name in fuzzer.names:
        if name.endswith(".gii"):
            continue
        labels = (1,) if name in ("four.nii", "v.mha", "l.dcm") else ()
        segments = ("one",) if name in ("two.seg.nrrd", "b.dcm") else ()
        if name == "v.mha":
            labels = ()
        foreground = Foreground(labels=labels, segments=segments, binarize=name == "v.mha")
        assert (
            reading.read(tmp_path / name, wanted=Wanted(foreground, lattice=lambda _: LATTICE)).data.ndim == 3
        ), name
