"""
Two M-steps: the likelihood need not rise
=========================================

The paper's M-step takes the soft vote as it is; the true maximiser of the likelihood weighs it. On soft votes the paper's may fall, and EM's never does. Each line
is the distance from its own highest value: one that rises has fallen in likelihood.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import fastfuse

warnings.simplefilter("ignore")
rng = np.random.default_rng(5)
truth = rng.random((24, 24, 24)) < 0.3
votes = [
    np.clip(np.where(truth, 0.7, 0.3) + rng.normal(0, spread, truth.shape), 0.01, 0.99)
    for spread in (0.1, 0.2, 0.3, 0.4)
]

# %%
# soft-STAPLE above, its simplified form below.
figure, axes = plt.subplots(2, 1, figsize=(4.8, 7), layout="constrained")
for ax, function in zip(axes, (fastfuse.soft_staple, fastfuse.simplified_soft_staple), strict=True):
    fusions = {
        f'm_step="{m_step}"': function(votes, m_step=m_step, max_iter=60) for m_step in ("paper", "em")
    }
    fastfuse.plots.convergence(fusions, ax)
    ax.set_title(function.__name__)
plt.show()
