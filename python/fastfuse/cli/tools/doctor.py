"""``fastfuse doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from ..common import answer
from ..words.declared import Option

EXAMPLES = ("fastfuse doctor", "fastfuse doctor --json", "fastfuse doctor --load torch")
EXIT_CODES = "0 nothing is broken, 1 internal error, 2 something is broken, or bad usage, 130 interrupted, 143 terminated."
BROKEN = 2  # exit code
Facts = dict[str, Any]


def doctor(
    load: Annotated[
        list[str] | None,
        Option(
            metavar="PACKAGE",
            help="Load this Python package first: it may bring a second OpenMP. Once for each of several.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Tell what is installed, and what this process may use; end with 2 if something is broken."""
    from .installation import facts_of_installation

    facts = facts_of_installation(load or ())
    answer(lambda: facts, lambda: _print(facts), wrote=False)
    from ...report.terminal import print_line

    for remark in facts["remarks"]:
        print_line("warning", remark)
    for problem in facts["problems"]:
        print_line("error", problem)
    if facts["problems"]:
        raise SystemExit(BROKEN)


def _print(facts: Facts) -> None:
    from ...report.terminal import output, print_below, printable

    rows = list(_rows(facts))
    width = max(len(what) for what, _ in rows)
    print_below(output(), (printable(f"{what:{width}}  {told}") for what, told in rows))


def _rows(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield what there is, in words, and what it is."""
    core, python, system = facts["core"], facts["python"], facts["system"]
    yield "fastfuse", f"{facts['fastfuse']} in {facts['package']}"
    yield "core", core["file"] or "cannot be loaded"
    if "instruction_set" in core:
        yield "instructions", f"{core['instruction_set']} (of avx512, avx2, baseline)"
    yield "Python", f"{python['version']}, {python['executable']}"
    yield "system", f"{system['name']}, {system['machine']}"
    yield "needs", _versions(facts["needs"])
    yield "extras", _versions(facts["extras"])
    yield "gzip by", facts["gzip"]
    yield "threads", _threads(facts)
    if facts["environment"]:
        yield "environment", ", ".join(f"{name}={value}" for name, value in facts["environment"].items())
    yield "OpenMP", _openmp(facts["openmp"])
    yield from _device(facts["cuda"])
    yield "memory", _memory(facts["memory"])


def _versions(found: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version or 'not installed'}" for name, version in found.items())


def _threads(facts: Facts) -> str:
    found, by = facts["threads"], facts["core"].get("threads_by")
    quota = "" if found["quota"] is None else f", of which a container allows {found['quota']:g}"
    return f"{found['of_this_process']} of {found['processors']} processors{quota}" + (
        f", by {by}" if by else ""
    )


def _openmp(files: list[str] | None) -> str:
    if files is None:
        return "this system does not tell what is loaded"
    return ", ".join(f"{Path(file).name} in {Path(file).parent}" for file in files) or "none is loaded"


def _device(cuda: Facts) -> Iterator[tuple[str, str]]:
    yield "CUDA", "available" if cuda["available"] else f"no: {cuda['why_not']}"
    if cuda.get("devices"):
        yield "devices", ", ".join(cuda["devices"])
    if cuda.get("driver"):
        yield "driver", cuda["driver"]


def _memory(found: Facts) -> str:
    from ...images.memory import shown_bytes

    def told(count: int | None, nothing: str) -> str:
        return nothing if count is None else shown_bytes(count)

    return (
        f"{told(found['available_bytes'], 'unknown')} available; limit of the container {told(found['group_bytes'], 'none')}, of "
        f"this process (ulimit -v) {told(found['address_space_bytes'], 'none')}"
    )
