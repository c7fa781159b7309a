from acereason.errors import first_line, plain


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
