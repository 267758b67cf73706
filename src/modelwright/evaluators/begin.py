"""Weights that a short training leaves for later ones, and a training that begins with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import InputError
from modelwright.core.keys import Key
from modelwright.core.roles import ArtefactStore
from modelwright.core.trial import Trial
from modelwright.evaluators.network_evidence import drawing
from modelwright.families.net_ops import Op, Ops

if TYPE_CHECKING:
    from modelwright.training.trainer import Trainer

MAX_BYTES = 20_000_000  # of weights that are kept: a run holds those of a dozen short trainings


def keep_weights(
    ops: Ops, state: Mapping[str, Any], trial: Trial, store: ArtefactStore
) -> str | None:
    """Keeps a network, its operations beside its weights, for `begin`; the name of the file.

    None where it is larger than `MAX_BYTES`.
    """
    from safetensors.numpy import save

    if 4 * ops.weights > MAX_BYTES:
        return None
    about = {"trial": trial.number, "input": list(ops.input_shape), "steps": drawing(ops)}
    return store.put(save(dict(state), {"about": json.dumps(about)}), ".safetensors")


def begin(trainer: Trainer, ops: Ops, trial: Trial, store: ArtefactStore) -> dict[str, Any]:
    """Gives a trainer that has not begun the weights of the trial's checkpoint; what came of it.

    Plain data: the trial that left them, whether the network answers what that one did (`exact`),
    and how each tensor came about (`training.inherit`). Weights that are no longer kept (the run
    was finished, and goes on) leave the network as it was drawn, and are `gone`.
    """
    import torch
    from safetensors import safe_open

    from modelwright.training.inherit import inherit

    assert trial.checkpoint is not None, "a trial that begins from somewhere"
    try:
        path = store.path(trial.checkpoint)
    except InputError:
        return {"gone": True}
    with safe_open(path, framework="np") as file:
        about = json.loads(file.metadata()["about"])
        trained = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    parent = Ops(tuple(about["input"]), [_op(row) for row in about["steps"]])
    drawn = {name: value.cpu().numpy() for name, value in trainer.net.state_dict().items()}
    seed = Key.of(trial.seed).child("inherit").seed(63)
    found = inherit(parent, trained, ops, drawn, seed)
    trainer.net.load_state_dict({k: torch.from_numpy(v) for k, v in found.state.items()})
    return {
        "trial": about["trial"], "exact": found.exact, "tensors": found.counts(),
        "how": {_told(ops, name): word for name, word in found.how.items()},
    }  # fmt: skip


def _op(row: Any) -> Op:
    kind, name, inputs, shape, weights, macs, about = row
    return Op(kind, name, tuple(inputs), tuple(shape), weights, macs, about)


def _told(ops: Ops, name: str) -> str:
    """`layers.3.weight` by the operation's name: `stem.conv.weight`."""
    _, number, rest = name.split(".", 2)
    return f"{ops.steps[int(number)].name}.{rest}"
