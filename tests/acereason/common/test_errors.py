from acereason.common.errors import first_line, plain


def test_the_telling_line_of_a_nested_report():
    report = """Parser key "model":
  Does not validate against any of the Union subtypes
  Subtypes: [<class 'QwenModule'>, <class 'NoneType'>]
  Errors:
    - Problem with given class_path 'acereason.modules.grpo.GRPOModule':
        Option 'groupsize' is not accepted
    - Expected a <class 'NoneType'>
  Given value type: <class 'jsonargparse._util.NestedArg'>
  Given value: NestedArg(key='groupsize', val='4')"""
    assert plain(report) == "model: Option 'groupsize' is not accepted"


def test_a_plain_message_stays():
    assert plain("group_size must be at least 2") == "group_size must be at least 2"


def test_first_line():
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(IndexError()) == "IndexError"


def test_how_classes_may_be_written_is_left_out():
    report = """Parser key "trainer.callbacks":
  - `mode` can be min, max, got up
    Not a valid subclass of Callback
    Subclass types expect one of:
    - a class path (str)
    - a dict with class_path entry
    - a dict without class_path but with init_args entry (class path given previously)"""
    assert plain(report) == "trainer.callbacks: `mode` can be min, max, got up"


def test_a_class_that_is_not_there():
    report = """Parser key "model":
  - Expected a path but Nope either not accessible or invalid
  - Expected a dot import path string: Nope"""
    told = "no class Nope that may stand here; one of your own is named with its module, as mine.Nope"
    assert plain(report) == f"model: {told}"
    report = """Parser key "model":
  - Expected a path but nope.Nope either not accessible or invalid
  - No module named 'nope'"""
    assert plain(report) == "model: No module named 'nope'"
