"""Every YAML that is shipped loads and builds what it names, with and without the hardware files."""

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from jsonargparse import Namespace
from lightning.pytorch.strategies import ModelParallelStrategy

import callbacks  # noqa: F401  the YAML names them
from acereason.curation.pipeline import Curation
from acereason.curation.verb import curate
from acereason.data.where import Range
from acereason.evaluation.results import EVALPLUS, PAPER
from acereason.modules.evaluation import EvaluationModule
from acereason.modules.grpo import GRPOModule
from acereason.modules.sft import SFTModule
from acereason.rollouts.vllm import VLLMEngine
from acereason.sampling.predict import predict
from acereason.verbs.lightning_cli import lightning_cli
from acereason.verbs.parsing import Parser
from acereason.verbs.recipe import recipe

RL_ONLY = Path("conf/hardware/separate.yaml")
HARDWARE = sorted(Path("conf/hardware").glob("*.yaml"))
BOILERPLATE = Path("conf/curate/boilerplate.yaml")
CURATIONS = sorted(path for path in Path("conf/curate").glob("*.yaml") if path != BOILERPLATE)
PREDICTS = sorted(Path("conf/predict").glob("*.yaml"))
BY_FILE = Path("conf/eval/livecodebench-files.yaml")
REAL = Path("conf/real-model")
EVALS = [*sorted(path for path in Path("conf/eval").glob("*.yaml") if path != BY_FILE), REAL / "test.yaml"]
DIFFICULTY = sorted(Path("conf/difficulty").glob("*.yaml"))
JUDGE = Path("conf/rewards/judge.yaml")
STUDIES = sorted(Path("conf/studies").glob("*.yaml"))
OTHERS = [JUDGE, *STUDIES, *DIFFICULTY, *HARDWARE, *CURATIONS, BOILERPLATE, *PREDICTS, *EVALS, BY_FILE]
OTHERS += [REAL / "bfloat16.yaml"]
FITS = [Path("conf/debug.yaml"), *sorted(path for path in Path("conf").glob("*/*.yaml") if path not in OTHERS)]
OFTEN = Path("conf/hardware/8gpu.yaml")
"""Tried by the fast tests; the others are slow ones."""
FITS_ON_GPUS = [
    pytest.param(path, hardware, marks=() if hardware == OFTEN else pytest.mark.slow)
    for path in FITS
    for hardware in HARDWARE
    if path.parent.name == "rl" or (path.parent.name == "sft" and hardware != RL_ONLY)
]
RECIPES = sorted(path for path in Path("conf").glob("*.yaml") if path not in FITS)


def build(tmp_path, *paths: Path):
    """What `fit` builds of these files, on whatever accelerator is here."""
    here = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto"]
    here += ["--trainer.logger=false"]
    configs = [f"--config={path}" for path in paths]
    return lightning_cli([*configs, *here, f"--trainer.default_root_dir={tmp_path}"], run=False)


@pytest.mark.parametrize("path", FITS, ids=str)
def test_a_config_builds(tmp_path, path):
    cli = build(tmp_path, path)
    assert isinstance(cli.model, SFTModule if "sft" in str(path) else GRPOModule)
    assert cli.datamodule.seed == cli.model.seed == cli.config.seed_everything


@pytest.mark.parametrize(
    "hardware",
    [None, *(pytest.param(path, marks=pytest.mark.slow) for path in HARDWARE if path != RL_ONLY)],
    ids=str,
)
@pytest.mark.parametrize("path", EVALS, ids=str)
def test_an_evaluation_builds_with_and_without_hardware(tmp_path, path, hardware):
    cli = build(tmp_path, *([path, hardware] if hardware else [path]))
    assert isinstance(cli.model, EvaluationModule)
    assert cli.model.seed == cli.config.seed_everything


@pytest.mark.parametrize(("path", "hardware"), FITS_ON_GPUS, ids=str)
def test_a_config_builds_with_hardware(tmp_path, path, hardware):
    cli = build(tmp_path, path, hardware)
    assert cli.model.backbone.compute_dtype == "bfloat16"
    assert cli.model.backbone.gradient_checkpointing  # what the first file says is kept
    if isinstance(cli.model, GRPOModule):
        engine = cli.model.engine
        assert isinstance(engine, VLLMEngine)
        assert (engine.dtype, engine.max_num_seqs) == ("bfloat16", 256)
        assert engine.placement == ("separate" if hardware == RL_ONLY else "colocated")


@pytest.mark.parametrize("path", ["conf/debug.yaml", "conf/rl/qwen2.5-math-7b.yaml"])
def test_a_judge_goes_over_a_config_of_rl(tmp_path, path):
    rewards = build(tmp_path, Path(path), JUDGE).model.rewards.settings
    assert rewards.weights == {"verifier": 1.0, "judge": 0.3}
    assert "{problem}" in rewards.judge.template
    assert rewards.judge.api_key_env is None


@pytest.mark.parametrize("hardware", HARDWARE, ids=str)
def test_fsdp_is_over_all_ranks(hardware):
    trainer = yaml.safe_load(hardware.read_text())["trainer"]
    strategy = trainer["strategy"]["init_args"]
    assert strategy["data_parallel_size"] == trainer["devices"] * trainer.get("num_nodes", 1)
    assert strategy["tensor_parallel_size"] == 1


def arguments_of(verb: Callable[..., None], *paths: Path) -> Namespace:
    """What a verb that needs no Trainer would be called with."""
    parser = Parser(parser_mode="omegaconf+")
    parser.add_argument("--config", action="config")
    parser.add_function_arguments(verb)
    return parser.instantiate(parser.parse_args([f"--config={path}" for path in paths]))


@pytest.mark.parametrize("path", PREDICTS, ids=str)
def test_a_teacher_loads_with_the_papers_sampling(path):
    given = arguments_of(predict, path)
    assert (given.sampling.temperature, given.sampling.top_p, given.sampling.max_response_length) == (0.6, 0.95, 32768)
    assert (given.server is None) != (given.engine is None)


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_a_recipe_loads_and_its_steps_exist(path):
    steps = arguments_of(recipe, path).steps
    assert all(Path(step.config).exists() for step in steps if step.config)


def test_what_curate_rates_is_what_predict_asked_and_the_stages_take(tmp_path):
    ratings, asked, stages = (Path("conf/difficulty") / name for name in ("curate.yaml", "predict.yaml", "rl.yaml"))
    given, teacher = arguments_of(curate, ratings), arguments_of(predict, asked)
    Curation(**{name: value for name, value in vars(given).items() if name != "config"}).check()
    assert {name: source.arithmetic for name, source in given.sources.items()} == {
        name: source.arithmetic for name, source in teacher.sources.items()
    }
    assert (given.responses.path, given.responses.only_rate) == (teacher.output, True)
    data = build(tmp_path, Path("conf/quickstart/rl.yaml"), stages).datamodule
    assert list(data.stages) == ["simple", "harder", "hard"]
    used = {source: data.sources[source] for stage in data.stages.values() for source in stage.sources}
    assert {(source.path, source.fields) for source in used.values()} == {(given.output, "rated")}
    assert used["unsolved"].where == {"pass_rate": Range(most=6 / 16)}
    budgets = [stage.max_response_length for stage in data.stages.values()]
    assert max(budgets) <= teacher.sampling.max_response_length


def test_the_real_model_is_asked_alike_everywhere(tmp_path):
    half, one_cpu = REAL / "bfloat16.yaml", ["--trainer.accelerator=cpu", "--trainer.logger=false"]
    sft, rl, test = (build(tmp_path, REAL / f"{name}.yaml") for name in ("sft", "rl", "test"))
    assert sft.datamodule.template == rl.datamodule.template == test.datamodule.template
    assert rl.datamodule.sources["heldout"] == test.datamodule.benchmarks["heldout"].source
    assert sft.datamodule.sources["worked"].path != rl.datamodule.sources["heldout"].path
    assert len(rl.datamodule.stages) == 2
    for name in ("sft", "rl"):
        configs = [f"--config={path}" for path in (REAL / f"{name}.yaml", half)]
        cli = lightning_cli([*configs, *one_cpu, f"--trainer.default_root_dir={tmp_path}"], run=False)
        assert cli.model.backbone.compute_dtype == "bfloat16"
        assert isinstance(cli.trainer.strategy, ModelParallelStrategy)


def test_the_papers_values():
    """Stages, budgets, overlong policies and denominators of the shipped RL config (3.2.3, 4.5.3)."""
    data = lightning_cli(["--config=conf/rl/qwen2.5-math-7b.yaml", "--trainer.logger=false"], run=False).datamodule
    assert [(name, s.max_response_length, s.overlong) for name, s in data.stages.items()] == [
        ("math_8k", 8192, "mask"),
        ("math_16k", 16384, "mask"),
        ("math_24k", 24576, "mask"),
        ("code_24k", 24576, "mask"),
        ("code_32k", 32768, "penalize"),
        ("math_32k", 32768, "penalize"),
    ]
    assert {s.prompts_per_step for s in data.stages.values()} == {128}
    assert [name for name, s in data.stages.items() if s.easy_filter] == ["code_32k"]
    assert [name for name, s in data.stages.items() if s.screen == 1.0] == ["math_32k"]
    benchmark = data.benchmarks["aime24"]
    assert (benchmark.temperature, benchmark.top_p, benchmark.max_response_length) == (0.6, 0.95, 32768)


@pytest.mark.parametrize("path", CURATIONS, ids=str)
def test_a_curation_loads_and_can_work(path):
    given = vars(arguments_of(curate, path))
    del given["config"]
    curation = Curation(**given)
    curation.check()
    for source in [*given["sources"].values(), *given["decontaminate"].benchmarks.values()]:
        source.resolved("source").check("source")


@pytest.mark.parametrize("path", CURATIONS, ids=str)
def test_boilerplate_goes_before_a_curation(path):
    """Its phrases are allowed unless the curation names its own, and each has an n-gram."""
    given = arguments_of(curate, BOILERPLATE, path)
    phrases = yaml.safe_load(BOILERPLATE.read_text())["decontaminate"]["allow"]
    assert given.decontaminate.allow == phrases
    assert given.decontaminate.benchmarks
    given.decontaminate.check()


def test_the_papers_versions():
    """Unique prompts and samples of the largest version, and of the smallest (3.1.1, 4.4.1)."""
    versions = arguments_of(curate, Path("conf/curate/acereason.yaml")).versions
    assert list(versions) == [f"v{n}" for n in range(1, 8)]
    assert {task: size.prompts for task, size in versions["v7"].items()} == {"math": 247_000, "code": 136_000}
    samples = {task: round(size.prompts * size.responses, -5) for task, size in versions["v7"].items()}
    assert samples == {"math": 1_200_000, "code": 1_000_000}
    assert {size.prompts * size.responses for size in versions["v1"].values()} == {18_000}
    assert {size.responses for name in ("v1", "v2", "v3", "v4") for size in versions[name].values()} == {1}


@pytest.mark.parametrize("path", [*FITS, *OTHERS, *RECIPES], ids=str)
def test_a_file_says_first_how_it_is_run(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert str(path) in first


def test_the_papers_evaluation():
    """Section 4.1 and Table 1."""
    data = lightning_cli(["--config=conf/eval/acereason.yaml"], run=False).datamodule
    counts = {name: entry.n for name, entry in data.benchmarks.items()}
    assert counts == dict.fromkeys(("aime24", "aime25", "hmmt_feb_2025", "brumo_2025"), 64) | {
        **dict.fromkeys(("livecodebench_v5", "livecodebench_v6"), 8),
        **dict.fromkeys(("math500", "humaneval_plus", "mbpp_plus"), 4),
    }
    assert {(e.temperature, e.top_p, e.max_response_length) for e in data.benchmarks.values()} == {(0.6, 0.95, 32768)}
    windows = [data.benchmarks[f"livecodebench_{version}"].source.window for version in ("v5", "v6")]
    assert [(w.since, w.until) for w in windows] == [("2024-08-01", "2025-02-01"), ("2025-02-01", "2025-05-01")]
    assert data.benchmarks.keys() == (PAPER.keys() - {"evalplus"}) | set(EVALPLUS)


def test_livecodebench_as_its_releases_cut_it():
    """The five files of v5 and the sixth of v6, by patterns that the Hub's file names meet."""
    data = lightning_cli(["--config=conf/eval/acereason.yaml", f"--config={BY_FILE}"], run=False).datamodule
    assert list(data.benchmarks) == ["livecodebench_v5", "livecodebench_v6"]
    v5, v6 = (entry.source for entry in data.benchmarks.values())
    assert (v5.fields, v6.fields, v5.task, v6.task) == ("livecodebench", "livecodebench", "code", "code")
    assert {entry.n for entry in data.benchmarks.values()} == {8}
    assert (v5.window.since, v5.window.until, v6.window) == ("2024-08-01", "2025-02-01", None)
    files = [f"test{number}.jsonl" for number in ("", 2, 3, 4, 5, 6)]
    of_v5, of_v6 = ({name for name in files if fnmatch(name, Path(source.path).name)} for source in (v5, v6))
    assert (of_v5, of_v6) == (set(files[:5]), set(files[5:]))
