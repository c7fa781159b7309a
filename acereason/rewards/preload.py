r"""Importing this module loads math-verify and fills its parser's caches: no response pays for that in its own time."""

import logging

from acereason.rewards.math.verdict import verify

# why: it warns in every worker that its own time-outs are off; workers have deadlines instead
logging.getLogger("math_verify").setLevel(logging.ERROR)
verify(r"\boxed{\frac{x + 1}{2}}", r"\frac{1}{2} x + \sqrt{\frac{1}{4}}")
verify(r"\boxed{\sqrt{2} < x \le 3}", r"x \in (\sqrt{2}, 3]")
