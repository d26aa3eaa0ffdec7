"""What sites share in the place of images tells of no case, and is enough for the raters' rates."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastfuse
from fastfuse import CohortError, LabelTable, VoteTable, fuse_cohort
from fastfuse.cohort.apply import AskedToApply, applied_cohort
from fastfuse.cohort.estimate_file import read_estimate, saved_of
from fastfuse.cohort.export import (
    cases_read,
    export_of,
    merged,
    options_of_merge,
    read_pseudonyms,
    write_merged,
)
from fastfuse.cohort.place import Place
from fastfuse.cohort.settings import Settings
from fastfuse.cohort.tasks import bytes_of
from fastfuse.cohort.workers.crew import Crew
from fastfuse.images.outputs import write_all

from .common import drawn_tables
from .files import GLOB, make_cohort, mask_path, masks, save

RATERS = list("ABCDEFG")
BRAIN = 1_500_000  # voxels


def site(out: Path, tables: dict[str, VoteTable]) -> Path:
    """Write the outputs of a cohort that has been fused, as far as an export reads them."""
    settings = Settings(method="staple")
    write_all({Place(out).table(case): bytes_of(table) for case, table in tables.items()})
    estimate = fastfuse.pool(tables, "staple")
    write_all({Place(out).estimate: saved_of(estimate, settings, dict.fromkeys(tables, "key")).as_bytes()})
    return out


def three_sites(folder: Path) -> list[Path]:
    tables = list(drawn_tables(15, BRAIN).items())
    return [site(folder / f"site {k}", dict(tables[5 * k : 5 * k + 5])) for k in range(3)]


def test_rates_of_three_sites_are_those_of_all_cases(tmp_path: Path) -> None:
    """Rounded to tens: within .002 of the unrounded; the raters are the same, who have the same pseudonyms everywhere."""
    names = tmp_path / "pseudonyms.csv"
    names.write_text("rater,pseudonym\n" + "".join(f"{rater},p{9 - k}\n" for k, rater in enumerate(RATERS)))
    files = []
    for k, out in enumerate(three_sites(tmp_path)):
        files.append(tmp_path / f"{k}.npz")
        export_of(out, names).write(files[-1], out)
    whole, saved, _ = merged(files, options_of_merge(method="staple"))
    assert (whole.counts % 10 == 0).all()
    exact = fastfuse.estimate(sum(drawn_tables(15, BRAIN).values()), "staple")
    found = saved.estimate
    assert isinstance(found, fastfuse.PooledEstimate)
    order = [found.names.index(f"p{9 - k}") for k in range(7)]
    assert 0 < np.abs(found.sensitivity[order] - exact.sensitivity).max() < 0.002
    assert np.abs(found.specificity[order] - exact.specificity).max() < 0.002


def test_nothing_else_is_in_the_file(tmp_path: Path) -> None:
    out = three_sites(tmp_path)[0]
    made = export_of(out)
    made.write(tmp_path / "table.npz", out)
    with zipfile.ZipFile(tmp_path / "table.npz") as file:
        entries = {name: file.read(name) for name in file.namelist()}
        assert {info.date_time[0] for info in file.infolist()} == {1980}
    assert set(entries) == {
        "format.npy",
        "version.npy",
        "patterns.npy",
        "counts.npy",
        "names.npy",
        "cases.npy",
    }
    content = b"".join(entries.values())
    for word in (*drawn_tables(5), "site", str(tmp_path), "key"):
        for text in (word.encode(), word.encode("utf-32-le")):
            assert text not in content
    table = VoteTable.load(tmp_path / "table.npz")
    assert list(table.names) == sorted(table.names)  # not in the order of the raters' own names
    assert not set(table.names) & set(RATERS)
    assert read_pseudonyms(out / "pseudonyms.csv") == made.pseudonyms
    again = export_of(out)
    assert again.pseudonyms == made.pseudonyms  # a rater keeps theirs
    assert again.table == made.table
    other = export_of(site(tmp_path / "other", drawn_tables(5)))
    assert not set(other.pseudonyms.values()) & set(made.pseudonyms.values())


def test_fewer_than_five_cases_are_refused(tmp_path: Path) -> None:
    four = dict(list(drawn_tables(5).items())[:4])
    with pytest.raises(CohortError, match="holds 4 cases, and an export sums at least 5"):
        export_of(site(tmp_path / "four", four))


def test_cases_that_few_raters_read_are_left_out(tmp_path: Path) -> None:
    """Their cells could be told apart by who is absent."""
    tables = dict(drawn_tables(6))
    tables["0003"] = tables["0003"].drop("B")
    made = export_of(site(tmp_path / "out", tables))
    assert (made.cases, set(made.left_out)) == (5, {"0003"})
    assert (
        "only 1 case of A, C, D, E, F and G" in made.left_out["0003"]
        or "only 1 case of A" in made.left_out["0003"]
    )
    assert not np.isnan(made.table.patterns).any()
    assert any("0003 is left out" in line for line in made.said())
    tables["0004"] = tables["0004"].drop("B")
    with pytest.raises(CohortError, match="holds no 5 cases that the same raters read"):
        export_of(site(tmp_path / "less", tables))


def test_wrong_pseudonyms_are_refused(tmp_path: Path) -> None:
    out = site(tmp_path / "out", drawn_tables(5))
    names = tmp_path / "names.csv"
    for text, message in (
        ("rater;pseudonym\nA;x\n", "must have the columns rater and pseudonym"),
        ("rater,pseudonym\nA,x\nB,x\n", "names a rater or a pseudonym twice"),
    ):
        names.write_text(text)
        with pytest.raises(CohortError, match=message):
            export_of(out, names)
    with pytest.raises(CohortError, match="cannot be read"):
        export_of(out, tmp_path / "none.csv")
    with pytest.raises(
        fastfuse.FastfuseError, match="there is no such file; fastfuse cohort fuse writes one"
    ):
        export_of(tmp_path / "nowhere")


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
def test_a_merged_estimate_is_applied_at_a_site(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in"), tmp_path / "out"
    fuse_cohort(root, out, glob=GLOB, method="staple", replicates=5)
    made = export_of(out)
    made.write(tmp_path / "a.npz", out)
    table, saved, doubts = merged([tmp_path / "a.npz"], options_of_merge(method="staple", max_iter=1))
    assert saved.remarks == tuple(doubts)
    assert any(one.startswith("stopped at max_iter") for one in doubts)
    saved = replace(saved, remarks=(*doubts, f"doubts of {made.pseudonyms['Ann']}, as of rater-ab12"))
    files = write_merged(tmp_path / "merged", table, saved, cases_read([tmp_path / "a.npz"]))
    assert {path.name for path in files} == {"merged.npz", "estimate.json", "raters.csv"}
    asked = AskedToApply(
        tmp_path / "merged" / "estimate.json",
        root,
        tmp_path / "applied",
        GLOB,
        called=read_pseudonyms(out / "pseudonyms.csv"),
    )
    found, remarks = applied_cohort(asked, Crew(), lambda _: None)
    assert not found.failed
    assert len(found.facts["fused"]) == 5
    assert {*doubts, "doubts of Ann, as of rater-ab12"} <= {*remarks}  # told here, and by name
    sidecar = json.loads((tmp_path / "applied" / "cases" / "case-00" / "consensus.json").read_text())
    assert sidecar["pooled"]["cases"] is None  # that are summed under no name
    nameless = AskedToApply(asked.estimate, root, tmp_path / "nameless", GLOB)
    found, _ = applied_cohort(nameless, Crew(), lambda _: None)
    assert "no rater 'Ann'" in found.failed["case-00"] or "knows nothing of Ann" in found.failed["case-00"]


def test_label_tables_are_exported(tmp_path: Path) -> None:
    root, out = make_cohort(tmp_path / "in", labels=True), tmp_path / "out"
    fuse_cohort(root, out, glob=GLOB, labels="all", replicates=2)
    made = export_of(out)
    assert isinstance(made.table, LabelTable)
    assert 0 <= made.lost < 1
    made.write(tmp_path / "a.npz", out)
    table, saved, _ = merged([tmp_path / "a.npz"], options_of_merge())
    assert isinstance(saved.estimate, fastfuse.LabelEstimate)
    assert table == made.table


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize(
    "kind", ["own", "shared", "border", "labels", "binary labels", "three classes", "majority"]
)
def test_estimates_are_kept_with_all_their_bits(tmp_path: Path, kind: str) -> None:
    """What is read back makes the same consensus, bit for bit."""
    root, out = make_cohort(tmp_path / "in", 3, labels=kind == "labels"), tmp_path / "out"
    options: dict[str, object] = {
        "own": {"method": "soft-staple", "prior": "estimate", "performance_prior": (5, 1.5)},
        "shared": {"method": "staple", "priors": "shared"},
        "border": {"method": "border-staple"},
        "labels": {"labels": "all"},
        "binary labels": {"labels": {0: "ground", 1: "lesion"}},
        "three classes": {"method": "staple", "classes": 3},
        "majority": {"method": "majority"},
    }[kind]
    if kind == "three classes":
        for number in range(3):
            save(mask_path(root, f"case-{number:02}", "Zoe"), masks(number)[0] * (masks(number + 9)[1] == 0))
    if kind == "border":
        rows = ["case\trater\tpath\timage"]
        for number in range(3):
            save(root / f"case-{number:02}" / "flair.nii.gz", masks(number).sum(axis=0).astype(np.float32))
            rows += [
                f"case-{number:02}\t{rater}\tcase-{number:02}/masks/{rater}.nii.gz\tcase-{number:02}/flair.nii.gz"
                for rater in ("Ann", "Bob", "Eve")
            ]
        (tmp_path / "cases.tsv").write_text("\n".join(rows))
        where = {"table": tmp_path / "cases.tsv"}
    else:
        where = {"glob": GLOB}
    made = fuse_cohort(root, out, replicates=3, **where, **options)  # type: ignore[arg-type]
    assert not made.failed
    kept = read_estimate(out / "estimate.json")
    assert kept.as_bytes() == (out / "estimate.json").read_bytes()
    assert kept.digest == saved_of(kept.estimate, kept.settings, kept.of).digest
    asked = AskedToApply(
        out / "estimate.json", root, tmp_path / "again", where.get("glob"), where.get("table")
    )
    again, _ = applied_cohort(asked, Crew(), lambda _: None)
    assert not again.failed
    one, other = (folder / "cases" / "case-01" / "consensus.nii.gz" for folder in (out, tmp_path / "again"))
    if kind == "own":  # each case's prior is found anew
        import nibabel as nib

        np.testing.assert_allclose(nib.load(one).get_fdata(), nib.load(other).get_fdata(), atol=1e-5)
    else:
        assert one.read_bytes() == other.read_bytes()
    assert mask_path(root, "case-01", "Ann").exists()


def test_damaged_estimates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "estimate.json"
    for text, message in (
        ("", "holds no estimate of a cohort"),
        (
            '{"format": "fastfuse cohort estimate", "version": 9}',
            "is of version 9, and this fastfuse reads version 1",
        ),
        ('{"format": "fastfuse cohort estimate", "version": 1}', "is damaged"),
    ):
        path.write_text(text)
        with pytest.raises(fastfuse.FastfuseError, match=message):
            read_estimate(path)


def test_a_table_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    out, other, *_ = three_sites(tmp_path)
    names = tmp_path / "pseudonyms.csv"
    names.write_text("rater,pseudonym\n" + "".join(f"{rater},p{k}\n" for k, rater in enumerate(RATERS)))
    paths = [tmp_path / f"{name}.npz" for name in "abc"]
    for path, site in zip(paths, (out, other, out), strict=True):
        export_of(site, names).write(path, site)
    for wrong in ([paths[0], paths[0]], paths):
        with pytest.raises(CohortError, match=r"a\.npz and .*[ac]\.npz hold the same table: give it once"):
            merged(wrong, options_of_merge(method="staple"))
    assert not [
        said for said in merged(paths[:2], options_of_merge(method="staple"))[2] if "pseudonym" in said
    ]


def test_tables_without_a_common_pseudonym_are_told(tmp_path: Path) -> None:
    paths = []
    for k, out in enumerate(three_sites(tmp_path)):
        names = tmp_path / f"{k}.csv"
        site = "alike" if k < 2 else "own"
        names.write_text(
            "rater,pseudonym\n" + "".join(f"{rater},{site}{i}\n" for i, rater in enumerate(RATERS))
        )
        paths.append(tmp_path / f"{k}.npz")
        export_of(out, names).write(paths[-1], out)
    [said] = [one for one in merged(paths, options_of_merge(method="staple"))[2] if "pseudonym" in one]
    assert said.startswith(f"{paths[2]} shares no pseudonym with another table")


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("of_labels", [False, True])
def test_raters_have_their_number_of_cases(tmp_path: Path, of_labels: bool) -> None:
    """Eve reads one site's six cases, the others both sites'; of a table without numbers nothing is said."""
    names, paths = tmp_path / "names.csv", [tmp_path / "a.npz", tmp_path / "b.npz"]
    names.write_text("rater,pseudonym\nAnn,x\nBob,y\nEve,z\n")
    way: Any = {"labels": "all"} if of_labels else {"method": "staple"}
    for count, path in zip((6, 5), paths, strict=True):
        root = make_cohort(tmp_path / f"in {count}", count, labels=of_labels)
        if count == 5:
            for number in range(count):
                mask_path(root, f"case-{number:02}", "Eve").unlink()
        out = tmp_path / f"out {count}"
        fuse_cohort(root, out, glob=GLOB, replicates=2, **way)
        made = export_of(out, names)
        made.write(path, out)
        assert f"each rater's number of cases: x {count}, y {count}" in " ".join(made.said())
    assert cases_read(paths) == {"x": 11, "y": 11, "z": 6}

    def told(given: list[Path], folder: Path) -> dict[str, str]:
        table, saved, _ = merged(given, options_of_merge(method="staple"))
        write_merged(folder, table, saved, cases_read(given))
        rows = csv.DictReader((folder / "raters.csv").read_text().splitlines())
        return {row["rater"]: row["cases"] for row in rows}

    assert told(paths, tmp_path / "m") == {"x": "11", "y": "11", "z": "6"}
    assert cases_read([tmp_path / "m" / "merged.npz"]) == {"x": 11, "y": 11, "z": 6}
    kind: Any = LabelTable if of_labels else VoteTable
    old = tmp_path / "old.npz"
    kind.load(paths[1]).save(old)  # as of exports before they had numbers
    assert told([paths[0], old], tmp_path / "o") == {"x": "", "y": "", "z": "6"}


@pytest.mark.parametrize("cases", [[5, 5], [5.0] * 7, [-1] * 7, 5])
def test_wrong_numbers_of_cases_are_refused(tmp_path: Path, cases: Any) -> None:
    out = three_sites(tmp_path)[0]
    export_of(out).write(tmp_path / "a.npz", out)
    with np.load(tmp_path / "a.npz") as kept:
        np.savez(tmp_path / "b.npz", **{**kept, "cases": np.array(cases)})
    with pytest.raises(fastfuse.FastfuseError, match=r"b\.npz: is damaged \(its cases"):
        cases_read([tmp_path / "b.npz"])


def test_exports_that_together_tell_of_fewer_cases_are_refused(tmp_path: Path) -> None:
    """Also three sums of which each two differ by five, and a case that was read anew."""
    tables = drawn_tables(16)
    names = list(tables)

    def exported(*numbers: int) -> None:
        held = {names[number]: tables[names[number]] for number in numbers}
        export_of(site(out, held)).write(tmp_path / "table.npz", out)

    out = tmp_path / "out"
    exported(*range(5))
    before = (out / "exported.json").read_bytes()
    with pytest.raises(CohortError, match=f"learns {names[5]}: export again with at least 5 new cases"):
        exported(*range(6))
    with pytest.raises(CohortError, match=r"learns 000\d, 000\d"):
        exported(*range(2, 12))
    assert (out / "exported.json").read_bytes() == before
    exported(*range(5))  # the same once more tells nothing new
    assert (out / "exported.json").read_bytes() == before
    exported(*range(5, 10))
    with pytest.raises(CohortError, match=f"learns {names[10]}:"):
        exported(*range(11))
    exported(*range(15))
    tables[names[3]] = drawn_tables(17)[list(drawn_tables(17))[16]]
    with pytest.raises(CohortError, match=f"learns {names[3]}:"):
        exported(*range(5))
    (out / "exported.json").write_text("{}")
    with pytest.raises(CohortError, match="is damaged, and tells which cases were exported"):
        exported(*range(10))
    (out / "exported.json").unlink()
    exported(*range(6))


@pytest.mark.filterwarnings("ignore:2 raters do not determine:fastfuse.FusionWarning")
def test_votes_that_few_cases_hold_are_left_out_with_their_names(tmp_path: Path) -> None:
    """A label of four cases, of many voxels each, is as good as a table of four cases."""
    tables = {
        f"case-{k}": fastfuse.tabulate(
            [
                [0] * 500 + [1] * 200 + [3] * (100 * (k < 4)) + [2] * 30,
                [0] * 450 + [1] * 250 + [3] * (100 * (k < 4)) + [2] * 30,
            ],
            labels={0: "no", 1: "liver", 2: "cyst", 3: "Mustermann"} if k < 4 else {0: "no", 1: "liver", 2: "cyst"},
            names=["Ann", "Bob"],
        )
        for k in range(6)
    }  # fmt: skip
    out = tmp_path / "out"
    write_all({Place(out).table(case): bytes_of(table) for case, table in tables.items()})
    settings = Settings(labels="all")
    estimate = fastfuse.pool(tables, "staple")
    write_all({Place(out).estimate: saved_of(estimate, settings, dict.fromkeys(tables, "key")).as_bytes()})
    made = export_of(out)
    assert isinstance(made.table, LabelTable)
    assert (made.table.labels, made.table.label_names) == ((0, 1, 2), ("no", "liver", "cyst"))
    assert made.rare == {"Mustermann": 4}
    assert made.table.voxels == 6 * 730
    assert made.lost == pytest.approx(400 / (6 * 280 + 400))
    said = made.said()
    assert "label Mustermann is left out: only 4 cases of these have it" in said
    assert any("names of labels are in it" in line for line in said)
    made.write(tmp_path / "a.npz", out)
    assert "Mustermann" not in str({**np.load(tmp_path / "a.npz")})
    whole, _, _ = merged([tmp_path / "a.npz"], options_of_merge())
    assert whole == made.table
