"""The parts, in the order in which they run: cheap ones that tell most come first."""

import importlib.util

from benchmarks.gpu.running import Part
from benchmarks.gpu.settings import Settings


def _no_vllm(_: Settings) -> str:
    return "" if importlib.util.find_spec("vllm") else "vLLM is not installed; the README has the commands"


def _no_model(settings: Settings) -> str:
    return "" if settings.model else "no real model was given: --model FOLDER, which docs.real_model makes"


PARTS = [
    Part("machine", "benchmarks.gpu.machine:facts", seconds=60, least=5),
    Part("attention", "benchmarks.gpu.kernels:attention", seconds=90, least=20),
    Part("head", "benchmarks.gpu.kernels:head", seconds=90, least=20),
    Part("debug", "benchmarks.gpu.debug:run_all", seconds=120, least=40),
    Part("sft", "benchmarks.gpu.training:sft", seconds=120, least=30),
    Part("grpo", "benchmarks.gpu.training:grpo", seconds=120, least=30),
    Part("alone", "benchmarks.gpu.rollouts:alone", seconds=120, least=30, missing=_no_vllm),
    Part("colocated", "benchmarks.gpu.rollouts:colocated", seconds=210, least=40, missing=_no_vllm),
    Part("separate", "benchmarks.gpu.rollouts:separate", seconds=120, least=40, missing=_no_vllm),
    Part("curve", "benchmarks.gpu.curve:curve", seconds=180, least=40, missing=_no_model),
]
