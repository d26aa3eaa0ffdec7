"""Reads one image of any format, and several at once in their order."""

from __future__ import annotations

import errno
import gzip
import struct
import threading
import tokenize
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from ..errors import ImageError, reason_of
from ..inputs.arrays import labels_in
from ..inputs.names import enumerated
from ..inputs.threads import cores, startable
from . import gz
from .checks import check_regular, fault_of_affine
from .dataset_json import faults_beside, labels_called, segments_of
from .formats.endings import (
    DICOM_SUFFIXES,
    META_SUFFIXES,
    NIFTI_SUFFIXES,
    NRRD_SUFFIXES,
    PICTURE_SUFFIXES,
    is_dicom,
)
from .formats.segments import Segment, filled_axes, fitting, named, spelled_otherwise
from .four_axes import one_channel
from .grids.forms import fault_of_qform, forms_of, set_forms, with_thickness
from .image import Image, check_step, votes_of
from .memory import remedy
from .nifti import read_nifti
from .paths import needed_path, shown
from .wanted import Wanted

# Names that files of some content have.
OWN: dict[str, tuple[str, ...]] = {
    "NIfTI": (*NIFTI_SUFFIXES, ".nii.bz2", ".hdr", ".img"),
    "NRRD": NRRD_SUFFIXES,
    "MetaImage": META_SUFFIXES,
    "DICOM": DICOM_SUFFIXES,
    "PNG": PICTURE_SUFFIXES,
    "TIFF": PICTURE_SUFFIXES,
    "NumPy's .npy": (".npy",),
    "a zip archive": (".npz",),
    "HDF5": (".mnc", ".minc"),
}
ALL = Wanted()  # each file as it is

# Errors of nibabel and its helpers on damaged files, beside gzip's own.
READ_ERRORS: tuple[type[Exception], ...] = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    OSError,
    EOFError,
    ValueError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    struct.error,
    tokenize.TokenError,
)


def read(path: Path | str, go_on: Callable[[], None] = lambda: None, wanted: Wanted = ALL) -> Image:
    """Read one 3-D image.

    Parameters
    ----------
    path : path
    go_on : callable
        Called before each piece of a file's voxels, where the format allows; an exception from it ends the reading.
    wanted : Wanted, optional
        What is asked of the file, such as the class to take of a network's probabilities.

    Raises
    ------
    ImageError
        If the file cannot be read completely, or is unsound: with the path, the reason and a remedy.
    """
    path = needed_path(path, "path")
    names = wanted.foreground.segments
    known = segments_of(path) if names else {}
    labels = labels_called(known, names)
    try:
        check_regular(path)
        if names and not known:
            _check_dataset(path)
        with np.errstate(over="raise", invalid="raise"):  # numbers in the header that make no sense
            asked = wanted if keeps_names(path) or not labels else wanted.by_labels(labels)
            image = one_channel(_read_by_name(path, go_on, asked), asked)
    except ImageError as error:
        said = f"{error}{_content_of(path)}" if str(error).endswith("?") else str(error)
        if said == str(error) and said.isprintable():
            raise
        raise ImageError(shown(said)) from error  # words of the file, which may hold anything
    except PermissionError:
        raise ImageError(f"{shown(path)}: permission to read it is denied") from None
    except MemoryError:
        raise ImageError(_no_memory(path)) from None
    except READ_ERRORS + gz.errors() as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise ImageError(_no_memory(path)) from None
        gz.check_end(path)
        raise ImageError(_damaged(path, error)) from error
    if labels and not image.segments:
        image = _by_dataset(image, names, labels, tuple(known))
    elif names and not image.is_channel:
        is_usual = wanted.expects_masks and not keeps_names(path)
        image = _beside_named(image, names, tuple(known), is_usual=is_usual)
    if keeps_names(path):
        for told in spelled_otherwise(path, image.segments, names):
            image = replace(image, remark=_both(image.remark, told))
    _check_affine(image, wanted)
    if wanted.is_rater and wanted.foreground.labels and not image.is_channel:
        check_step(image)
    return image


def _check_affine(image: Image, wanted: Wanted) -> None:
    """Refuse an image whose affine that is to be used is none; name the other one, if the caller may choose it."""
    given, forms = set_forms(image.header), forms_of(image.header)
    sound = [
        form for form in forms if not fault_of_affine(with_thickness(forms[form], image.data.shape[:3])[0])
    ]
    if wanted.use in given:
        fault = (
            "" if wanted.use in sound else f"its {wanted.use} is not an invertible matrix of finite numbers"
        )
    else:
        fault = fault_of_affine(image.affine)
        if given:
            fault = fault.replace("its affine", f"its affine ({'sform' if 'sform' in given else 'qform'})")
        no_rotation = fault_of_qform(image.header)
        if no_rotation and not fault:
            fault = f"its qform is no rotation ({no_rotation})"
    if not fault:
        return
    other = next((form for form in sound if form != wanted.use), None)
    remedy = f", or take its {other} by use='{other}' (--use {other})" if other and wanted.offers_use else ""
    raise ImageError(f"{shown(image.path)}: {fault}; mend the header{remedy}")


def _read_by_name(path: Path, go_on: Callable[[], None], wanted: Wanted) -> Image:
    """Read by the reader that the name's ending asks for, which is loaded now unless it is NIfTI's."""
    name = path.name.lower()
    if name.endswith((*NIFTI_SUFFIXES, ".nii.bz2")):
        return read_nifti(path, go_on)
    if name.endswith(".npz"):
        return _read_of_network(path, wanted)
    if name.endswith(NRRD_SUFFIXES):
        from .formats.nrrd import read_nrrd

        return read_nrrd(path, go_on, wanted)
    if name.endswith(META_SUFFIXES):
        from .formats.meta_image import read_meta_image

        return read_meta_image(path, go_on, wanted)
    if name.endswith(".npy"):
        from .formats.numpy_file import read_numpy

        return read_numpy(path)
    if name.endswith(PICTURE_SUFFIXES):
        from .formats.pictures import read_picture

        return read_picture(path, wanted)
    if name.endswith(DICOM_SUFFIXES) or is_dicom(path):
        from .formats.dicom import read_dicom

        return read_dicom(path, wanted)
    from .formats.other import read_other

    return read_other(path)


def _read_of_network(path: Path, wanted: Wanted) -> Image:
    """Read a network's probabilities with the segmentation beside them."""
    from .nnunet import companion_of, read_probabilities

    beside = companion_of(path)
    try:
        companion = read(beside, wanted=Wanted(use=wanted.use, offers_use=wanted.offers_use))
    except ImageError as error:
        raise ImageError(
            f"{shown(path)}: the segmentation that tells where its voxels are cannot be read: {error}"
        ) from error
    return read_probabilities(path, companion, wanted.foreground)


def keeps_names(path: Path) -> bool:
    """Tell a file of a format that can name its segments itself."""
    name = path.name.lower()
    return name.endswith((*NRRD_SUFFIXES, *DICOM_SUFFIXES)) or is_dicom(path)


def _check_dataset(path: Path) -> None:
    """Refuse a file that names no segments beside a dataset.json that cannot be read, if some are chosen by name."""
    if not keeps_names(path) and (faults := faults_beside(path)):
        raise ImageError(
            f"{shown(path)}: it names no segments, and {' and '.join(faults)}: mend it, or choose by select_label=K (--select-label K)"
        )


def _by_dataset(
    image: Image, names: Sequence[str], labels: Sequence[int], known: tuple[Segment, ...]
) -> Image:
    """Return the mask of the labels that dataset.json gives these names, or the network's channel that was taken."""
    called = [repr(one.name) for name in names for one in fitting(known, name)]
    told = (
        f"{shown(image.path)}: by dataset.json {enumerated(called)} is label {' or '.join(map(str, labels))}"
    )
    if not image.is_channel:
        values = votes_of(image)
        if values.dtype.kind == "f" and not np.all(values == np.rint(values)):
            named(image.path, (), names)
        data = np.isin(values, labels).astype(np.uint8)
        if values.any() and not data.any():
            told = f"{told}, which does not occur (values that occur: {labels_in(values)})"
        image = replace(image, data=data, scaled=False, fills=filled_axes(values), is_channel=True)
    return replace(image, segments=known, remark=_both(image.remark, told))


def _beside_named(image: Image, names: Sequence[str], known: tuple[Segment, ...], *, is_usual: bool) -> Image:
    """Take a mask of 0 and 1 as it is, where other files name their segments; refuse what is neither.

    ``known``: the segments that dataset.json names; ``is_usual``: nothing is to be said of it.
    """
    data = image.data
    if image.segments or not np.all((data == 0) | (data == 1)):
        named(image.path, image.segments or known, names, labels_in(data))
        return image
    told = f"{shown(image.path)}: it names no segments, so its mask of 0 and 1 was taken as it is"
    return replace(image, is_channel=True, remark=image.remark if is_usual else _both(image.remark, told))


def _both(remark: str | None, told: str) -> str:
    return told if remark is None else f"{remark}; {told}"


def _no_memory(path: Path) -> str:
    return (
        f"{shown(path)}: there is too little memory to read it: read fewer files at once by threads=1 (--threads 1), crop it, or "
        f"{remedy()}"
    )


def _damaged(path: Path, error: Exception) -> str:
    """Say that a file cannot be read, and what its content looks like if that is something else."""
    from .formats.other import looks_like

    reason = reason_of(error)
    damaged = isinstance(error, (gzip.BadGzipFile, *gz.errors())) and looks_like(path) == "gzip"
    doubt = (
        "its content is damaged, so copy it again from where it came"
        if damaged
        else "is it a complete image file?"
    )
    return f"{shown(path)}: cannot be read ({shown(reason)}); {doubt}{_content_of(path)}"


def _content_of(path: Path) -> str:
    """Say what a file's content looks like, if that is another format than its name tells."""
    from .formats.other import looks_like

    what = looks_like(path)
    if what in (None, "gzip", "bzip2") or path.name.lower().endswith(OWN.get(what or "", ())):
        return ""
    return f" Its content looks like {what}"


@contextmanager
def reading(
    paths: Sequence[Path], threads: int, wanted: Wanted | Sequence[Wanted] = ALL
) -> Iterator[Iterator[Image]]:
    """Read images in up to ``threads`` threads (0: one per core), at most ``threads`` files ahead of the caller.

    Images and errors come in the order of the paths, so the first bad file is the one reported. ``wanted`` is
    what is asked of each file, or a list of that. The threads end with the block, at the latest after one more piece of a file.
    """
    workers = min(threads or cores(), len(paths))
    asked = [wanted] * len(paths) if isinstance(wanted, Wanted) else wanted
    jobs = list(zip(paths, asked, strict=True))
    if workers < 2 or (workers := startable(workers)) < 2:
        yield (read(path, wanted=one) for path, one in jobs)
        return
    stopped = threading.Event()

    def go_on() -> None:
        if stopped.is_set():
            raise CancelledError

    pool = ThreadPoolExecutor(workers, "fastfuse-reader")
    waits = True
    try:
        yield _in_order(pool, jobs, workers, lambda job: read(job[0], go_on, job[1]))
    except (KeyboardInterrupt, SystemExit):
        waits = False  # for a library that reads a file, and hears nothing
        raise
    finally:
        stopped.set()
        pool.shutdown(wait=waits, cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor,
    jobs: Sequence[tuple[Path, Wanted]],
    ahead: int,
    read_one: Callable[[tuple[Path, Wanted]], Image],
) -> Iterator[Image]:
    """Yield the images in order; each one taken starts the reading of another file."""
    rest = iter(jobs)
    started: deque[Future[Image]] = deque(pool.submit(read_one, job) for job in islice(rest, ahead))
    while started:
        image = started.popleft().result()
        started.extend(pool.submit(read_one, job) for job in islice(rest, 1))
        yield image
