"""What other libraries say of their failures, in an error of ours."""

from __future__ import annotations

import pytest

from fastfuse.errors import reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("plain"), "plain"),
        (ValueError("\n\n  first\nsecond"), "first"),
        (ValueError(""), "ValueError"),
        (ValueError(" \n "), "ValueError"),
        (RuntimeError("\x1b[1mWeights only load failed.\x1b[0m Run \x1b[31;1mx\x1b[0m"), "Weights only load failed. Run x"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (KeyError("name"), "'name'"),
        (ValueError("x" * 1000), "x" * 300 + "..."),
    ],
)  # fmt: skip
def test_one_plain_line(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
