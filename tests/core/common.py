"""Options of the core."""

from __future__ import annotations

from typing import Any

from fastfuse import _core


def options_for(method: str, **values: Any) -> _core.Options:
    options = _core.Options()
    options.method = method
    for name, value in values.items():
        setattr(options, name, value)
    return options
