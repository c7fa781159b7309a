"""The callbacks make up the recipe: each does what one sentence of the paper says, and is one entry of the YAML.

So a sentence can be read, tested and struck alone. Callbacks that only record or watch a run quote no sentence.
"""

from callbacks.checkpoints import Checkpoints
from callbacks.curriculum import Curriculum
from callbacks.curves import Curves
from callbacks.easy_filter import EasyFilter
from callbacks.entropy import EntropyMonitor
from callbacks.evaluation import Evaluation
from callbacks.export import Export
from callbacks.groups import Groups
from callbacks.health import Health
from callbacks.longest_first import LongestFirst
from callbacks.metrics import Metrics
from callbacks.overlong import Overlong
from callbacks.plateau import Plateau
from callbacks.progress import Progress
from callbacks.samples import Samples
from callbacks.sft_plateau import SFTPlateau
from callbacks.summary import Summary
from callbacks.temperature import TemperatureController
from callbacks.tensorboard import TensorBoard
from callbacks.weight_sync import WeightSync

__all__ = [
    "Checkpoints",
    "Curriculum",
    "Curves",
    "EasyFilter",
    "EntropyMonitor",
    "Evaluation",
    "Export",
    "Groups",
    "Health",
    "LongestFirst",
    "Metrics",
    "Overlong",
    "Plateau",
    "Progress",
    "SFTPlateau",
    "Samples",
    "Summary",
    "TemperatureController",
    "TensorBoard",
    "WeightSync",
]
