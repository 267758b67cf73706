"""Uniform random search (log-uniform where the space says so): the honest baseline."""

from __future__ import annotations

import random
from typing import Any

from tasks import yahpo
from worker import serve


def cell(request: dict[str, Any]) -> dict[str, Any]:
    task, rng = yahpo(request["problem"]), random.Random(request["seed"])
    for _ in range(request["n"]):
        task.evaluate({param.name: param.sample(rng) for param in task.params})
    return task.result()


if __name__ == "__main__":
    serve(cell, "numpy", "onnxruntime")
