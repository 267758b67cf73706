"""Any module of PyTorch as what the trainer trains; and a training step of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from modelwright.core.errors import InputError

Step = Callable[[nn.Module, tuple[Tensor, Tensor], torch.optim.Optimizer], Any]
_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)


class PlainNet(nn.Module):
    """A module `[batch, *shape]` to `[batch, k]` for the trainer, which expects `[batch, 1, k]`."""

    copies = 1

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        with torch.no_grad():
            for weight in module.parameters():  # the optimiser sees each as one row
                if not weight.is_contiguous():
                    weight.data = weight.data.contiguous()
        self._exempt = {
            f"module.{name}.{kind}"
            for name, part in module.named_modules()
            if isinstance(part, _NORMS)
            for kind, _ in part.named_parameters(recurse=False)
        }

    def forward(self, x: Tensor) -> Tensor:
        """Answers `[batch, 1, k]`."""
        # A user's `view` needs plain memory.
        out: Tensor = self.module(x.contiguous()).reshape(len(x), 1, -1)
        return out

    def watch(self, x: Tensor, numbers: Sequence[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """Answers, as `TorchNet.watch`; there are no operations with numbers here."""
        return self(x), []

    def exempt(self, name: str) -> bool:
        """True for biases and the scales of norms: decay is for what multiplies inputs."""
        return name.endswith("bias") or name in self._exempt


class OwnStep:
    """A user's `step(module, batch, optimizer) -> loss` in the place of the trainer's own.

    `batch` is (x, y): y class numbers `[batch]`, or values. The step does all that is to be done:
    gradients set to zero, loss, backward, `optimizer.step()`. Rates follow the recipe's schedule.
    """

    def __init__(self, step: Step, net: PlainNet, optimizer: Any) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            kind = type(optimizer).__name__
            raise InputError(f"optimizer() must return an optimizer of torch.optim; got {kind}.")
        self.step, self.net, self.optimizer = step, net, optimizer
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]

    def __call__(self, x: Tensor, y: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        """Takes a step at `factor` times the rate: the loss and the gradients' norm, `[1]` each."""
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        loss = self.step(self.net.module, (x.contiguous(), y), self.optimizer)
        found = torch.as_tensor(loss if isinstance(loss, Tensor | int | float) else [])
        if found.numel() != 1:
            told = f"a tensor of shape {tuple(found.shape)}" if found.numel() else repr(loss)
            raise InputError(f"step must return the loss of the batch, one number; got {told}.")
        grads = [w.grad.square().sum() for w in self.net.parameters() if w.grad is not None]
        norm = torch.stack(grads).sum().sqrt() if grads else torch.zeros(())
        return found.detach().float().reshape(1), norm.detach().reshape(1)

    @property
    def rate(self) -> float:
        """The learning rate, read from the optimiser."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        """What an exact resume needs."""
        return deepcopy(self.optimizer.state_dict())

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes back to what `state` gave; in a file the numbers of weights have become texts."""
        found = deepcopy(dict(state))
        found["state"] = {int(number): of for number, of in found["state"].items()}
        self.optimizer.load_state_dict(found)
