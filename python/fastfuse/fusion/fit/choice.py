"""``method="auto"``: the model that fits.

STAPLE, its prior estimated, is compared with one model of raters who differ at borders, by Schwarz's criterion (BIC) over
the n voxels that anybody marks: each of k parameters costs ½ ln n nats. Which of these models, the votes do not tell, as none
tells where the truth's border lies; copies of raters count once:

==========  ====================================================================================
raters      compared with STAPLE
==========  ====================================================================================
1, 2        none: STAPLE
3           STAPLE, which has a parameter for each pattern, fits any votes: border-STAPLE with an image, else STAPLE
4           border-STAPLE
from 5 on   border-STAPLE with an image, which tells the border; else three classes
==========  ====================================================================================

Parameters: STAPLE 2 m + 1, three classes 3 m + 2, border-STAPLE 4 m + 10 (2 m + 10 of three or four raters), where 10 stand for
the smoothed shares of 41 levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..backends.cpu import tabulated
from ..backends.devices import place_of
from ..backends.found import CoreTable
from ..case import Case
from ..options import Options
from ..registry import Method, method_called
from ..votes import Votes
from .result import BORDER, CLASSES, STAPLE, Fit
from .rows import Rows
from .source import fits_of, rival_of_staple

TOO_MANY = (
    "method is 'auto': the votes hardly repeat from voxel to voxel, as probabilities of a network, so that no fit tells which "
    "model suits: name the method; for networks' probabilities take the mean (method='majority')"
)


SOFT = (
    "method is 'auto', and there is the vote {:.3g}: its test is of votes 0 and 1; name the method (soft-staple, border-staple, or "
    "for networks' probabilities majority), or make masks by threshold=0.5"
)


@dataclass(frozen=True)
class Choice:
    """The model that was taken.

    Attributes
    ----------
    model : {"staple", "three classes", "border-staple"}
    other : str or None
        The one that it was compared with; None where the votes cannot tell.
    gain : float
        By how much it is better, in nats a marked voxel; 0 where nothing was compared.
    """

    model: str
    other: str | None = None
    gain: float = 0.0

    @property
    def method(self) -> Method:
        """The method that fits the model."""
        return method_called(BORDER if self.model == BORDER else STAPLE)

    def options(self, options: Options) -> Options:
        """Return the options with those of the model, and its own defaults."""
        if self.model == BORDER:
            return options.of_method(self.method)
        options = replace(options, evidence=False)
        return replace(options, classes=3) if self.model == CLASSES else replace(options, prior="estimate")

    def votes(self, votes: Votes) -> Votes:
        """Return the votes without an image that the model does not take."""
        return votes if self.model == BORDER else replace(votes, image=None)

    @property
    def said(self) -> str:
        """The choice, in a line."""
        if self.other is None:
            return f"auto took {self.model}: of so few raters the votes do not tell which model fits"
        return (
            f"auto took {self.model}: it fits better than {self.other} by {self.gain:.3g} nats a marked voxel"
        )


def choose(rows: Rows, *, image: bool = False, threads: int = 0) -> Choice:
    """Return the model that fits."""
    raters = rows.distinct
    rival = rival_of_staple(raters, image=image)
    if rival is None or (raters == 3 and not image):
        return Choice(STAPLE)
    if raters == 3:
        return Choice(BORDER)
    fits = fits_of(rows, (STAPLE, rival), threads=threads)
    if rival not in fits or STAPLE not in fits:
        return Choice(STAPLE)
    fit = Fit(rows.observed, fits, None, rows.marked, raters)
    gain = fit.price(STAPLE) - fit.price(rival)
    return Choice(rival, STAPLE, gain) if gain > 0 else Choice(STAPLE, rival, -gain)


def chosen_for(votes: Votes, options: Options) -> Choice:
    """Return the model that fits listed votes; ``options``: checked, and those of "auto"."""
    if place_of(votes.raters, options.device) is not None:
        raise ValueError(
            "method is 'auto': it runs on the CPU only: bring the votes there, or name the method"
        )
    _, table = tabulated(Case.of(votes, options), options)
    if table is None:
        raise ValueError(TOO_MANY)
    return chosen_for_table(table, options, image=votes.image is not None)


def chosen_for_table(table: CoreTable, options: Options, *, image: bool = False) -> Choice:
    """Return the model that fits a table."""
    patterns = table.patterns
    fractional = patterns[(patterns > 0) & (patterns < 1)]
    if fractional.size:
        raise ValueError(SOFT.format(fractional[0]))
    rows = Rows.of(patterns, table.counts)
    if rows is None:
        raise ValueError(TOO_MANY)
    return choose(rows, image=image, threads=options.threads)
