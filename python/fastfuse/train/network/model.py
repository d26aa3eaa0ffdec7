"""Networks of one's own ("module:callable"): made, and tried on slices before any work."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import FastfuseError, ModelError, reason_of
from ..options import NetworkOptions
from .loss import soft_dice_loss
from .precision import computing_in
from .unet import UNet

FOREIGN = (Path(__file__).parents[2], Path(torch.__file__).parent)  # whose frames say nothing of the model
NO_MEMORY = ("out of memory", "can't allocate memory")
LEAST_VALUES = 8  # by which values in half precision, brought to float32 later, are told from a constant
PUSHES, PUSH = 20, 0.1  # a bias alone then moves the output from 0 to 2


def make_network(options: NetworkOptions, in_channels: int) -> nn.Module:
    """Return a U-Net, or the network that the option's "module:callable" makes from in_channels, width and depth.

    With ``output="logit"`` a sigmoid in float32 follows that network; the names of its weights stay its own, except in
    TorchScript.

    Raises
    ------
    ValueError, TypeError
        If there is no such callable, or it makes no nn.Module.
    ModelError
        If its code fails.
    """
    if not options.model:
        return UNet(in_channels, options.width, options.depth, options.start, options.weights)
    network = _made(options, in_channels)
    if options.output == "logit" and isinstance(network, torch.jit.ScriptModule):
        return _Ended(network)  # TorchScript takes no hook
    if options.output == "logit":
        network.register_forward_hook(_sigmoid)
    return network


def _made(options: NetworkOptions, in_channels: int) -> nn.Module:
    """Return another network, without a sigmoid of ours."""
    make, given = _imported(options.model), {"in_channels": in_channels, "width": options.width}
    given["depth"] = options.depth
    _check_signature(make, given, options.model)
    with inside(options.model):
        network = make(**given)
    if not isinstance(network, nn.Module):
        raise TypeError(f"model {options.model} makes a {type(network).__name__}, not a torch.nn.Module")
    if not any(weights.requires_grad for weights in network.parameters()):
        raise TypeError(f"model {options.model} has nothing to train")
    return network


class _Ended(nn.Module):
    """A network with a sigmoid behind it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> Any:
        """Return probabilities."""
        return _sigmoid(self, slices, self.network(slices))


def _sigmoid(_: nn.Module, __: Any, output: Any) -> Any:
    """Turn logits into probabilities; in half precision its gradient would be 0 from a logit of 8.4 on."""
    return torch.sigmoid(output.float()) if isinstance(output, Tensor) else output


@contextmanager
def inside(model: str) -> Iterator[None]:
    """Turn an error of another network's code into one with its name and its frames; want of memory is told, too."""
    try:
        yield
    except FastfuseError:
        raise
    except Exception as error:
        if any(words in str(error) for words in NO_MEMORY):
            raise FastfuseError(
                f"not enough memory for a step ({reason_of(error)}); lower training.batch, or train fewer at once (--jobs 1)"
            ) from error
        if not model:
            raise
        what = f"model {model}: {type(error).__name__}: {reason_of(error)}"
        raise ModelError(what, details=_frames(error)) from error


def _frames(error: Exception) -> str:
    """Return the traceback of an error, without the frames of fastfuse and PyTorch."""
    found = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in found if not _is_foreign(frame.filename)]
    return "".join([*traceback.format_list(own), *traceback.format_exception_only(error)])


def _is_foreign(file: str) -> bool:
    return file.startswith("<frozen") or any(Path(file).is_relative_to(home) for home in FOREIGN)


def check_network(
    options: NetworkOptions, images: Tensor, target: Tensor, device: torch.device, precision: torch.dtype
) -> None:
    """Try another network on a batch of slices, in training and after; the U-Net needs no trial.

    Parameters
    ----------
    options : NetworkOptions
    images, target : Tensor, shapes (n, channels, x, y) and (n, 1, x, y)
    device, precision
        As in the training.

    Raises
    ------
    ValueError, TypeError
        If outputs are no probabilities of the slices' size, whatever its weights, or a weight gets no gradient.
    ModelError
        If the network's code fails.
    """
    if not options.model:
        return
    network = make_network(options, images.shape[1])
    _move(network, device, options.model)
    images = images.to(device, memory_format=torch.channels_last)
    with inside(options.model), computing_in(device, precision):
        predicted = network.train()(images)
    check_output(predicted, images)
    _check_precision(options.model, predicted.detach(), precision)
    with inside(options.model):
        soft_dice_loss(predicted, target.to(device)).backward()  # type: ignore[no-untyped-call]
    _check_gradients(network, options.model)
    with torch.no_grad(), inside(options.model), computing_in(device, precision):
        alone = network.eval()(images[:1])
    check_output(alone, images[:1])
    _check_range(options, images)


def _move(network: nn.Module, device: torch.device, model: str) -> None:
    with inside(model):
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def check_output(predicted: Any, slices: Tensor) -> None:
    """Raise ValueError or TypeError unless a network's output is probabilities of the slices' size."""
    if not isinstance(predicted, Tensor):
        raise TypeError(f"the network's output is a {type(predicted).__name__}: one tensor is needed")
    expected = (len(slices), 1, *slices.shape[2:])
    if tuple(predicted.shape) != expected:
        raise ValueError(
            f"the network's output has shape {tuple(predicted.shape)} for slices of shape {tuple(slices.shape)}; "
            f"{expected} is needed"
        )
    low, high = float(predicted.detach().min()), float(predicted.detach().max())
    if not 0 <= low <= high <= 1:
        raise ValueError(
            f"the network's output goes from {low:.3g} to {high:.3g}: probabilities are needed; "
            "network.output=logit puts a sigmoid behind it"
        )


def _check_precision(model: str, predicted: Tensor, precision: torch.dtype) -> None:
    """Refuse probabilities that are computed in half precision: their sigmoid is none that could be made float32."""
    if precision == torch.float32:
        return
    wide = predicted.float()
    is_half = predicted.dtype != torch.float32
    is_half |= bool((wide == wide.to(precision)).all()) and len(torch.unique(wide)) >= LEAST_VALUES
    if is_half:
        raise ValueError(
            f"model {model}: its sigmoid is computed in {str(precision).removeprefix('torch.')}, where a sure prediction has "
            "a gradient of 0, as one in place (sigmoid_) and one in TorchScript are: end with torch.sigmoid in Python, or "
            "without a sigmoid and network.output=logit, or set training.precision=float32"
        )


def _check_gradients(network: nn.Module, model: str) -> None:
    for name, weights in network.named_parameters():
        if not weights.requires_grad:
            continue
        if weights.grad is None:
            raise ValueError(
                f"model {model}: {name} has no part in the output and gets no gradient; take it out, or set its "
                "requires_grad to False"
            )
        if not torch.isfinite(weights.grad).all():
            raise ValueError(f"model {model}: the gradient of {name} is not finite on slices of the cohort")


def _check_range(options: NetworkOptions, images: Tensor) -> None:
    """Refuse a network that can leave [0, 1] for want of a sigmoid, and a sigmoid behind one that has its own."""
    one = images[:1]
    bounded = not any(_leaves_range(_made(options, one.shape[1]), one, sign) for sign in (1, -1))
    if options.output == "probability" and not bounded:
        raise ValueError(
            f"model {options.model}: its output lies in [0, 1] by chance, and leaves it in training: probabilities are "
            "needed; network.output=logit puts a sigmoid behind it"
        )
    if options.output == "logit" and bounded:
        raise ValueError(
            f"model {options.model}: its output never leaves [0, 1], so that it seems to end with a sigmoid: take "
            "network.output=probability"
        )


def _leaves_range(network: nn.Module, images: Tensor, sign: int) -> bool:
    """Push the output up (or down), and tell whether it leaves [0, 1]: what has a sigmoid cannot."""
    network.to(images.device).train()
    adam = torch.optim.Adam([weights for weights in network.parameters() if weights.requires_grad], lr=PUSH)
    for _ in range(PUSHES):
        output = network(images)
        if bool(((output < 0) | (output > 1)).any()):
            return True
        adam.zero_grad()
        (-sign * output.float().mean()).backward()
        adam.step()
    return False


def _check_signature(make: Any, given: dict[str, int], model: str) -> None:
    try:
        signature = inspect.signature(make)
    except (ValueError, TypeError):  # of compiled code
        return
    try:
        signature.bind(**given)
    except TypeError as error:
        raise TypeError(
            f"model {model} takes no in_channels, width and depth ({reason_of(error)})"
        ) from error


def _imported(model: str) -> Any:
    place, _, name = model.partition(":")
    if not place or not name:
        raise ValueError(f"model is {model!r}: give it as module:callable, e.g. mypackage.nets:UNetPlus")
    try:
        with inside(model):
            module = importlib.import_module(place)
    except ModelError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and f"{place}.".startswith(f"{cause.name}."):
            raise FastfuseError(
                f"model {model} cannot be imported ({reason_of(cause)}); is its folder in PYTHONPATH?"
            ) from cause
        raise
    if not hasattr(module, name):
        raise FastfuseError(f"model {model} cannot be imported: {place} holds no {name}")
    found = getattr(module, name)
    if not callable(found):
        raise TypeError(f"model {model} is of type {type(found).__name__}, which cannot be called")
    return found
