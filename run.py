"""The one entry point: python run.py VERB --config conf/....yaml [--any.key value]

Verbs: fit, validate and test are Lightning's; recipe runs several steps in order; score judges a file of responses;
    predict samples a teacher's; curate makes datasets of them; compare and scaling make figures of what test leaves.
    `python run.py VERB --help` lists a verb's keys.
"""

import sys


def main(args: list[str] | None = None) -> None:
    """Run one verb. A user's mistake ends in one line and exit status 2."""
    # imported here, not above: verifier processes import this file again, and need none of it
    import callbacks  # noqa: F401  the YAML names them
    from acereason.cli import run_verb
    from acereason.errors import UserError

    try:
        run_verb(sys.argv[1:] if args is None else args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
