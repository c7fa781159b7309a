"""Which checkpoint `last` and `auto` take, and where a run then goes on."""

import pytest
import torch
from torch.distributed import checkpoint as dcp

from acereason.common.errors import UserError
from acereason.runs.checkpoints import damage
from acereason.runs.places import Place
from acereason.runs.resuming import checkpoint_of, home_of

NAMES = ["step-000002.ckpt", "step-000009.ckpt", "step-000010.ckpt"]


def write(path, step=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"weight": torch.arange(4096.0), "bias": torch.ones(3)}
    torch.save({"state_dict": state, "global_step": step, "loops": {"fit_loop": {}}}, path)
    return path


def run_with(folder, *names: str) -> Place:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("# lightning.pytorch==2.6.6\n")
    for name in names:
        write(folder / "checkpoints" / name)
    return Place(folder, "trainer.logger.name")


@pytest.mark.parametrize("word", ["last", "auto"])
def test_the_newest_is_taken_and_its_run_goes_on(tmp_path, word):
    place = run_with(tmp_path / "run", *NAMES, ".step-000011.ckpt")
    checkpoint = checkpoint_of(place, word)
    assert checkpoint == place.folder / "checkpoints/step-000010.ckpt"
    assert home_of(place, checkpoint) == place.folder


def test_a_path_into_the_run_goes_on_there_and_one_from_elsewhere_begins_a_run(tmp_path):
    place, other = run_with(tmp_path / "run", *NAMES), run_with(tmp_path / "other", *NAMES)
    assert home_of(place, checkpoint_of(place, str(place.folder / "checkpoints" / NAMES[0]))) == place.folder
    assert home_of(place, checkpoint_of(place, str(other.folder / "checkpoints" / NAMES[0]))) is None


@pytest.mark.parametrize("word", ["last", "auto"])
def test_of_numbered_versions_the_newest_run_goes_on(tmp_path, word):
    versions = {number: tmp_path / f"version_{number}" for number in (10, 9, 1)}
    (tmp_path / "version_10").mkdir()  # the beginning of something, without a run
    for number in (9, 1):
        run_with(versions[number], *NAMES)
    place = Place(tmp_path / "version_11", "trainer.logger.name", versions)
    checkpoint = checkpoint_of(place, word)
    assert checkpoint == versions[9] / "checkpoints/step-000010.ckpt"
    assert home_of(place, checkpoint) == versions[9]
    older = str(versions[1] / "checkpoints/step-000002.ckpt")
    assert home_of(place, checkpoint_of(place, older)) == versions[1]


@pytest.mark.parametrize("word", ["last", "auto"])
def test_a_run_without_a_checkpoint_starts_anew_aloud(tmp_path, word, caplog):
    place = run_with(tmp_path / "run")
    with caplog.at_level("INFO"):
        assert checkpoint_of(place, word) is None
    assert f"the run in {place.folder} has no checkpoint yet: it starts anew" in caplog.text


def test_auto_without_a_run_starts_anew_aloud(tmp_path, caplog):
    with caplog.at_level("INFO"):
        assert checkpoint_of(Place(tmp_path / "run", "k"), "auto") is None
    assert f"there is no run in {tmp_path / 'run'} to resume: it starts anew" in caplog.text


def test_nothing_to_resume_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"ckpt_path: there is no run in .*nowhere to resume"):
        checkpoint_of(Place(tmp_path / "nowhere", "k"), "last")
    with pytest.raises(UserError, match=r"ckpt_path: there is no run in .*logs to resume"):
        checkpoint_of(Place(tmp_path / "logs/version_0", "k", {}), "last")
    with pytest.raises(UserError, match=r"ckpt_path: no checkpoint x\.ckpt"):
        checkpoint_of(Place(tmp_path, "k"), "x.ckpt")


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def cut_by_one(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def other_format(path):
    path.write_text("not a checkpoint\n" * 100)


def older_format(path):
    torch.save({"a": 1}, path, _use_new_zipfile_serialization=False)


def weights_alone(path):
    torch.save({"weight": torch.ones(3)}, path)


def hole(path):
    data = path.read_bytes()
    third = len(data) // 3
    path.write_bytes(data[:third] + bytes(third) + data[2 * third :])


def flipped_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def page(path):
    path.write_text("<html>503</html>")


def dangling(path):
    path.unlink()
    path.symlink_to("gone")


def folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = [cut, cut_by_one, empty, other_format, older_format, weights_alone, hole, flipped_bit, page, dangling, folder]


@pytest.mark.parametrize("harm", DAMAGES)
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_offered_or_taken(tmp_path, harm):
    place = run_with(tmp_path / "run", *NAMES)
    newest, before, _ = (place.folder / "checkpoints" / name for name in reversed(NAMES))
    harm(newest)
    with pytest.raises(UserError) as error:
        checkpoint_of(place, "last")
    assert str(error.value).startswith(f"ckpt_path: {newest} is damaged: ")
    assert str(error.value).endswith(f"; the one before it is whole: --ckpt_path {before}")
    assert "\n" not in str(error.value)
    with pytest.warns(UserWarning, match=f"{newest} is damaged: .*; the run goes on from the one before it, {before}"):
        assert checkpoint_of(place, "auto") == before
    if harm is not dangling:
        with pytest.raises(UserError, match=f"{newest} is damaged: "):
            checkpoint_of(place, str(newest))


def test_of_several_damaged_ones_the_first_whole_is_taken(tmp_path):
    place = run_with(tmp_path / "run", *NAMES)
    for name in NAMES[1:]:
        cut(place.folder / "checkpoints" / name)
    with pytest.warns(UserWarning, match="goes on from"):
        assert checkpoint_of(place, "auto").name == NAMES[0]


@pytest.mark.parametrize("word", ["last", "auto"])
def test_where_none_is_whole_nothing_starts(tmp_path, word):
    place = run_with(tmp_path / "run", *NAMES)
    for name in NAMES:
        cut(place.folder / "checkpoints" / name)
    with pytest.raises(UserError, match="no other checkpoint of the run is whole; leave ckpt_path out to start anew"):
        checkpoint_of(place, word)


def write_sharded(folder):
    """As ModelParallelStrategy writes on one rank: shards of torch.distributed.checkpoint, and the rest in meta.pt."""
    dcp.save({"state_dict": {"weight": torch.arange(4096.0)}}, checkpoint_id=folder)
    torch.save({"global_step": 1, "loops": {}}, folder / "meta.pt")
    return folder


def test_a_whole_checkpoint_of_shards_is_whole(tmp_path):
    assert damage(write_sharded(tmp_path / "step-000001.ckpt")) is None


@pytest.mark.parametrize(
    ("name", "harm", "told"),
    [
        ("__0_0.distcp", None, "it has no __0_0.distcp"),
        ("__0_0.distcp", cut, "__0_0.distcp in it is cut short: 1,000 of "),
        ("__0_0.distcp", cut_by_one, "__0_0.distcp in it is cut short"),
        ("__0_0.distcp", empty, "__0_0.distcp in it is cut short: 0 of "),
        (".metadata", None, "it has no .metadata"),
        (".metadata", empty, ".metadata in it is damaged"),
        (".metadata", cut_by_one, ".metadata in it is damaged"),
        (".metadata", other_format, ".metadata in it is damaged"),
        ("meta.pt", None, "it has no meta.pt"),
        ("meta.pt", cut, "meta.pt in it is damaged"),
        ("meta.pt", hole, "meta.pt in it is damaged"),
        ("meta.pt", empty, "meta.pt in it is damaged"),
    ],
)
def test_a_damaged_checkpoint_of_shards(tmp_path, name, harm, told):
    path = write_sharded(tmp_path / "step-000001.ckpt") / name
    harm(path) if harm else path.unlink()
    assert damage(tmp_path / "step-000001.ckpt").startswith(told)


def test_names_that_only_begin_like_a_checkpoint_are_none(tmp_path):
    place = run_with(tmp_path / "run", *NAMES)
    (place.folder / "checkpoints/step-latest.ckpt").write_text("a user's own")
    assert checkpoint_of(place, "last").name == NAMES[-1]
