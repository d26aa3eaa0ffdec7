"""What a fusion of label maps can be turned into; the work is done where images, files and reports are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .kind import OF_FILES
from .outlets import NOTEBOOK, Origins, PathLike

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...images.written.nifti import NiftiImage

Label = int | str
Labels = Label | Sequence[Label]
FILES = "fastfuse.files.native.labels"  # above this folder in the house


class LabelOutlets(Origins):
    """What a :class:`LabelFusion` can be turned into."""

    if TYPE_CHECKING:

        def label(self) -> NDArray[Any]:
            """Return the most probable label of each voxel."""

        def probability(self, label: Labels) -> NDArray[Any]:
            """Return the probability of labels."""

    def as_input(self, *, probability: Labels | None = None) -> Any:
        """Return the label map as what the raters were given as: images come back as images.

        Parameters
        ----------
        probability : int, str, or sequence of them, optional
            Return the probability of these labels, as :meth:`probability` does, and not the label map.

        Returns
        -------
        image, tensor or array
            As of :meth:`Fusion.as_input`.

        Raises
        ------
        TypeError
            For images of other libraries (ITK, ANTsPy), of which none is made here: :meth:`to_nifti` takes their place.

        Examples
        --------
        >>> import nibabel as nib, numpy as np, fastfuse
        >>> votes = [np.uint8([[[0, 1, 2, 2]]])] * 3
        >>> maps = [nib.Nifti1Image(vote, np.diag([2, 2, 3, 1])) for vote in votes]
        >>> image = fastfuse.majority_vote(maps, labels="all").as_input()
        >>> type(image).__name__, image.get_data_dtype(), np.asarray(image.dataobj).ravel()
        ('Nifti1Image', dtype('uint8'), array([0, 1, 2, 2], dtype=uint8))
        """
        if self._kind().name == OF_FILES:
            return self.to_nifti(probability=probability)
        return self._given_back(self._volume(probability), is_label=probability is None)

    def to_nifti(self, like: Any = None, *, probability: Labels | None = None) -> NiftiImage:
        """Return the label map as an image of nibabel's.

        Parameters
        ----------
        like : image or path, optional
            Whose grid, units and codes the image gets, as in :meth:`Fusion.to_nifti`. By default those of the first rater.
        probability : int, str, or sequence of them, optional
            The probability of these labels, as :meth:`probability` has it, and not the label map.

        Returns
        -------
        nibabel.Nifti1Image
            With axes x, y, z, qform and sform equal; Nifti2Image where an axis has 32768 voxels or more.

        Raises
        ------
        ValueError
            If the raters say no place, and ``like`` is missing.
        GridError
            If ``like`` lies elsewhere than the raters.
        """
        if probability is None:
            return self._as_nifti(self.label(), like, "labels", "labels")
        return self._as_nifti(self._volume(probability), like, "probability", "probability")

    def save(
        self,
        path: PathLike,
        *,
        names: Sequence[str] | None = None,
        like: Any = None,
        save_probability: Mapping[Label | tuple[Label, ...], PathLike] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write the label map, the sidecar and the table of labels as ``fastfuse fuse`` writes them: all files, or none.

        Parameters
        ----------
        path : path
            The label map, as NIfTI (.nii, .nii.gz) or segments (.seg.nrrd). The sidecar has the same name with .json: method, options, grid, each rater's rates of each
            label, prior, iterations, log-likelihood, warnings; the table of labels and names ends in .tsv.
        names : sequence of m str, optional
            What to call the raters.
        like : image or path, optional
            Whose grid the file gets, as in :meth:`to_nifti`.
        save_probability : mapping of labels to paths, optional
            Also write the probability of a label, or that one of several is true, float32: ``{"core": "core.nii.gz", (1, 2): ...}``.
        overwrite : bool, default False
            Replace existing files.

        Raises
        ------
        OutputError
            Naming the file that must not, or cannot, be written. No existing file is touched before all are complete.
        ValueError, GridError
            As :meth:`to_nifti`.
        """
        import_module(FILES).save(
            self, path, names=names, like=like, save_probability=save_probability, overwrite=overwrite
        )

    def report(
        self,
        path: PathLike,
        *,
        raters: Any = None,
        image: Any = None,
        names: Sequence[str] | None = None,
        like: Any = None,
        overwrite: bool = False,
    ) -> None:
        """Write a page of HTML that holds all that it shows: tables of each label, slices to scroll through.

        Parameters
        ----------
        path : path
            The page (.html).
        raters : as of the fusion, optional
            The label maps, which the page draws. Without them those that the fusion was given, as long as the caller keeps them. The
            files of a fusion of files are read again, or those at the paths that ``raters`` holds, if they have moved.
        image : array_like, image or path, optional
            What lies below.
        names : sequence of m str, optional
            What to call the raters.
        like : image or path, optional
            Where the voxels lie, as in :meth:`to_nifti`. Arrays without it are shown with no sides named, as if of 1 mm.
        overwrite : bool, default False
            Replace an existing file.

        Raises
        ------
        ValueError
            If the maps are no longer in memory, and ``raters`` are missing; or are not those that were fused: of another shape, or
            of other votes, as after a change of their order; naming the rater.
        OutputError
            If the page must not, or cannot, be written.
        ImageError, GridError
            If ``image`` is a file that cannot be read, or that does not lie on the raters' grid.
        FastfuseError
            Without Jinja2 (pip install '.[report]').
        """
        import_module(FILES).report(
            self, path, raters=raters, image=image, names=names, like=like, overwrite=overwrite
        )

    def _volume(self, probability: Labels | None) -> NDArray[Any]:
        return self.label() if probability is None else self.probability(probability)

    def _repr_html_(self) -> str:
        """Return a table of the raters and a slice, for a notebook."""
        html: str = import_module(NOTEBOOK).label_fusion_html(self)
        return html
