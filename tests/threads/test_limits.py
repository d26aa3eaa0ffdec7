"""Where the system gives no thread, the work gets done by those there are, and the process lives."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fastfuse import _core

from ..builds import not_sanitized

resource = pytest.importorskip("resource")  # POSIX

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two processors"
)

LIMITS = {
    "processes": """
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        if os.getuid() == 0:  # the limit does not hold for root
            os.setuid(61234)
    """,
    "memory": """
        pages = int(open("/proc/self/statm").read().split()[0])
        most = pages * resource.getpagesize() + (96 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    """,
    "stack": "",  # what the environment says of it is enough
}
CALLS = {
    "fuse": "fastfuse.staple(masks, threads={threads}).probability",
    "dense": "fastfuse.soft_staple(dense, threads={threads}).probability",
    "tabulate": "fastfuse.tabulate(masks, threads={threads}).counts",
    "estimate": "fastfuse.estimate(large, 'simplified-soft-staple', max_iter=3, threads={threads}).sensitivity",
    "apply": "known.apply(masks, threads={threads}).probability",
    "margin": "fastfuse.staple(masks, roi=4, spacing_mm=(1, 1, 1), threads={threads}).probability",
    "dilation": "fastfuse.conditional_dilation(masks[0], image, threads={threads}).values",
    "field": "fastfuse.staple(masks, mrf=0.3, spacing_mm=(1, 1, 1), threads={threads}).probability",
}
SCRIPT = """
    import os, resource, warnings
    import numpy as np
    import fastfuse
    from fastfuse.fusion.vote_table import VoteTable
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    image = rng.random((40, 50, 60))
    masks = (rng.random((4, *image.shape)) < 0.2) & (image > 0.5)
    dense = rng.random(masks.shape, dtype="f4")
    large = VoteTable(np.round(rng.random((30_000, 6)), 3), np.ones(30_000))
    known = fastfuse.estimate(fastfuse.tabulate(masks, threads=1), "staple", threads=1)
    expected = {alone}
    {limit}
    said = []
    for _ in range(3):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = {several}
        said += [str(warning.message) for warning in caught if "threads" in str(warning.message)]
        assert np.array_equal(found, expected, equal_nan=True)
    print(*said, sep="\\n")
"""


def allowed(limit: str) -> dict[str, str]:
    """Return an environment in which threads of 256 MB of stack meet the limit."""
    size = {"memory": "256M", "stack": "100G"}.get(limit)
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1"} | ({"OMP_STACKSIZE": size} if size else {})


def large_stacks() -> None:
    resource.setrlimit(resource.RLIMIT_STACK, (256 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))


def run(command: list[str], limit: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=allowed(limit),
        preexec_fn=large_stacks if limit == "memory" else None,
    )


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("limit", LIMITS)
def test_the_work_gets_done_by_one_thread_and_is_told_once(limit: str, call: str) -> None:
    if limit == "stack" and _core.threads_by != "OpenMP":
        pytest.skip("only OpenMP reads OMP_STACKSIZE")
    code = textwrap.dedent(SCRIPT).format(
        alone=CALLS[call].format(threads=1),
        several=CALLS[call].format(threads=2),
        limit=textwrap.dedent(LIMITS[limit]),
    )
    done = run([sys.executable, "-c", code], limit)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.strip()
    assert said.count("the system gave 1 of 2 threads") == 1, said
    assert ("OMP_STACKSIZE" in said) == (limit != "processes")  # a remedy for who has set it


ONE_MORE = """
    import os, resource
    import numpy as np
    import fastfuse
    votes = np.random.default_rng(0).random((5, 200_000), dtype="f4")
    fastfuse.soft_staple(votes, max_iter=2, threads=1)  # loads what the other user may not
    resource.setrlimit(resource.RLIMIT_NPROC, ({most}, {most}))
    os.setuid(61234)
    for threads in (2, 1, 2, 2):
        fastfuse.soft_staple(votes, max_iter=2, threads=threads)
    print("done")
"""


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="counts the threads of a user of its own")
@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_at_the_very_edge_of_a_limit(most: int) -> None:
    """A thread that ended counts for a while: what was tried before may fail right after."""
    for _ in range(3):
        code = textwrap.dedent(ONE_MORE.format(most=most))
        done = run([sys.executable, "-W", "ignore", "-c", code], "processes")
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


SMALL_STACKS = """
    import ctypes
    import numpy as np
    import fastfuse
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)
    assert libc.pthread_getattr_default_np(attributes) == 0
    assert libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(16 << 10)) == 0
    assert libc.pthread_setattr_default_np(attributes) == 0
    votes = np.random.default_rng(0).random((9, 90, 80, 60), dtype="f4")
    for options in ({}, {"mrf": 0.3, "spacing_mm": (1, 1, 1)}, {"intervals": "information"}):
        fastfuse.soft_staple(votes, axis=0, max_iter=2, threads=2, **options)
    print("done")
"""


@pytest.mark.skipif(
    _core.threads_by == "OpenMP" or not hasattr(ctypes.CDLL(None), "pthread_setattr_default_np"),
    reason="needs threads of our own, and glibc, whose default can be changed",
)
def test_threads_have_the_stack_that_kernels_need() -> None:
    """Though the system gives less: musl's threads have 128 KB, a kernel's scratch takes 130."""
    code = textwrap.dedent(SMALL_STACKS)
    # Threads of OpenBLAS would leave their larger stacks to ours.
    done = run([sys.executable, "-W", "ignore", "-c", code], "processes")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@not_sanitized
def test_the_shell_says_it_in_a_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for rater in range(3):
        mask = (rng.random((40, 50, 60)) < 0.3).astype(np.uint8)
        nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / f"{rater}.nii.gz")
    paths = [str(tmp_path / f"{rater}.nii.gz") for rater in range(3)]
    code = "import nibabel, numpy, resource\n" + textwrap.dedent(LIMITS["memory"])
    code += "from fastfuse.cli import main\nimport sys\nsys.argv[0] = 'fastfuse'\nmain()\n"
    command = [sys.executable, "-c", code, "fuse", *paths, "-o", str(tmp_path / "out.nii.gz")]
    done = run([*command, "--method", "staple", "--threads", "2"], "memory")
    assert done.returncode == 0, done.stderr
    told = [line for line in (done.stdout + done.stderr).splitlines() if re.search(r"gave 1 of 2", line)]
    assert len(told) == 1
    assert "Traceback" not in done.stderr
