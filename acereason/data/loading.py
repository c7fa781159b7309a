"""Conversion of a source's rows to problems that are ready to roll out, with the reasons of rows that can't be used."""

from typing import Any

from transformers import PreTrainedTokenizerBase

from acereason.common.errors import UserError, first_line
from acereason.common.types import CompressedTests, Problem, Tests
from acereason.data.bad_rows import BadRow
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.data.values import answers_text
from acereason.rewards.code.compressed import compress_large
from acereason.rewards.pool import RewardPool
from acereason.rewards.registry import takes_tests


def load_problems(
    source: Source, name: str, template: Template, tokenizer: PreTrainedTokenizerBase, key: str
) -> tuple[list[Problem], dict[str, str]]:
    """Return the usable problems of a source, templated and tokenized, and {row: reason} of the unusable rows.

    `key` names the source in errors.
    """
    problems, bad = read_problems(source, name, key, tests=takes_tests(source.task) or bool(source.mapping.tests))
    for problem in problems:
        problem.prompt_ids = template.encode_prompt(problem, tokenizer)
    return problems, bad


def read_problems(source: Source, name: str, key: str, tests: bool) -> tuple[list[Problem], dict[str, str]]:
    """Return the usable problems of a source, and {row: reason} of the unusable rows.

    Args:
        source: the source of the rows.
        name: the source's name, with which ids begin.
        key: names the source in errors.
        tests: whether code problems must have tests.
    """
    problems, bad = [], {}
    for index, row in enumerate(source.rows(key)):
        try:
            problem = source.problem(row, index, name)
            if tests and takes_tests(problem.task):
                problem.tests = _tests(source, row, problem)
            problems.append(problem)
        except BadRow as error:
            bad[error.row] = error.reason
    return problems, bad


def described(problem: Problem) -> dict[str, Any]:
    """Return a problem as a row for the mapping `rated`, without its tests."""
    # why: tests may be megabytes, and stay in the problem's source; `curate` puts them beside its rating
    answers = [problem.answer, *problem.alternatives]
    own = {"id": problem.id, "source": problem.source, "task": problem.task, "statement": problem.statement}
    return own | {"starter": problem.starter, "answer": answers_text(answers), "tests": None}


def _tests(source: Source, row: dict[str, Any], problem: Problem) -> Tests | CompressedTests:
    try:
        return compress_large(source.tests(row))
    except (ValueError, RecursionError) as error:
        raise BadRow(problem.id, first_line(error)) from error


def unusable(problems: list[Problem], longest: int, rewards: RewardPool) -> dict[str, str]:
    """Return {problem id: reason} of problems whose ground truth can't be used, or whose prompt has more than `longest`
    tokens."""
    verdicts = zip(problems, rewards.gold_problems(problems), strict=True)
    bad = {problem.id: reason for problem, reason in verdicts if reason}
    for problem in problems:
        length = len(problem.prompt_ids)
        if length > longest:
            bad.setdefault(problem.id, f"a prompt of {length} tokens where {longest} fit beside the response budget")
    return bad


def longest_prompt(budgets: dict[str, int], context: int) -> int:
    """Return the tokens that the context leaves for a prompt beside the largest budget of {YAML key: tokens}."""
    for key, budget in budgets.items():
        if budget >= context:
            raise UserError(
                f"{key}.max_response_length: the model's context of {context} tokens leaves no room for a prompt"
            )
    return context - max(budgets.values())
