r"""Texts that hold `${` itself, escaped as `\${`."""

import pytest
import yaml

from acereason.common.literals import kept, meant, read_literals
from acereason.verbs.mistakes import as_user_errors
from tests.support.command_line import cli


def used(tmp_path, text: str, *flags: str) -> list[tuple[str, str]]:
    """The template's texts (math, code) of a run, and of one from the config.yaml that it leaves."""
    (tmp_path / "c.yaml").write_text(text)
    read_literals()
    parser, found = cli().parser, []
    arguments = ["--config=conf/debug.yaml", f"--config={tmp_path / 'c.yaml'}", *flags]
    for number in range(2):
        with as_user_errors():
            config = parser.parse_args(kept(arguments))
        template = parser.instantiate(config.clone()).data.template
        found.append((template.math, template.code))
        parser.save(config, tmp_path / f"{number}.yaml", skip_none=False)
        arguments = [f"--config={tmp_path / f'{number}.yaml'}"]
    return found


@pytest.mark.parametrize(
    "texts",  # as written, and as meant
    [
        {
            r"'so \${answer}$: {statement}'": "so ${answer}$: {statement}",
            r'"so \\${answer}$: {statement}"': "so ${answer}$: {statement}",
        },
        {
            r"'\${a} and ${seed_everything}: {statement}'": "${a} and 3: {statement}",
            r"'\${ without an end {statement}'": "${ without an end {statement}",
        },
        {
            r"'$\frac{1}{2}$, \$5, $x {statement}'": r"$\frac{1}{2}$, \$5, $x {statement}",
            r"'so \$\{answer}: {statement}'": "so ${answer}: {statement}",
        },
    ],
)
def test_in_a_file(tmp_path, texts):
    math, code = texts
    template = f"{{math: {math}, code: {code}}}"
    config = f"{{seed_everything: 3, data: {{init_args: {{template: {template}}}}}}}"
    assert used(tmp_path, config) == [tuple(texts.values())] * 2


def test_in_a_flag(tmp_path):
    text = "so ${answer} {statement}"
    found = used(tmp_path, "seed_everything: 3", r"--data.template.math=so \${answer} {statement}")
    assert [math for math, _ in found] == [text, text]


def test_a_configuration_without_any_is_left_alone():
    config = {"a": ["\\frac", 1.0, None]}
    assert meant(config) is config
    assert yaml.safe_load(yaml.safe_dump(meant({"a": [r"\$\{x}"], "b": 2}))) == {"a": ["${x}"], "b": 2}
