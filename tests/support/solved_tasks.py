"""Solved tasks in every style of tests that datasets have: (name, program, tests, what to replace to break it).

A task is a function with cases; each is written in three of the styles, in turn.
"""

import json
from collections.abc import Callable
from typing import Any

Case = tuple[tuple[Any, ...], Any]
Row = tuple[str, str, Any, tuple[str, str]]

TASKS: list[tuple[str, tuple[str, str], list[Case]]] = [
    ("def add(a, b): return a + b", ("a + b", "a - b"), [((1, 2), 3), ((-1, 5), 4)]),
    ("def is_prime(n): return n > 1 and all(n % k for k in range(2, int(n ** 0.5) + 1))", ("> 1", "> 3"), [((2,), True), ((9,), False), ((7,), True)]),
    ("def fib(n):\n    a, b = 0, 1\n    for _ in range(n): a, b = b, a + b\n    return a", ("a, b = 0, 1", "a, b = 1, 1"), [((0,), 0), ((10,), 55), ((90,), 2880067194370816120)]),
    ("def fact(n): return 1 if n < 2 else n * fact(n - 1)", ("n < 2", "n < 3"), [((0,), 1), ((5,), 120), ((25,), 15511210043330985984000000)]),
    ("def gcd_of(a, b):\n    while b: a, b = b, a % b\n    return a", ("return a", "return b"), [((12, 18), 6), ((5, 0), 5)]),
    ("def reverse(s): return s[::-1]", ("::-1", "::1"), [(("abc",), "cba"), (("",), "")]),
    ("def palindrome(s):\n    t = [c.lower() for c in s if c.isalnum()]\n    return t == t[::-1]", (".lower()", ""), [(("A man, a plan",), False), (("No 'x' in Nixon",), True)]),
    ("def vowels(s): return sum(c in 'aeiou' for c in s.lower())", (".lower()", ""), [(("Education",), 5), (("xyz",), 0), (("AEI",), 3)]),
    ("def words(s):\n    d = {}\n    for w in s.split(): d[w] = d.get(w, 0) + 1\n    return d", ("+ 1", "+ 2"), [(("a b a",), {"a": 2, "b": 1}), (("",), {})]),
    ("def unique(xs):\n    out = []\n    for x in xs:\n        if x not in out: out.append(x)\n    return out", ("if x not in out: ", ""), [(([1, 2, 1],), [1, 2]), (([],), [])]),
    ("def flat(xs):\n    out = []\n    for x in xs: out += flat(x) if isinstance(x, list) else [x]\n    return out", ("out += flat(x)", "out += x"), [(([1, [2, [3]]],), [1, 2, 3]), (([],), [])]),
    ("def transpose(m): return [list(r) for r in zip(*m)]", ("zip(*m)", "m"), [(([[1, 2], [3, 4]],), [[1, 3], [2, 4]])]),
    ("def merge(a, b): return sorted(a + b)", ("sorted(a + b)", "a + b"), [(([1, 5], [2]), [1, 2, 5]), (([], []), [])]),
    ("def binary(xs, x):\n    lo, hi = 0, len(xs)\n    while lo < hi:\n        m = (lo + hi) // 2\n        if xs[m] < x: lo = m + 1\n        else: hi = m\n    return lo if lo < len(xs) and xs[lo] == x else -1", ("else -1", "else 0"), [(([1, 3, 5], 3), 1), (([1, 3], 2), -1), (([], 1), -1)]),
    ("def most(xs): return max(set(xs), key=lambda x: (xs.count(x), -x))", ("-x", "x"), [(([1, 2, 2],), 2), (([3, 1],), 1)]),
    ("def second(xs):\n    t = sorted(set(xs))\n    return t[-2] if len(t) > 1 else None", ("t[-2]", "t[-1]"), [(([1, 3, 3, 2],), 2), (([1],), None)]),
    ("def running(xs):\n    out, t = [], 0\n    for x in xs:\n        t += x\n        out.append(t)\n    return out", ("t += x", "t = x"), [(([1, 2, 3],), [1, 3, 6]), (([],), [])]),
    ("def median(xs):\n    t, n = sorted(xs), len(xs)\n    return t[n // 2] if n % 2 else (t[n // 2 - 1] + t[n // 2]) / 2", ("n // 2 - 1", "n // 2"), [(([3, 1, 2],), 2), (([4, 1],), 2.5)]),
    ("def rome(n):\n    out = ''\n    for v, s in [(1000, 'M'), (900, 'CM'), (500, 'D'), (400, 'CD'), (100, 'C'), (90, 'XC'), (50, 'L'), (40, 'XL'), (10, 'X'), (9, 'IX'), (5, 'V'), (4, 'IV'), (1, 'I')]:\n        out += s * (n // v); n %= v\n    return out", ("(9, 'IX'), ", ""), [((1994,), "MCMXCIV"), ((9,), "IX")]),
    ("def caesar(s, k): return ''.join(chr((ord(c) - 97 + k) % 26 + 97) if c.islower() else c for c in s)", ("% 26", "% 25"), [(("xyz a", 3), "abc d"), (("zz", 1), "aa")]),
    ("def balanced(s):\n    st = []\n    for c in s:\n        if c in '([{': st.append(c)\n        elif not st or '([{'.index(st.pop()) != ')]}'.index(c): return False\n    return not st", ("return not st", "return True"), [(("([])",), True), (("([)]",), False), (("(",), False)]),
    ("def knapsack(w, v, c):\n    best = [0] * (c + 1)\n    for a, b in zip(w, v):\n        for k in range(c, a - 1, -1): best[k] = max(best[k], best[k - a] + b)\n    return best[c]", ("range(c, a - 1, -1)", "range(a, c + 1)"), [(([1, 3, 4], [15, 20, 30], 4), 35), (([1], [5], 4), 5)]),
    ("def lcs(a, b):\n    d = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]\n    for i, x in enumerate(a):\n        for j, y in enumerate(b): d[i + 1][j + 1] = d[i][j] + 1 if x == y else max(d[i][j + 1], d[i + 1][j])\n    return d[-1][-1]", ("d[i][j] + 1 if", "d[i][j + 1] + 1 if"), [(("abcde", "ace"), 3), (("a", "b"), 0), (("aa", "a"), 1)]),
    ("def lis(xs):\n    from bisect import bisect_left\n    t = []\n    for x in xs:\n        i = bisect_left(t, x)\n        t[i:i + 1] = [x]\n    return len(t)", ("bisect_left(t, x)", "len(t)"), [(([10, 9, 2, 5, 3, 7],), 3), (([],), 0)]),
    ("def edit(a, b):\n    row = list(range(len(b) + 1))\n    for i, x in enumerate(a, 1):\n        new = [i]\n        for j, y in enumerate(b, 1): new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))\n        row = new\n    return row[-1]", ("(x != y)", "1"), [(("kitten", "sitting"), 3), (("", "ab"), 2)]),
    ("def coins(cs, t):\n    d = [0] + [10 ** 9] * t\n    for k in range(1, t + 1): d[k] = min([d[k - c] + 1 for c in cs if c <= k], default=10 ** 9)\n    return d[t] if d[t] < 10 ** 9 else -1", ("else -1", "else 0"), [(([1, 2, 5], 11), 3), (([2], 3), -1)]),
    ("def climb(n):\n    a = b = 1\n    for _ in range(n - 1): a, b = b, a + b\n    return b", ("n - 1", "n"), [((3,), 3), ((5,), 8)]),
    ("def island(g):\n    g, n = [r[:] for r in g], 0\n    def sink(i, j):\n        if 0 <= i < len(g) and 0 <= j < len(g[0]) and g[i][j]:\n            g[i][j] = 0\n            for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1)): sink(i + a, j + b)\n    for i in range(len(g)):\n        for j in range(len(g[0])):\n            if g[i][j]: n += 1; sink(i, j)\n    return n", ("sink(i, j)\n    return", "pass\n    return"), [(([[1, 1, 0], [0, 0, 1]],), 2), (([[0]],), 0)]),
    ("def path(g, a, b):\n    seen, q = {a: 0}, [a]\n    for x in q:\n        for y in g.get(x, []):\n            if y not in seen: seen[y] = seen[x] + 1; q.append(y)\n    return seen.get(b, -1)", ("seen[x] + 1", "1"), [(({"a": ["b"], "b": ["c"]}, "a", "c"), 2), (({}, "a", "z"), -1)]),
    ("def topo(n, edges):\n    need = {k: {a for a, b in edges if b == k} for k in range(n)}\n    out = []\n    while need:\n        k = min((k for k in need if not need[k] - set(out)), default=None)\n        if k is None: return []\n        out.append(k); del need[k]\n    return out", ("min((k", "max((k"), [((3, [[0, 1], [0, 2]]), [0, 1, 2]), ((2, [[0, 1], [1, 0]]), [])]),
    ("def triangle(n):\n    rows = [[1]]\n    while len(rows) < n: rows.append([1, *map(sum, zip(rows[-1], rows[-1][1:])), 1])\n    return rows", ("[1, *map", "[2, *map"), [((3,), [[1], [1, 1], [1, 2, 1]])]),
    ("def permute(xs):\n    from itertools import permutations\n    return [list(p) for p in permutations(xs)]", ("permutations(xs)", "permutations(xs[::-1])"), [(([1, 2],), [[1, 2], [2, 1]])]),
    ("def queens(n):\n    def go(r, cs): return 1 if r == n else sum(go(r + 1, [*cs, c]) for c in range(n) if all(c != d and abs(c - d) != r - i for i, d in enumerate(cs)))\n    return go(0, [])", ("c != d and ", ""), [((4,), 2), ((6,), 4)]),
    ("def compress(s):\n    from itertools import groupby\n    return ''.join(k + str(len(list(g))) for k, g in groupby(s))", ("str(len(list(g)))", "'1'"), [(("aab",), "a2b1"), (("",), "")]),
    ("def anagrams(ws):\n    d = {}\n    for w in ws: d.setdefault(''.join(sorted(w)), []).append(w)\n    return sorted(d.values())", ("''.join(sorted(w))", "w"), [((["ab", "ba", "c"],), [["ab", "ba"], ["c"]])]),
    ("def digits(n): return sum(map(int, str(abs(n))))", ("abs(n)", "n % 1000"), [((1234,), 10), ((-51,), 6)]),
    ("def power(a, b, m):\n    r = 1\n    while b:\n        if b & 1: r = r * a % m\n        a, b = a * a % m, b >> 1\n    return r", ("r * a % m", "r + a % m"), [((2, 10, 1000), 24), ((3, 200, 13), 9)]),
    ("def sieve(n): return [k for k in range(2, n) if all(k % d for d in range(2, k))]", ("range(2, n)", "range(1, n)"), [((12,), [2, 3, 5, 7, 11]), ((2,), [])]),
    ("def mean(xs): return sum(xs) / len(xs)", ("/ len(xs)", "// len(xs)"), [(([1, 2],), 1.5), (([0.1, 0.2],), 0.15000000000000002)]),
    ("def area(r):\n    import math\n    return round(math.pi * r * r, 2)", ("r * r", "r * 2"), [((1,), 3.14), ((2.5,), 19.63)]),
    ("def binary_of(n): return bin(n)[2:]", ("[2:]", "[3:]"), [((5,), "101"), ((0,), "0")]),
    ("def hamming(a, b): return bin(a ^ b).count('1')", ("a ^ b", "a | b"), [((1, 4), 2), ((3, 3), 0)]),
    ("def split_by(xs, n): return [xs[i:i + n] for i in range(0, len(xs), n)]", ("i:i + n", "i:i + 1"), [(([1, 2, 3], 2), [[1, 2], [3]])]),
    ("def rotate(xs, k):\n    k %= len(xs) or 1\n    return xs[-k:] + xs[:-k] if k else xs", ("xs[-k:] + xs[:-k]", "xs[k:] + xs[:k]"), [(([1, 2, 3], 1), [3, 1, 2]), (([1, 2], 0), [1, 2])]),
    ("def subset_sum(xs, t):\n    s = {0}\n    for x in xs: s |= {x + y for y in s}\n    return t in s", ("x + y", "x"), [(([3, 34, 4], 7), True), (([1], 3), False)]),
    ("def title(s): return ' '.join(w.capitalize() for w in s.split(' '))", ("capitalize", "upper"), [(("hello big world",), "Hello Big World")]),
    ("def zigzag(s, n):\n    rows, r, d = [''] * n, 0, 1\n    for c in s:\n        rows[r] += c\n        if n > 1:\n            if r + d not in range(n): d = -d\n            r += d\n    return ''.join(rows)", ("d = -d", "d = 0"), [(("PAYPAL", 3), "PAAPLY"), (("AB", 1), "AB")]),
    ("def spiral(m):\n    out = []\n    while m:\n        out += m[0]\n        m = [list(r) for r in zip(*m[1:])][::-1]\n    return out", ("[::-1]", ""), [(([[1, 2], [3, 4]],), [1, 2, 4, 3])]),
    ("def inverse(d): return {v: k for k, v in d.items()}", ("v: k", "k: v"), [(({"a": "b"},), {"b": "a"})]),
    ("def nested(t): return tuple(nested(x) if isinstance(x, (list, tuple)) else x for x in t)", ("for x in t", "for x in t[:1]"), [(([1, [2, [3]]],), (1, (2, (3,))))]),
]  # fmt: skip
"""(program, what to replace, [(arguments, value)])"""


def called(name: str, arguments: tuple[Any, ...]) -> str:
    return f"{name}({', '.join(map(repr, arguments))})"


def asserts(name: str, cases: list[Case]) -> Any:
    return [f"assert {called(name, arguments)} == {value!r}" for arguments, value in cases]


def humaneval(name: str, cases: list[Case]) -> Any:
    lines = "\n".join(f"    assert {called('candidate', arguments)} == {value!r}, 'no'" for arguments, value in cases)
    return {"entry_point": name, "prompt": f"import math\n\ndef {name}(*args):\n", "test": f"METADATA = {{}}\n\ndef check(candidate):\n{lines}\n    assert True\n"}  # fmt: skip


def mbppplus(name: str, cases: list[Case]) -> Any:
    inputs, results = [list(arguments) for arguments, _ in cases], [value for _, value in cases]
    return {
        "test_imports": ["import numpy as np"], "test_list": asserts(name, cases),
        "test": "import numpy as np\nfrom math import inf\n\ndef is_floats(x) -> bool:\n    if isinstance(x, float): return True\n"
        "    if isinstance(x, (list, tuple)): return all(isinstance(i, float) for i in x)\n"
        "    if isinstance(x, np.ndarray): return x.dtype == np.float64\n    return False\n\n"
        "def assertion(out, exp, atol):\n    exact_match = out == exp\n    if atol == 0 and is_floats(exp): atol = 1e-6\n"
        "    if not exact_match and atol != 0:\n        assert np.allclose(out, exp, rtol=1e-07, atol=atol)\n    else:\n"
        f"        assert exact_match, f'out: {{out}}, exp: {{exp}}'\n\ninputs = {inputs!r}\nresults = {results!r}\n"
        f"for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion({name}(*inp), exp, 0)\n",
    }  # fmt: skip


def unittests(name: str, cases: list[Case]) -> Any:
    lines = "\n".join(f"        self.assertEqual({called(name, arguments)}, {value!r})" for arguments, value in cases)
    return {"type": "script", "tests": f"import unittest\nfrom solution import {name}\n\nclass Tests(unittest.TestCase):\n    def test_all(self):\n{lines}\n\nif __name__ == '__main__':\n    unittest.main()\n"}  # fmt: skip


def kodcode(name: str, cases: list[Case]) -> Any:
    functions = "".join(
        f"\ndef test_{name}_{index}():\n    assert {called(name, arguments)} == {value!r}\n"
        for index, (arguments, value) in enumerate(cases)
    )
    return {"type": "pytest", "tests": f"from solution import {name}\n{functions}"}  # fmt: skip


def parametrized(name: str, cases: list[Case]) -> Any:
    return {"type": "pytest", "tests": f"import pytest\nimport solution\n\n@pytest.mark.parametrize('args, want', {cases!r})\ndef test_{name}(args, want):\n    assert solution.{name}(*args) == want\n"}  # fmt: skip


def taco_calls(name: str, cases: list[Case]) -> Any:
    inputs, outputs = [list(arguments) for arguments, _ in cases], [value for _, value in cases]
    return {"input_output": json.dumps({"fn_name": name, "inputs": inputs, "outputs": [[value] for value in outputs]})}


def livecodebench(name: str, cases: list[Case]) -> Any:
    rows = [
        {"input": "\n".join(map(json.dumps, arguments)), "output": json.dumps(value), "testtype": "functional"}
        for arguments, value in cases
    ]
    return {"public_test_cases": json.dumps(rows[:1]), "private_test_cases": json.dumps(rows[1:]), "metadata": json.dumps({"func_name": name})}  # fmt: skip


def stdin(name: str, cases: list[Case]) -> Any:
    lines = [json.dumps(arguments) + "\n" for arguments, _ in cases]
    return {"input_output": json.dumps({"inputs": lines, "outputs": [json.dumps(value) + "\n" for _, value in cases]})}


def bare_functions(name: str, cases: list[Case]) -> Any:
    return [f"def test_{index}():\n    assert {called(name, arguments)} == {value!r}" for index, (arguments, value) in enumerate(cases)]  # fmt: skip


STYLES: list[Callable[[str, list[Case]], Any]] = [
    *(asserts, humaneval, mbppplus, unittests, kodcode, parametrized, taco_calls, livecodebench, stdin, bare_functions),
]


def _row(program: str, broken: tuple[str, str], cases: list[Case], style: Callable[[str, list[Case]], Any]) -> Row:
    name = program.partition("(")[0].removeprefix("def ")
    if style is stdin:
        program = f"import json\n{program}\nprint(json.dumps({name}(*json.loads(input()))))"
    if style is livecodebench:
        program = (
            f"{program}\nclass Solution:\n    def {name}(self, *arguments): return globals()['{name}'](*arguments)"
        )
    return f"{name}: {style.__name__}", program, style(name, cases), broken


def rows() -> list[Row]:
    """All of them."""
    found = []
    for index, (program, broken, cases) in enumerate(TASKS):
        for turn in range(3):
            found.append(_row(program, broken, cases, STYLES[(index + turn * 3 + turn) % len(STYLES)]))
    return found
