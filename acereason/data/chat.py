"""Conversion of a run's template to a chat template, so that its exports are served with the prompts of training."""

import json
import re

from acereason.data.prompts import Template

_MESSAGES = """\
{%- for message in messages -%}
{%- if message['role'] not in ('system', 'user', 'assistant') or message['content'] is not string -%}
{{- raise_exception('this model knows texts of system, user and assistant alone') -}}
{%- endif -%}
{%- endfor -%}
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set ns.system = messages[0]['content'] -%}
{%- set ns.given = not has_system -%}
{%- set turns = messages[1:] -%}
{%- else -%}
{%- set turns = messages -%}
{%- endif -%}
{{- head -}}
{%- if has_system -%}{{- ns.system -}}{%- endif -%}
{{- after_system -}}
{%- for message in turns -%}
{%- if message['role'] == 'user' -%}
{{- user -}}
{%- if ns.given -%}{{- ns.system + '\\n\\n' -}}{%- set ns.given = false -%}{%- endif -%}
{{- message['content'] + after_user -}}
{%- elif message['role'] == 'system' -%}
{{- raise_exception('a system message stands first') -}}
{%- elif loop.last -%}
{%- if '</think>' in message['content'] and '<think>' not in message['content'] -%}{{- assistant -}}
{%- else -%}{{- reply -}}{%- endif -%}
{{- message['content'] + end + after_end -}}
{%- else -%}
{{- reply + message['content'].split('</think>')[-1].lstrip() + end + after_end -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- assistant -}}{%- endif -%}
"""
"""The part of the chat template after the definitions of its texts. Thoughts of earlier turns are left out, as by other
reasoning models. A system message replaces the template's own, or comes before the user's text if the layout has no
place for it."""


def chat_template(template: Template) -> str:
    """Return the template as a chat template in Jinja. A message of the user must be the whole instruction: the
    statement, and the text of `template.math` or `template.code`."""
    # why: messages alone don't tell a math problem from a code problem, so that the template can't add the instruction
    before, _, after = template.layout.partition("{user}")
    head, has_system, between = before.partition("{system}") if "{system}" in before else ("", "", before)
    after_system, user = _cut(between, re.compile(rf".*{re.escape(template.end)}\n*", re.DOTALL))
    after_user, assistant = _cut(after, re.compile(rf".*?{re.escape(template.end)}\n*", re.DOTALL))
    texts = {
        "head": head,
        "after_system": after_system,
        "user": user,
        "after_user": after_user,
        "assistant": assistant,
        "reply": re.sub(r"<think>\s*$", "", assistant),
        "end": template.end,
        "after_end": after_user.removeprefix(template.end),
    }
    lines = [f"{{%- set {name} = {_literal(text)} -%}}" for name, text in texts.items()]
    lines.append(f"{{%- set has_system = {str(bool(has_system)).lower()} -%}}")
    lines.append(f"{{%- set ns = namespace(system={_literal(template.system)}, given=false) -%}}")
    return "\n".join([*lines, _MESSAGES])


def _cut(text: str, closing: re.Pattern[str]) -> tuple[str, str]:
    """Split a text between two turns into the end of one, empty without an end token, and the start of the next."""
    found = closing.match(text)
    return (found[0], text[found.end() :]) if found else ("", text)


def _literal(text: str) -> str:
    """Return a text as a string literal of Jinja."""
    # why: unescaped: Jinja would read an escaped pair of surrogates as two characters
    return json.dumps(text, ensure_ascii=False)
