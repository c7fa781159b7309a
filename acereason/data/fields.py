"""Columns of public datasets and of the generators' rows, by their meaning."""

from dataclasses import dataclass, field


@dataclass
class Fields:
    """Names of a source's columns, by their meaning."""

    statement: str = "problem"
    """Column of the problem's text, or of messages, of which the user's is taken. A conversation in which the user
    speaks several times is a bad row, unless its answer is in it too."""
    answer: str | None = "answer"
    """Column of the ground truth, or of a list of acceptable ones; null where rows have none (SFT). Where it is the
    column of solutions, the ground truth is the last box in it."""
    answer_pattern: str | None = None
    """Regular expression whose first group, searched in the answer column, is the ground truth; null takes the whole
    text."""
    solution: str | None = None
    """Column of a response for SFT, or of messages, of which the first of the assistant is taken, its thoughts
    included; null: the response is the boxed answer alone."""
    worked: bool = False
    """Whether the solutions are worked ones, as people write them, which need no box: the answer's is put at their end
    where they have none. Responses of a model stay, and are judged, as they are."""
    remove_pattern: str | None = None
    """Regular expression whose matches are cut from the solution."""
    id: str | list[str] | None = None
    """Column of a stable id, or several columns, of which the first that exists is taken; null numbers the rows."""
    difficulty: str | None = None
    """Column whose first number rates the problem ("Level 5" is 5); null where rows are not rated."""
    tests: list[str] = field(default_factory=list)
    """Columns that hold a code problem's tests, in any format of `acereason/rewards/code/formats.py`; none for math."""
    starter: str | None = None
    """Column of the code that a solution must start with; an empty value is none."""
    task: str | None = None
    """Column that contains math, code or reasoning-gym; null: all rows have the source's task."""
    example: str | None = None
    """Column of assertions, the first of which is shown under the statement: it names the function to write."""
    date: str | None = None
    """Column of the day on which the problem was published, as 2024-08-01; `curate` may cut by it."""


MAPPINGS = {
    "gsm8k": Fields(
        "question", "answer", r"####\s*(\S.*?)\s*$", solution="answer", worked=True, remove_pattern=r"<<.*?>>|\n*####.*"
    ),  # openai/gsm8k
    "math": Fields("problem", "answer"),  # MATH, MATH-500
    "math500": Fields("problem", "answer", id="unique_id"),  # HuggingFaceH4/MATH-500
    "matharena": Fields("problem", "answer", id="problem_idx"),  # MathArena/hmmt_feb_2025, brumo_2025 and others
    "aime": Fields("problem", "answer", solution="solution", worked=True),
    "acereason-math": Fields("problem", "answer"),  # nvidia/AceReason-Math
    "acereason-sft": Fields("input", None, solution="output", task="category"),  # nvidia/AceReason-1.1-SFT
    "sft": Fields("statement", None, solution="response", id="id", task="task", starter="starter"),  # of `predict`
    "curated": Fields(
        "statement", "answer", solution="response", id="id", starter="starter", task="task"
    ),  # what `curate` writes
    "curated-code": Fields("statement", None, id="id", tests=["tests"], starter="starter"),  # its code prompts, for RL
    "rated": Fields(  # problems with their pass rates, of `curate`, `predict` and `test`
        "statement", "answer", id="id", tests=["tests"], starter="starter", task="task", difficulty="difficulty"
    ),
    "taco": Fields("question", None, tests=["input_output"], starter="starter_code"),  # BAAI/TACO
    "apps": Fields(  # codeparrot/apps: id in its files, problem_id in what its script makes of them
        "question", None, id=["problem_id", "id"], tests=["input_output"], starter="starter_code"
    ),
    "livecodebench": Fields(
        "question_content",
        None,
        id="question_id",
        tests=["public_test_cases", "private_test_cases", "metadata"],
        starter="starter_code",
    ),  # livecodebench/code_generation_lite
    "acereason-code": Fields("problem", None, tests=["tests"]),  # its code RL set was not released: DeepCoder's columns
    "deepcoder": Fields("problem", None, tests=["tests"]),  # agentica-org/DeepCoder-Preview-Dataset but lcbv5, which
    "deepcoder-lcbv5": Fields("problem", None, tests=["tests", "metadata"], starter="starter_code"),  # has two more
    "humaneval": Fields("prompt", None, id="task_id", tests=["test", "entry_point", "prompt"]),  # and HumanEval+
    "mbpp": Fields("text", None, id="task_id", tests=["test_list", "test_setup_code"], example="test_list"),
    "mbppplus": Fields(
        "prompt", None, id="task_id", tests=["test", "test_list", "test_imports"], example="test_list"
    ),  # evalplus/mbppplus
}
"""Fields of public datasets, by name."""

ARITHMETIC = Fields("statement", "answer", solution="solution", id="id", difficulty="level")
"""Fields of the rows of `arithmetic`."""

PROGRAMS = Fields("statement", None, solution="solution", id="id", difficulty="level", tests=["tests"])
"""Fields of the rows of `programs`."""

REASONING_GYM = Fields("statement", "answer", id="id")
"""Fields of the rows of `reasoning_gym`."""
