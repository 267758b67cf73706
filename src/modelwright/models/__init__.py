"""Models: metrics, ensembles, calibration, decisions, and the bundle that ships."""
