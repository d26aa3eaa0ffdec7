"""Figures of fusions: ``fastfuse.plots.confusion``. Needs matplotlib."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .report.plots import *
else:
    from .report import plots

    sys.modules[__name__] = plots
