"""The walls hold: one violation of each contract, planted into a copy of the tree, is seen.

All are planted at once, since reading the tree is what takes time; each must be reported under its
own contract.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paysys.embedded.folder import CHECKOUT

LINT = Path(sys.executable).with_name("lint-imports")

# contract -> (file, the import that must not stand in it; none: the file itself is the violation)
PLANTED = {
    "1 Apps point downward only": [
        ("apps/ledger/planted_up.py", "import apps.payments.services"),
        ("apps/wallets/planted_beside.py", "import apps.risk.services"),
        ("apps/core/planted.py", "import apps.ledger.services"),
        ("apps/unplaced/__init__.py", ""),
    ],
    "1b No app knows the project": [
        ("apps/ledger/planted_project.py", "import paysys.celery"),
    ],
    "2 Inside an app": [
        ("apps/ledger/models/planted.py", "import apps.ledger.services"),
        ("apps/ledger/unplaced.py", ""),
    ],
    "2b A provider is types in": [
        ("apps/gateways/providers/planted.py", "import django.db"),
        ("apps/gateways/providers/planted2.py", "import apps.gateways.models"),
    ],
    "3 Other apps see": [
        ("apps/payments/planted_face.py", "import apps.ledger.models"),
    ],
    "4 Only sagas move money": [
        ("apps/payments/services_planted.py", "import apps.gateways.services"),
    ],
    "5a Nobody imports the simulator": [
        ("apps/console/planted.py", "import apps.simulator.server"),
    ],
    "5b The simulator knows nobody": [
        ("apps/simulator/planted.py", "import apps.ledger.services"),
    ],
    "6 Production code does not import tests": [
        ("apps/payments/planted_tests.py", "import apps.ledger.tests"),
    ],
}


def lint(tree: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [LINT, "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def sections(report: str) -> dict[str, str]:
    """The report's part on each broken contract, by the contract's name."""
    found, name, broken = {}, None, report.partition("Broken contracts")[2].splitlines()
    for line, following in zip(broken, [*broken[1:], ""], strict=True):
        if following and set(following) == {"-"}:
            name = line
            found[name] = ""
        elif name:
            found[name] += f"{line}\n"
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    skip = shutil.ignore_patterns("__pycache__", "*.html", "*.sqlite3")
    for top in ("apps", "paysys"):
        shutil.copytree(CHECKOUT / top, copy / top, ignore=skip)
    shutil.copy(CHECKOUT / ".importlinter", copy)
    return copy


@pytest.fixture(scope="module")
def clean_report(tree) -> subprocess.CompletedProcess:
    return lint(tree)


@pytest.fixture(scope="module")
def planted_report(tree, clean_report) -> dict[str, str]:
    for places in PLANTED.values():
        for file, text in places:
            path = tree / file
            if not path.parent.exists() and (module := path.parent.with_suffix(".py")).exists():
                path.parent.mkdir()
                module.rename(path.parent / "__init__.py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{text}\n")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    return sections(done.stdout)


class TestWalls:
    def test_hold_as_things_are(self, clean_report):
        assert clean_report.returncode == 0, clean_report.stdout + clean_report.stderr

    @pytest.mark.parametrize("contract", PLANTED)
    def test_violation_is_seen(self, contract, planted_report):
        found = [text for name, text in planted_report.items() if name.startswith(contract)]
        assert len(found) == 1, f"{contract}: kept, though it was violated"
        for file, _ in PLANTED[contract]:
            module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            assert module in found[0], f"{contract}: {file} was not seen"

    def test_every_contract_is_tried(self):
        names = [
            line.removeprefix("name = ")
            for line in (CHECKOUT / ".importlinter").read_text().splitlines()
            if line.startswith("name = ")
        ]
        tried = [name for name in names if any(name.startswith(part) for part in PLANTED)]
        assert tried == names
