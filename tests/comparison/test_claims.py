"""What is claimed of calibration is what the study's tables in WHICH.md hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUSION = ROOT / "python" / "fastfuse" / "fusion"
STAPLE = ("staple", "staple, prior estimated")
RIVALS = (*STAPLE, "staple, three classes", "mean vote")
OFF, LEAST, GREATEST, ECE, SURE, LESION = 3, 4, 5, 6, 8, 9  # numbers of a row


def groups() -> list[dict[str, list[float]]]:
    """Return the numbers of each method's row, for the three groups of cases."""
    text = (FUSION / "WHICH.md").read_text(encoding="utf-8")
    found = []
    for table in text.split("## Where it is in doubt")[1].split("\n## ")[0].split("| method |")[1:]:
        rows = re.findall(r"^\| ([a-z][^|]+?) \| (.+) \|$", table, re.MULTILINE)
        found.append({name: [float(one) for one in re.findall(r"[-+]?\d[\d.]*", row)] for name, row in rows})
    assert len(found) == 3
    return found


def short(value: float, digits: int = 2) -> str:
    """Return a share without its 0."""
    return f"{value:.{digits}f}".removeprefix("0")


@pytest.mark.parametrize(
    "page", ["python/docs/limits.md", "python/fastfuse/fusion/README.md", "python/packaging/paper/paper.md"]
)
def test_what_staple_is_sure_of(page: str) -> None:
    said, lesion = (sorted(group[name][k] for group in groups() for name in STAPLE) for k in (SURE, LESION))
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert f"{short(said[0], 3)} to {short(said[-1], 3)} on average" in text or (
        f"on average {short(said[0], 3)} to {short(said[-1], 3)}" in text
    )
    assert f"is lesion in {short(lesion[0])} to {short(lesion[-1])} of voxels" in text


def test_border_staple_where_in_doubt() -> None:
    found = groups()
    image = [group["border-staple, image"] for group in found]
    for group, row in zip(found, image, strict=True):
        assert row[ECE] < min(group[name][ECE] for name in RIVALS)
    limits = (ROOT / "python" / "docs" / "limits.md").read_text(encoding="utf-8")
    assert image[0][LEAST] > 0
    assert f"by {short(image[0][LEAST], 3)} to {short(image[0][GREATEST], 3)}" in limits
    readme = " ".join((FUSION / "README.md").read_text(encoding="utf-8").split())
    off = sorted(row[OFF] for row in image)
    assert f"too high by {short(off[0], 3)} to {short(off[-1], 3)} in three groups" in readme
    most = max(abs(row[k]) for row in image for k in (LEAST, GREATEST))
    assert f"a case differed by up to {short(most, 3)} " in readme
