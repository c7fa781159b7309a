"""The command line's parser, which reports a mistake in one line."""

from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace
from typing_extensions import override

from acereason.common.configs import check_config
from acereason.common.errors import UserError, plain
from acereason.common.literals import meant


class Parser(ArgumentParser):
    """Reports a mistake in one line instead of the whole usage."""

    @override
    def parse_path(self, path: Any, **kwargs: Any) -> Namespace:
        check_config(Path(path))
        try:
            return super().parse_path(path, **kwargs)
        except UserError as error:
            if str(error).startswith("Problems parsing config"):  # which names no file
                raise UserError(f"config: {path}: {str(error).partition(': ')[2]}") from error
            raise

    @override
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UserError(plain(message)) from ex

    @override
    def instantiate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().instantiate(meant(namespace), *args, **kwargs)
        except ValueError as error:  # a value that a class refuses
            raise UserError(plain(str(error))) from error
