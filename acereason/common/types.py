"""The data of one RL step: plain dataclasses without behaviour beyond properties."""

# why: nothing heavy is imported here, so that verifier processes load these types in milliseconds
import re
from dataclasses import dataclass, field
from typing import Any, Literal

Task = Literal["math", "code", "reasoning-gym"]


# why: none of these is frozen: Lightning refuses to move frozen dataclasses between devices
@dataclass
class Tests:
    """The tests of a code problem, as `acereason.rewards.code.formats.parse_tests` makes them from a dataset's row.

    Example:
        >>> Tests("call", inputs=[[1, 2], [3, 4]], outputs=[3, 7], function="add").function
        'add'
    """

    kind: Literal["stdin", "call", "check"]
    """stdin: the program reads text and prints text. call: its function takes arguments and returns a value. check:
    Python code asserts what the program's functions do."""
    inputs: list[Any]
    """stdin: the text; call: the list of arguments; check: the source of one test."""
    outputs: list[Any] = field(default_factory=list)
    """stdin: the text; call: the value, as JSON has it; check: none."""
    function: str = ""
    """call: name of the function, or of a method of `Solution`."""
    setup: str = ""
    """check: Python source that both the program and the tests begin with."""
    wrapped: bool = False
    """call: every value stands in a list of its own, as APPS and TACO write them; the bare value is accepted too."""
    pytest: bool = False
    """check: the source defines pytest functions."""
    forgeable: str = ""
    """check: why the program could forge a pass: its tests can only run in its own process. Empty: it can't."""


@dataclass
class CompressedTests:
    """Large tests of a code problem, as `acereason.rewards.code.compressed` keeps them until they are needed."""

    data: bytes
    """`Tests`, compressed."""
    outline: Tests
    """The same tests with empty inputs, and without outputs and setup."""


@dataclass
class Problem:
    """One problem with its ground truth, and its prompt once templated and tokenized.

    Example:
        >>> Problem(id="gsm8k/0", task="math", statement="What is 2 + 3?", answer="5").answer
        '5'
    """

    id: str
    """Stable over runs: seeds, the easy filter and results refer to it."""
    task: Task
    """Task, which decides the verifier."""
    statement: str
    """The problem's text as its source gives it, before any template."""
    answer: str
    """Ground truth: for math, LaTeX without the box; for reasoning-gym, the entry as JSON."""
    alternatives: list[str] = field(default_factory=list)
    """Further acceptable answers of a math problem."""
    source: str = ""
    """Name of the source it came from."""
    difficulty: float | None = None
    """As its source rates it; a stage may take a range."""
    tests: Tests | CompressedTests | None = None
    """Ground truth of a code problem."""
    starter: str = ""
    """Code that a code problem's solution must start with: its function header. Empty: none."""
    prompt_ids: list[int] = field(default_factory=list)
    """[P] token ids of the templated prompt."""


@dataclass
class Response:
    """A response that the engine generated to one prompt.

    `token_ids` and `sampler_logprobs` have the same length; the stop token, where there is one, is the last of them.
    """

    token_ids: list[int]
    sampler_logprobs: list[float]
    """log-probability of each token under the sampler, at the sampling temperature."""
    finish_reason: Literal["stop", "length"]
    text: str

    @property
    def truncated(self) -> bool:
        """Whether the length budget ended it."""
        return self.finish_reason == "length"


@dataclass
class Verdict:
    """A verifier's judgement of one response. An error never becomes a reward of 0: its reward is None."""

    status: Literal["correct", "wrong", "error"]
    detail: dict[str, Any] = field(default_factory=dict)
    """The extracted answer, the path that decided, seconds, and for an error its reason."""
    score: float | None = None
    """The reward where it is not 1 for correct and 0 for wrong: from a function of a user's own."""

    @property
    def reward(self) -> float | None:
        """None for an error; else the score, or where there is none 1.0 for correct and 0.0 for wrong."""
        if self.status == "error":
            return None
        return float(self.status == "correct") if self.score is None else self.score

    @property
    def reason(self) -> str:
        """The reason in one line: the error, a failed test's message, or the deciding comparison."""
        return " ".join(
            str(self.detail.get("error") or self.detail.get("note") or self.detail.get("path") or "").split()
        )

    @property
    def kind(self) -> str:
        """The kind of the error, or of the comparison that decided; for code the outcome of the first failed test."""
        if self.status == "error":
            # why: quoted texts and numbers belong to this verdict alone, and would make every error a kind of its own
            return re.sub(r"'[^']*'|\d+(\.\d+)?", "…", self.reason)
        if "tests" not in self.detail:
            return re.sub(r":.*|\d+", "", str(self.detail.get("path"))).strip()
        failed = (f"a test: {outcome}" for outcome in self.detail["tests"] if outcome != "passed")
        return next(failed, "all tests passed")


@dataclass
class Rollout:
    """A response with its verdict, and its part in the loss."""

    response: Response
    verdict: Verdict
    reward: float | None
    """The verifier's reward, unless an overlong policy replaced it. None: the verifier failed."""
    in_loss: bool = True
    """Whether its tokens enter the loss and the token count."""
    in_baseline: bool = True
    """Whether its reward enters the group's mean and standard deviation."""
    advantage: float = 0.0
    token_advantages: list[float] | None = None
    """[R] what each token's advantage has beyond `advantage`, from a teacher; None: nothing."""


@dataclass
class Group:
    """The rollouts of one prompt (G of them in training, n in evaluation)."""

    problem: Problem
    rollouts: list[Rollout] = field(default_factory=list)

    @property
    def correct(self) -> int:
        """Number of correct rollouts."""
        return sum(rollout.verdict.status == "correct" for rollout in self.rollouts)

    @property
    def pass_rate(self) -> float:
        """Share of correct rollouts; one whose verifier failed is not correct."""
        return self.correct / len(self.rollouts)

    @property
    def solved(self) -> bool:
        """Whether every rollout is correct and has the reward of its verdict, which the overlong policy may take."""
        return all(
            rollout.verdict.status == "correct" and rollout.reward == rollout.verdict.reward
            for rollout in self.rollouts
        )


@dataclass
class Sampling:
    """Settings of drawing responses."""

    temperature: float = 1.0
    """Logits are divided by it. 0 is greedy."""
    max_response_length: int = 8192
    """Tokens, the stop token included; a response that reaches it is truncated."""
    top_p: float = 1.0
    """Nucleus mass. Training keeps 1.0: log-probs over a cut vocabulary are not the policy's."""

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ValueError(f"temperature must be 0 (greedy) or more, not {self.temperature}")
        if self.max_response_length < 1:
            raise ValueError(f"max_response_length must be at least 1 token, not {self.max_response_length}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], not {self.top_p}")


@dataclass
class Sequence:
    """One row of a training batch: a prompt followed by a response, whose tokens share one weight in the loss.

    Example:
        prompt 5 tokens, response 3 tokens, advantage -0.5 -> token_ids [8], prompt_length 5, weight -0.5 / (tokens of
        its group)
    """

    token_ids: list[int]
    """[P + R]"""
    prompt_length: int
    """P: these tokens are context only."""
    weight: float
    """Factor of each response token's log-prob in the objective."""
    sampler_logprobs: list[float] | None = None
    """[R] the engine's log-probs, to compare with the trainer's."""
    stands_for: float = 1.0
    """Responses that it stands for in the metrics: itself, or others too that are not measured."""
    token_weights: list[float] | None = None
    """[R] what each response token's factor has beyond `weight`; None: nothing."""
    old_logprobs: list[float] | None = None
    """[R] log-probs by the policy before the step's first update; None: that is the policy which is updated."""

    @property
    def response_length(self) -> int:
        """Number of response tokens, R."""
        return len(self.token_ids) - self.prompt_length

    @property
    def has_gradient(self) -> bool:
        """Whether the factor of any response token isn't 0."""
        if self.token_weights is None:
            return self.weight != 0
        return any(self.weight + own for own in self.token_weights)
