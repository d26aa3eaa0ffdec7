"""Transforms in the pipelines of MONAI and TorchIO."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fastfuse

from .test_kinds import AFFINE, MASKS, of_monai, of_torch, of_torchio

pytestmark = pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning", "ignore::DeprecationWarning")
FLAIR = np.linspace(0, 1, MASKS[0].size, dtype=np.float32).reshape(MASKS[0].shape)
KEYS = ["a", "b", "c"]


@pytest.fixture
def monai() -> Any:
    pytest.importorskip("monai", exc_type=ImportError)
    import fastfuse.adapters.monai as adapter

    return adapter


@pytest.fixture
def torchio() -> Any:
    pytest.importorskip("torchio", exc_type=ImportError)
    import fastfuse.adapters.torchio as adapter

    return adapter


def case(**more: Any) -> dict[str, Any]:
    return {**{key: of_monai(mask) for key, mask in zip(KEYS, MASKS, strict=True)}, **more}


def subject(**more: Any) -> Any:
    import torchio

    raters = {key: of_torchio(mask) for key, mask in zip(KEYS, MASKS, strict=True)}
    return torchio.Subject(**raters, **more)


def test_monai_fuses_keys(monai: Any) -> None:
    brain = np.zeros_like(MASKS[0])
    brain[:4] = 1
    found = monai.FuseRatersd(KEYS, method="staple", mask_key="brain", prior="estimate", fusion_key="fusion")(
        case(brain=of_monai(brain))
    )
    expected = fastfuse.staple(MASKS, mask=brain, prior="estimate")
    assert list(found) == [*KEYS, "brain", "consensus", "fusion"]
    assert type(found["consensus"]) is type(found["a"])
    np.testing.assert_array_equal(found["consensus"].numpy()[0], expected.probability)
    np.testing.assert_array_equal(found["fusion"].sensitivity, expected.sensitivity)
    np.testing.assert_array_equal(found["consensus"].affine, AFFINE)


def test_a_missing_key_is_a_rater_who_did_not_read(monai: Any) -> None:
    given = case()
    del given["b"]
    with pytest.raises(KeyError):
        monai.FuseRatersd(KEYS)(given)
    found = monai.FuseRatersd(KEYS, method="majority", label=True, allow_missing_keys=True)(given)
    np.testing.assert_array_equal(
        found["consensus"].numpy()[0], fastfuse.majority_vote([MASKS[0], MASKS[2]]).label()
    )


def test_margins_take_voxels_in_mm_from_the_affine(monai: Any) -> None:
    sides = tuple(np.linalg.norm(AFFINE[:3, :3], axis=0).tolist())
    fuse = monai.FuseRatersd(KEYS, method="border-staple", image_key="flair", roi=3.0)
    found = fuse(case(flair=of_monai(FLAIR)))
    expected = fastfuse.border_staple(MASKS, FLAIR, roi=3.0, spacing_mm=sides)
    np.testing.assert_allclose(found["consensus"].numpy()[0], expected.probability, atol=1e-6)


def test_a_pipeline_of_monai_is_inverted(monai: Any) -> None:
    """The consensus of turned raters goes back to where the files lie; softening is passed over."""
    from monai.transforms import Compose, Flipd, Invertd, Spacingd

    keys = [*KEYS, "flair"]
    pipeline = Compose(
        [
            Flipd(keys, spatial_axis=1),
            monai.SoftenRatersd(KEYS, "flair", threshold=0.5, size=1.5),
            monai.FuseRatersd(KEYS, method="simplified-soft-staple"),
        ]
    )
    given = case(flair=of_monai(FLAIR))
    done = pipeline(given)
    assert 0 < float(done["a"].max()) <= 1
    assert set(np.unique(done["a"].numpy())) == {0.0, np.float32(0.3), 1.0}
    back = Invertd("consensus", pipeline, orig_keys="a", nearest_interp=False, to_tensor=True)(done)
    turned = [np.flip(mask, 1) for mask in MASKS]
    soft = [one.values for one in fastfuse.soften(turned, np.flip(FLAIR, 1), threshold=0.5, size=1.5)]
    expected = np.flip(fastfuse.simplified_soft_staple(soft).probability, 1)
    np.testing.assert_allclose(back["consensus"].numpy()[0], expected, atol=1e-6)
    undone = pipeline.inverse(done)
    assert set(np.unique(undone["a"].numpy())) == {0.0, np.float32(0.3), 1.0}
    np.testing.assert_array_equal(undone["a"].numpy()[0] == 1, MASKS[0])
    np.testing.assert_array_equal(undone["a"].affine, AFFINE)
    Compose([Spacingd(KEYS, (2, 2, 2), mode="nearest"), monai.FuseRatersd(KEYS)])(case())


def test_monai_softens_as_the_function_does(monai: Any) -> None:
    found = monai.SoftenRatersd(KEYS, "flair", radius_mm=4.0)(case(flair=of_monai(FLAIR)))
    sides = tuple(np.linalg.norm(AFFINE[:3, :3], axis=0).tolist())
    for key, soft in zip(KEYS, fastfuse.soften(MASKS, FLAIR, radius_mm=4.0, spacing_mm=sides), strict=True):
        np.testing.assert_array_equal(found[key].numpy()[0], soft.values)
        assert type(found[key]).__name__ == "MetaTensor"
    with pytest.raises(ValueError, match=r"'a' has shape \(2, 6, 7, 8\)"):
        monai.SoftenRatersd(KEYS, "flair")(case(a=of_torch(np.stack([MASKS[0]] * 2)), flair=of_monai(FLAIR)))


@pytest.mark.parametrize("name", ["monai", "torchio"])
def test_slips_are_told_when_a_pipeline_is_built(name: str, request: pytest.FixtureRequest) -> None:
    adapter = request.getfixturevalue(name)
    make = adapter.FuseRatersd if name == "monai" else adapter.FuseRaters
    slip = {"prio": 0.1} if name == "monai" else {"options": {"prio": 0.1}}
    with pytest.raises(TypeError, match=r"'prio' is no option here; there are .*prior"):
        make(KEYS, **slip)
    with pytest.raises(ValueError, match="steple"):
        make(KEYS, method="steple")
    with pytest.raises(ValueError, match="takes none"):
        make(KEYS, **({"image_key": "f"} if name == "monai" else {"image": "f"}))
    with pytest.raises(ValueError, match="cut"):
        make(KEYS, label=True, cut=2)
    with pytest.raises(ValueError, match=r"^cut is 0\.3, and label is False"):
        make(KEYS, cut=0.3)
    with pytest.raises(ValueError, match=r"^dilated-staple needs an image: call dilated_staple"):
        make(KEYS, method="dilated-staple")
    evidence = {"evidence": True} if name == "monai" else {"options": {"evidence": True}}
    with pytest.raises(ValueError, match=r"^evidence is set: it is that of an image; name one, too"):
        make(KEYS, method="border-staple", **evidence)
    make(KEYS, method="border-staple", **evidence, **{"image_key" if name == "monai" else "image": "flair"})
    for value, said in (
        ({"roi": "dispute"}, "^roi is 'dispute'"),
        ({"classes": 3}, "soft-staple"),
        ({"dtype": "float16"}, "^dtype is 'float16'"),
    ):
        with pytest.raises(ValueError, match=said):
            make(KEYS, **(value if name == "monai" else {"options": value}))
    with pytest.raises(TypeError, match="'knows' is no option here"):  # of label maps, which are none here
        make(KEYS, **({"knows": {0: [1]}} if name == "monai" else {"options": {"knows": {0: [1]}}}))


def test_values_of_softening_are_told_when_a_pipeline_is_built(monai: Any) -> None:
    with pytest.raises(ValueError, match=r"^size is 0\.5"):
        monai.SoftenRatersd(KEYS, "flair", size=0.5)
    monai.SoftenRatersd(KEYS, "flair", radius_mm=4.0, threads=1, select_label=1)


@pytest.mark.parametrize("name", ["monai", "torchio"])
def test_the_consensus_takes_no_inputs_place(name: str, request: pytest.FixtureRequest) -> None:
    adapter, called = request.getfixturevalue(name), name == "monai"
    make = adapter.FuseRatersd if called else adapter.FuseRaters
    for output, more in (("b", {}), ("brain", {"mask_key" if called else "mask": "brain"})):
        with pytest.raises(ValueError, match=f"take the place of '{output}' of"):
            make(KEYS, **{"output_key" if called else "output": output}, **more)
    if called:
        with pytest.raises(ValueError, match="the fusion would take the place of 'c' of output_key"):
            make(["a", "b"], output_key="c", fusion_key="c")
        with pytest.raises(ValueError, match="what a mask becomes would take the place of 'c' of image_key"):
            adapter.SoftenRatersd(KEYS, "c")


def test_what_a_case_lacks_is_named(monai: Any) -> None:
    with pytest.raises(KeyError, match="the case has no 'brain'; it has 'a', 'b', 'c'"):
        monai.FuseRatersd(KEYS, mask_key="brain")(case())
    with pytest.raises(KeyError, match="the case has no 'flair'"):
        monai.SoftenRatersd(KEYS, "flair")(case())


def test_what_a_subject_lacks_is_named(torchio: Any) -> None:
    with pytest.raises(KeyError, match="the subject has no 'd', 'brain'; it has 'a', 'b', 'c'"):
        torchio.FuseRaters([*KEYS, "d"], mask="brain")(subject())


def test_torchio_adds_an_image(torchio: Any) -> None:
    import torchio as tio

    flair = tio.ScalarImage(tensor=of_torch(FLAIR)[None], affine=AFFINE)
    found = torchio.FuseRaters(
        KEYS, output="lesion", method="border-staple", image="flair", options={"roi": 3.0}
    )(subject(flair=flair))
    sides = tuple(np.linalg.norm(AFFINE[:3, :3], axis=0).tolist())
    expected = fastfuse.border_staple(MASKS, FLAIR, roi=3.0, spacing_mm=sides)
    assert isinstance(found["lesion"], tio.ScalarImage)
    np.testing.assert_allclose(found["lesion"].numpy()[0], expected.probability, atol=1e-6)
    np.testing.assert_array_equal(found["lesion"].affine, AFFINE)
    assert "method=border-staple" in str(found.history)
    flipped = tio.Compose([torchio.FuseRaters(KEYS, method="staple", label=True), tio.Flip("A")])(subject())
    assert isinstance(flipped["consensus"], tio.LabelMap)


def test_torchio_takes_an_empty_rater(torchio: Any) -> None:
    """TorchIO lets NumPy raise for 0/0, which is usual for somebody who marks nothing."""
    given = subject(d=of_torchio(np.zeros_like(MASKS[0])))
    found = torchio.FuseRaters([*KEYS, "d"], method="staple")(given)
    np.testing.assert_array_equal(
        found["consensus"].numpy()[0], fastfuse.staple([*MASKS, np.zeros_like(MASKS[0])]).probability
    )
    with pytest.raises(KeyError):
        torchio.FuseRaters([*KEYS, "e"])(given)
    torchio.FuseRaters([*KEYS, "e"], missing_ok=True)(given)
    with pytest.raises(TypeError, match="one text"):
        torchio.FuseRaters("abc")


@pytest.mark.parametrize("name", ["monai", "torchio"])
def test_a_missing_library_is_named(name: str) -> None:
    code = (
        f"import sys; sys.modules[{name!r}] = None\n"
        f"try: import fastfuse.adapters.{name}\nexcept Exception as error: print(type(error).__name__, error)"
    )
    run = [sys.executable, "-c", code]
    said = subprocess.run(run, capture_output=True, text=True, check=True, timeout=300).stdout
    assert said.startswith("FastfuseError")
    assert f"pip install '.[{name}]'" in said


def test_doctests(monai: Any) -> None:
    import doctest

    failed, tried = doctest.testmod(monai)
    assert failed == 0
    assert tried > 1
