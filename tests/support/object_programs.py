"""Programs with objects, and tests that use them: (name, program, tests, what to replace in the program to break it).

Each program solves its task, and a verifier must say so; each broken twin fails a test.
"""


def script(tests: str, setup: str = "") -> dict:
    return {"type": "script", "tests": tests, "setup": setup}


def pytested(tests: str) -> dict:
    return {"type": "pytest", "tests": tests}


VECTOR = """
class V:
    def __init__(self, x): self.x = x
    def __eq__(self, o): return isinstance(o, V) and self.x == o.x
    def __hash__(self): return hash(self.x)
    def __lt__(self, o): return self.x < o.x
    def __le__(self, o): return self.x <= o.x
    def __add__(self, o): return V(self.x + o.x)
    def __sub__(self, o): return V(self.x - o.x)
    def __mul__(self, k): return V(self.x * k)
    def __rmul__(self, k): return V(self.x * k)
    def __truediv__(self, k): return V(self.x / k)
    def __neg__(self): return V(-self.x)
    def __abs__(self): return V(abs(self.x))
    def __iadd__(self, o): self.x += o.x; return self
    def __radd__(self, o): return self if o == 0 else NotImplemented
    def __repr__(self): return f'V({self.x})'
    def __bool__(self): return self.x != 0
    def __int__(self): return int(self.x)
    def __float__(self): return float(self.x)
    def __matmul__(self, o): return self.x * o.x
    def __pow__(self, k): return V(self.x ** k)
    def __and__(self, o): return V(self.x & o.x)
    def __format__(self, form): return format(self.x, form)
"""
OPERATORS = [
    ("add", "assert (V(1) + V(2)).x == 3", ("self.x + o.x)", "self.x - o.x)")),
    ("equal", "assert V(1) + V(2) == V(3) and not V(1) == V(2) and V(1) != V(2)", ("self.x + o.x)", "self.x)")),
    ("less", "assert V(1) < V(2) and V(2) > V(1) and not V(2) < V(1)", ("self.x < o.x", "self.x > o.x")),
    ("less or equal", "assert V(1) <= V(1) and V(2) >= V(1)", ("self.x <= o.x", "self.x < o.x")),
    ("times a number", "assert (V(2) * 3).x == 6 and (3 * V(2)).x == 6", ("V(self.x * k)", "V(self.x + k)")),
    ("minus", "assert (-V(2)).x == -2", ("V(-self.x)", "V(self.x)")),
    ("size", "assert abs(V(-2)).x == 2", ("V(abs(self.x))", "V(self.x)")),
    ("in place", "v = V(1)\nw = v\nv += V(5)\nassert v.x == 6 and w is v", ("self.x += o.x", "self.x -= o.x")),
    ("sum", "assert sum([V(1), V(2), V(3)]).x == 6", ("self.x + o.x)", "self.x)")),
    ("sorted", "assert [v.x for v in sorted([V(3), V(1), V(2)])] == [1, 2, 3]", ("self.x < o.x", "self.x > o.x")),
    ("max", "assert max(V(1), V(3), V(2)).x == 3", ("self.x < o.x", "self.x > o.x")),
    ("set", "assert len({V(1), V(1), V(2)}) == 2", ("hash(self.x)", "id(self)")),
    ("dict key", "d = {V(1): 'a'}\nassert d[V(1)] == 'a'", ("hash(self.x)", "id(self)")),
    ("truth", "assert V(1) and not V(0)", ("self.x != 0", "True")),
    ("text", "assert repr(V(1)) == 'V(1)' and str([V(2)]) == '[V(2)]' and f'{V(3)!r}' == 'V(3)'", ("'V({", "'W({")),
    ("format", "assert f'{V(3):03d}' == '003'", ("format(self.x, form)", "'x'")),
    ("numbers", "assert int(V(2.5)) == 2 and float(V(2)) == 2.0", ("int(self.x)", "1")),
    ("matrix product", "assert V(2) @ V(3) == 6", ("self.x * o.x", "self.x + o.x")),
    ("power", "assert (V(2) ** 3).x == 8", ("self.x ** k", "self.x * k")),
    ("and", "assert (V(6) & V(3)).x == 2", ("self.x & o.x", "self.x | o.x")),
    ("division and fixed number", "import math\nassert math.isclose((V(1) / 3).x, 1 / 3)", ("self.x / k", "self.x // k")),
    ("in a list", "assert V(1) in [V(2), V(1)] and V(4) not in [V(2)]", ("self.x == o.x", "False")),
    ("index of", "assert [V(2), V(1)].index(V(1)) == 1", ("self.x == o.x", "False")),
    ("type", "assert type(V(1)) is V and type(V(1)).__name__ == 'V' and type(1) is int", ("class V:", "class V:\n    pass\nclass W:")),
    ("class of", "assert V(1).__class__.__name__ == 'V' and isinstance(V(1), V) and abs(V(-1)).x == 1", ("V(abs(self.x))", "V(self.x)")),
    ("functions of a key", "from functools import reduce\nassert reduce(lambda a, b: a + b, [V(1), V(2)]).x == 3", ("self.x + o.x)", "self.x)")),
]  # fmt: skip

OBJECTS = [
    ("dataclass", "from dataclasses import dataclass\n@dataclass\nclass Pt:\n    x: int\n    y: int = 0\ndef f(a): return Pt(a, a)",
     script("for i in range(3):\n    assert f(i) == Pt(i, i)\nassert Pt(1) != Pt(2)\nassert f(1).x == 1"), ("Pt(a, a)", "Pt(a, 7)")),
    ("dataclass as a dict", "from dataclasses import dataclass\n@dataclass\nclass Pt:\n    x: int\n    y: list",
     script("from dataclasses import asdict, fields, is_dataclass\nassert asdict(Pt(1, [2])) == {'x': 1, 'y': [2]}\n"
            "assert [f.name for f in fields(Pt)] == ['x', 'y'] and is_dataclass(Pt)"), ("y: list", "z: list")),
    ("frozen dataclass", "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P:\n    x: int",
     pytested("import dataclasses, pytest\nfrom solution import P\ndef test_frozen():\n    p = P(1)\n"
              "    with pytest.raises(dataclasses.FrozenInstanceError):\n        p.x = 2\n    assert hash(p) == hash(P(1))"),
     ("frozen=True", "frozen=False")),
    ("enum", "from enum import Enum\nclass C(Enum):\n    RED = 1\n    BLUE = 2\ndef f(): return C.RED",
     script("assert f() == C.RED and f() is C.RED and f() != C.BLUE and C.RED.value == 1 and C['BLUE'].name == 'BLUE'\n"
            "assert C(2) is C.BLUE and len(list(C)) == 2 and len(C) == 2"), ("return C.RED", "return C.BLUE")),
    ("enum of numbers", "from enum import IntEnum\nclass P(IntEnum):\n    LOW = 1\n    HIGH = 2\ndef f(x): return P.HIGH if x else P.LOW",
     script("assert f(1) == 2 and f(1) > f(0) and f(0).name == 'LOW' and f(1) is P.HIGH and P(1) == P.LOW"), ("HIGH = 2", "HIGH = 3")),
    ("enum of texts", "from enum import Enum\nclass S(str, Enum):\n    A = 'a'\n    B = 'b'\ndef f(): return S.A",
     script("assert f() == 'a' and f() is S.A and f().value == 'a' and S('b') == S.B"), ("return S.A", "return S.B")),
    ("named tuple", "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(a): return P(a, -a)",
     script("p = f(2)\nassert p == (2, -2) and p.x == 2 and p.y == -2 and p[0] == 2 and isinstance(p, P) and isinstance(p, tuple)\n"
            "x, y = p\nassert p._asdict() == {'x': 2, 'y': -2} and p == P(2, -2)"), ("-a)", "a)")),
    ("typed named tuple", "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    y: int = 0\n    def norm(self): return abs(self.x) + abs(self.y)",
     script("assert P(1, -2).norm() == 3 and P(3).y == 0 and P(1, 2) == (1, 2)"), ("abs(self.y)", "self.y")),
    ("stack", "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n    def pop(self):\n"
              "        if not self.items: raise IndexError('empty')\n        return self.items.pop()\n    def __len__(self): return len(self.items)",
     script("s = Stack()\ns.push(1); s.push(2)\nassert len(s) == 2 and s.pop() == 2 and s.items == [1]\ns.pop()\n"
            "try:\n    s.pop()\n    assert False, 'no error'\nexcept IndexError as e:\n    assert str(e) == 'empty'"), ("self.items.pop()", "self.items.pop(0)")),
    ("stack in unittest", "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n    def pop(self): return self.items.pop()\n    def peek(self): return self.items[-1]",
     script("import unittest\nfrom solution import Stack\nclass StackCase(unittest.TestCase):\n    def setUp(self):\n        self.s = Stack()\n        self.s.push(1)\n"
            "    def test_peek(self):\n        self.assertEqual(self.s.peek(), 1)\n    def test_pop(self):\n        self.s.push(5)\n        self.assertEqual(self.s.pop(), 5)\n"
            "        self.assertEqual(self.s.pop(), 1)\n        with self.assertRaises(IndexError):\n            self.s.pop()\nif __name__ == '__main__':\n    unittest.main()"),
     ("self.items[-1]", "self.items[0] + 1")),
    ("list in an attribute", "class Node:\n    def __init__(self, v): self.v, self.children = v, []\n    def total(self): return self.v + sum(c.total() for c in self.children)",
     script("root = Node(1)\nroot.children.append(Node(2))\nroot.children[0].children.append(Node(3))\nassert root.total() == 6 and len(root.children) == 1"),
     ("self.v + sum", "sum")),
    ("dict in an attribute", "class G:\n    def __init__(self): self.edges = {}\n    def degree(self, n): return len(self.edges.get(n, []))",
     script("g = G()\ng.edges['a'] = ['b', 'c']\nassert g.degree('a') == 2\ng.edges['a'].append('d')\nassert g.degree('a') == 3 and g.degree('z') == 0"),
     ("len(self", "1 + len(self")),
    ("set an attribute", "class P:\n    def __init__(self): self._age = 0\n    @property\n    def age(self): return self._age\n    @age.setter\n"
                         "    def age(self, v):\n        if v < 0: raise ValueError('age')\n        self._age = v",
     script("p = P()\np.age = 5\nassert p.age == 5 and p._age == 5\ntry:\n    p.age = -1\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError"), ("v < 0", "v < -9")),
    ("items", "class M:\n    def __init__(self): self.d = {}\n    def __getitem__(self, k): return self.d[k.lower()]\n    def __setitem__(self, k, v): self.d[k.lower()] = v\n"
              "    def __delitem__(self, k): del self.d[k.lower()]\n    def __contains__(self, k): return k.lower() in self.d\n    def __len__(self): return len(self.d)\n    def __iter__(self): return iter(self.d)",
     script("m = M()\nm['A'] = 1\nassert m['a'] == 1 and 'A' in m and len(m) == 1 and list(m) == ['a']\ndel m['a']\nassert 'A' not in m and len(m) == 0\n"
            "try:\n    m['x']\nexcept KeyError as e:\n    assert str(e) == \"'x'\"\nelse:\n    assert False"), ("self.d[k.lower()] = v", "self.d[k] = v")),
    ("with", "class T:\n    log = []\n    def __enter__(self): self.log.append('in'); return self\n    def __exit__(self, kind, e, tb):\n        self.log.append('out' if kind is None else kind.__name__)\n        return kind is ValueError",
     script("with T() as t:\n    t.log.append('body')\nassert T.log == ['in', 'body', 'out']\nwith T():\n    raise ValueError('x')\nassert T.log[-1] == 'ValueError'\n"
            "try:\n    with T():\n        raise KeyError\n    assert False\nexcept KeyError:\n    pass"), ("'out' if", "'no' if")),
    ("contextmanager", "from contextlib import contextmanager\nlog = []\n@contextmanager\ndef tag(name):\n    log.append('<' + name)\n    yield name.upper()\n    log.append(name + '>')",
     script("import solution\nwith solution.tag('b') as t:\n    assert t == 'B'\nassert solution.log == ['<b', 'b>']"), ("name + '>'", "name")),
    ("generator", "def g(n):\n    for i in range(n): yield i * i", script("assert list(g(4)) == [0, 1, 4, 9]\nit = g(2)\nassert next(it) == 0 and next(it) == 1\n"
     "try:\n    next(it)\n    assert False\nexcept StopIteration:\n    pass\nassert next(g(0), 'none') == 'none'"), ("i * i", "i")),
    ("endless generator", "def primes():\n    n = 2\n    while True:\n        if all(n % k for k in range(2, n)): yield n\n        n += 1",
     script("from itertools import islice\nassert list(islice(primes(), 5)) == [2, 3, 5, 7, 11]"), ("n = 2\n", "n = 1\n")),
    ("generator that takes values", "def averager():\n    total = n = 0\n    average = None\n    while True:\n        x = yield average\n        total += x; n += 1\n        average = total / n",
     script("a = averager()\nnext(a)\nassert a.send(10) == 10 and a.send(20) == 15\na.close()"), ("total / n", "total")),
    ("iterator", "class Down:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return self\n    def __next__(self):\n        if self.n <= 0: raise StopIteration\n        self.n -= 1\n        return self.n",
     script("assert list(Down(3)) == [2, 1, 0]\nassert [x for x in Down(2)] == [1, 0] and sum(Down(4)) == 6\na, b = Down(2)\nassert (a, b) == (1, 0)"), ("self.n -= 1", "self.n -= 2")),
    ("iterable", "class Bag:\n    def __init__(self, *xs): self.xs = xs\n    def __iter__(self): return iter(sorted(self.xs))\n    def __reversed__(self): return iter(sorted(self.xs)[::-1])",
     script("assert list(Bag(2, 1)) == [1, 2] and list(reversed(Bag(1, 3))) == [3, 1] and max(Bag(5, 2)) == 5 and 2 in Bag(2) and [*Bag(1)] == [1]"), ("iter(sorted(self.xs))", "iter(self.xs)")),
    ("own exception", "class NoMoney(Exception):\n    def __init__(self, need):\n        super().__init__(f'need {need}')\n        self.need = need\ndef pay(have, cost):\n    if cost > have: raise NoMoney(cost - have)\n    return have - cost",
     pytested("import pytest\nfrom solution import pay, NoMoney\ndef test_pay():\n    assert pay(5, 3) == 2\ndef test_broke():\n    with pytest.raises(NoMoney) as info:\n        pay(1, 4)\n"
              "    assert info.value.need == 3 and str(info.value) == 'need 3'\ndef test_match():\n    with pytest.raises(NoMoney, match=r'need \\d'):\n        pay(0, 1)"), ("cost - have", "cost")),
    ("own exception of a kind", "class Bad(ValueError): pass\nclass Worse(Bad): pass\ndef f(x):\n    if x < 0: raise Worse('neg')\n    if x == 0: raise Bad('zero')\n    return x",
     script("import unittest\nclass Case(unittest.TestCase):\n    def test(self):\n        with self.assertRaises(ValueError): f(-1)\n        self.assertRaises(Bad, f, 0)\n        with self.assertRaisesRegex(Worse, 'ne.'): f(-2)\n"
            "        self.assertTrue(issubclass(Worse, Bad)); self.assertEqual(f(2), 2)\n        try: f(0)\n        except Worse: self.fail('too bad')\n        except Bad as e: self.assertEqual(e.args, ('zero',))"), ("raise Bad('zero')", "raise Worse('zero')")),
    ("raise it yourself", "class E(Exception):\n    code = 7\ndef call(f):\n    try: return f()\n    except E as e: return e.code",
     script("def bad(): raise E('x')\nassert call(bad) == 7 and call(lambda: 1) == 1 and E.code == 7\ntry:\n    raise E('y')\nexcept E as e:\n    assert str(e) == 'y'"), ("return e.code", "return 0")),
    ("error of a kind of Python's", "import json\ndef f(t): return json.loads(t)", script("import json\nassert f('[1]') == [1]\ntry:\n    f('{')\n    assert False\nexcept json.JSONDecodeError as e:\n    assert 'Expecting' in str(e)"), ("json.loads(t)", "eval(t)")),
    ("key error", "def f(d, k): return d[k]", script("import pytest\nassert f({1: 2}, 1) == 2\nwith pytest.raises(KeyError):\n    f({}, 'a')"), ("d[k]", "d.get(k)")),
    ("takes a function", "def apply(f, xs): return [f(x) for x in xs]", ["assert apply(lambda x: x + 1, [1, 2]) == [2, 3]", "assert apply(str, [1]) == ['1']", "assert apply(len, ['ab']) == [2]"], ("f(x)", "x")),
    ("takes a function of the tests", "def compose(*fs):\n    def g(x):\n        for f in reversed(fs): x = f(x)\n        return x\n    return g",
     script("def double(x): return 2 * x\ncalls = []\ndef seen(x):\n    calls.append(x)\n    return x + 1\nassert compose(double, seen)(3) == 8 and calls == [3]"), ("reversed(fs)", "fs")),
    ("takes a class of the tests", "def total(shapes): return sum(s.area() for s in shapes)", script("class Sq:\n    def __init__(self, a): self.a = a\n    def area(self): return self.a ** 2\nassert total([Sq(1), Sq(2)]) == 5"), ("s.area()", "s.a")),
    ("changes an object of the tests", "def rename(p, name):\n    p.name = name\n    p.log.append(name)", script("class P:\n    def __init__(self): self.name, self.log = 'a', []\np = P()\nrename(p, 'b')\nassert p.name == 'b' and p.log == ['b']"), ("p.name = name", "p.name = 1")),
    ("decorator", "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(*a, **k):\n        f(*a, **k)\n        return f(*a, **k)\n    return g",
     script("n = []\n@twice\ndef add(x):\n    '''Adds.'''\n    n.append(x)\n    return len(n)\nassert add(5) == 2 and n == [5, 5] and add.__name__ == 'add' and add.__doc__ == 'Adds.'"), ("        f(*a, **k)\n        return", "        return")),
    ("decorator with memory", "def memo(f):\n    seen = {}\n    def g(n):\n        if n not in seen: seen[n] = f(n)\n        return seen[n]\n    return g", script("calls = []\n@memo\ndef sq(n):\n    calls.append(n)\n    return n * n\nassert sq(3) == 9 and sq(3) == 9 and calls == [3]"), ("if n not in seen: ", "")),
    ("closure", "def counter():\n    n = 0\n    def up(by=1):\n        nonlocal n\n        n += by\n        return n\n    return up", script("c, d = counter(), counter()\nassert c() == 1 and c(by=4) == 5 and d() == 1"), ("n += by", "n += 1")),
    ("sort by the tests' key", "def order(xs, key=None, reverse=False): return sorted(xs, key=key, reverse=reverse)", script("assert order(['bb', 'a'], key=len) == ['a', 'bb'] and order([1, 2], key=lambda x: -x) == [2, 1]"), ("key=key", "key=None")),
    ("keeps a list and fills it later", "class Log:\n    def __init__(self, out): self.out = out\n    def say(self, x): self.out.append(x)", script("out = []\nlog = Log(out)\nlog.say('x')\nassert out == ['x']\nlog.say('y')\nassert out == ['x', 'y']"), ("append(x)", "insert(0, x)")),
    ("fills a list between its yields", "from contextlib import contextmanager\n@contextmanager\ndef tag(out, name):\n    out.append(f'<{name}>')\n    yield\n    out.append(f'</{name}>')", script("out = []\nwith tag(out, 'b'):\n    out.append('x')\nassert out == ['<b>', 'x', '</b>']"), ("</", "<")),
    ("keeps the list of the test, which changes it", "class Total:\n    def __init__(self, of): self.of = of\n    def now(self): return sum(self.of)", script("x = [1]\nt = Total(of=x)\nx.append(2)\nassert t.now() == 3"), ("= of", "= list(of)")),
    ("keeps a copy, which the test doesn't change", "class Total:\n    def __init__(self, of): self.of = list(of)\n    def now(self): return sum(self.of)", script("x = [1]\nt = Total(x)\nx.append(2)\nassert t.now() == 1 and t.of == [1]"), ("list(of)", "of")),
    ("keeps a dict and two lists that are one", "class Both:\n    def __init__(self, a, b, d): self.a, self.b, self.d = a, b, d\n    def put(self, x):\n        self.a.append(x)\n        self.d[x] = len(self.d)", script("x, d = [], {}\nb = Both(x, x, d)\nb.put(7)\nassert x == [7] and d == {7: 0} and b.b == [7]\nx.clear()\nassert b.a == []"), ("= len(self.d)", "= x")),
    ("changes lists in place", "def sort(a): a.sort()\ndef spiral(m):\n    m[0][0] = 9\n    m.append([])", script("a = [3, 1]\nsort(a)\nassert a == [1, 3]\nrow = [1, 2]\nm = [row]\nspiral(m)\nassert m == [[9, 2], []] and row == [9, 2]"), ("a.sort()", "sorted(a)")),
    ("abstract class", "from abc import ABC, abstractmethod\nclass Shape(ABC):\n    @abstractmethod\n    def area(self): ...\nclass Sq(Shape):\n    def __init__(self, a): self.a = a\n    def area(self): return self.a ** 2",
     pytested("import pytest\nfrom solution import *\ndef test_abstract():\n    with pytest.raises(TypeError):\n        Shape()\ndef test_sq():\n    assert Sq(3).area() == 9 and isinstance(Sq(1), Shape) and issubclass(Sq, Shape)"), ("** 2", "* 2")),
    ("class and static methods", "class T:\n    n = 0\n    def __init__(self, c): self.c = c; T.n += 1\n    @classmethod\n    def of_f(cls, f): return cls((f - 32) * 5 / 9)\n    @staticmethod\n    def valid(c): return c >= -273.15",
     script("t = T.of_f(212)\nassert abs(t.c - 100) < 1e-9 and T.valid(0) and not T.valid(-300) and T.n == 1 and isinstance(t, T)\nT(1)\nassert T.n == 2"), ("* 5 / 9", "* 5 // 8")),
    ("money against a number", "class Money:\n    def __init__(self, n): self.amount = n\n    def __eq__(self, o): return self.amount == getattr(o, 'amount', o)\n    def __lt__(self, o): return self.amount < getattr(o, 'amount', o)",
     script("m = Money(5)\nassert m.amount == 5 and m == 5 and Money(3) < 4 and m == Money(5)"), ("self.amount == getattr", "self.amount != getattr")),
    ("list subclass", "class Stack(list):\n    def push(self, x): self.append(x)\n    @property\n    def top(self): return self[-1]", script("s = Stack()\ns.push(1); s.push(2)\nassert len(s) == 2 and s.top == 2 and s == [1, 2] and s[0] == 1 and isinstance(s, list) and list(s) == [1, 2]"), ("self[-1]", "self[0]")),
    ("dict subclass", "class D(dict):\n    def __missing__(self, k): return k * 2", script("d = D(a=1)\nassert d['a'] == 1 and d['b'] == 'bb' and d == {'a': 1} and 'b' not in d and isinstance(d, dict)"), ("k * 2", "k")),
    ("int subclass", "class Mod(int):\n    def __add__(self, o): return Mod((int(self) + int(o)) % 7)", script("assert Mod(5) + Mod(4) == 2 and Mod(3) == 3 and Mod(3).bit_length() == 2"), ("% 7", "% 8")),
    ("counter and friends", "from collections import Counter, OrderedDict, defaultdict, deque\ndef c(s): return Counter(s)\ndef o(): return OrderedDict(b=1, a=2)\ndef d(): return defaultdict(list, {1: [2]})\ndef q(): return deque([1, 2], maxlen=2)",
     script("from collections import Counter, deque\nassert c('aab') == Counter('aab') and c('aab').most_common(1) == [('a', 2)] and c('a') == {'a': 1}\nassert list(o()) == ['b', 'a'] and d()[1] == [2] and q() == deque([1, 2])"), ("Counter(s)", "Counter(set(s))")),
    ("dates", "from datetime import date, timedelta, datetime\ndef nxt(d): return d + timedelta(days=1)\ndef when(s): return datetime.strptime(s, '%Y-%m-%d')",
     script("import datetime\nassert nxt(datetime.date(2024, 2, 28)) == datetime.date(2024, 2, 29) and when('2024-01-02').day == 2 and nxt(datetime.date(2023, 12, 31)).year == 2024"), ("days=1", "days=2")),
    ("decimals and fractions", "from decimal import Decimal\nfrom fractions import Fraction\ndef d(x): return Decimal(x) / 4\ndef f(a, b): return Fraction(a, b)", script("from decimal import Decimal\nfrom fractions import Fraction\nassert d('1') == Decimal('0.25') and f(2, 4) == Fraction(1, 2) and f(1, 3).denominator == 3"), ("/ 4", "/ 2")),
    ("what is printed", "def hello(name): print(f'Hello, {name}!')", pytested("from solution import hello\ndef test_hello(capsys):\n    hello('Ann')\n    assert capsys.readouterr().out == 'Hello, Ann!\\n'\n    hello('')\n    assert 'Hello' in capsys.readouterr().out"), ("Hello", "Hallo")),
    ("what is printed, caught", "def show(n):\n    for i in range(n): print(i, end=' ')", script("import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    show(3)\nassert out.getvalue() == '0 1 2 '"), ("end=' '", "end=''")),
    ("what is typed in", "def ask(): return int(input('n? ')) * 2", pytested("from solution import ask\ndef test_ask(monkeypatch):\n    monkeypatch.setattr('builtins.input', lambda _: '21')\n    assert ask() == 42"), ("* 2", "* 3")),
    ("what is typed in, patched", "def ask():\n    a = input()\n    b = input()\n    return a + b", script("from unittest.mock import patch\nimport io\nwith patch('builtins.input', side_effect=['x', 'y']):\n    assert ask() == 'xy'\nwith patch('sys.stdin', io.StringIO('1\\n2\\n')):\n    assert ask() == '12'"), ("a + b", "b + a")),
    ("fixture", "class Cart:\n    def __init__(self): self.items = []\n    def add(self, name, price, n=1): self.items.append((name, price, n))\n    @property\n    def total(self): return sum(p * n for _, p, n in self.items)",
     pytested("import pytest\nfrom solution import Cart\n@pytest.fixture\ndef cart():\n    c = Cart()\n    c.add('a', 2.5)\n    yield c\n@pytest.mark.parametrize('n, total', [(1, 4.5), (3, 8.5)])\ndef test_total(cart, n, total):\n    cart.add('b', 2, n=n)\n    assert cart.total == pytest.approx(total)\ndef test_items(cart):\n    assert cart.items == [('a', 2.5, 1)]"), ("p * n for", "p + n for")),
    ("setup methods", "acc = {}\ndef put(k, v): acc[k] = v\ndef get(k): return acc.get(k)", pytested("from solution import put, get\nclass TestStore:\n    def setup_method(self):\n        put('a', 1)\n    def test_get(self):\n        assert get('a') == 1\n    def test_put(self):\n        put('a', 2)\n        assert get('a') == 2"), ("acc.get(k)", "acc.get(k, 0) + 1")),
    ("class-scoped cases", "def area(w, h): return w * h", script("import unittest\nclass A(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls): cls.cases = [(1, 2, 2), (3, 4, 12)]\n    def test_all(self):\n        for w, h, a in self.cases:\n            with self.subTest(w=w):\n                self.assertEqual(area(w, h), a)\n    @unittest.skip('no')\n    def test_skipped(self): self.fail()"), ("w * h", "w + h")),
    ("a script of pytest's functions", "def square(x):\n    if x < 0: raise ValueError('negative')\n    return x * x", script("import pytest\nassert square(2) == 4\n@pytest.fixture\ndef three(): return 3\n@pytest.mark.parametrize('x, want', [(1, 1), (2, 4)])\ndef test_square(x, want, three):\n    assert square(x) == want and square(three) == 9\ndef test_below():\n    with pytest.raises(ValueError, match='neg'):\n        square(-1)\nif __name__ == '__main__':\n    pytest.main([__file__] if '__file__' in globals() else [])"), ("negative", "bad")),
    ("a script with monkeypatch", "def rate(): return 1\ndef price(n): return n * rate()", script("import pytest\nimport solution\nassert solution.price(3) == 3\ndef test_price(monkeypatch):\n    monkeypatch.setattr(solution, 'rate', lambda: 3)\n    assert solution.price(2) == 6"), ("n * rate()", "n * 1")),
    ("parametrized ids", "def is_even(n): return n % 2 == 0", pytested("import pytest\nfrom solution import is_even\n@pytest.mark.parametrize('n,want', [pytest.param(2, True, id='two'), pytest.param(3, False, id='three'), (0, True)])\ndef test_even(n, want):\n    assert is_even(n) is want"), ("== 0", "== 1")),
    ("async", "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x + 1\nasync def g(n):\n    for i in range(n): yield i", script("import asyncio\nassert asyncio.run(f(1)) == 2\nasync def main():\n    return [await f(1), *[x async for x in g(2)]] + list(await asyncio.gather(f(3), f(4)))\nassert asyncio.run(main()) == [2, 0, 1, 4, 5]"), ("x + 1", "x")),
    ("async tests", "async def f(x): return x * 2", pytested("import pytest\nfrom solution import f\n@pytest.mark.asyncio\nasync def test_f():\n    assert await f(2) == 4"), ("x * 2", "x * 3")),
    ("async case", "async def f(x): return x * 2", script("import unittest\nclass T(unittest.IsolatedAsyncioTestCase):\n    async def test_f(self):\n        self.assertEqual(await f(4), 8)"), ("x * 2", "x * 3")),
    ("threads", "import threading\nclass Acc:\n    def __init__(self): self.n, self.lock = 0, threading.Lock()\n    def add(self, k):\n        with self.lock: self.n += k", script("import threading\na = Acc()\nfor k in range(5): a.add(k)\nassert a.n == 10"), ("self.n += k", "self.n += 1")),
    ("random seed", "import random\ndef pick(xs): return random.choice(xs)", script("import random\nrandom.seed(3)\nx = pick(list(range(100)))\nrandom.seed(3)\nassert x == random.choice(list(range(100)))"), ("random.choice(xs)", "xs[0]")),
    ("order that does not matter", "def perms(s):\n    from itertools import permutations\n    return [''.join(p) for p in permutations(s)]", script("import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertCountEqual(perms('abc'), ['cba', 'abc', 'acb', 'bac', 'bca', 'cab'])\n        self.assertEqual(sorted(perms('ab')), ['ab', 'ba'])"), ("permutations(s)", "permutations(s[1:] + s[1:2])")),
    ("nearly equal", "def mean(xs): return sum(xs) / len(xs)", script("import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertAlmostEqual(mean([0.1, 0.2]), 0.15, places=7)\n        with self.assertRaises(ZeroDivisionError): mean([])"), ("/ len(xs)", "/ 2.1")),
    ("signature", "def f(a, b=2, *args, key=None, **rest) -> int:\n    '''Sums.'''\n    return a + b", script("import inspect\nassert list(inspect.signature(f).parameters) == ['a', 'b', 'args', 'key', 'rest'] and f.__doc__ == 'Sums.' and f.__name__ == 'f' and f(1) == 3 and callable(f)\nassert f.__annotations__ == {'return': int}"), ("a, b=2", "a, c=1, b=2")),
    ("copies", "class N:\n    def __init__(self, xs): self.xs = xs\n    def __copy__(self): return N(list(self.xs))", script("import copy\nn = N([1])\nm = copy.copy(n)\nm.xs.append(2)\nassert n.xs == [1] and m.xs == [1, 2]\nk = copy.deepcopy(n)\nk.xs.append(3)\nassert n.xs == [1]"), ("N(list(self.xs))", "N(self.xs)")),
    ("fluent", "class Q:\n    def __init__(self): self.parts = []\n    def where(self, **k): self.parts += sorted(k.items()); return self\n    def build(self): return '&'.join(f'{a}={b}' for a, b in self.parts)", script("q = Q()\nassert q.where(a=1) is q and q.where(target=2, self_=3).build() == 'a=1&self_=3&target=2'"), ("'&'", "','")),
    ("callable object", "class Add:\n    def __init__(self, n): self.n = n\n    def __call__(self, x, target=0): return self.n + x + target", script("assert Add(2)(3) == 5 and Add(1)(1, target=5) == 7 and callable(Add(1))"), ("self.n + x", "x")),
    ("linked list of the program", "class Node:\n    def __init__(self, v, next=None): self.v, self.next = v, next\nclass LinkedList:\n    def __init__(self): self.head = None\n    def add(self, v): self.head = Node(v, self.head)\n    def __iter__(self):\n        n = self.head\n        while n: yield n.v; n = n.next",
     script("l = LinkedList()\nl.add(1); l.add(2)\nassert list(l) == [2, 1] and l.head.v == 2 and l.head.next.v == 1 and l.head.next.next is None"), ("Node(v, self.head)", "Node(v, None)")),
    ("mock of the tests", "def notify(sender, users):\n    for u in users: sender.send(u, text='hi')\n    return len(users)", script("from unittest.mock import Mock, call\ns = Mock()\nassert notify(s, ['a', 'b']) == 2\ns.send.assert_any_call('a', text='hi')\nassert s.send.call_count == 2"), ("text='hi'", "text='ho'")),
    ("replaced in the module", "def rate(): return 3\ndef price(x): return x * rate()", script("from unittest.mock import patch\nimport solution\nassert solution.price(2) == 6\nwith patch('solution.rate', return_value=5):\n    assert solution.price(2) == 10\nassert solution.price(1) == 3"), ("x * rate()", "x * 3")),
    ("a file of the tests", "def words(f): return sum(len(line.split()) for line in f)", script("import io\nassert words(io.StringIO('a b\\nc')) == 3"), ("line.split()", "line")),
    ("variables of the program", "books = []\ncount = 0\ndef add(title):\n    global count\n    books.append(title)\n    count += 1\n    return count",
     script("assert add('a') == 1 and books == ['a'] and count == 1\nbooks.append('b')\nadd('c')\nassert books == ['a', 'b', 'c'] and count == 2"), ("count += 1", "count = 1")),
    ("statements in a list", "class Stack:\n    def __init__(self): self.a = []\n    def push(self, x): self.a.append(x)\n    def pop(self): return self.a.pop()",
     ["s = Stack()", "s.push(1)", "s.push(2)", "assert s.pop() == 2", "assert s.pop() == 1"], ("self.a.pop()", "self.a.pop(0)")),
    ("imports in a list", "def f(x): return x / 3", ["import math as m", "assert m.isclose(f(1), 1 / 3)"], ("/ 3", "/ 4")),
    ("weighted graph", "from collections import defaultdict\nimport heapq\nclass Graph:\n    def __init__(self): self.adj = defaultdict(list)\n    def edge(self, a, b, w): self.adj[a].append((b, w))\n    def dist(self, s):\n        d, q = {s: 0}, [(0, s)]\n        while q:\n            c, u = heapq.heappop(q)\n            for v, w in self.adj[u]:\n                if c + w < d.get(v, float('inf')):\n                    d[v] = c + w\n                    heapq.heappush(q, (d[v], v))\n        return d",
     script("g = Graph()\nfor a, b, w in [('a', 'b', 4), ('a', 'c', 1), ('c', 'b', 2)]:\n    g.edge(a, b, w)\nassert g.dist('a') == {'a': 0, 'b': 3, 'c': 1} and dict(g.adj)['c'] == [('b', 2)]"), ("d[v] = c + w", "d[v] = w")),
]  # fmt: skip

NODES = """
class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next

def list_node(values):
    head = None
    for value in reversed(values): head = ListNode(value, head)
    return head

def is_same_list(a, b):
    while a and b:
        if a.val != b.val: return False
        a, b = a.next, b.next
    return a is None and b is None

class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val, self.left, self.right = val, left, right

def tree_node(values):
    if not values: return None
    nodes = [None if v is None else TreeNode(v) for v in values]
    rest = nodes[1:]
    for node in nodes:
        if node:
            if rest: node.left = rest.pop(0)
            if rest: node.right = rest.pop(0)
    return nodes[0]

def is_same_tree(p, q):
    if not p or not q: return p is q
    return p.val == q.val and is_same_tree(p.left, q.left) and is_same_tree(p.right, q.right)
"""
PROMPT = "from typing import *\nimport collections\ninf = float('inf')\n" + NODES


def leetcode(method: str, *lines: str) -> dict:
    """As LeetCodeDataset writes them."""
    body = "\n".join(f"    {line}" for line in lines)
    return {"entry_point": f"Solution().{method}", "prompt": PROMPT, "test": f"def check(candidate):\n{body}\n"}


LEETCODE = [
    ("two sum", "class Solution:\n    def twoSum(self, nums: List[int], target: int) -> List[int]:\n        seen = {}\n        for i, n in enumerate(nums):\n            if target - n in seen: return [seen[target - n], i]\n            seen[n] = i",
     leetcode("twoSum", "assert candidate(nums = [3, 3], target = 6) == [0, 1]", "assert candidate(nums = [2, 7, 11], target = 9) == [0, 1]"), ("target - n in", "target + n in")),
    ("reverse a list", "class Solution:\n    def reverse(self, head: Optional[ListNode]) -> Optional[ListNode]:\n        prev = None\n        while head:\n            head.next, prev, head = prev, head, head.next\n        return prev",
     leetcode("reverse", "assert is_same_list(candidate(head = list_node([1, 2, 3])), list_node([3, 2, 1]))", "assert candidate(head = None) is None"), ("return prev", "return head")),
    ("add two numbers", "class Solution:\n    def add(self, l1, l2):\n        dummy = node = ListNode()\n        carry = 0\n        while l1 or l2 or carry:\n            carry += (l1.val if l1 else 0) + (l2.val if l2 else 0)\n            node.next = ListNode(carry % 10)\n            node, carry = node.next, carry // 10\n            l1, l2 = l1 and l1.next, l2 and l2.next\n        return dummy.next",
     leetcode("add", "assert is_same_list(candidate(l1 = list_node([2, 4, 3]), l2 = list_node([5, 6, 4])), list_node([7, 0, 8]))"), ("carry // 10", "0")),
    ("merge lists, own class", "class ListNode:\n    def __init__(self, val=0, next=None):\n        self.val = val\n        self.next = next\nclass Solution:\n    def merge(self, a, b):\n        if not a or not b: return a or b\n        if a.val > b.val: a, b = b, a\n        a.next = self.merge(a.next, b)\n        return a",
     leetcode("merge", "assert is_same_list(candidate(a = list_node([1, 4]), b = list_node([2, 3])), list_node([1, 2, 3, 4]))"), ("a.val > b.val", "a.val < b.val")),
    ("invert a tree", "class Solution:\n    def invert(self, root: Optional[TreeNode]) -> Optional[TreeNode]:\n        if root:\n            root.left, root.right = self.invert(root.right), self.invert(root.left)\n        return root",
     leetcode("invert", "assert is_same_tree(candidate(root = tree_node([4, 2, 7, 1, 3])), tree_node([4, 7, 2, None, None, 3, 1]))", "assert is_same_tree(candidate(root = tree_node([])), tree_node([]))"), ("self.invert(root.right), self.invert(root.left)", "self.invert(root.left), self.invert(root.right)")),
    ("depth", "class Solution:\n    def depth(self, root):\n        return 1 + max(self.depth(root.left), self.depth(root.right)) if root else 0", leetcode("depth", "assert candidate(root = tree_node([3, 9, 20, None, None, 15, 7])) == 3"), ("max(", "min(")),
    ("build a tree", "class Solution:\n    def bst(self, nums):\n        if not nums: return None\n        m = len(nums) // 2\n        return TreeNode(nums[m], self.bst(nums[:m]), self.bst(nums[m + 1:]))", leetcode("bst", "assert is_same_tree(candidate(nums = [1, 2, 3]), tree_node([2, 1, 3]))"), ("m + 1:", "m:][1:2] and nums[m + 2:")),
    ("list made of lists", "class Solution:\n    def has(self, head: Optional[ListNode], x: int) -> bool:\n        while head and head.val != x: head = head.next\n        return head is not None", {"type": "call", "fn_name": "has", "inputs": [[[1, 2], 2], [[], 1]], "outputs": [True, False]}, ("is not None", "is None")),
    ("list given back", "class Solution:\n    def middle(self, head: Optional[ListNode]) -> Optional[ListNode]:\n        slow = fast = head\n        while fast and fast.next: slow, fast = slow.next, fast.next.next\n        return slow", {"type": "call", "fn_name": "middle", "inputs": [[[1, 2, 3]], [[1]]], "outputs": [[2, 3], [1]]}, ("return slow", "return head and head.next")),
    ("tree made of a list", "class Solution:\n    def levels(self, root: Optional[TreeNode]) -> List[List[int]]:\n        out, row = [], [root] if root else []\n        while row:\n            out.append([n.val for n in row])\n            row = [c for n in row for c in (n.left, n.right) if c]\n        return out", {"type": "call", "fn_name": "levels", "inputs": [[[3, 9, 20, None, None, 15, 7]], [[]]], "outputs": [[[3], [9, 20], [15, 7]], []]}, ("n.left, n.right", "n.right, n.left")),
    ("tree given back", "class Solution:\n    def flip(self, root: Optional[TreeNode]) -> Optional[TreeNode]:\n        if root: root.left, root.right = self.flip(root.right), self.flip(root.left)\n        return root", {"type": "call", "fn_name": "flip", "inputs": [[[1, 2, None, 3]], [[]]], "outputs": [[1, None, 2, None, 3], []]}, ("return root", "return None")),
    ("class design", "class LRUCache:\n    def __init__(self, capacity):\n        self.n, self.d = capacity, {}\n    def get(self, key):\n        if key not in self.d: return -1\n        self.d[key] = self.d.pop(key)\n        return self.d[key]\n    def put(self, key, value):\n        self.d.pop(key, None)\n        self.d[key] = value\n        if len(self.d) > self.n: self.d.pop(next(iter(self.d)))",
     script("c = LRUCache(capacity=2)\nc.put(1, 1); c.put(2, 2)\nassert c.get(1) == 1\nc.put(key=3, value=3)\nassert c.get(2) == -1 and c.get(key=3) == 3"), ("self.d[key] = self.d.pop(key)", "pass")),
    ("design by calls", "class MinStack:\n    def __init__(self): self.s = []\n    def push(self, v): self.s.append((v, min(v, self.s[-1][1] if self.s else v)))\n    def pop(self): self.s.pop()\n    def top(self): return self.s[-1][0]\n    def getMin(self): return self.s[-1][1]",
     script("calls, args = ['MinStack', 'push', 'push', 'getMin', 'pop', 'top'], [[], [2], [1], [], [], []]\nout = []\nfor name, a in zip(calls, args):\n    if name == 'MinStack':\n        obj = MinStack(*a)\n        out.append(None)\n    else:\n        out.append(getattr(obj, name)(*a))\nassert out == [None, None, None, 1, None, 2]"), ("min(v,", "max(v,")),
    ("in place", "class Solution:\n    def moveZeroes(self, nums: List[int]) -> None:\n        nums.sort(key=lambda x: x == 0)", script("nums = [0, 1, 0, 3]\nSolution().moveZeroes(nums)\nassert nums == [1, 3, 0, 0]"), ("x == 0", "x != 0")),
    ("any order", "class Solution:\n    def subsets(self, nums):\n        out = [[]]\n        for n in nums: out += [s + [n] for s in out]\n        return out[::-1]", leetcode("subsets", "assert sorted(map(sorted, candidate(nums = [1, 2]))) == [[], [1], [1, 2], [2]]"), ("s + [n]", "[n]")),
    ("nodes of the tests", "class Solution:\n    def tail(self, head):\n        while head.next: head = head.next\n        return head", script("class Node:\n    def __init__(self, v, next=None): self.v, self.next = v, next\nlast = Node(2)\nassert Solution().tail(Node(1, last)) is last"), ("return head", "return None")),
]  # fmt: skip

NUMPY = [
    ("array", "import numpy as np\ndef f(n): return np.arange(n) * 2", script("import numpy as np\nassert np.array_equal(f(3), np.array([0, 2, 4])) and f(2).shape == (2,) and f(3).sum() == 6"), ("* 2", "* 3")),
    ("number of numpy's", "import numpy as np\ndef f(xs): return np.mean(xs)", ["assert f([1, 2]) == 1.5", "assert abs(f([1, 1]) - 1) < 1e-9"], ("np.mean", "np.sum")),
    ("array as a list", "import numpy as np\ndef f(m): return np.array(m).T", {"type": "call", "fn_name": "f", "inputs": [[[[1, 2], [3, 4]]]], "outputs": [[[1, 3], [2, 4]]]}, (".T", "")),
    ("array goes over", "import numpy as np\ndef norm(x): return x / np.linalg.norm(x)", pytested("import numpy as np\nfrom solution import norm\ndef test_norm():\n    np.testing.assert_allclose(norm(np.array([3.0, 4.0])), [0.6, 0.8])"), ("np.linalg.norm(x)", "np.sum(x)")),
    ("changed in place", "def zero(a): a[:] = 0", script("import numpy as np\na = np.ones(3)\nzero(a)\nassert not a.any()"), ("= 0", "= 1")),
    ("stdin", "import numpy as np\nprint(int(np.array(input().split(), int).sum()))", {"inputs": ["1 2 3\n"], "outputs": ["6\n"]}, ("sum()", "max()")),
]  # fmt: skip
SPECIAL = [
    *((f"operator: {name}", VECTOR, script(source), broken) for name, source, broken in OPERATORS),
    *OBJECTS, *LEETCODE,
]  # fmt: skip
