"""The public functions: a file for each method, and a row for it in the registry beside this folder.

Kats, Goldberger, Greenspan, *A Soft STAPLE Algorithm Combined with Anatomical Knowledge*, MICCAI 2019,
doi:10.1007/978-3-030-32248-9_57, arXiv:1910.12077. Warfield, Zou, Wells, *Simultaneous Truth and Performance
Level Estimation (STAPLE)*, IEEE TMI 23(7), 2004, doi:10.1109/TMI.2004.828354. Commowick, Warfield, *Incorporating
Priors on Expert Performance Parameters for Segmentation Validation and Label Fusion: A Maximum a Posteriori STAPLE*,
MICCAI 2010, doi:10.1007/978-3-642-15711-0_4.
"""
