"""Contours of a DICOM RT Structure Set, drawn on a grid of voxels."""
