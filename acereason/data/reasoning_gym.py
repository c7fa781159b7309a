"""Problems that reasoning-gym makes up (arXiv 2505.24760), each with the scorer of its data set."""

from dataclasses import dataclass, field
from typing import Any

from acereason.common.errors import UserError
from acereason.rewards.gym.library import check_dataset, entries, ground_truth


@dataclass
class ReasoningGym:
    """Settings of problems that reasoning-gym makes up."""

    dataset: str
    """Name of one of the library's data sets: chain_sum, countdown, sudoku; `preflight` refuses those whose scorer
    can't be used."""
    size: int = 100
    """Number of problems; those of a data set with few different ones repeat."""
    seed: int = 0
    """Seed of the problems. The first problems of a larger `size` are the same; of another seed they may overlap."""
    config: dict[str, Any] = field(default_factory=dict)
    """Settings of the data set, such as {min_terms: 2, max_terms: 4} of chain_sum; the library has their names."""

    def check(self, key: str) -> None:
        """Raise a UserError for a value that can't work; `key` names this generator."""
        if self.size < 1:
            raise UserError(f"{key}.size: must be at least 1, not {self.size}")
        if ours := {"size", "seed"} & self.config.keys():
            raise UserError(f"{key}.config: {min(ours)} stands beside config, not in it")
        check_dataset(key, self.dataset, self.config)

    def rows(self) -> list[dict]:
        """Return rows with `id`, `statement` and `answer`, which is the entry as JSON."""
        made = enumerate(entries(self.dataset, self.config, self.size, self.seed))
        return [
            {
                "id": f"{self.dataset}-{self.seed}-{index}",
                "statement": entry["question"],
                "answer": ground_truth(self.dataset, self.config, entry),
            }
            for index, entry in made
        ]
