"""The one entry point: python run.py VERB --config conf/....yaml [--any.key value]

Verbs: fit, validate and test are Lightning's; recipe runs several steps in order; score judges a file of responses;
    predict samples a teacher's; curate makes datasets of them; compare and scaling make figures of what test leaves.
    `python run.py VERB --help` lists a verb's keys.
"""

import os
import sys
import traceback


def _described(error: Exception) -> tuple[int, str]:
    """Exit status, and what a person is told."""
    from acereason.verbs.mistakes import mistake

    line = mistake(error)
    return (1, "".join(traceback.format_exception(error))) if line is None else (2, f"error: {line}\n")


def main(args: list[str] | None = None) -> None:
    """Run one verb. A user's mistake ends in one line and exit status 2, a signal in one line and 128 + signal."""
    # imported here, not above: verifier processes import this file again, and need none of it
    from acereason.common.errors import UserError
    from acereason.common.texts import forgiving_streams
    from acereason.processes import marks, signals, slurm

    forgiving_streams()
    # why: set before torch is loaded: its threads wait by spinning otherwise, on the cores that verifiers and other
    # work need, so that a small model's step takes up to twenty times as long on a busy CPU
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    command = [*sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1], *(sys.argv[1:] if args is None else args)]
    mark = marks.asked_for()
    try:
        with signals.listening(command, alone=args is None, describe=_described):
            from acereason.verbs.cli import run_verb
            from acereason.verbs.table import needs_trainer

            words = sys.argv[1:] if args is None else args
            if needs_trainer(words):
                import callbacks  # noqa: F401  the YAML names them
            run_verb(words)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except signals.Interrupted as interrupted:
        # why: where this verb is a step of another one, that one is the job, and goes on with the step
        if mark is None:
            slurm.requeue(interrupted.number, command)
        raise
    marks.leave(mark)


if __name__ == "__main__":
    main()
