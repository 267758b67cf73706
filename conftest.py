"""One thread to a process, before NumPy or PyTorch is loaded: `make test` keeps every core busy.

Threads of two processes that share two cores wait for one another, which made the slowest test
thirty times as long. What a test starts with more threads says so itself.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
