"""The phantom of the demo, as ``fastfuse.phantom``. Needs SciPy."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .demo.phantom import *
else:
    from .demo import phantom

    sys.modules[__name__] = phantom
