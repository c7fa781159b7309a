"""A program that does not solve its task is wrong, whatever it does with the tests' objects and they with its own."""

import pytest

from acereason.rewards.code.formats import parse_tests
from acereason.rewards.code.settings import CodeSettings
from acereason.rewards.code.verdict import verify


def script(source: str) -> dict:
    return {"type": "script", "tests": source}


def kept(rest: str) -> str:
    """A program that keeps the function which a test passes to it."""
    return f"def apply(f, x):\n    global HELD\n    HELD = f\n    return f(x)\n{rest}"


CALLBACK = script(
    "secret = [42]\ndef helper(x): return x + 1\nfor i in range(3):\n    assert apply(helper, i) == i + 1\nassert answer() == secret[0]"
)
OBJECT = script(
    "class P:\n    def __init__(self): self.name, self._hidden = 'a', 42\n    def get(self): return self.name\np = P()\nassert f(p) == p._hidden"
)
EQUAL = script("assert f(1) == 2 and f(2) == 3")
MBPPPLUS = {
    "test": "inputs=[[1],[2]]\nresults=[2,3]\ndef assertion(o,e): assert o == e\nfor i,e in zip(inputs,results): assertion(Diff(*i), e)"
}
CAPITAL = ["assert Diff(1) == 2"]
NEARLY = script("import numpy as np\nassert np.allclose(f(1), 2.0)\nassert abs(f(2) - 3) < 1e-6")
METHOD = script("s = Solution()\nassert s.g(3) == [0, 1]")
FORGERIES = [
 ("globals", CALLBACK, kept("def answer():\n    return HELD.__globals__['secret'][0]\n")),
 ("closure code", CALLBACK, kept("def answer():\n    return HELD.__code__\n")),
 ("class of function", CALLBACK, kept("def answer():\n    return type(HELD).__call__\n")),
 ("raw peer", CALLBACK, kept("def answer():\n    import gc\n    from acereason.sandbox.peer import Peer\n    p = [o for o in gc.get_objects() if type(o) is Peer][0]\n    return p.ask('getattr', HELD, '__globals__')['secret'][0]\n")),
 ("raw known", CALLBACK, kept("def answer():\n    import gc\n    from acereason.sandbox.peer import Peer\n    p = [o for o in gc.get_objects() if type(o) is Peer][0]\n    r = p._request({'do':'call','target':{'known':'builtins:exec'},'args':['import os; os.write(4, b\"x\")'],'kwargs':{'dict':[]}})\n    return 42 if 'value' in r else 0\n")),
 ("raw call on class", CALLBACK, kept("def answer():\n    import gc\n    from acereason.sandbox.peer import Peer\n    p = [o for o in gc.get_objects() if type(o) is Peer][0]\n    r = p._request({'do':'call','target':{'known':'builtins:type'},'args':[{'yours':0}],'kwargs':{'dict':[]}})\n    return 42 if 'value' in r else 0\n")),
 ("input as eval", CALLBACK, kept("def answer():\n    import gc\n    from acereason.sandbox.peer import Peer\n    p = [o for o in gc.get_objects() if type(o) is Peer][0]\n    r = p._request({'do':'also','target':None,'args':[],'kwargs':{'dict':[]}})\n    return 42 if 'value' in r else 0\n")),
 ("hidden attr", OBJECT, "def f(p): return p._hidden"),
 ("dict", OBJECT, "def f(p): return p.__dict__['_hidden']"),
 ("init globals", OBJECT, "def f(p): return p.get.__func__.__globals__['p']._hidden"),
 ("self of method", OBJECT, "def f(p): return p.get.__self__._hidden"),
 ("class eq", EQUAL, "class f:\n    def __init__(self, x): pass\n    def __eq__(self, o): return True"),
 ("class Diff eq", MBPPPLUS, "class Diff:\n    def __init__(self, x): pass\n    def __eq__(self, o): return True"),
 ("class Diff eq2", CAPITAL, "class Diff:\n    def __init__(self, x): pass\n    def __eq__(self, o): return True"),
 ("lie int", EQUAL, "class L(int):\n    def __eq__(self, o): return True\n    __hash__=int.__hash__\ndef f(x): return L(0)"),
 ("lie ops", NEARLY, "class L:\n    def __sub__(self,o): return 0\n    def __rsub__(self,o): return 0\n    def __abs__(self): return 0\n    def __array__(self,*a,**k):\n        return 0\n    def __float__(self): return 2.0\n    def __lt__(self,o): return True\n    def __le__(self,o): return True\ndef f(x): return L()"),
 ("lie ops2", NEARLY, "class L:\n    def __sub__(self,o): return L()\n    def __rsub__(self,o): return L()\n    def __abs__(self): return L()\n    def __lt__(self,o): return True\n    def __le__(self,o): return True\n    def __bool__(self): return True\ndef f(x): return L()"),
 ("returns self", METHOD, "class Solution:\n    def g(self, x): return self\n    def __eq__(self, o): return True"),
 ("list lie", METHOD, "class L(list):\n    def __eq__(self, o): return True\nclass Solution:\n    def g(self, x): return L()"),
 ("system exit", EQUAL, "def f(x): raise SystemExit(0)"),
 ("exit class",script("import sys\nassert f(1) == 2"),"class E(SystemExit): pass\ndef f(x): raise E(0)"),
 ("skip",{"type":"pytest","tests":"import pytest\nfrom solution import f\n@pytest.fixture\ndef x(): return 1\ndef test_f(x):\n    assert f(x) == 2"},"import unittest\ndef f(x): raise unittest.SkipTest('x')"),
 ("skip2",script("import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2)"),"import unittest\ndef f(x): raise unittest.SkipTest('x')"),
 ("stop in map",script("assert all(map(lambda x: f(x) == x + 1, [1, 2]))"),"def f(x): raise StopIteration"),
 ("stopiter",script("for x in g(): assert x == 1\nassert list(g()) == [1]"),"def g(): return iter(())"),
 ("keyboard", EQUAL, "def f(x): raise KeyboardInterrupt"),
 ("genexit",script("import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2)"),"def f(x): raise GeneratorExit"),
 ("assertion raises in raises",script("import pytest\nwith pytest.raises(ValueError):\n    f(-1)\nassert f(1) == 2"),"class E(ValueError): pass\ndef f(x): raise E"),
 ("metaclass lies",script("e = E('x')\nassert isinstance(e, ValueError)\nassert f(1) == 2"),"class E(ValueError): pass\nclass M(type):\n    def __eq__(s,o): return True\n    __hash__=type.__hash__\ndef f(x):\n    class Q(metaclass=M): pass\n    return Q"),
 ("class as value", EQUAL, "class M(type):\n    def __eq__(s,o): return True\n    __hash__=type.__hash__\nclass Q(metaclass=M): pass\ndef f(x): return Q"),
 ("exc as value", EQUAL, "class E(Exception):\n    def __eq__(self,o): return True\n    __hash__=None\ndef f(x): return E()"),
 ("numpy obj",script("import numpy as np\nassert np.array_equal(f(1), [1,2])"),"class L(list):\n    def __eq__(s,o): return True\ndef f(x): return L([5,6])"),
 ("assertEqual any",script("import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2); self.assertTrue(f(3) == 4)"),"from unittest.mock import ANY\ndef f(x): return ANY"),
 ("in lie",script("assert 3 in f(1)\nassert f(1)[0] == 3"),"class L:\n    def __contains__(s,x): return True\n    def __iter__(s): return iter([])\n    def __getitem__(s,i): return s\n    def __eq__(s,o): return True\ndef f(x): return L()"),
 ("raw passed", EQUAL, "import os,json\ndef f(x):\n    os.write(3, json.dumps({'value': x+1, 'shared': 0}).encode()+b'\\n')\n    os.write(3, json.dumps({'value': 77}).encode()+b'\\n')\n    return 0"),
 ("printed junk", EQUAL, "import os,json\ndef f(x):\n    os.write(3, json.dumps({'value': 5, 'printed': 7}).encode()+b'\\n')\n    return 0"),
 ("mock attr",script("from unittest.mock import Mock\nm = Mock()\nsecret = 42\nassert f(m) == secret"),"def f(m): return m.mock_calls.__class__.__init__.__globals__['secret']"),
 ("wrong code via class attr",script("class P:\n    def get(self): return 1\nassert f(P) == 42\nx = 42"),"def f(P): return P.get.__globals__['x']"),
 ("mutates tests class", script("class P:\n    x = 5\n    def ok(self, v): return v == self.x\np = P()\nassert f(p) == 7 and p.ok(9)"),"def f(p):\n    p.x = 9\n    p.ok = lambda v: True\n    return 8"),
]  # fmt: skip


@pytest.mark.parametrize(("tests", "program"), [pytest.param(*row[1:], id=row[0]) for row in FORGERIES])
def test_no_pass_is_forged(tests, program):
    verdict = verify(f"```python\n{program}\n```", parse_tests(tests), CodeSettings(seconds=3))
    assert verdict.status == "wrong", verdict.detail
