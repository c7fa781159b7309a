import json

import pytest

from acereason.algorithm.calibration import TRIALS, Trial
from acereason.verbs.calibration import table, write


def test_what_is_written(tmp_path):
    sweep = [Trial(t, entropy, entropy + 0.1, 0.5, 0.1, 20.4) for t, entropy in ((0.6, 0.1), (1.0, 0.5))]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / TRIALS).write_text("{}")
    write(sweep, 0.3, "stage a", tmp_path / "out")
    written = json.loads((tmp_path / "out/calibration.json").read_text())
    assert (written["target"], written["temperature"]) == (0.3, pytest.approx(0.8))
    assert written["trials"][1] == {
        "temperature": 1.0,
        "entropy": 0.5,
        "entropy_all": 0.6,
        "reward": 0.5,
        "truncated": 0.1,
        "length": 20.4,
    }
    assert not (tmp_path / "out" / TRIALS).exists()
    assert (tmp_path / "out/calibration.png").read_bytes()[:4] == b"\x89PNG"
    assert [list(column.cells)[0] for column in table(sweep, "").columns] == [
        "0.6",
        "0.100",
        "0.200",
        "0.500",
        "10.0%",
        "20",
    ]
