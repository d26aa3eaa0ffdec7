"""What a fusion can be turned into; the work is done where images, files and reports are made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from ...inputs.checks import check_flag
from ...inputs.libraries import dask_of
from ...inputs.names import quoted
from .kind import OF_FILES, Kind, in_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...images.written.nifti import Holds, NiftiImage
    from .origin import Origin

Cut = float | Literal["dice"]
Ties = Literal["foreground", "background"]
CUT = 0.5
PathLike = str | os.PathLike[str]
# Above this folder in the house, so that they are looked up when they are asked for.
FILES, NOTEBOOK = "fastfuse.files.native.save", "fastfuse.report.html.notebook"


def taken_cut(cut: Cut | None, ties: Ties | None, *, label: bool) -> tuple[Cut, Ties]:
    """Return the cut and ties of a mask; refuse those that are given beside a probability.

    Raises
    ------
    TypeError
        If ``label`` is neither True nor False.
    """
    check_flag(label, "label")
    for name, value in (("cut", cut), ("ties", ties)):
        if value is not None and not label:
            raise ValueError(
                f"{name} is {quoted(value)}, and label is False: a probability has no {name}; give label=True for the mask, or leave "
                f"{name} out"
            )
    return CUT if cut is None else cut, "foreground" if ties is None else ties


class Origins:
    """What knows where it comes from, and becomes what its raters were."""

    method: str
    _origin: Origin | None

    def _kind(self) -> Kind:
        return Kind() if self._origin is None else self._origin.kind

    def _given_back(self, values: Any, *, is_label: bool) -> Any:
        """Return voxels as what the raters were given as."""
        kind = self._kind()
        if kind.name in ("torch", "array", "numpy") and type(values).__module__.partition(".")[0] != "numpy":
            return values  # a tensor, on its device, or a lazy array
        lazy = dask_of(values) if kind.name == "xarray" else None
        return kind.of(in_memory(values) if lazy is None else lazy, is_label=is_label)

    def _as_nifti(self, values: Any, like: Any, what: str, holds: Holds) -> NiftiImage:
        from .image import nifti_of

        return nifti_of(in_memory(values), self._kind(), like, f"fastfuse {self.method} {what}", holds)


class Outlets(Origins):
    """What a :class:`Fusion` can be turned into."""

    probability: NDArray[Any]

    if TYPE_CHECKING:

        def label(self, cut: Cut = 0.5, *, ties: Ties = "foreground") -> NDArray[Any]:
            """Return the consensus as a mask."""

    def as_input(self, *, label: bool = False, cut: Cut | None = None, ties: Ties | None = None) -> Any:
        """Return the consensus as what the raters were given as: images come back as images.

        ``probability`` itself is an array (a tensor of PyTorch's where the raters are such), whatever the raters are.

        Parameters
        ----------
        label : bool, default False
            Return the mask of :meth:`label`, and not the probability.
        cut, ties : optional
            Of that mask, with the defaults of :meth:`label`; a probability has none.

        Returns
        -------
        image, tensor or array
            An image of nibabel's, SimpleITK's or TorchIO's with the first rater's place and header, a MetaTensor of MONAI's, a DataArray
            of xarray's, a tensor of PyTorch's, an array of JAX's, CuPy's, or of another library of the array API. A NumPy array for
            everything else: lists, tables, and raters who lay on an axis of one array. Of raters of several kinds, that
            of the first who is more than a NumPy array. After :func:`fuse_files` an image of
            nibabel's.

        Raises
        ------
        TypeError
            For images of other libraries (ITK, ANTsPy), of which none is made here: :meth:`to_nifti` takes their place.
        ValueError
            For ``cut`` or ``ties`` without ``label``.

        Examples
        --------
        >>> import nibabel as nib, numpy as np, fastfuse
        >>> votes = np.zeros((3, 4, 4, 4), np.uint8)
        >>> votes[:, 1:3], votes[0, 0] = 1, 1
        >>> masks = [nib.Nifti1Image(vote, np.diag([2, 2, 3, 1])) for vote in votes]
        >>> image = fastfuse.staple(masks).as_input(label=True)
        >>> type(image).__name__, image.get_data_dtype(), image.header.get_zooms()
        ('Nifti1Image', dtype('uint8'), (2.0, 2.0, 3.0))
        """
        if self._kind().name == OF_FILES:
            return self.to_nifti(label=label, cut=cut, ties=ties)
        return self._given_back(self._volume(cut, ties, label=label), is_label=label)

    def to_nifti(
        self, like: Any = None, *, label: bool = False, cut: Cut | None = None, ties: Ties | None = None
    ) -> NiftiImage:
        """Return the consensus as an image of nibabel's.

        Parameters
        ----------
        like : image or path, optional
            Whose grid, units and codes the image gets: of nibabel, SimpleITK, TorchIO or MONAI. By default those of the first rater. Of
            raters who are arrays, the axes must be those that ``like``'s library gives its own arrays: x, y, z for nibabel and files,
            z, y, x for SimpleITK.
        label : bool, default False
            The mask of :meth:`label` (uint8), and not the probability.
        cut, ties : optional
            Of that mask, with the defaults of :meth:`label`; a probability has none.

        Returns
        -------
        nibabel.Nifti1Image
            With axes x, y, z, qform and sform equal; Nifti2Image where an axis has 32768 voxels or more.

        Raises
        ------
        ValueError
            If the raters say no place, and ``like`` is missing; for ``cut`` or ``ties`` without ``label``.
        GridError
            If ``like`` lies elsewhere than the raters.

        Examples
        --------
        >>> import nibabel as nib, numpy as np, fastfuse
        >>> votes = [np.eye(4, dtype=np.uint8)[..., None]] * 3
        >>> flair = nib.Nifti1Image(np.zeros((4, 4, 1)), np.diag([1, 1, 3, 1]))
        >>> fastfuse.majority_vote(votes).to_nifti(like=flair).header.get_zooms()
        (1.0, 1.0, 3.0)
        """
        values = self._volume(cut, ties, label=label)
        at, _ = taken_cut(cut, ties, label=label)
        what = f"cut {at if isinstance(at, str) else format(at, 'g')}" if label else "probability"
        return self._as_nifti(values, like, what, "labels" if label else "probability")

    def save(
        self,
        path: PathLike,
        *,
        raters: Any = None,
        names: Sequence[str] | None = None,
        like: Any = None,
        save_label: PathLike | None = None,
        cut: Cut = 0.5,
        ties: Ties = "foreground",
        overwrite: bool = False,
    ) -> None:
        """Write the consensus and the sidecar as ``fastfuse fuse`` writes them: all files, or none.

        Parameters
        ----------
        path : path
            The probability, as NIfTI (.nii, .nii.gz; float32) or DICOM (.dcm); or the mask, the raters' counts and what each rater marks, as
            segments (.seg.nrrd). The sidecar has the same name with .json: method, options, grid, each rater's performance, prior,
            iterations, log-likelihood, warnings.
        raters : as of the fusion, optional
            The votes, as in :meth:`report`: segments hold what each rater marks.
        names : sequence of m str, optional
            What to call the raters.
        like : image or path, optional
            Whose grid the file gets, as in :meth:`to_nifti`.
        save_label : path, optional
            Also write the mask ``probability >= cut``, as NIfTI (uint8) or segments.
        cut, ties
            Of that mask, as in :meth:`label`.
        overwrite : bool, default False
            Replace existing files.

        Raises
        ------
        OutputError
            Naming the file that must not, or cannot, be written. No existing file is touched before all are complete.
        ValueError, GridError
            As :meth:`to_nifti`; of segments as :meth:`report`, if the votes are gone or others.
        """
        import_module(FILES).save(
            self,
            path,
            raters=raters,
            names=names,
            like=like,
            save_label=save_label,
            cut=cut,
            ties=ties,
            overwrite=overwrite,
        )

    def report(
        self,
        path: PathLike,
        *,
        raters: Any = None,
        image: Any = None,
        names: Sequence[str] | None = None,
        like: Any = None,
        cut: Cut = 0.5,
        ties: Ties = "foreground",
        overwrite: bool = False,
    ) -> None:
        """Write a page of HTML that holds all that it shows: tables, charts, slices to scroll through.

        Parameters
        ----------
        path : path
            The page (.html).
        raters : as of the fusion, optional
            The votes, whose outlines the page draws, in the same order. The fusion keeps no arrays, but knows where they are: without
            ``raters``, those that it was given are drawn, as long as the caller keeps them. The files of a fusion of files are read
            again, or those at the paths that ``raters`` holds, if they have moved.
        image : array_like, image or path, optional
            What lies below; by default that which the fusion was given.
        names : sequence of m str, optional
            What to call the raters.
        like : image or path, optional
            Where the voxels lie, as in :meth:`to_nifti`. Arrays without it are shown with no sides named, as if of 1 mm.
        cut, ties
            Of the mask whose volume is told, as in :meth:`label`.
        overwrite : bool, default False
            Replace an existing file.

        Raises
        ------
        ValueError
            If the votes are no longer in memory, and ``raters`` are missing; if they are not those that were fused: of another shape, or
            with other sums, alone and with the consensus, in the place of a rater, who is named.
        OutputError
            If the page must not, or cannot, be written.
        ImageError, GridError
            If ``image`` is a file that cannot be read, or that does not lie on the raters' grid.
        FastfuseError
            Without Jinja2 (pip install '.[report]').
        """
        import_module(FILES).report(
            self, path, raters=raters, image=image, names=names, like=like, cut=cut, ties=ties, overwrite=overwrite
        )  # fmt: skip

    def _volume(self, cut: Cut | None, ties: Ties | None, *, label: bool) -> Any:
        """Return the mask, or the probability, which no cut applies to."""
        taken, of_ties = taken_cut(cut, ties, label=label)
        return self.label(taken, ties=of_ties) if label else self.probability

    def _repr_html_(self) -> str:
        """Return a table of the raters and a slice, for a notebook."""
        html: str = import_module(NOTEBOOK).fusion_html(self)
        return html
