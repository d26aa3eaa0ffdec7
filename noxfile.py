#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox[uv]>=2025.2"]
# ///

"""What CI runs, in environments of its own: ``nox -s lint``, ``tests``, ``slow``, ``docs``."""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and spelling."""
    session.install("pre-commit")
    session.run("pre-commit", "run", "--all-files", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests that need minutes."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def slow(session: nox.Session) -> None:
    """Run every test: all draws, rivals, oracles, builds, and the lowest versions."""
    session.install(".", *nox.project.dependency_groups(nox.project.load_toml(), "dev"))
    session.run("pytest", "-m", "slow or not slow", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation, every warning an error; with ``-- links``, follow links to elsewhere too."""
    session.install(".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "python/docs", "build/docs")
    if "links" in session.posargs:
        session.run("sphinx-build", "-b", "linkcheck", "python/docs", "build/links")


if __name__ == "__main__":
    nox.main()
