"""
Every consensus of the same masks
=================================

The raters of the phantom draw nested contours: each farther out or in than another. STAPLE, which takes errors for independent from voxel to voxel,
marks too much; three classes or border-STAPLE do not.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import fastfuse

case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2.0)
flair, truth, spacing_mm = case.images["FLAIR"], case.lesions, (2, 2, 2)
region = {"mask": case.brain, "roi": 4, "spacing_mm": spacing_mm}
warnings.simplefilter("ignore")  # STAPLE warns that its model does not fit: the point of this example
found = {
    "mean vote": fastfuse.majority_vote(case.masks, mask=case.brain),
    "STAPLE": fastfuse.staple(case.masks, **region),
    "STAPLE, three classes": fastfuse.staple(case.masks, classes=3, **region),
    "border-STAPLE": fastfuse.border_staple(case.masks, flair, **region),
}
scores = {
    name: fastfuse.evaluate(one.probability, truth, mask=case.brain, spacing_mm=spacing_mm)
    for name, one in found.items()
}

# %%
# The raters' outlines, and the consensus of border-STAPLE, where they disagree most.
fastfuse.plots.slices(
    found["border-STAPLE"], image=flair, names=[one.name for one in fastfuse.phantom.RATERS]
)
plt.show()

# %%
# The slice with most lesion, cropped to it. The truth is outlined in white.
z = int(truth.sum((0, 1)).argmax())
marked = np.argwhere(np.any(case.masks, axis=0)[:, :, z])
(x0, y0), (x1, y1) = marked.min(0) - 3, marked.max(0) + 4
crop = np.s_[x0:x1, y0:y1, z]
figure, axes = plt.subplots(2, 2, figsize=(5.6, 6.4), layout="constrained")
for ax, (name, fusion) in zip(axes.flat, found.items(), strict=True):
    ax.imshow(flair[crop].T, cmap="gray", origin="lower")
    shown = np.ma.masked_less(fusion.probability[crop].T, 0.05)
    drawn = ax.imshow(shown, cmap="viridis", origin="lower", vmin=0, vmax=1, alpha=0.8)
    ax.contour(truth[crop].T, [0.5], colors="white", linewidths=0.8)
    ax.set(title=f"{name}\nDice {scores[name].dice:.3f}", xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="probability of lesion", shrink=0.8)
plt.show()

# %%
# All measures against the truth.
fastfuse.plots.scores(scores)
plt.show()
