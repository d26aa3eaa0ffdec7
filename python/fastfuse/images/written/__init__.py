"""Outputs in the formats of other programs: segments for 3-D Slicer, DICOM segmentations."""
