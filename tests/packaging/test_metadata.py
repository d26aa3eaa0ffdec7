"""What is told of the package agrees: pyproject.toml, recipe, workflows, citation, paper."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from .common import PACKAGING, ROOT, parsed, project, run, tool, tracked

GITHUB = ROOT / ".github"
RECIPE = PACKAGING / "conda" / "recipe.yaml"
DOCKERFILE = (PACKAGING / "Dockerfile").read_text(encoding="utf-8")


def requirement(text: str) -> tuple[str, str]:
    """Return a requirement's name and bound."""
    found = re.fullmatch(r"([\w-]+)\s*(.*)", text)
    assert found
    return found[1], found[2].replace(" ", "")


def test_metadata_are_complete() -> None:
    told = project()["project"]
    for name in ("version", "description", "readme", "license", "authors", "keywords", "requires-python"):
        assert told[name], name
    assert told["license"] == "MIT"
    assert all((ROOT / path).exists() for path in [told["readme"], *told["license-files"]])
    assert "Typing :: Typed" in told["classifiers"]
    trove = pytest.importorskip("trove_classifiers", reason="needs trove-classifiers")
    assert set(told["classifiers"]) <= trove.classifiers


def test_recipe_asks_for_what_the_package_asks_for() -> None:
    recipe: dict[str, Any] = parsed(RECIPE)
    told = project()
    assert recipe["context"]["version"] == told["project"]["version"]
    assert recipe["about"]["license"] == told["project"]["license"]
    needs = dict(map(requirement, recipe["requirements"]["run"]))
    assert needs.pop("python") == ""
    assert needs == dict(map(requirement, told["project"]["dependencies"]))
    host = dict(map(requirement, recipe["requirements"]["host"]))
    assert dict(map(requirement, told["build-system"]["requires"])).items() <= host.items()
    bounds = {name: bound for extra in told["project"]["optional-dependencies"].values() for name, bound in
              (requirement(text) for text in extra if re.fullmatch(r"[\w-]+>=[\d.]+", text))}  # fmt: skip
    beside = dict(map(requirement, recipe["requirements"]["run_constraints"]))
    assert {name.removesuffix("-base"): bound for name, bound in beside.items()}.items() <= bounds.items()


def test_pytorch_reads_weights_without_running_code() -> None:
    """Before 2.6 ``weights_only=True`` runs what a hostile checkpoint holds (CVE-2025-32434), and SECURITY.md promises that nothing does."""
    asked = project()["project"]["optional-dependencies"]["train"]
    bound = re.fullmatch(r"torch>=(\d+)\.(\d+)", next(text for text in asked if text.startswith("torch")))
    assert bound
    assert (int(bound[1]), int(bound[2])) >= (2, 6)


def test_recipe_is_rendered() -> None:
    """By conda's own builder, for each platform."""
    builder = pytest.importorskip("rattler_build", reason="needs py-rattler-build")
    recipe = builder.Stage0Recipe.from_file(RECIPE)
    variants = builder.VariantConfig.from_yaml(
        "python: ['3.12.*']\nc_stdlib: [sysroot]\nc_stdlib_version: ['2.17']\n"
    )
    for platform in ("linux-64", "linux-aarch64", "osx-arm64", "win-64"):
        where = builder.PlatformConfig(
            target_platform=platform, build_platform="linux-64", host_platform=platform
        )
        assert len(recipe.render(variants, builder.RenderConfig(platform=where))) == 1


def test_every_platform_has_wheels() -> None:
    jobs = parsed(GITHUB / "workflows" / "wheels.yml")["jobs"]
    systems = jobs["wheels"]["strategy"]["matrix"]["os"]
    assert {"ubuntu-latest", "ubuntu-24.04-arm", "macos-latest", "windows-latest"} <= set(systems)
    settings = project()["tool"]["cibuildwheel"]
    path = settings["test-command"].removeprefix("python {project}/")
    assert (ROOT / path).exists()
    lowest = project()["project"]["requires-python"].removeprefix(">=").replace(".", "")
    builds = settings["build"].split()
    assert builds[0] == f"cp{lowest}-*"
    assert any(re.fullmatch(r"cp\d+t-\*", build) for build in builds)  # free-threaded


@pytest.mark.parametrize("platform", ["linux", "macos", "windows"])
def test_cibuildwheel_knows_the_builds(platform: str) -> None:
    pytest.importorskip("cibuildwheel", reason="needs cibuildwheel")
    words = [sys.executable, "-m", "cibuildwheel", "--platform", platform, "--print-build-identifiers", "."]
    told = {name.partition("-")[0] for name in run(*words).split()}
    assert {f"{build}-*" for build in told} == set(project()["tool"]["cibuildwheel"]["build"].split())


def test_the_core_is_declared_free_threaded() -> None:
    core = (ROOT / "python" / "bindings" / "core.cpp").read_text(encoding="utf-8")
    assert re.search(r"PYBIND11_MODULE\(_core, \w+, py::mod_gil_not_used\(\)\)", core)


def test_image_runs_without_rights_and_without_a_network() -> None:
    """What reaches the second stage was built in the first; the last user is not root."""
    _, build, final = DOCKERFILE.split("\nFROM ")
    assert "--no-index --find-links /wheels" in final
    assert re.findall(r"^USER (\S+)", final, re.MULTILINE) == ["1000"]
    extras = [set(re.search(pattern, part)[1].split(",")) for pattern, part in  # type: ignore[index]
              ((r'"\.\[([\w,]+)\]"', build), (r'"fastfuse\[([\w,]+)\]"', final))]  # fmt: skip
    assert extras[0] == extras[1] <= set(project()["project"]["optional-dependencies"])


def test_image_is_built_of_what_the_build_reads() -> None:
    kept = re.findall(
        r"^!(\S+)$", (PACKAGING / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert all((ROOT / path).exists() for path in kept)
    read = set(
        re.findall(
            r"(?:cpp|python/bindings)/[\w/]+\.\w+", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        )
    )
    assert len(read) > 100
    assert all(any(Path(path).is_relative_to(keep) for keep in kept) for path in read)


@pytest.mark.parametrize(
    "words",
    [
        ("hadolint", PACKAGING / "Dockerfile"),
        ("zizmor", "--offline", GITHUB),
        ("cffconvert", "--validate", "-i", ROOT / "CITATION.cff"),
    ],
    ids=["hadolint", "zizmor", "cffconvert"],
)
def test_linters_are_content(words: tuple[str, ...]) -> None:
    run(tool(words[0]), *words[1:])


def test_forms_are_what_github_takes() -> None:
    """Each entry has the keys that GitHub asks for, and no id occurs twice."""
    forms = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) >= 3
    for path in forms:
        if path.stem == "config":
            continue
        form = parsed(path)
        assert {"name", "description", "body"} <= set(form), path.name
        asked = [entry for entry in form["body"] if entry["type"] != "markdown"]
        ids = [entry["id"] for entry in asked]
        assert len(ids) == len(set(ids))
        assert all(entry["attributes"]["label"] for entry in asked)
        assert {entry["type"] for entry in form["body"]} <= {
            "markdown",
            "textarea",
            "input",
            "dropdown",
            "checkboxes",
        }


def test_community_files_are_there() -> None:
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "PULL_REQUEST_TEMPLATE.md"):
        assert f".github/{name}" in tracked()


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_their_links_lead_to_files(name: str) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", (GITHUB / name).read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (GITHUB / target).exists()] == []
