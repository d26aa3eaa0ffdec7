"""
Rings on FLAIR: conditional dilation
====================================

A rater's mask grows into the brightest voxels around it until it has 120 % of its size, and the ring gets the vote 0.3. Below: the paper's rule, more growth,
and a size for each lesion.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastfuse

case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2.0)
flair, mask = case.images["FLAIR"], case.masks[1]  # the timid rater
ways = {
    "drawn": mask.astype(np.float32),
    "size 1.2": fastfuse.conditional_dilation(mask, flair, roi=case.brain),
    "size 2": fastfuse.conditional_dilation(mask, flair, roi=case.brain, size=2),
    'size 2, scope="lesion"': fastfuse.conditional_dilation(
        mask, flair, roi=case.brain, size=2, scope="lesion"
    ),
}

# %%
# The ring is in orange, the mask in blue.
z = int(mask.sum((0, 1)).argmax())
marked = np.argwhere(mask[:, :, z])
(x0, y0), (x1, y1) = marked.min(0) - 4, marked.max(0) + 5
crop = np.s_[x0:x1, y0:y1, z]
figure, axes = plt.subplots(2, 2, figsize=(5.2, 6.4), layout="constrained")
for ax, (name, soft) in zip(axes.flat, ways.items(), strict=True):
    values = getattr(soft, "values", soft)
    reached = f"{soft.size:.2f} times the mask" if hasattr(soft, "size") and hasattr(soft, "values") else ""
    ax.imshow(flair[crop].T, cmap="gray", origin="lower")
    for vote, colour in ((0.3, "#E69F00"), (1.0, "#0072B2")):
        layer = np.isclose(values[crop], vote).T
        ax.imshow(
            np.ma.masked_equal(layer, 0),
            cmap=plt.matplotlib.colors.ListedColormap([colour]),
            origin="lower",
            alpha=0.7,
        )
    ax.set(title=f"{name}\n{reached}", xticks=[], yticks=[])
plt.show()
