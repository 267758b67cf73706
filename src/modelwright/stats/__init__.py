"""Intervals for paired comparisons, corrected for overlapping folds and for repeated looks."""

from modelwright.stats.intervals import Interval, bootstrap_interval, mean_interval, paired_interval

__all__ = ["Interval", "bootstrap_interval", "mean_interval", "paired_interval"]
