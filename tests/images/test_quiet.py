"""Standard error while native code reads."""

from __future__ import annotations

import os
import threading

import pytest

from fastfuse.errors import in_the_shell
from fastfuse.images.formats.quiet import quiet

PATIENCE_S = 20


def test_standard_error_survives_two_quiet_readers() -> None:
    before = os.fstat(2)
    one_in, other_in, one_out = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with quiet():
            one_in.set()
            other_in.wait(0.3)  # in vain: the other has to wait
        one_out.set()

    def second() -> None:
        one_in.wait(PATIENCE_S)
        with quiet():
            other_in.set()
            one_out.wait(PATIENCE_S)

    threads = [threading.Thread(target=target) for target in (first, second)]
    with in_the_shell():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    after = os.fstat(2)
    assert (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)


def test_standard_error_belongs_to_the_program_that_embeds_the_package(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Its other threads write there while one reads; the shell's command has none."""
    with quiet():
        os.write(2, b"a line of the server\n")
    with in_the_shell(), quiet():
        os.write(2, b"a line of native code\n")
    assert capfd.readouterr().err == "a line of the server\n"
