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
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
at = np.arange(len(names))
low, high = (
    near.intervals.sensitivity.T if near.intervals.sensitivity.shape[-1] == 2 else near.intervals.sensitivity
)
ax.errorbar(
    at,
    near.sensitivity,
    [near.sensitivity - low, high - near.sensitivity],
    fmt="o",
    capsize=4,
    label="border-STAPLE, 95 %",
)
ax.plot(at, true, "D", color="#D55E00", label="against the truth")
ax.set_xticks(at, names, rotation=25, ha="right")
ax.set(ylabel="sensitivity", ylim=(0, 1.05))
ax.legend(frameon=False, loc="lower left")
plt.show()
