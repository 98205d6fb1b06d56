"""The rows that tests leave behind."""

from django.db.backends.base.base import BaseDatabaseWrapper

# Rows that `migrate` wrote: emptying a test's tables keeps them.
KEPT = ("django_migrations", "django_content_type", "auth_permission")

# Most tables are empty, and to see that is all there is to do. In a function, since a session plans
# each of its statements once, and not for every test. As a replica it wakes no trigger.
_FUNCTION = """
CREATE SCHEMA IF NOT EXISTS testing;
CREATE OR REPLACE FUNCTION testing.empty_tables() RETURNS void LANGUAGE plpgsql
SET session_replication_role = replica AS $$
BEGIN
{steps}
END $$"""
_STEP = "    IF EXISTS (SELECT FROM {table}) THEN DELETE FROM {table}; END IF;"

_TABLES = """
SELECT sum(oid::bigint) FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"""

_known: dict[str, int] = {}  # for which tables the function of a database was made


def empty(connection: BaseDatabaseWrapper) -> None:
    """Delete every row a test may have written, append-only tables included."""
    database = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        (tables,) = cursor.fetchone()
        if _known.get(database) != tables:  # some tests make tables of their own
            _prepare(connection)
            _known[database] = tables
        cursor.execute("SELECT testing.empty_tables()")


def _prepare(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        tables = [connection.ops.quote_name(name) for name in names if name not in KEPT]
        steps = "\n".join(_STEP.format(table=table) for table in tables)
        cursor.execute(_FUNCTION.format(steps=steps))
