"""
How sure are the rates?
=======================

``intervals="lesions"`` resamples what anybody marks lesion by lesion: voxels of one lesion are found or missed together. ``"information"`` takes voxels for
independent, and is far too sure here.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import fastfuse

warnings.simplefilter("ignore")
case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2.0)
options = {"mask": case.brain, "roi": 4, "spacing_mm": (2, 2, 2)}
near = fastfuse.border_staple(case.masks, case.images["FLAIR"], intervals="lesions", **options)
truth = case.lesions.astype(bool)
true = [np.mean(np.asarray(mask)[truth]) for mask in case.masks]
names = [style.name for style in fastfuse.phantom.RATERS]

# %%
# border-STAPLE's sensitivities with their 95 % intervals, and what they are against the truth.
ax = fastfuse.plots.intervals(near, plt.subplots(figsize=(6, 3.2), layout="constrained")[1], names=names)
ax.plot(
    true,
    np.arange(len(names)) - 0.12,
    "D",
    ms=4,
    mfc="none",
    color="black",
    label="sensitivity against the truth",
)
ax.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
plt.show()
