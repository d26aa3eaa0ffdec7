"""
Two M-steps: the likelihood need not rise
=========================================

The paper's M-step takes the soft vote as it is; the true maximiser of the likelihood weighs it. On soft votes the paper's may fall, and EM's never does.
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

figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
for ax, function in zip(axes, (fastfuse.soft_staple, fastfuse.simplified_soft_staple), strict=True):
    for m_step, style in (("paper", "-"), ("em", "--")):
        trace = np.array(function(votes, m_step=m_step, max_iter=60).log_likelihood) / truth.size
        ax.plot(np.arange(1, len(trace) + 1), trace, style, label=f'm_step="{m_step}"')
    ax.set(title=function.__name__, xlabel="iteration", ylabel="log-likelihood a voxel")
    ax.legend(frameon=False)
plt.show()
