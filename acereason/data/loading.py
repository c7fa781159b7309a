"""From a source to problems that are ready to roll out, and why some of them can't be."""

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.errors import UserError, first_line
from acereason.rewards.pool import RewardPool
from acereason.types import Problem


def load_problems(
    source: Source, name: str, template: Template, tokenizer: PreTrainedTokenizerBase, key: str
) -> tuple[list[Problem], dict[str, str]]:
    """Every row of a source, templated and tokenized; and {problem id: why its row has no tests that can be used}.

    `key` names the source in errors.
    """
    rows = source.rows(key)
    problems = [source.problem(row, index, name) for index, row in enumerate(rows)]
    bad = attach_tests(source, rows, problems) if source.task == "code" else {}
    for problem in problems:
        problem.prompt_ids = template.encode_prompt(problem, tokenizer)
    return problems, bad


def unusable(problems: list[Problem], longest: int, rewards: RewardPool) -> dict[str, str]:
    """{problem id: why it can't be used}: ground truth that can't serve, or a prompt of more than `longest` tokens."""
    verdicts = zip(problems, rewards.gold_problems(problems), strict=True)
    bad = {problem.id: reason for problem, reason in verdicts if reason}
    for problem in problems:
        length = len(problem.prompt_ids)
        if length > longest:
            bad.setdefault(problem.id, f"a prompt of {length} tokens where {longest} fit beside the response budget")
    return bad


def longest_prompt(budgets: dict[str, int], context: int) -> int:
    """Tokens that the context leaves a prompt beside the largest of the response budgets, {YAML key: tokens}."""
    for key, budget in budgets.items():
        if budget >= context:
            raise UserError(
                f"{key}.max_response_length: the model's context of {context} tokens leaves no room for a prompt"
            )
    return context - max(budgets.values())


def attach_tests(source: Source, rows: Dataset, problems: list[Problem]) -> dict[str, str]:
    """Give code problems their rows' tests; {problem id: why its row has none that can be used}."""
    bad = {}
    for problem, row in zip(problems, rows, strict=True):
        try:
            problem.tests = source.tests(row)
        except ValueError as error:
            bad[problem.id] = first_line(error)
    return bad
