"""Limits of size: a file one can keep in mind, a function one can see at once."""

import ast
import re
from pathlib import Path

import pytest

from paysys.embedded.folder import CHECKOUT

FILE_LINES, FUNCTION_LINES, LINE_CHARACTERS = 400, 70, 100
# A trailing word to a tool is not read by people and does not count, for ruff neither.
TO_A_TOOL = re.compile(r"\s*# (noqa|type: ignore).*$")


def sources():
    found = [CHECKOUT / "manage.py"]
    for top in ("apps", "paysys"):
        found += sorted((CHECKOUT / top).rglob("*.py"))
    return found


def too_big(path: Path, text: str) -> list[str]:
    lines = text.splitlines()
    found = []
    if len(lines) > FILE_LINES:
        found.append(f"{path}: {len(lines)} lines")
    if "migrations" not in path.parts:  # partly written by Django
        found += [
            f"{path}:{number}: {len(line)} characters"
            for number, line in enumerate(lines, 1)
            if len(TO_A_TOOL.sub("", line)) > LINE_CHARACTERS
        ]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                found.append(f"{path}:{node.lineno}: {node.name} has {length} lines")
    return found


class TestSizes:
    def test_everything_is_within_the_limits(self):
        found = []
        for path in sources():
            found += too_big(path.relative_to(CHECKOUT), path.read_text())
        assert found == []

    @pytest.mark.parametrize(
        "text",
        [
            "x = 1\n" * 401,
            "def f():\n" + "    x = 1\n" * 70,
            f"x = '{'y' * 100}'\n",
        ],
    )
    def test_one_more_is_too_much(self, text):
        assert len(too_big(Path("some.py"), text)) == 1

    @pytest.mark.parametrize(
        "text",
        [
            f"x = '{'y' * 90}'  # noqa: E501\n",
            "x = 1\n" * 400,
            "def f():\n" + "    x = 1\n" * 69,
            f"x = '{'y' * 94}'\n",
        ],
    )
    def test_the_limit_itself_is_allowed(self, text):
        assert too_big(Path("some.py"), text) == []
