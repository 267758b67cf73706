"""What an engineer would write with Optuna and PyTorch: TPE, median pruning, one cycle.

    python run_optuna_network.py DEV SEALED SECONDS SEED IDS OUT

DEV and SEALED hold arrays (`inputs.npy`, `y.npy`, `part.json`; DEV also `train.npy`, `valid.npy`).
Two thirds of the time search: trials of a few epochs, stopped early by the median; then the best
setting learns from all examples for what is left. IDS is how many numbers of words there are; OUT
gets the labels of the sealed examples.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from torch import nn

SEARCH = 2 / 3  # of the seconds
MARGIN = 2.0  # seconds for answering the sealed examples
EPOCHS = 6  # of a trial, at most: a tenth of the search's time at most, too
BATCH = 256  # of examples when answering


class Words(nn.Module):
    """Embedded words, convolutions of three widths, the largest values, classes."""

    def __init__(self, ids: int, setting: dict[str, Any], n_classes: int) -> None:
        super().__init__()
        width = setting["width"]
        self.words = nn.Embedding(ids, width)
        self.over = nn.ModuleList(
            [nn.Conv1d(width, width, k, padding=k // 2) for k in (1, 3, 5)[: setting["layers"]]]
        )
        self.drop = nn.Dropout(setting["dropout"])
        self.out = nn.Linear(width * setting["layers"], n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.words(x.long()).sum(1).transpose(1, 2)
        found = [torch.relu(layer(x)).amax(-1) for layer in self.over]
        return self.out(self.drop(torch.cat(found, 1)))


def pictures(channels: int, setting: dict[str, Any], n_classes: int) -> nn.Module:
    """Blocks of convolution, batch norm, ReLU, pooling, each twice as wide; mean; classes."""
    layers: list[nn.Module] = []
    width = setting["width"]
    for i in range(setting["layers"]):
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2) if i < setting["layers"] - 1 or i == 0 else nn.Identity(),
        ]
        channels, width = width, min(256, 2 * width)
    ends = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(setting["dropout"])]
    return nn.Sequential(*layers, *ends, nn.Linear(channels, n_classes))


class Task:
    """The arrays and how one setting is trained."""

    def __init__(self, dev: Path, seed: int, ids: int) -> None:
        facts = json.loads((dev / "part.json").read_text())
        self.kind, self.n_classes = facts["kind"], len(facts["classes"])
        self.ids = ids
        self.inputs = np.load(dev / "inputs.npy", mmap_mode="r")
        self.y = torch.from_numpy(np.load(dev / "y.npy").astype(np.int64))
        self.train, self.valid = np.load(dev / "train.npy"), np.load(dev / "valid.npy")
        self.shift = torch.tensor(facts["shift"]).view(1, -1, 1, 1)
        self.scale = torch.tensor(facts["scale"]).view(1, -1, 1, 1)
        self.rng = np.random.default_rng(seed)

    def batch(self, inputs: Any, rows: Any) -> torch.Tensor:
        """Inputs as the network takes them."""
        x = torch.from_numpy(np.ascontiguousarray(inputs[rows]))
        return x if self.kind == "texts" else (x.float() - self.shift) / self.scale

    def network(self, setting: dict[str, Any]) -> nn.Module:
        if self.kind == "texts":
            return Words(self.ids, setting, self.n_classes)
        return pictures(self.inputs.shape[1], setting, self.n_classes)

    def fit(self, setting: dict[str, Any], rows: Any, seconds: float, epochs: int, after: Any):
        """The network, trained by one cycle; `after(network, epoch)` may raise to stop it."""
        net, began = self.network(setting), time.perf_counter()
        size, n = setting["batch"], len(rows)
        per_epoch = max(1, n // size)
        kind = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[setting["optimiser"]]
        more = {"momentum": 0.9, "nesterov": True} if setting["optimiser"] == "sgd" else {}
        tuned = kind(net.parameters(), lr=setting["rate"], weight_decay=setting["decay"], **more)
        step, total, speed = 0, epochs * per_epoch, None
        loss_of = nn.CrossEntropyLoss(label_smoothing=setting["smoothing"])
        while step < total and time.perf_counter() - began < seconds:
            order = self.rng.permutation(rows)
            for i in range(per_epoch):
                share = step / total
                rate = min(1.0, share / 0.2 + 0.05) * max(0.0, 1 - share)
                for group in tuned.param_groups:
                    group["lr"] = setting["rate"] * rate
                net.train()
                pick = np.sort(order[i * size : (i + 1) * size])
                x = self.batch(self.inputs, pick)
                if setting["flip"] and self.kind == "images" and self.rng.random() < 0.5:
                    x = x.flip(-1)
                tuned.zero_grad()
                loss_of(net(x), self.y[pick]).backward()
                tuned.step()
                step += 1
                if step == 20:  # how many steps fit
                    speed = (time.perf_counter() - began) / step
                    total = max(step + 1, min(total, int(seconds / speed)))
                if step >= total or time.perf_counter() - began > seconds:
                    break
            after(net, step / per_epoch)
        return net

    def labels(self, net: nn.Module, inputs: Any, rows: Any) -> np.ndarray:
        """Classes of these examples."""
        net.eval()
        with torch.no_grad():
            return np.concatenate(
                [net(self.batch(inputs, rows[i : i + BATCH])).argmax(1).numpy()
                 for i in range(0, len(rows), BATCH)]
            )  # fmt: skip


def asked(trial: optuna.Trial, kind: str) -> dict[str, Any]:
    """The space."""
    deepest = 3 if kind == "texts" else 4
    return {
        "layers": trial.suggest_int("layers", 1, deepest),
        "width": trial.suggest_categorical("width", [16, 32, 64, 128]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "rate": trial.suggest_float("rate", 1e-4, 1e-1, log=True),
        "decay": trial.suggest_float("decay", 1e-5, 1e-1, log=True),
        "smoothing": trial.suggest_categorical("smoothing", [0.0, 0.1]),
        "batch": trial.suggest_categorical("batch", [32, 64, 128]),
        "optimiser": trial.suggest_categorical("optimiser", ["adamw", "sgd"]),
        "flip": trial.suggest_categorical("flip", [False, True]),
    }


def main(dev: Path, sealed: Path, seconds: float, seed: int, ids: int, out: Path) -> None:
    began = time.perf_counter()
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    task = Task(dev, seed, ids)
    seen = task.valid[:1000]  # answering more of them at each epoch would take the time

    def objective(trial: optuna.Trial) -> float:
        best = 0.0

        def after(net: nn.Module, epoch: float) -> None:
            nonlocal best
            right = task.labels(net, task.inputs, seen) == task.y[seen].numpy()
            best = float(right.mean())
            trial.report(best, int(epoch))
            if trial.should_prune():
                raise optuna.TrialPruned

        task.fit(asked(trial, task.kind), task.train, SEARCH * seconds / 10, EPOCHS, after)
        return best

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    study.optimize(objective, timeout=SEARCH * seconds - (time.perf_counter() - began))
    everything = np.sort(np.concatenate([task.train, task.valid]))
    left = seconds - (time.perf_counter() - began) - MARGIN
    setting = asked(optuna.trial.FixedTrial(study.best_params), task.kind)
    net = task.fit(setting, everything, left, 200, lambda *_: None)
    inputs = np.load(sealed / "inputs.npy", mmap_mode="r")
    labels = task.labels(net, inputs, np.arange(len(inputs)))
    facts = {
        "labels": labels.tolist(), "trials": len(study.trials), "best": study.best_value,
        "params": sum(p.numel() for p in net.parameters()), "setting": study.best_params,
    }  # fmt: skip
    out.write_text(json.dumps(facts))


if __name__ == "__main__":
    dev, sealed, seconds, seed, ids, out = sys.argv[1:]
    main(Path(dev), Path(sealed), float(seconds), int(seed), int(ids), Path(out))
