"""What all tests share."""

from __future__ import annotations

import signal

# A shell ignores SIGINT for what it starts in the background, and children inherit that: tests of Ctrl-C would hang.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
