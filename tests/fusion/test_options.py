"""Options are declared once: signatures, docstrings, flags, checks and refusals agree with the declarations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_args

import numpy as np
import pytest

import fastfuse
from fastfuse.cli.flags import FLAGGED, flags_of_options
from fastfuse.fusion import options as declarations
from fastfuse.fusion.labels.declared import LABEL_OPTIONS, RESAMPLING, AskedLabels
from fastfuse.fusion.options import BY_NAME, DECLARED, Options
from fastfuse.fusion.registry import METHODS, NAMES, Method, method_called
from fastfuse.fusion.votes import Votes

# Parameters beside the options, in the order in which signatures have them.
OF_VOTES = ("axis", "mask", "present", "dtype", "out")
VOTES = [[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]
WRONG: dict[str, Any] = {
    "m_step": "EM",
    "expectation": "exact",
    "likelihood": "normal",
    "prior": 1.0,
    "init": 0.5,
    "roi": -1,
    "spacing_mm": (1, 2, 3, 4),
    "missing": "none",
    "mrf": -1,
    "performance_prior": (0.5, 2),
    "intervals": "wide",
    "replicates": 1,
    "seed": -1,
    "tol": -1,
    "max_iter": 0,
    "acceleration": "fast",
    "threads": -1,
    "max_memory": "much",
    "executor": 2,
    "device": "tpu",
    "select_label": 0,
    "binarize": "yes",
    "threshold": float("nan"),
    "scale": 0.5,
    "evidence": "yes",
    "classes": 4,
}
OTHER: dict[str, Any] = {
    "m_step": "em",
    "expectation": "enumerate",
    "likelihood": "log_linear",
    "prior": 0.3,
    "init": 0.9,
    "roi": "disputed",
    "spacing_mm": (2.0,),
    "mrf": 0.5,
    "performance_prior": (5, 1.5),
    "intervals": "information",
    "replicates": 20,
    "seed": 3,
    "tol": 1e-3,
    "max_iter": 20,
    "acceleration": "squarem",
}


def function_of(method: Method) -> Callable[..., Any]:
    return getattr(import_module(f"fastfuse.{method.home}"), method.function)


RINGS_OWN = ("dilated-staple", "threshold")  # that of the ring
OF_LABEL_MAPS = ("majority", "intervals")  # fewer kinds

FUNCTIONS = {method.name: function_of(method) for method in METHODS}
NAMED = {**FUNCTIONS, "fuse": fastfuse.fuse, "fuse_files": fastfuse.fuse_files}


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_signatures_take_what_is_declared(method: Method) -> None:
    """And in the order of the declarations, as ``fuse`` has them."""
    declared = (*DECLARED, *LABEL_OPTIONS.values())
    wanted = {one.name for one in declared if one.methods(method)} | set(OF_VOTES)
    wanted |= set(RESAMPLING) if method.name == "majority" else set()  # of label maps
    given = list(inspect.signature(FUNCTIONS[method.name]).parameters)
    assert wanted <= set(given)
    everything = [name for name in inspect.signature(fastfuse.fuse).parameters if name in wanted]
    foreign = {one.name for one in declared} - wanted
    assert not foreign & set(given)
    assert ("image" in given) == (method.of_levels or method.grows)
    if not method.grows:
        assert [name for name in given if name != "image"] == ["raters", *everything]


def test_fuse_takes_all_options() -> None:
    given = list(inspect.signature(fastfuse.fuse).parameters)
    assert set(given) == {"raters", "method", "image", "decisions", *BY_NAME, *LABEL_OPTIONS, *OF_VOTES}
    for known in (BY_NAME, LABEL_OPTIONS):
        assert [name for name in given if name in known] == list(known)


def test_files_take_all_but_what_headers_tell() -> None:
    given = inspect.signature(fastfuse.fuse_files).parameters
    assert {*BY_NAME} - set(given) == {"spacing_mm", "executor"}


@pytest.mark.parametrize("name", NAMED)
def test_signatures_have_the_declared_defaults_and_types(name: str) -> None:
    parameters = inspect.signature(NAMED[name]).parameters
    types = {**Options.__annotations__, **AskedLabels.__annotations__}
    for option in (*DECLARED, *LABEL_OPTIONS.values()):
        if option.name not in parameters or (name, option.name) == RINGS_OWN:
            continue
        parameter = parameters[option.name]
        own = dict(method_called(name).defaults) if name in FUNCTIONS else {}
        assert parameter.default == own.get(option.name, option.default)
        assert parameter.kind is parameter.KEYWORD_ONLY
        if (name, option.name) not in {("fuse_files", "prior"), OF_LABEL_MAPS}:  # a path there
            assert parameter.annotation == types[option.name]
    for field in OF_VOTES:
        if field in parameters and name != "fuse_files":
            assert parameters[field].annotation == Votes.__annotations__[field]
            assert parameters[field].default == getattr(Votes, field)


@pytest.mark.parametrize("name", NAMED)
def test_docstrings_describe_every_parameter(name: str) -> None:
    text = inspect.getdoc(NAMED[name])
    assert "{options}" not in text
    section = text.partition("Parameters\n-")[2].partition("\n\n")[0]
    assert "As in :func:`staple`." not in section
    described = [
        n for names in re.findall(r"^(\w+(?:, \w+)*) :", section, re.MULTILINE) for n in names.split(", ")
    ]
    assert sorted(described) == sorted(inspect.signature(NAMED[name]).parameters)
    for option in BY_NAME.values():
        if option.name in described and (name, option.name) not in {
            ("fuse_files", "prior"),
            ("dilated-staple", "spacing_mm"),
            ("dilated-staple", "binarize"),
            RINGS_OWN,
            OF_LABEL_MAPS,
            *(("border-staple", name) for name, _ in method_called("border-staple").defaults),
        }:
            assert option.entry in section


def test_defaults_pass_their_checks() -> None:
    assert Options().checked() == Options()


def test_choices_are_the_types() -> None:
    types = {"m_step": "MStep", "intervals": "IntervalKind"}
    for option in DECLARED:
        if option.choices:
            name = types.get(option.name, option.name.capitalize())
            assert option.choices == get_args(getattr(declarations, name))
            assert Options.__annotations__[option.name] == name
            assert all(f'"{word}"' in option.kind for word in option.choices)


def test_flags_are_those_of_the_declarations() -> None:
    flags = {flag.name: flag for flag in flags_of_options()}
    assert list(flags) == ["method", *FLAGGED]
    for name, option in FLAGGED.items():
        default = flags[name].default
        of_pair = option.name == "performance_prior"  # a pair, where a word has no place
        assert getattr(default, "value", default) == (None if of_pair else option.default)


@pytest.mark.parametrize(
    ("method", "name"),
    [(row, name) for row in METHODS for name in WRONG if not row.grows and BY_NAME[name].methods(row)],
    ids=lambda value: getattr(value, "name", value),
)
def test_each_option_is_checked(method: Method, name: str) -> None:
    sides = {"spacing_mm": (1,)} if method.of_levels else {}
    with pytest.raises((ValueError, TypeError), match=rf"^{name} is "):
        FUNCTIONS[method.name](np.array(VOTES), **{**sides, name: WRONG[name]})


def test_each_option_has_a_wrong_value_here() -> None:
    assert set(WRONG) == set(BY_NAME)


# Of a bootstrap, or not with a random field.
NOT_TOGETHER = ("acceleration", "intervals", "replicates", "seed")


@pytest.mark.filterwarnings("ignore::fastfuse.FusionWarning")
@pytest.mark.parametrize("method", [name for name in NAMES if name != "dilated-staple"])
def test_fuse_is_the_method_of_that_name(method: str) -> None:
    function = FUNCTIONS[method]
    given = {
        name: value
        for name, value in OTHER.items()
        if BY_NAME[name].methods(method_called(method)) and name not in NOT_TOGETHER
    }
    if method_called(method).of_levels:  # which needs the voxels on which all agree
        given["roi"] = 2.0
    expected = function(VOTES, **given)
    fused = fastfuse.fuse(VOTES, method, **given)
    assert fused.method == method
    np.testing.assert_array_equal(fused.probability, expected.probability)
    np.testing.assert_array_equal(fused.sensitivity, expected.sensitivity)


def test_fuse_is_soft_staple_by_default() -> None:
    votes = [[0, 0.3, 1, 1], [0, 0, 0.3, 1], [0, 0.3, 1, 1]]
    np.testing.assert_array_equal(fastfuse.fuse(votes).probability, fastfuse.soft_staple(votes).probability)


@pytest.mark.parametrize("name", OTHER)
def test_fuse_refuses_what_the_method_does_not_have(name: str) -> None:
    for method in METHODS:
        if not method.grows and not BY_NAME[name].methods(method):
            refusal = rf"^{name} is .*: {method.name} has no such option; leave it out"
            with pytest.raises(ValueError, match=refusal):
                fastfuse.fuse(VOTES, method.name, **{name: OTHER[name]})


def test_fuse_refuses_unknown_methods_and_those_that_need_an_image() -> None:
    with pytest.raises(ValueError, match="method is 'mean': it must be 'staple' or"):
        fastfuse.fuse(VOTES, "mean")
    with pytest.raises(
        ValueError, match=r"dilated-staple needs an image: call dilated_staple\(raters, image\)"
    ):
        fastfuse.fuse(VOTES, "dilated-staple")


def test_fuse_warns_where_it_is_called() -> None:
    with pytest.warns(fastfuse.FusionWarning, match="one rater only") as caught:
        fastfuse.fuse(VOTES[:1])
    assert caught[0].filename == __file__


def test_dilated_staple_takes_a_device() -> None:
    image = np.linspace(0, 1, 64).reshape(4, 4, 4)
    masks = [image > 0.8, image > 0.7, image > 0.75]
    here = fastfuse.dilated_staple(masks, image, device="cpu")
    np.testing.assert_array_equal(here.probability, fastfuse.dilated_staple(masks, image).probability)
    with pytest.raises(ValueError, match="device is 'tpu'"):
        fastfuse.dilated_staple(masks, image, device="tpu")


def test_a_prior_map_whose_1_is_the_next_number_above_is_taken_for_1() -> None:
    """As bytes scaled by 1/255 are read: their 1 is 1.0000001."""
    rng = np.random.default_rng(0)
    raters = [(rng.random((5, 6, 7)) < 0.3).astype(np.uint8) for _ in range(3)]
    prior = rng.uniform(0.2, 0.8, (5, 6, 7)).astype(np.float32)
    prior[0], prior[1] = 0, 1
    beside = prior.copy()
    beside[1] = np.nextafter(np.float32(1), np.float32(2))
    with pytest.warns(fastfuse.FusionWarning, match="holds 0 or 1"):
        wanted = fastfuse.staple(raters, prior=prior)
    with pytest.warns(fastfuse.FusionWarning, match="holds 0 or 1"):
        found = fastfuse.staple(raters, prior=beside)
    np.testing.assert_array_equal(found.probability, wanted.probability)
    with pytest.raises(ValueError, match="a prior is a probability"):
        fastfuse.staple(raters, prior=np.where(beside > 1, 1.001, beside))
