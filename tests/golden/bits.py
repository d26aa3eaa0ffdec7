"""Write down every bit of many results, and compare with what was written down before.

For a change that must not alter results, such as a rearrangement of the code. Before it::

    python tests/golden/bits.py write before.json

and after it, on the same machine with the same versions of all else::

    python tests/golden/bits.py compare before.json

which prints each difference and its size, and ends with 1 if there is any. Both take some two minutes. ``compare``
with a second file compares the two files. What is written down: each fusion of :mod:`tests.golden.cases` by each route
on one and on two threads, what else the package computes, jobs on files, what the shell prints, and errors.
The file is no part of the repository: the last bits of a result depend on the processor and on NumPy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.golden.cases import FUSIONS, NAMED, OTHERS, ROUTES, Case, fuse_by_route
from tests.golden.facts import differences, outcome_of
from tests.golden.jobs import outcomes_of_jobs
from tests.golden.refusals import refusals

THREADS = (1, 2)


def fused(case: Case, route: str, threads: int) -> Any:
    """Fuse a case anew: "auto" by the function that the public calls."""
    raters, options = case.given()
    if route == "auto":
        fusion = NAMED[case.method](raters, threads=threads, **options)
        remarks = None
    else:
        fusion, remarks = fuse_by_route(raters, case.method, route, threads=threads, **options)
    into = options.get("out")
    return {"fusion": fusion, "remarks": remarks, "into out": into is not None and fusion.probability is into}


def outcomes() -> Iterator[tuple[str, Any]]:
    """Yield the name and the outcome of every check, in a fixed order."""
    for case in FUSIONS:
        for route in ROUTES:
            for threads in THREADS:
                name = f"{case.name} [{route}, {threads}]"
                yield name, outcome_of(lambda c=case, r=route, t=threads: fused(c, r, t))
    for name, compute in OTHERS.items():
        for threads in THREADS:
            yield f"{name} [{threads}]", outcome_of(lambda c=compute, t=threads: c(t))
    for name, call in refusals().items():
        yield f"refused: {name}", outcome_of(call)
    yield from outcomes_of_jobs().items()


def measured(*, verbose: bool) -> dict[str, Any]:
    """Return all outcomes; say which take long, if asked to."""
    found: dict[str, Any] = {}
    start = time.perf_counter()
    for name, outcome in outcomes():
        if name in found:
            raise ValueError(f"two checks are called {name!r}")
        found[name] = outcome
        taken, start = time.perf_counter() - start, time.perf_counter()
        if verbose and taken > 0.3:
            print(f"{taken:6.2f} s  {name}")
    return json.loads(json.dumps(found))


def differ_by_threads(found: dict[str, Any]) -> list[str]:
    """Return the checks whose outcome depends on the number of threads."""
    first, *others = (f", {threads}]" for threads in THREADS)
    return [
        name
        for name in found
        for other in others
        if name.endswith(first) and found[name] != found[name.removesuffix(first) + other]
    ]


def compare(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Print what differs; return in how many checks."""
    changed = 0
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in before or name not in after:
            lines = [f": only {'after' if name in after else 'before'}"]
        else:
            lines = list(differences(before[name], after[name]))
        changed += bool(lines)
        for line in lines:
            print(f"{name}{line}")
    print(f"{len({*before, *after}) - changed} checks are the same, {changed} differ")
    return changed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("after", type=Path, nargs="?", help="compare with this file instead of the package")
    parser.add_argument("--verbose", action="store_true", help="name the checks that take long")
    given = parser.parse_args()
    start = time.perf_counter()
    after = json.loads(given.after.read_text()) if given.after else measured(verbose=given.verbose)
    for name in differ_by_threads(after):
        print(f"{name}: another outcome on more threads")
    if given.what == "write":
        given.file.write_text(json.dumps(after, indent=0))
        print(f"{len(after)} checks written in {time.perf_counter() - start:.0f} s")
        return 0
    return int(compare(json.loads(given.file.read_text()), after) > 0)


if __name__ == "__main__":
    sys.exit(main())
