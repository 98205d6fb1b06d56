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

# `SET version = core_same(version, 3, '…') + 1` refuses, where `WHERE version = 3` would find no
# row and say nothing; and it costs half of an UPDATE whose rows are counted by a second query.
SAME = """
CREATE FUNCTION core_same(actual bigint, expected bigint, what text) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF actual IS DISTINCT FROM expected THEN
        RAISE EXCEPTION USING errcode = 'PS001', message = what;
    END IF;
    RETURN actual;
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
        migrations.RunSQL(SAME, "DROP FUNCTION core_same(bigint, bigint, text)"),
        migrations.RunSQL(REFUSE_CHANGE, "DROP FUNCTION core_refuse_change()"),
    ]
