"""What is measured of a design at the zero-cost rung, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwright.core.keys import Key
from modelwright.core.trial import Evidence, Trial
from modelwright.data.array_part import ArrayPart
from modelwright.evaluators.latency import measure
from modelwright.evaluators.network_evidence import opened
from modelwright.families.device import Device, known_costs
from modelwright.families.net_ops import Ops

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 32  # training examples that the network is asked about


def measure_untrained(
    ops: Ops, part: ArrayPart, trial: Trial, threads: int, device: Device | None
) -> Evidence:
    """Evidence without the metric: `params`, `macs`, `latency_ms` and the like, and the proxies.

    Weights are drawn by the trial's seed; the examples are the same for all designs. There are no
    artefacts. See `training.proxies` for the proxies.
    """
    import torch

    from modelwright.training.proxies import proxies
    from modelwright.training.torch_net import TorchNet

    torch.set_num_threads(threads)
    torch.manual_seed(Key.of(trial.seed).child("weights").seed(63))
    net = TorchNet(ops)
    state: Mapping[str, Any] = {k: v.detach().numpy() for k, v in net.state_dict().items()}
    packed, session, _ = opened(ops, state, part, device)
    one = {"examples": np.ascontiguousarray(part.inputs[part.train[:1]])}
    latency, noise = measure(lambda: session.run(None, one))
    known = known_costs(ops, device)
    costs = {"latency_ms": latency, "size_kb": len(packed) / 1000, **known}
    noises = {} if "latency_ms" in known else {"latency_ms": noise}
    found = proxies(net, _batch(part))
    return Evidence(trial.number, {**costs, **found}, noise=noises)


def _batch(part: ArrayPart) -> Tensor:
    """Evenly chosen training examples, scaled."""
    from torch import device

    from modelwright.training.lessons import Lessons

    rows = part.train[np.linspace(0, len(part.train) - 1, min(BATCH, len(part.train))).astype(int)]
    lessons = Lessons(
        part.inputs[rows], np.asarray(part.y[rows]), len(part.classes), part.shift, part.scale
    )
    return lessons.batch(np.arange(len(rows)), device("cpu"))
