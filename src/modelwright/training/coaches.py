"""The coaches by name, as `build --coach` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from modelwright.training.coach import Guided
    from modelwright.training.coach_orders import Order
    from modelwright.training.coach_population import Population
    from modelwright.training.replay import Look
    from modelwright.training.trainer import Trainer

CoachName = Literal["guard", "rules", "learned", "population"]
COACHES: tuple[CoachName, ...] = ("guard", "rules", "learned", "population")


def guided_by(
    name: CoachName, trainer: Trainer, look: Look, orders: list[Order]
) -> Guided | Population:
    """A training under that coach; `orders` may grow while it runs."""
    from modelwright.training.coach import Guided
    from modelwright.training.coach_learned import learned
    from modelwright.training.coach_orders import Steered
    from modelwright.training.coach_population import Population
    from modelwright.training.coach_rules import Guard, Rules

    if name == "population":
        return Population(trainer, look, orders)
    coach = Guard() if name == "guard" else Rules() if name == "rules" else learned()
    return Guided(trainer, look, Steered(coach, trainer, orders))
