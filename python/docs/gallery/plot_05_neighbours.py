"""
Neighbours that pull each other
===============================

``mrf`` couples a voxel to its six neighbours by a mean field. Here it takes away single false voxels and
fills holes; lesions of a voxel or two go as well.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import fastfuse

warnings.simplefilter("ignore")
case = fastfuse.phantom.make_case(3, shape=(91, 109, 91), spacing_mm=2.0, raters=fastfuse.phantom.FLIPS[:3])
z = int(case.lesions.sum((0, 1)).argmax())
figure, axes = plt.subplots(2, 2, figsize=(5.2, 6.2), layout="constrained")
inside = np.argwhere(case.brain[:, :, z])
(x0, y0), (x1, y1) = inside.min(0), inside.max(0)
scores = {}
for ax, strength in zip(axes.flat, (0, 0.25, 0.5, 1), strict=True):
    fusion = fastfuse.staple(
        case.masks, mask=case.brain, mrf=strength, spacing_mm=(2, 2, 2), prior="estimate"
    )
    scores[f"mrf={strength:g}"] = fastfuse.evaluate(
        fusion.probability, case.lesions, mask=case.brain, spacing_mm=(2, 2, 2)
    )
    ax.imshow(fusion.probability[x0:x1, y0:y1, z].T, cmap="viridis", origin="lower", vmin=0, vmax=1)
    ax.contour(case.lesions[x0:x1, y0:y1, z].T, [0.5], colors="white", linewidths=0.7)
    ax.set(title=f"mrf={strength:g}", xticks=[], yticks=[])
plt.show()

# %%
# Against the truth: recall and Dice rise, at some false lesions that single voxels have grown into.
fastfuse.plots.scores(scores)
plt.show()
