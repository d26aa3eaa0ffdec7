"""The remedies of a fusion's warnings, in words of the experiment, which takes fewer options and other names."""

from __future__ import annotations

import re

_END = r"(?:, (?:without|or with an image) [^;]*)?"  # of a remedy: options to leave out, another method
_OTHER_METHODS = (
    (
        re.compile(rf"fuse\(method='staple', classes=3\){_END}"),
        "the experiment lacks that method, and has border-staple for such raters: name it in methods",
    ),
    (re.compile(rf"fuse\(method='border-staple'\){_END}"), "name border-staple in methods"),
    (re.compile(rf"fuse\(method='staple', (prior='estimate')\){_END}"), r"\1"),
)
_OPTION = re.compile(r"(?<![\w.])(?:(prior|m_step|radius_mm|iterations)='?([\w.]+)'?|(threshold)='(exact)')")


def as_experiment_takes(remark: str) -> str:
    """Return a fusion's warning with the remedies that the experiment takes: its methods, and options as consensus.NAME=VALUE."""
    for written, taken in _OTHER_METHODS:
        remark = written.sub(taken, remark)
    return _OPTION.sub(lambda found: f"consensus.{found[1] or found[3]}={found[2] or found[4]}", remark)
