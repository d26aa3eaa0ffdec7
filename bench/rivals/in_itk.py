"""SimpleITK's STAPLE, which stops by a rule much like fastfuse's."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from rivals import Answer, Votes


def staple(votes: Votes) -> Answer:
    """Hand the masks over, fuse, take the volume back."""
    images = [sitk.GetImageFromArray(vote.view(np.uint8)) for vote in votes]
    fusion = sitk.STAPLEImageFilter()
    probability = sitk.GetArrayFromImage(fusion.Execute(images))
    sensitivity, specificity = np.array(fusion.GetSensitivity()), np.array(fusion.GetSpecificity())
    return Answer(sensitivity, specificity, probability, fusion.GetElapsedIterations())
