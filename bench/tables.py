"""Markdown tables of a run: python bench/tables.py RESULTS.json [README.md].

RESULTS.json comes from ``pytest bench --benchmark-json=RESULTS.json``. The tables are printed, or written into the
file, after its line ``<!-- tables -->``.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from fastfuse.train.results.sheets import markdown_of

MARK = "<!-- tables -->\n"
UNITS = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"))
Bench = dict[str, Any]


def main(results: Path, readme: Path | None = None) -> None:
    """Print the tables, or write them."""
    text = tables(json.loads(results.read_text()))
    if readme is None:
        print(text)
        return
    head, mark, _ = readme.read_text().partition(MARK)
    if not mark:
        sys.exit(f"{readme} has no line {MARK}")
    readme.write_text(f"{head}{mark}\n{text}")


def tables(run: dict[str, Any]) -> str:
    """Return the line about the machine, and a table for each group."""
    benches = sorted(run["benchmarks"], key=lambda bench: bench["group"] or "")
    groups = [
        table(name, list(group)) for name, group in groupby(benches, lambda bench: bench["group"] or "")
    ]
    return "\n".join([machine(run), *groups])


def machine(run: dict[str, Any]) -> str:
    """Return what the run ran on."""
    info = run["machine_info"]
    cpu = info.get("cpu", {})
    system = f"{info.get('system', '')} {info.get('machine', '')}".strip()
    return (
        f"{cpu.get('brand_raw', info.get('processor') or 'a processor')}, {cpu.get('count', '?')} cores, {system}, "
        f"Python {info['python_version']}, {run['datetime'][:10]}.\n"
    )


def table(group: str, benches: list[Bench]) -> str:
    """Return a group's table: memory, a scale of one kind, or a race."""
    if any("bytes_per_voxel" in bench["extra_info"] for bench in benches):
        return memory_table(group, benches)
    for share, of, rate, unit in (
        ("of_peak", "of the peak", "gflops", "GFLOP/s"),
        ("of_copy", "of a copy", "gbytes", "GB/s"),
    ):
        if any(share in bench["extra_info"] for bench in benches):
            return share_table(group, benches, share, of, rate, unit)
    if all(size(bench) is not None and "name" in bench["params"] for bench in benches):
        return scale_table(group, benches)
    return race_table(group, benches)


def race_table(group: str, benches: list[Bench]) -> str:
    """Return medians, and their ratios to fastfuse's, or to the least where it takes no part."""
    benches = sorted(benches, key=median)
    unit = next((bench for bench in benches if label(bench).split(", ")[-1] == "fastfuse"), benches[0])
    rows = [
        [label(bench), seconds(median(bench)), f"× {median(bench) / median(unit):.3g}"] for bench in benches
    ]
    return markdown_of([group, "median", f"ratio to {label(unit)}"], rows)


def scale_table(group: str, benches: list[Bench]) -> str:
    """Return a row for each size, and a column for each contestant."""
    names = list(dict.fromkeys(bench["params"]["name"] for bench in benches))
    medians: dict[Any, dict[str, float]] = {}
    for bench in benches:
        medians.setdefault(size(bench), {})[bench["params"]["name"]] = median(bench)
    rows = [
        [f"{at:g}", *(seconds(found[name]) if name in found else "" for name in names)]
        for at, found in sorted(medians.items())
    ]
    grown = [(at, found["fastfuse"]) for at, found in sorted(medians.items()) if "fastfuse" in found]
    if group.startswith("voxels") and len(grown) > 2:
        rows.append(["fit", f"time ~ n^{exponent(grown):.2f}", *[""] * (len(names) - 1)])
    return markdown_of([f"{group} (brains)" if group.startswith("voxels") else group, *names], rows)


def exponent(points: list[tuple[float, float]]) -> float:
    """Return the slope of a line through the logarithms, by least squares."""
    x, y = ([math.log(value) for value in values] for values in zip(*points, strict=True))
    middle = sum(x) / len(x)
    return sum((a - middle) * b for a, b in zip(x, y, strict=True)) / sum((a - middle) ** 2 for a in x)


def memory_table(group: str, benches: list[Bench]) -> str:
    """Return bytes a voxel."""
    benches = sorted(benches, key=lambda bench: bench["extra_info"]["bytes_per_voxel"])
    rows = [[label(bench), f"{bench['extra_info']['bytes_per_voxel']:.1f}"] for bench in benches]
    return markdown_of([group, "bytes a voxel beyond inputs and output"], rows)


def share_table(group: str, benches: list[Bench], share: str, of: str, rate: str, unit: str) -> str:
    """Return what is done a second, and what share of the most it is."""
    rows = [
        [
            label(bench),
            seconds(median(bench)),
            f"{bench['extra_info'][rate]:.0f} {unit}",
            f"{100 * bench['extra_info'][share]:.0f} %",
        ]
        for bench in benches
    ]
    return markdown_of([group, "median", "counted", of], rows)


def median(bench: Bench) -> float:
    """Return a bench's median in seconds: of the processors' time, where that was taken by turns."""
    return float(bench["extra_info"].get("cpu", bench["stats"]["median"]))


def size(bench: Bench) -> float | None:
    """Return the one parameter that is a number, if there is one."""
    values = (bench["params"] or {}).values()
    return next((float(value) for value in values if isinstance(value, (int, float))), None)


def label(bench: Bench) -> str:
    """Return the contestant's name, or what else tells a bench from its group."""
    params = bench["params"] or {}
    return str(params.get("name") or ", ".join(map(str, params.values())) or bench["name"])


def seconds(value: float) -> str:
    """Return a time to three digits."""
    scale, unit = next(((scale, unit) for scale, unit in UNITS if value >= scale), UNITS[-1])
    return f"{value / scale:.3g} {unit}"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
