"""
Raters over many cases
======================

Vote tables add up over cases: EM needs how often each pattern of votes occurs, and no image. ``pool`` estimates rates that cases share, each case with its own prior.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import fastfuse

warnings.simplefilter("ignore")
names = [style.name for style in fastfuse.phantom.RATERS]
cases = [fastfuse.phantom.make_case(seed, shape=(60, 72, 60), spacing_mm=3.0) for seed in range(8)]
tables = {
    f"case {k}": fastfuse.tabulate(case.masks, names=names, mask=case.brain, roi=6, spacing_mm=(3, 3, 3))
    for k, case in enumerate(cases)
}
pooled = fastfuse.pool(tables)
alone = np.array([fastfuse.estimate(table, "staple").sensitivity for table in tables.values()])
true = np.array([[np.mean(mask[case.lesions > 0]) for mask in case.masks] for case in cases])

# %%
# A small case alone tells little of a rater; all together tell more.
figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
at = np.arange(len(names))
for k, rates in enumerate(alone):
    ax.plot(at, rates, "o", color="0.7", markersize=4, label="each case alone" if not k else None)
ax.plot(at, pooled.sensitivity, "s", color="#0072B2", label="pooled")
ax.plot(at, true.mean(0), "D", color="#D55E00", label="against the truth, mean")
ax.set_xticks(at, names, rotation=25, ha="right")
ax.set(ylabel="sensitivity", ylim=(0, 1.05))
ax.legend(frameon=False, loc="lower left")
plt.show()
