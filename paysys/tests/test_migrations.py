"""The tables are what the migrations make, and the models say the same."""

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_no_model_says_something_that_no_migration_does(capsys):
    try:
        call_command("makemigrations", check_changes=True, dry_run=True, interactive=False)
    except SystemExit:
        pytest.fail(capsys.readouterr().out)
