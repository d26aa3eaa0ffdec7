"""The device that a user names, if it can be used here."""

from __future__ import annotations

import re

import torch

from ...errors import FastfuseError, reason_of

NAMES = re.compile(r"cpu|mps|(?:cuda|xpu)(?::\d{1,3})?")
NO_BACKEND = "Could not run"  # begins a page of PyTorch's about what it was built with


def usable(device: str) -> torch.device:
    """Return a device, after a number has been brought there; "auto" is CUDA if there is one, else the CPU.

    Raises
    ------
    FastfuseError
        If there is no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not NAMES.fullmatch(device):
        raise FastfuseError(f"device is {device!r}: give auto, cpu, cuda, or one of several cards, as cuda:1")
    place = torch.device(device)
    try:
        torch.ones(1, device=place).item()
    except Exception as error:  # each backend has errors of its own
        raise FastfuseError(
            f"device is {device!r}: it cannot be used ({_why(error, place)}); try cpu"
        ) from error
    return place


def _why(error: Exception, place: torch.device) -> str:
    reason = reason_of(error)
    if reason.startswith(NO_BACKEND):
        return f"this PyTorch, {torch.__version__}, has no {place.type}"
    return reason.partition(". ")[0]
