"""Standard error while native code reads."""

from __future__ import annotations

import os
import threading

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
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    after = os.fstat(2)
    assert (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)
