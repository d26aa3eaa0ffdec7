"""What to cite for methods, options, and results."""

import re
from pathlib import Path

import pytest

from fastfuse.errors import FastfuseError
from fastfuse.fusion.registry import NAMES
from fastfuse.report.citing import SUBJECTS, as_bibtex, as_text, cited_for, subjects_of

ROOT = Path(__file__).parents[2]
DOI = re.compile(r"10\.\d{4,9}/[\w./()-]*\w")
ALL = cited_for(SUBJECTS)


def test_every_method_has_a_row():
    assert {*NAMES, "auto"} <= SUBJECTS.keys()


@pytest.mark.parametrize("folder", ["fusion", "dilation", "comparison"])
def test_the_documentation_cites_nothing_else(folder):
    known = {one.reference.doi for one in ALL} | {"10.3389/fnins.2020.00125"}  # an implementation
    package = ROOT / "python" / "fastfuse"
    told = {doi for file in (package / folder).rglob("*.py") for doi in DOI.findall(file.read_text("utf-8"))}
    assert told
    assert told <= known


def test_the_software_and_its_papers_are_those_of_the_citation_file():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    software = ALL[0].reference
    assert f'title: "{software.title}"\nversion: {software.place}\n' in text
    by_doi = {one.reference.doi: one.reference for one in ALL}
    told = re.findall(r"doi: (\S+)", text)
    assert len(told) == 2
    for doi in told:
        assert by_doi[doi].title in text
        assert f"year: {by_doi[doi].year}" in text
        assert all(one.partition(",")[0] in text for one in by_doi[doi].authors)


def test_bibtex_has_one_entry_for_each_with_balanced_braces():
    entries = as_bibtex(ALL).split("\n\n")
    keys = [re.match(r"@\w+\{(\w+),", entry)[1] for entry in entries]
    assert len({*keys}) == len(keys) == len(ALL)
    for entry in entries:
        assert entry.count("{") == entry.count("}")
    assert "pages   = {903--921}" in entries[1]


def test_a_reference_is_told_once_for_all_it_is_cited_for():
    text = as_text(cited_for(["soft-staple", "soften", "border-staple"])).splitlines()
    assert [line.rpartition(" [")[2] for line in text] == ["border-staple]", "soft-staple, soften]"]


def test_unknown_names_are_refused_with_those_that_there_are():
    with pytest.raises(FastfuseError, match="nothing called 'steeple' to cite; choose among staple, "):
        cited_for(["steeple"])


@pytest.mark.parametrize(
    ("facts", "used"),
    [
        ({"method": "border-staple", "options": {}}, ["border-staple"]),
        ({"method": "staple", "labels": [], "options": {"performance_prior": [5, 0.9]}}, ["label-maps", "performance-prior"]),
        ({"method": "majority", "labels": []}, ["majority"]),
        ({"method": "dilated-staple", "dilation": {"shape": "cross"}}, ["dilated-staple"]),
        ({"method": "soft-staple", "dilation": {}, "options": {"acceleration": "squarem"}}, ["soft-staple", "squarem"]),
        ({"method": "staple", "auto": {}, "options": {"intervals": "lesions"}}, ["staple", "bootstrap"]),
        ({"method": "staple", "options": {"classes": 3, "performance_prior": "none"}}, ["staple", "three-classes"]),
        ({"method": "staple", "structures": [{"auto": {"took": "staple"}}]}, ["staple", "auto"]),
        ({"method": "comparison", "ways": [{"method": "mean vote, Dice's cut"}, {"method": "SIMPLE"}]}, ["majority", "simple"]),
        ({"method": "of tomorrow"}, []),
    ],
)  # fmt: skip
def test_what_was_used_is_read_from_the_result(facts, used):
    assert [*subjects_of(facts)] == used
