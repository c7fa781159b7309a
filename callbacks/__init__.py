"""The callbacks make up the recipe: each does what one sentence of the paper says, and is one entry of the YAML.

So a sentence can be read, tested and struck alone. Callbacks that only record or watch a run quote no sentence.
"""

from callbacks.checkpoints import Checkpoints
from callbacks.curriculum import Curriculum
from callbacks.easy_filter import EasyFilter
from callbacks.entropy import EntropyMonitor
from callbacks.evaluation import Evaluation
from callbacks.export import Export
from callbacks.health import Health
from callbacks.longest_first import LongestFirst
from callbacks.overlong import Overlong
from callbacks.plateau import Plateau
from callbacks.progress import Progress
from callbacks.recorder import Recorder
from callbacks.sft_plateau import SFTPlateau
from callbacks.temperature import TemperatureController
from callbacks.tensorboard import TensorBoard
from callbacks.weight_sync import WeightSync

__all__ = [
    "Checkpoints",
    "Curriculum",
    "EasyFilter",
    "EntropyMonitor",
    "Evaluation",
    "Export",
    "Health",
    "LongestFirst",
    "Overlong",
    "Plateau",
    "Progress",
    "Recorder",
    "SFTPlateau",
    "TemperatureController",
    "TensorBoard",
    "WeightSync",
]
