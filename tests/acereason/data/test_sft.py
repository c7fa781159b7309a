import json
from types import SimpleNamespace

import pytest
from fakes import TOKENIZER

from acereason.data.arithmetic import Arithmetic
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.data.sft import SFTData
from acereason.errors import UserError


def data(sources, **settings) -> SFTData:
    template = Template(math="{statement}=", layout="{user}\n")
    made = SFTData(sources, **{"batch_size": 4, "max_length": 64, "template": template} | settings)
    made.trainer = SimpleNamespace(lightning_module=SimpleNamespace(tokenizer=TOKENIZER), current_epoch=0)
    made.setup("fit")
    return made


def test_the_loss_begins_where_the_prompt_ends():
    rows = [row for batch in data({"s": Source(arithmetic=Arithmetic([3], 10))}).train_dataloader() for row in batch]
    assert len(rows) == 10
    for row in rows:
        prompt, response = row["token_ids"][: row["prompt_length"]], row["token_ids"][row["prompt_length"] :]
        assert TOKENIZER.decode(prompt) == row["id"].removeprefix("s/") + "=\n"
        assert TOKENIZER.decode(response).endswith("}<|im_end|>")


def test_every_epoch_is_a_pass_in_its_own_order():
    made = data({"s": Source(arithmetic=Arithmetic([1], 10))})
    first = [row["id"] for batch in made.train_dataloader() for row in batch]
    made.trainer.current_epoch = 1
    second = [row["id"] for batch in made.train_dataloader() for row in batch]
    assert sorted(first) == sorted(second)
    assert first != second
    assert [len(batch) for batch in made.train_dataloader()] == [4, 4, 2]


def test_rows_that_are_too_long_or_empty(tmp_path):
    rows = [{"input": "p", "output": "r"}, {"input": "p", "output": "r" * 99}, {"input": "p", "output": None}]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Source(str(tmp_path / "f.jsonl"), "acereason-sft")
    with pytest.raises(UserError, match=r"row 1, s/1 \(103 tokens, data\.max_length is 64\), row 2, s/2 \(no resp"):
        data({"s": source})
    assert len(data({"s": source}, bad_rows="exclude").train_dataloader()) == 1
