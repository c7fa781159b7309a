"""python tests/scripts/under_nccl.py VERB ...: run.py, where Lightning's loops choose a context as they do on GPUs.

Under gloo they never choose inference_mode.
"""

import sys
from pathlib import Path

from lightning.pytorch.loops import utilities

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def choose_as_under_nccl() -> None:
    """Lightning asks this before it asks for the backend."""
    assert callable(utilities._distributed_is_initialized)
    utilities._distributed_is_initialized = lambda: False


if __name__ == "__main__":
    import run

    choose_as_under_nccl()
    run.main(sys.argv[1:])
