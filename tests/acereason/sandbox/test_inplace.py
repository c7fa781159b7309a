from acereason.sandbox.inplace import change_in_place


def test_a_list_keeps_its_identity_and_that_of_its_members():
    inner, outer = [1], [[1], 2]
    outer[0] = inner
    assert change_in_place(outer, [[1, 5], 3, 4]) is outer
    assert outer == [[1, 5], 3, 4]
    assert outer[0] is inner
    assert inner == [1, 5]


def test_a_dict_takes_over_the_order_of_keys():
    value, mine = [0], {"a": 1, "b": [0]}
    mine["b"] = value
    assert change_in_place(mine, {"b": [7], "a": 1}) is mine
    assert list(mine) == ["b", "a"]
    assert mine["b"] is value
    assert value == [7]


def test_sets_and_bytes_change_and_other_data_is_replaced():
    numbers, data = {1, 2}, bytearray(b"ab")
    assert change_in_place(numbers, {2, 3}) is numbers
    assert change_in_place(data, bytearray(b"xyz")) is data
    assert (numbers, data) == ({2, 3}, bytearray(b"xyz"))
    assert change_in_place((1,), (2,)) == (2,)
    assert change_in_place([1], (2,)) == (2,)
