from acereason.data.loader import Loader, batched


def test_batches_in_order_and_sized():
    loader = Loader(batched([3, 1, 2], 2), fetch=str)
    assert len(loader) == 2
    assert list(loader) == [["3", "1"], ["2"]]
    assert list(loader) == [["3", "1"], ["2"]]


def test_it_resumes_behind_the_last_batch_handed_out():
    loader = Loader(batched(list(range(6)), 2), fetch=int)
    iterator = iter(loader)
    next(iterator)
    resumed = Loader(batched(list(range(6)), 2), fetch=int)
    resumed.load_state_dict(loader.state_dict())
    assert len(resumed) == 3
    assert list(resumed) == [[2, 3], [4, 5]]
    assert list(resumed) == [[0, 1], [2, 3], [4, 5]]  # the next pass is a whole one
