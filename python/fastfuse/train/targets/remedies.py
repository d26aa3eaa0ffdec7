"""The remedies of a fusion's warnings, in words of the experiment, which takes fewer options and other names."""

from __future__ import annotations

import re

from ...errors import in_python
from ...fusion.doubts.remedies import THE_MEAN
from ...fusion.fit.remarks import REMEDIES
from ...fusion.fit.result import BORDER, CLASSES, STAPLE

# Behind a remedy: options to leave out, another method.
_MORE = r"(?:, (?:without|or (?:with an image )?method=)[^;]*)?"
_END = r"(?=;|$)"


def _found(remedy: str) -> re.Pattern[str]:
    return re.compile(re.escape(in_python(remedy)) + _MORE)


_OTHER_METHODS = (
    (
        _found(REMEDIES[CLASSES]),
        "the experiment lacks that method; its own for such raters is border-staple, to be named in methods",
    ),
    (_found(REMEDIES[BORDER]), "border-staple, to be named in methods"),
    (_found(REMEDIES[STAPLE]), "prior='estimate'"),
)
_MORE_STEPS = re.compile(
    rf": (?:try|give) (?:acceleration='squarem'(?:, | or ))?a larger max_iter(?:(, | or )|{_END})"
)
_MEAN = re.compile(rf"(?:: |, and ){re.escape(THE_MEAN)}(?: in place of a fit)?{_END}")
_OPTION = re.compile(r"(?<![\w.])(?:(prior|m_step|radius_mm|iterations)='?([\w.]+)'?|(threshold)='(exact)')")


def as_experiment_takes(remark: str) -> str:
    """Return a fusion's warning with the remedies that the experiment takes: its methods, and options as consensus.NAME=VALUE.

    Iterations of EM, and a mean vote, which it has not, are left out.
    """
    for written, taken in _OTHER_METHODS:
        remark = written.sub(taken, remark)
    remark = _MORE_STEPS.sub(lambda found: ": try " if found[1] else "", remark)
    remark = _MEAN.sub("", remark)
    return _OPTION.sub(lambda found: f"consensus.{found[1] or found[3]}={found[2] or found[4]}", remark)
