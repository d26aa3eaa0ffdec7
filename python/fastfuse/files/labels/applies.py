"""Refuses options that do not apply to label maps in files, and offers only what is not refused next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import said
from ...fusion.labels.declared import LABEL_OPTIONS, RESAMPLING, AskedLabels, as_typed
from ...fusion.options import DECLARED, Options
from ...fusion.registry import Method, method_called
from ...images.formats.segments import check_segments
from ...inputs.names import quoted

EACH = "select_segment=['A', 'B'] (--select-segment A --select-segment B)"  # of structures that overlap
IN_FILES = ("staple", "majority")  # the methods that fuse label maps


def labels_asked(labels: Any, select_segment: Any, *, overlap: Any) -> Any:
    """Return the labels: of structures that overlap those of the segments that are named, each by itself.

    Raises
    ------
    TypeError, ValueError
        If neither or both are given, or a name is none.
    """
    if overlap is not True or (labels is not None and select_segment is None):
        return labels
    if select_segment is None:
        raise ValueError(
            said(
                f"overlap is True: say which structures, by labels='all' (--labels all), labels=[1, 2] (--labels 1,2) or {EACH}"
            )
        )
    if labels is not None:
        raise ValueError(
            said(
                "labels and select_segment are given, and overlap is True: either says which are structures; leave one of both out"
            )
        )
    return dict(enumerate(dict.fromkeys(check_segments(select_segment)), start=1))


def check_method_in_files(labels: Any, method: str | None, network: str | None) -> Method:
    """Return the row of a method; refuse one that fuses no label maps in files, or no networks' classes.

    Without a name it is STAPLE of label maps, and the mean of networks; ``network``: what messages call the first one.
    """
    row = method_called(method or ("majority" if network else "staple"))
    choices = IN_FILES[1:] if network else IN_FILES
    if row.name not in IN_FILES:
        raise ValueError(
            f"labels is {quoted(labels)}: {row.name} has no such option in files; choose {' or '.join(choices)}"
        )
    if network and row.name == "staple":
        raise ValueError(
            f"method is 'staple', and {network} holds a network's probabilities: K labels of soft votes: "
            "majority, the mean; or give the segmentations beside the .npz"
        )
    return row


def check_options_in_files(method: Method, asked: AskedLabels, options: Options, *, networks: bool) -> None:
    """Refuse options that the method does not have, of label maps or of networks' classes."""
    given = [(one, getattr(asked, name)) for name, one in LABEL_OPTIONS.items()]
    given += [(one, getattr(options, one.name)) for one in DECLARED]
    for one, value in given:
        resamples = one.name in RESAMPLING and not networks
        if resamples or one.methods(method) or not one.differs(value):
            continue
        others = [name for name in IN_FILES if name != method.name and one.methods(method_called(name))]
        what = f"{one.name} is {quoted(as_typed(value))}"
        if networks:
            beside = ", or fuse the segmentations beside the .npz by staple" if others else ""
            raise ValueError(
                f"{what}: networks' classes, whose mean is taken, have no such option; leave it out{beside}"
            )
        choose = f", or choose {others[0]}" if others else ""
        raise ValueError(
            f"{what}: {method.name} has no such option for label maps in files; leave it out{choose}"
        )


def check_for_masks(asked: AskedLabels, method: Method, given: Mapping[str, object]) -> None:
    """Refuse what is for label maps where masks or soft votes are fused."""
    asked.check_method(method)
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name} is given: it is for label maps; give labels too, as labels='all'")
