"""
A fixed prior, or an estimated one
==================================

Five raters who err voxel by voxel and over-mark: sensitivity 0.8, specificity 0.95, at prevalences from 0.5 % to 20 %. With the mean vote as a fixed prior, ITK's default,
sensitivities come out too low where the truth is rare; with ``prior="estimate"`` they do not.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import fastfuse

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
prevalences = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2]
means = {"mean": [], "estimate": []}
for prevalence in prevalences:
    truth = rng.random((60, 60, 60)) < prevalence
    raters = [
        np.where(truth, rng.random(truth.shape) < 0.8, rng.random(truth.shape) < 0.05) for _ in range(5)
    ]
    for prior, found in means.items():
        found.append(fastfuse.staple(raters, prior=prior).sensitivity.mean())

# %%
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
for (prior, found), marker in zip(means.items(), "os", strict=True):
    ax.semilogx(prevalences, found, marker=marker, label=f'prior="{prior}"')
ax.axhline(0.8, color="grey", linestyle=":", label="true sensitivity")
ax.set(xlabel="prevalence", ylabel="mean sensitivity found", ylim=(0, 1))
ax.legend(frameon=False)
plt.show()
