"""Import of vLLM, and the environment that it needs for that."""

import logging
import os
import warnings

from acereason.rollouts.vllm.requests import CoreSettings, InProcess


def local_core(settings: CoreSettings) -> InProcess:
    """Import vLLM and build its engine in this process; takes seconds, or minutes where it compiles."""
    # why: before the import, at which vLLM reads these; by default it would put the engine into another process
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    logging.getLogger("vllm").setLevel(os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR"))
    warnings.filterwarnings("ignore", r".*torch\.distributed\.reduce_op` is deprecated")
    from acereason.rollouts.vllm.core import LocalCore

    return LocalCore(settings)
