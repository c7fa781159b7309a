"""Two ranks by Lightning's own launcher, by torchrun on one machine and as on two, and by SLURM: the same run."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.comparison import metrics, same_weights
from tests.support.killed_runs import ONE_THREAD
from tests.support.limits import HANG

pytestmark = pytest.mark.slow

TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
RENDEZVOUS = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:29517"]
SLURM = {
    "SLURM_JOB_ID": "4242",
    "SLURM_JOB_NAME": "rl",
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "1",
    "SLURM_NODEID": "0",
    "SLURM_NODELIST": "127.0.0.1",
}


def fit(folder: Path, name: str, engine: str, nodes: int = 1) -> list[str]:
    """The command line after `python`."""
    logger = [f"--trainer.logger.save_dir={folder}", f"--trainer.logger.name={name}"]
    fsdp = ["--trainer.strategy=ModelParallelStrategy", "--trainer.strategy.tensor_parallel_size=1"]
    ranks = ["--trainer.strategy.data_parallel_size=2", f"--trainer.devices={2 // nodes}"]
    ranks += [f"--trainer.num_nodes={nodes}", f"--model.engine={engine}"]
    return ["run.py", "fit", "--config=conf/debug.yaml", *logger, *fsdp, *ranks]


def together(*launches: tuple[list[str], dict[str, str]]) -> None:
    """Run commands, each in an environment of its own, at the same time; all must succeed."""
    started = [
        subprocess.Popen(command, env=ONE_THREAD | environment, stderr=subprocess.PIPE, text=True)
        for command, environment in launches
    ]
    for process in started:
        _, errors = process.communicate(timeout=HANG)
        assert process.returncode == 0, errors


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ["HFEngine", pytest.param("VLLMEngine", marks=pytest.mark.vllm)])
def test_launchers_agree(tmp_path, engine):
    together(([sys.executable, *fit(tmp_path, "lightning", engine)], {}))
    together(([*TORCHRUN, "--standalone", "--nproc-per-node=2", *fit(tmp_path, "torchrun", engine)], {}))
    together(*[([*TORCHRUN, *RENDEZVOUS, *fit(tmp_path, "machines", engine, nodes=2)], {})] * 2)
    srun = [SLURM | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in ("0", "1")]
    together(*[([sys.executable, *fit(tmp_path, "slurm", engine)], environment) for environment in srun])
    for name in ("torchrun", "machines", "slurm"):
        assert metrics(tmp_path / name) == metrics(tmp_path / "lightning")
        same_weights(tmp_path / name / "export", tmp_path / "lightning" / "export", tolerance=0)


def failing(folder: Path, rank: int, sleep: float, launch: list[str]) -> tuple[int, list[str], float]:
    """Status, lines and seconds of a run one of whose ranks fails."""
    fails = ["--trainer.callbacks+=tests.support.failing_rank.FailOnRank", f"--trainer.callbacks.rank={rank}"]
    command = [*launch, *fit(folder, "run", "HFEngine"), *fails, f"--trainer.callbacks.sleep={sleep}"]
    start = time.monotonic()
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=HANG, env=ONE_THREAD
    )
    return done.returncode, done.stdout.splitlines(), time.monotonic() - start


@pytest.mark.nightly
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("sleep", [0.0, 600.0], ids=["the other in a collective", "the other in generation"])
def test_a_rank_that_fails_ends_the_other(tmp_path, rank, sleep):
    status, lines, _ = failing(tmp_path, rank, sleep, [sys.executable])
    assert status == 1
    assert lines[-1] == f"RuntimeError: rank {rank} can't go on"
    torchrun = [*TORCHRUN, "--standalone", "--nproc-per-node=2"]
    status, lines, _ = failing(tmp_path, rank, sleep, torchrun)
    assert status == 1
    # torchrun's agent tells of the signals that it sends, and then of the rank that failed
    before = lines[: next(number for number, line in enumerate(lines) if "failed (exitcode: 1)" in line)]
    assert [line for line in before if "torch/distributed/elastic" not in line][
        -1
    ] == f"RuntimeError: rank {rank} can't go on"
    assert [line for line in lines if "can't go on" in line][-1].strip().endswith(f"rank {rank} can't go on")
