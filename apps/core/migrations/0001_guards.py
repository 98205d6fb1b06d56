"""Functions that guards of every app use: a refused expectation, a refused change."""

from django.db import migrations

REQUIRE = """
CREATE FUNCTION core_require(ok boolean, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF ok IS NOT TRUE THEN
        RAISE EXCEPTION USING errcode = 'PS001', message = what;
    END IF;
END $$
"""

REFUSE_CHANGE = """
CREATE FUNCTION core_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING errcode = 'PS002',
        message = format('%s is append-only: %s refused', tg_table_name, tg_op);
END $$
"""


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [
        migrations.RunSQL(REQUIRE, "DROP FUNCTION core_require(boolean, text)"),
        migrations.RunSQL(REFUSE_CHANGE, "DROP FUNCTION core_refuse_change()"),
    ]
