"""Threads that read files."""

from __future__ import annotations

import threading


def startable(wanted: int) -> int:
    """Return how many of so many threads the system gives, by starting them."""
    end = threading.Event()
    started: list[threading.Thread] = []
    try:
        while len(started) < wanted:
            thread = threading.Thread(target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:  # "can't start new thread"
        pass
    finally:
        end.set()
    for thread in started:
        thread.join()
    return len(started)
