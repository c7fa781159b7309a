import json
import random
from types import SimpleNamespace

import pytest
from datasets import Dataset

from acereason.common.errors import UserError
from acereason.data.arithmetic import Arithmetic
from acereason.data.fields import Fields
from acereason.data.problems import Source
from acereason.data.prompts import Template
from acereason.data.sft import SFTData, dealt
from tests.support.fakes import TOKENIZER


def data(sources, **settings) -> SFTData:
    template = Template(math="{statement}=", layout="{user}\n")
    made = SFTData(sources, **{"batch_size": 4, "max_length": 64, "template": template} | settings)
    made.policy = SimpleNamespace(tokenizer=TOKENIZER)
    made.trainer = SimpleNamespace(
        current_epoch=0, reload_dataloaders_every_n_epochs=1, state=SimpleNamespace(fn="fit")
    )
    made.prepare_data()
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
    rows = [{"category": "math", "input": "p", "output": output} for output in ("r", "r" * 99, None)]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Source(str(tmp_path / "f.jsonl"), "acereason-sft")
    with pytest.raises(UserError, match=r"row 1, s/1 \(103 tokens, data\.max_length is 64\), row 2, s/2 \(no resp"):
        data({"s": source})
    assert len(data({"s": source}, bad_rows="exclude").train_dataloader()) == 1


def test_rows_that_teach_nothing(tmp_path):
    rows = [
        {"problem": "p", "answer": "4", "r": "<think>\nit was cut"},
        {"problem": " ", "answer": "4", "r": "r"},
        {"problem": [{"role": "user", "content": None}], "answer": "4", "r": "r"},
        {"problem": "p", "answer": "4", "r": [{"role": "assistant", "content": None}]},
        {"problem": "p", "answer": "4", "r": 2.50},
    ]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Source(str(tmp_path / "f.jsonl"), Fields(solution="r"))
    with pytest.raises(UserError, match=r"4 of 5 rows .*s/0 \(a response that was cut: .*s/1 \(no statement\)"):
        data({"s": source})
    ((row,),) = data({"s": source}, bad_rows="exclude").train_dataloader()
    assert (row["id"], TOKENIZER.decode(row["token_ids"])) == ("s/4", "p=\n2.5<|im_end|>")


def test_one_long_response_leaves_the_prompts_others(tmp_path):
    row = {"id": "a", "statement": "p", "task": "math", "starter": ""}
    rows = [row | {"sample": n, "response": "r" * 30 * n} for n in (1, 3)]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = data({"s": Source(str(tmp_path / "f.jsonl"), "sft")}, bad_rows="exclude")
    assert [[row["id"] for row in batch] for batch in made.train_dataloader()] == [["s/a"]]


def test_mixed_rows_take_their_tasks_instruction(tmp_path):
    rows = [{"id": task, "statement": "p", "task": task, "starter": "", "response": "r"} for task in ("math", "code")]
    rows.append({"id": "starter", "statement": "p", "task": "code", "starter": "def f():", "response": "r"})
    Dataset.from_list(rows).to_parquet(tmp_path / "f.parquet")
    template = Template(math="M{statement}", code="C{statement}", starter="S{starter}{statement}", layout="{user}\n")
    made = data({"s": Source(str(tmp_path), "sft")}, template=template)
    (batch,) = made.train_dataloader()
    prompts = {row["id"]: TOKENIZER.decode(row["token_ids"][: row["prompt_length"]]) for row in batch}
    assert prompts == {"s/math": "Mp\n", "s/code": "Cp\n", "s/starter": "Sdef f():p\n"}


def test_ranks_are_dealt_shares_of_about_as_many_tokens():
    generator = random.Random(0)
    lengths = [generator.randint(100, 30_000) for _ in range(300)]
    batch = generator.sample(range(300), 256)
    order = dealt(batch, lengths, 8)
    assert sorted(order) == sorted(batch)
    sums = [sum(lengths[row] for row in order[rank::8]) for rank in range(8)]
    plain = [sum(lengths[row] for row in batch[rank::8]) for rank in range(8)]
    assert max(sums) - min(sums) <= max(lengths)
    assert max(sums) - min(sums) < 0.1 * (max(plain) - min(plain))
    assert dealt(batch, lengths, 1) == batch


def test_bad_rows_are_told_once_with_their_number(tmp_path, capsys):
    rows = [{"category": "math", "input": "p", "output": "r" * 99 * (n % 2)} for n in range(24)]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0] | {"output": "r"}]))
    data({"s": Source(str(tmp_path / "f.jsonl"), "acereason-sft")}, bad_rows="exclude")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "excluded" in line]
    assert line.startswith("data.sources.s: 24 of 25 rows excluded: row 0, s/0 (no response), row 1, s/1 (103 tokens, ")
    assert line.endswith(" and 14 more")


def test_a_look_reads_what_is_held_out_alone(tmp_path):
    made = SFTData({"s": Source("nowhere.jsonl")}, 4, 256, {"h": Source(arithmetic=Arithmetic([1], 6))})
    made.policy = SimpleNamespace(tokenizer=TOKENIZER)
    made.trainer = SimpleNamespace(state=SimpleNamespace(fn="validate"))
    made.prepare_data()
    made.setup("validate")
    assert [len(batch) for (loader,) in [made.val_dataloader()] for batch in loader] == [4, 2]
