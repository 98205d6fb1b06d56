"""Processes by name, and what the environment decides for them."""

import json
import os
import subprocess
import sys

import pytest

from paysys import serve
from paysys.embedded.folder import CHECKOUT

SHOW = """
import json
from paysys import settings
names = {names!r}
print(json.dumps({{name: getattr(settings, name, None) for name in names}}, default=str))
"""


def settings_with(*names, **environment):
    """The settings as a fresh process with this environment alone reads them."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW.format(names=names)],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


class TestCommands:
    @pytest.mark.parametrize("role", ["web", "worker", "beat"])
    def test_run_with_the_interpreter_that_has_the_packages(self, role):
        assert serve.command(role)[0] == sys.executable

    def test_any_other_word_is_a_command_of_manage(self):
        assert serve.command("check_books")[1:] == ["manage.py", "check_books"]

    def test_tables_are_the_owners_business(self):
        given = {"DATABASE_URL": "app", "DATABASE_OWNER_URL": "owner"}
        assert serve.environment("migrate", given)["DATABASE_URL"] == "owner"
        assert serve.environment("web", given)["DATABASE_URL"] == "app"

    def test_a_stopped_worker_hands_its_tasks_back(self):
        assert serve.environment("worker", {})["REMAP_SIGTERM"] == "SIGQUIT"


class TestSettings:
    def test_read_the_environment(self):
        read = settings_with(
            "DATABASES",
            "REDIS_URL",
            "ALLOWED_HOSTS",
            DATABASE_URL="postgresql://paysys_app:pw@db:6432/books",
            REDIS_URL="redis://bell/1",
            ALLOWED_HOSTS="a.example,b.example",
        )
        database = read["DATABASES"]["default"]
        assert (database["USER"], database["HOST"], database["PORT"]) == ("paysys_app", "db", 6432)
        assert database["NAME"] == "books"
        assert read["REDIS_URL"] == "redis://bell/1"
        assert read["ALLOWED_HOSTS"] == ["a.example", "b.example"]

    def test_a_socket_folder_survives_our_own_options(self):
        url = "postgresql://paysys_app@/paysys?host=/some/sockets"
        database = settings_with("DATABASES", DATABASE_URL=url)["DATABASES"]["default"]
        assert database["OPTIONS"]["host"] == "/some/sockets"

    def test_live_is_behind_tls_and_has_no_simulator(self):
        read = settings_with(
            "SESSION_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "INSTALLED_APPS", PAYSYS_MODE="live"
        )
        assert read["SESSION_COOKIE_SECURE"] is read["SECURE_SSL_REDIRECT"] is True
        assert "apps.simulator" not in read["INSTALLED_APPS"]

    def test_debug_cannot_be_switched_on_from_outside(self):
        assert settings_with("DEBUG", DEBUG="1", DJANGO_DEBUG="1") == {"DEBUG": False}
