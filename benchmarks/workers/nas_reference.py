"""Plain reference methods of architecture search: what any cleverer searcher has to beat."""

from __future__ import annotations

import random
from collections import deque
from itertools import product
from typing import Any

from nas_tables import Arch, Nas, play
from worker import serve

POPULATION, SAMPLE = 10, 5


def draw(task: Nas, rng: random.Random) -> Arch:
    """An architecture, uniformly."""
    return tuple(rng.randrange(task.n_ops) for _ in range(task.n_slots))


def neighbours(task: Nas, arch: Arch) -> list[Arch]:
    """All that differ in the operation of one slot."""
    return [
        (*arch[:s], op, *arch[s + 1 :])
        for s in range(task.n_slots)
        for op in range(task.n_ops)
        if op != arch[s]
    ]


def random_search(task: Nas, seed: int) -> None:
    rng = random.Random(seed)
    while task.left >= 1:
        task.ask(draw(task, rng))


def ageing_evolution(task: Nas, seed: int) -> None:
    """Regularised evolution (Real et al. 2019, arXiv:1802.01548): the oldest dies, not the worst.

    Population 10 and tournaments of 5, small because the budget is; one slot is mutated.  A child
    met before is taken from memory, which costs nothing.
    """
    rng = random.Random(seed)
    alive: deque[tuple[float, Arch]] = deque(maxlen=POPULATION)
    while task.left >= 1:
        if len(alive) < POPULATION:
            arch = draw(task, rng)
        else:
            parent = max(rng.sample(list(alive), SAMPLE))[1]
            arch = rng.choice(neighbours(task, parent))
        alive.append((task.ask(arch), arch))


def local_search(task: Nas, seed: int, patient: bool = False) -> None:
    """Hill climbing with restarts (White et al. 2021, arXiv:2005.02960).

    Neighbours are met in random order and the first better one is taken.  With `patient` the whole
    neighbourhood is trained first and its best taken.  Starts are single draws, and no first round
    of random ones is made.
    """
    rng = random.Random(seed)
    while task.left >= 1:
        here = draw(task, rng)
        value = task.ask(here)
        climbing = True
        while climbing:
            climbing, best = False, (value, here)
            around = neighbours(task, here)
            rng.shuffle(around)
            for arch in around:
                if task.left < 1:
                    return
                best = max(best, (task.ask(arch), arch))
                if best[0] > value and not patient:
                    break
            if best[0] > value:
                (value, here), climbing = best, True


def most_flops(task: Nas, seed: int) -> None:
    """Train the 25 largest of the whole space: a line to know, not a searcher to trust."""
    rng = random.Random(seed)
    space = list(product(range(task.n_ops), repeat=task.n_slots))
    rng.shuffle(space)  # ties fall by chance
    for arch in sorted(space, key=task.flops_m, reverse=True)[:25]:
        task.ask(arch)


SEARCHES = {
    "random": random_search,
    "evolution": ageing_evolution,
    "local_search": local_search,
    "local_search_patient": lambda task, seed: local_search(task, seed, patient=True),
    "flops25": most_flops,
}


def cell(request: dict[str, Any]) -> dict[str, Any]:
    return play(request, SEARCHES[request["method"]])


if __name__ == "__main__":
    serve(cell, "numpy")
