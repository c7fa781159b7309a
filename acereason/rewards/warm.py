r"""Importing this loads math-verify and fills its parser's caches, so that no response pays for it in its own time."""

import logging

from acereason.rewards.math import verify

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its own time-outs are off
verify(r"\boxed{\frac{x + 1}{2}}", r"\frac{1}{2} x + \sqrt{\frac{1}{4}}")
verify(r"\boxed{\sqrt{2} < x \le 3}", r"x \in (\sqrt{2}, 3]")
