"""The one exception that means: the user can mend this."""


class UserError(ValueError):
    """A mistake in a config, a file or a row. Its message is one line that names the key, file or row, and what to do.

    `run.py` prints it without a traceback and exits with status 2.
    """
