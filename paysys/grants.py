"""What the application's role may do: everything it needs, and nothing to what is written once.

The owner's role migrates and can do anything; the application never connects as it. A table is
append-only because of its triggers (`core.db.append_only_sql`), and the grants follow from them, so
that there is one list to forget nothing from. A table whose comment says "written by functions
only" is not even appended to: functions that run with the owner's rights do it (postings do).
"""

from django.db.backends.base.base import BaseDatabaseWrapper

APP = "paysys_app"

APPEND_ONLY = """
SELECT DISTINCT c.oid::regclass::text
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.proname = 'core_refuse_change' AND c.relnamespace = 'public'::regnamespace
ORDER BY 1
"""

BY_FUNCTIONS = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace
  AND obj_description(c.oid, 'pg_class') LIKE 'written by functions only%%'
ORDER BY 1
"""


def role_exists(connection: BaseDatabaseWrapper, role: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        return cursor.fetchone() is not None


def is_owner(connection: BaseDatabaseWrapper) -> bool:
    """Whether this connection's role owns the tables, or may do what their owner may."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        return bool(cursor.fetchone()[0])


def grant(connection: BaseDatabaseWrapper, role: str) -> list[str]:
    """Give the application's role its rights, taking away what it had; says what is append-only.

    Transaction: one of its own. Retries: running it again changes nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(APPEND_ONLY)
        append_only = [name for (name,) in cursor.fetchall()]
        cursor.execute(BY_FUNCTIONS, [])
        by_functions = [name for (name,) in cursor.fetchall()]
        to = connection.ops.quote_name(role)
        statements = [
            f"GRANT USAGE ON SCHEMA public TO {to}",
            f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {to}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {to}",
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {to}",
            f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {to}",
            *(f"REVOKE UPDATE, DELETE ON {name} FROM {to}" for name in append_only),
            *(f"REVOKE INSERT, UPDATE, DELETE ON {name} FROM {to}" for name in by_functions),
        ]
        # One message, hence one transaction: nobody ever meets a table without its grants.
        cursor.execute(";\n".join(statements))
    return append_only
