"""Training of networks with PyTorch: modules, optimisers, the loop.

Loaded only where one is built.
"""
