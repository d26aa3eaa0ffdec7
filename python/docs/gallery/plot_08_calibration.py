"""
Which mask? Calibration, and the cut for Dice
=============================================

A probability is calibrated if of all voxels with 0.3, three in ten are lesion. On contours STAPLE is too sure: of what it gives 0.9 or more, a
fifth is not lesion. border-STAPLE with the image and the mean vote are nearer to the diagonal, and too high in between. ``label("dice")`` takes the cut with the highest expected Dice, which holds where probabilities do.
"""

import warnings

import matplotlib.pyplot as plt

import fastfuse

warnings.simplefilter("ignore")
case = fastfuse.phantom.make_case(1, shape=(91, 109, 91), spacing_mm=2.0)
options = {"mask": case.brain, "roi": 4, "spacing_mm": (2, 2, 2)}
fusions = {
    "STAPLE": fastfuse.staple(case.masks, **options),
    "border-STAPLE": fastfuse.border_staple(case.masks, case.images["FLAIR"], **options),
    "mean vote": fastfuse.majority_vote(case.masks, mask=case.brain),
}
for name, fusion in fusions.items():
    at_half, for_dice = (
        fastfuse.evaluate(mask, case.lesions, spacing_mm=(2, 2, 2)).dice
        for mask in (fusion.label(), fusion.label("dice"))
    )
    print(f"{name:14} Dice {at_half:.3f} cut at 0.5, {for_dice:.3f} cut for Dice")

# %%
figure, ax = plt.subplots(figsize=(5.6, 5.4))
fastfuse.plots.reliability(fusions, case.lesions, mask=case.brain, ax=ax)
figure.subplots_adjust(bottom=0.36)  # the voxels of each probability stand below
plt.show()
