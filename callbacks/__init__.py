"""The recipe: one callback, one sentence of the paper, one entry in the YAML."""

from callbacks.checkpoint import StepCheckpoint
from callbacks.curriculum import Curriculum
from callbacks.curves import Curves
from callbacks.easy_filter import EasyFilter
from callbacks.entropy import EntropyMonitor
from callbacks.export import Export
from callbacks.overlong import Overlong
from callbacks.progress import Progress
from callbacks.samples import Samples
from callbacks.summary import Summary
from callbacks.weight_sync import WeightSync

__all__ = [
    "Curriculum",
    "Curves",
    "EasyFilter",
    "EntropyMonitor",
    "Export",
    "Overlong",
    "Progress",
    "Samples",
    "StepCheckpoint",
    "Summary",
    "WeightSync",
]
