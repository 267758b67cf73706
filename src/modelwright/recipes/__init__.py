"""Ready-made studies: a search over a function, a model for a table."""
