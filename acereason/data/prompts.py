"""From a problem to the text that the model is given."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from acereason.types import Problem


@dataclass
class Template:
    """The prompt's text. The defaults are the released AceReason-Nemotron 1.1 model's: ChatML, its system prompt, and
    the instructions of the paper's appendix A."""

    system: str = "You are a helpful and harmless assistant. You should think step-by-step."
    """System prompt."""
    math: str = "{statement}\n\nPlease place your final answer inside \\boxed{}."
    """Instruction for math problems; {statement} is the problem."""
    code: str = (
        "{statement}\n\nWrite Python code to solve the problem. "
        "Please place the solution code in the following format:\n```python\n# Your solution code here\n```"
    )
    """Instruction for code problems."""
    starter: str = (
        "{statement}\n\nSolve the problem starting with the provided function header.\n\nFunction header:\n"
        "```\n{starter}\n```\n\n"
        "Please place the solution code in the following format:\n```python\n# Your solution code here\n```"
    )
    """Instruction for code problems with a function header, {starter}."""
    layout: str = (
        "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )
    """The whole prompt; {system} and {user} (the instruction) are put in."""
    end: str = "<|im_end|>"
    """Token that ends a response: SFT learns it; sampling stops at it, and at the tokenizer's own end-of-text token."""

    def render(self, problem: Problem) -> str:
        """The prompt's text."""
        return self.layout.replace("{system}", self.system).replace("{user}", self.instruction(problem))

    def instruction(self, problem: Problem) -> str:
        """The user's part of it. Placeholders are replaced, not formatted: statements are full of braces."""
        instruction: str = self.starter if problem.starter else getattr(self, problem.task)
        return instruction.replace("{starter}", problem.starter).replace("{statement}", problem.statement)

    def encode_prompt(self, problem: Problem, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """[P] token ids of the prompt."""
        return tokenizer(self.render(problem), add_special_tokens=False)["input_ids"]

    def encode_response(self, response: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """[R] token ids of a response to learn, the end token included."""
        return tokenizer(response.removeprefix("<think>\n") + self.end, add_special_tokens=False)["input_ids"]

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Tokens that end a response."""
        ids = [tokenizer.convert_tokens_to_ids(self.end), tokenizer.eos_token_id]
        return [token for token in dict.fromkeys(ids) if token is not None]
