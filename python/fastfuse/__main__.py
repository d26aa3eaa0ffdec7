"""The beginning of the ``fastfuse`` command: it hears Ctrl-C and SIGTERM while the rest is still loading."""

import os
import signal
import sys

INTERRUPTED, TERMINATED = 130, 143
OF_PYTORCH = {"experiment", "predict"}
INTERRUPTED_LINE = b"error: interrupted; no output was written\n"


def main() -> None:
    """Load the command and run it."""
    # A signal that the parent has set to be ignored, as nohup does, stays ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
    # NumPy's OpenBLAS makes threads that nothing here uses; where it gets none, it interrupts the process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Threads of OpenMP that wait would spin on processors that others may need. PyTorch's stay as they are.
    if OF_PYTORCH.isdisjoint(sys.argv[1:2]):
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from .cli.process.lean import start_lean

    start_lean()
    from .cli import main as command

    try:
        command(ends=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is written: what remains is Python's own end


def _interrupted(*_: object) -> None:
    """Leave at once: there is nothing to put in order yet, and an import may swallow an exception."""
    try:
        os.write(2, INTERRUPTED_LINE)
    finally:  # standard error may be closed
        os._exit(INTERRUPTED)


def _terminated(*_: object) -> None:
    os._exit(TERMINATED)


if __name__ == "__main__":
    main()
