"""``fastfuse doctor`` and ``cite``, the log file, steps in lines, and completion."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from fastfuse import _core
from fastfuse.cli.shell import app_of_words
from fastfuse.cli.tools import installation
from fastfuse.images import memory

from .common import MASKS, ran

ONE_OF_EACH = {
    "fuse": [*MASKS, "-o", "OUT/c.nii.gz", "--prior", "estimate"],
    "soften": [*MASKS, "--image", "flair.nii.gz", "--out-dir", "OUT"],
    "agreement": MASKS,
    "compare": MASKS,
    "evaluate": MASKS[:2],
}


def words_of(command: str, out: Path) -> list[str]:
    return [command, *(word.replace("OUT", str(out)) for word in ONE_OF_EACH[command])]


def commands() -> list[str]:
    app = app_of_words([])
    named = [one.name for one in app.registered_commands]
    cohort = app.registered_groups[0].typer_instance.registered_commands
    return [*named, *(f"cohort {one.name}" for one in cohort)]


@pytest.mark.parametrize("command", commands())
def test_every_help_has_the_exit_codes_and_the_manners(tmp_path: Path, command: str) -> None:
    out = ran(tmp_path, *command.split(), "--help").stdout
    assert re.search(r"^Exit codes: 0 .*1 internal error.*2 ", " ".join(out.split("\n\n")[-1].split()))
    assert all(f"  --{name} " in out for name in ("quiet", "verbose", "json", "log-file", "debug"))


@pytest.mark.parametrize("command", ONE_OF_EACH)
def test_verbose_prints_steps_and_quiet_none(case: Path, tmp_path: Path, command: str) -> None:
    told = ran(case, *words_of(command, tmp_path), "--verbose")
    assert told.returncode == 0
    steps = re.findall(r"^ +\d+\.\d s  (\w+)", told.stderr, re.MULTILINE)
    assert len(steps) >= 2, told.stderr
    still = ran(
        case, *words_of(command, tmp_path), *(["--overwrite"] * (command in ("fuse", "soften"))), "--quiet"
    )
    assert (still.returncode, still.stdout) == (0, "")
    assert re.findall(r"^(?!warning: )", still.stderr.rstrip(), re.MULTILINE) in ([], [""])


def test_quiet_and_verbose_exclude_each_other(case: Path) -> None:
    told = ran(case, "agreement", *MASKS, "--quiet", "--verbose")
    assert (told.returncode, told.stderr) == (
        2,
        "error: --quiet and --verbose are given: leave one of both out\n",
    )


@pytest.mark.parametrize("command", ONE_OF_EACH)
def test_a_log_gathers_runs(case: Path, tmp_path: Path, command: str) -> None:
    log = tmp_path / "run.log"
    for times in (1, 2):
        ran(case, *words_of(command, tmp_path / "x"), "--log-file", log)
        lines = log.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("fastfuse log, version ")
        kinds = [line.split()[1] for line in lines[1:]]
        assert kinds.count("command") == kinds.count("end") == times
        assert kinds[0] == "command"
        assert kinds[-1] == "end"
        assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]", line) for line in lines[1:])
    assert f" command fastfuse {command} " in lines[1]


def test_a_log_holds_errors_and_their_traceback_where_it_is_asked_for(case: Path, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    words = ["fuse", "none.nii", MASKS[0], "-o", tmp_path / "c.nii", "--log-file", log]
    assert ran(case, *words).returncode == 2
    text = log.read_text(encoding="utf-8")
    assert " error none.nii: " in text
    assert " traceback " not in text
    assert text.endswith(" end exit code 2\n")
    told = ran(case, *words, "--debug")
    assert "Traceback (most recent call last)" in told.stderr
    assert " traceback Traceback (most recent call last)" in log.read_text(encoding="utf-8")


def test_a_log_damages_no_other_file(case: Path, tmp_path: Path) -> None:
    before = (case / MASKS[0]).read_bytes()
    told = ran(case, "agreement", *MASKS, "--log-file", MASKS[0])
    assert told.returncode == 2
    assert "is no log of fastfuse" in told.stderr
    assert (case / MASKS[0]).read_bytes() == before
    told = ran(case, "agreement", *MASKS, "--log-file", tmp_path / "no folder" / "l")
    assert (told.returncode, "No such file" in told.stderr) == (2, True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_log_on_a_full_disk_is_bad_input_and_no_fault(case: Path, tmp_path: Path) -> None:
    import resource

    def full() -> None:  # no file may grow
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    more = {"preexec_fn": full, "env": {"PYTHONDEVMODE": "1"}}  # which tells what fails when a file is let go
    told = ran(case, "agreement", *MASKS, "--log-file", tmp_path / "run.log", **more)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    assert "run.log: cannot be written (File too large); choose another name (--log-file)" in told.stderr


def test_doctor_tells_what_is_there(tmp_path: Path) -> None:
    told = ran(tmp_path, "doctor", "--json")
    found = json.loads(told.stdout)
    assert (told.returncode, found["problems"]) == (0, [])
    assert found["core"]["file"] == _core.__file__
    assert found["core"]["instruction_set"] in ("avx512", "avx2", "baseline")
    assert Path(found["package"], "_core.pyi").is_file()
    assert found["needs"].keys() == {"numpy", "nibabel", "typer"}
    assert found["memory"].keys() == {"available_bytes", "group_bytes", "address_space_bytes"}
    shown = ran(tmp_path, "doctor")
    assert shown.returncode == 0
    assert found["core"]["file"] in shown.stdout
    for word in ("instructions", "threads", "OpenMP", "CUDA", "memory", "gzip by"):
        assert f"\n{word} " in shown.stdout


def test_doctor_names_the_instructions_that_were_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in installation.FROM_ENVIRONMENT:  # dask's nannies leave OMP_NUM_THREADS behind
        monkeypatch.delenv(name, raising=False)
    env = {"FASTFUSE_INSTRUCTION_SET": "baseline"}
    found = json.loads(ran(tmp_path, "doctor", "--json", env=env).stdout)
    assert found["core"]["instruction_set"] == "baseline"
    assert found["environment"] == env


def test_doctor_warns_of_two_run_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    two = ["/usr/lib/libgomp.so.1.0.0", "/x/torch/lib/libgomp-a34b3233.so.1"]
    monkeypatch.setattr(installation, "loaded_run_times", lambda: two)
    told = ran(tmp_path, "doctor")
    assert told.returncode == 0
    assert (
        "warning: 2 run-times of OpenMP are loaded (libgomp.so.1.0.0, libgomp-a34b3233.so.1)" in told.stderr
    )


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("libgomp.so.1.0.0", True), ("libgomp-a34b3233.so.1", True), ("libiomp5.so", True), ("libomp.dylib", True), ("vcomp140.dll", True),
     ("libompi.so", False), ("libgompX.so", False), ("libcomp.so", False)],
)  # fmt: skip
def test_run_times_by_name(name: str, is_one: bool) -> None:
    assert bool(installation.RUN_TIME.match(name)) == is_one


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_core_s_own_run_time_is_seen() -> None:
    assert bool(installation.loaded_run_times()) == (_core.threads_by == "OpenMP")


def test_doctor_ends_with_2_where_the_core_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails() -> bool:
        raise OSError("no such instruction")

    monkeypatch.setattr(installation, "_fuses", fails)
    told = ran(tmp_path, "doctor")
    assert told.returncode == 2
    assert (
        "error: the compiled core does not work (OSError: no such instruction): install fastfuse anew"
        in told.stderr
    )


def test_doctor_refuses_to_load_what_is_not_there(tmp_path: Path) -> None:
    told = ran(tmp_path, "doctor", "--load", "no_such_package")
    assert (told.returncode, "'no_such_package' cannot be loaded" in told.stderr) == (2, True)


def test_limits_of_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.limits()["group_bytes"] is None
    (tmp_path / "memory.max").write_text("4000000\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("4000000\n")
    assert memory.limits()["group_bytes"] == 4_000_000


def test_cite_reads_results_and_names(case: Path, tmp_path: Path) -> None:
    assert ran(case, "fuse", *MASKS, "-o", tmp_path / "c.nii", "--acceleration", "squarem").returncode == 0
    for name in ("c.json", "c.nii"):
        told = ran(tmp_path, "cite", name)
        assert told.returncode == 0
        assert re.findall(r"doi:(\S+) \[(.*)\]", told.stdout) == [
            ("10.1007/978-3-030-32248-9_57", "soft-staple"),
            ("10.1111/j.1467-9469.2007.00585.x", "squarem"),
        ]
    facts = json.loads(ran(tmp_path, "cite", "border_staple", "--json").stdout)
    assert [(one["for"], one["doi"]) for one in facts] == [(["border-staple"], None)]
    assert (
        ran(tmp_path, "cite", "staple", "--style", "bibtex").stdout.count("\n@article{warfield2004staple,\n")
        == 1
    )
    assert ran(tmp_path, "cite").stdout.count("doi:") == 3
    (tmp_path / "x.json").write_text("{}")
    for name, told in (("x.json", "is no result"), ("y.json", "no such file"), ("steeple", "nothing called")):
        refused = ran(tmp_path, "cite", name)
        assert (refused.returncode, told in refused.stderr) == (2, True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_options(tmp_path: Path, shell: str) -> None:
    typed = "fastfuse fuse --save"
    env = {
        "_FASTFUSE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": typed,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = ran(tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    found = re.findall(r"--[\w-]+", done.stdout)
    assert found == ["--save-label", "--save-counts", "--save-probability", "--save-confidence"]
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_completion_is_shown(tmp_path: Path, shell: str) -> None:
    by_name = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # tests may run below no shell
    done = ran(tmp_path, "--show-completion", shell, env=by_name)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_FASTFUSE_COMPLETE=complete_{shell}" in done.stdout


@pytest.mark.parametrize("name", ["c.json", "c.nii", "page.html"])
def test_no_output_takes_the_place_of_the_log(case: Path, tmp_path: Path, name: str) -> None:
    words = ["fuse", *MASKS, "-o", tmp_path / "c.nii", "--report", tmp_path / "page.html"]
    ran(case, *words)
    for path in tmp_path.iterdir():
        path.unlink()
    log = tmp_path / name
    ran(case, *words, "--log-file", tmp_path / "before.log")
    for path in (tmp_path / "c.json", tmp_path / "c.nii", tmp_path / "page.html"):
        path.unlink()
    (tmp_path / "before.log").rename(log)
    before = log.read_text(encoding="utf-8")
    told = ran(case, *words, "--log-file", log, "--overwrite")
    assert (told.returncode, "is the log of this command; choose another name" in told.stderr) == (2, True)
    assert log.read_text(encoding="utf-8").startswith(before)
    assert [path.name for path in tmp_path.iterdir()] == [name]
