"""Evaluators: what trying a candidate means. Each runs in a worker and returns plain evidence."""
