"""The study and the one loop that runs it."""

from modelwright.study.loop import run
from modelwright.study.study import Closing, Study

__all__ = ["Closing", "Study", "run"]
