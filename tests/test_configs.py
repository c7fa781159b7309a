"""Every YAML that is shipped loads and builds what it names, with and without the hardware files."""

from pathlib import Path

import pytest
import yaml

import callbacks  # noqa: F401  the YAML names them
from acereason.cli import Parser, lightning_cli
from acereason.modules.grpo import GRPOModule
from acereason.modules.sft import SFTModule
from acereason.recipe import recipe
from acereason.rollouts.vllm import VLLMEngine

RL_ONLY = Path("conf/hardware/separate.yaml")
HARDWARE = sorted(Path("conf/hardware").glob("*.yaml"))
FITS = [Path("conf/debug.yaml"), *sorted(path for path in Path("conf").glob("*/*.yaml") if path not in HARDWARE)]
FITS_ON_GPUS = [
    (path, hardware)
    for path in FITS
    for hardware in HARDWARE
    if "qwen" in path.name and (path.parent.name == "rl" or hardware != RL_ONLY)
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


@pytest.mark.parametrize("hardware", HARDWARE, ids=str)
def test_fsdp_is_over_all_ranks(hardware):
    trainer = yaml.safe_load(hardware.read_text())["trainer"]
    strategy = trainer["strategy"]["init_args"]
    assert strategy["data_parallel_size"] == trainer["devices"] * trainer.get("num_nodes", 1)
    assert strategy["tensor_parallel_size"] == 1


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_a_recipe_loads_and_its_steps_exist(path):
    parser = Parser(parser_mode="omegaconf+")
    parser.add_argument("--config", action="config")
    parser.add_function_arguments(recipe)
    steps = parser.instantiate(parser.parse_args([f"--config={path}"])).steps
    assert all(Path(step.config).exists() for step in steps if step.config)


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


@pytest.mark.parametrize("path", [*FITS, *HARDWARE, *RECIPES], ids=str)
def test_a_file_says_first_how_it_is_run(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert str(path) in first
