"""
Label maps, and who confuses what
=================================

Five raters label an oedema and its core; two of them take much of the core for oedema. The plurality follows them; STAPLE learns from the confusion matrices that
their word for oedema is worth less.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastfuse

rng = np.random.default_rng(0)
x, y, z = np.indices((48, 48, 32)) - np.reshape((24, 24, 16), (3, 1, 1, 1))
radius = np.sqrt(x**2 + y**2 + 2 * z**2)
truth = (radius < 18).astype(np.uint8) + (radius < 9)


def drawn(shift, confuses):
    """Return a rater's map: borders shifted by some voxels, and a share of the core taken for oedema."""
    found = (radius < 18 + shift).astype(np.uint8) + (radius < 9 + shift)
    found[(found == 2) & (rng.random(found.shape) < confuses)] = 1
    return found


maps = [drawn(0, 0.05), drawn(1, 0.5), drawn(-1, 0.6), drawn(0.5, 0.02), drawn(0, 0.7)]
names = {0: "background", 1: "oedema", 2: "core"}
fusion = fastfuse.staple(maps, labels=names)
vote = fastfuse.majority_vote(maps, labels=names)

figure, axes = plt.subplots(2, 2, figsize=(5, 5.6), layout="constrained")
shown = {"truth": truth, "third rater": maps[2], "plurality": vote.label(), "STAPLE": fusion.label()}
for ax, (name, labels) in zip(axes.flat, shown.items(), strict=True):
    ax.imshow(labels[:, :, 16].T, cmap="cividis", origin="lower", vmin=0, vmax=2)
    right = np.mean(labels[truth == 2] == 2)
    ax.set(title=f"{name}\n{right:.0%} of the core", xticks=[], yticks=[])
plt.show()

# %%
# The third rater's confusion matrix, truths in rows:
fastfuse.plots.confusion(fusion, plt.subplots(figsize=(3.6, 2.9), layout="constrained")[1], rater=2)
plt.show()
