"""The rows that tests leave behind."""

from django.db.backends.base.base import BaseDatabaseWrapper

# Rows that `migrate` wrote: emptying a test's tables keeps them.
KEPT = ("django_migrations", "django_content_type", "auth_permission")


def empty(connection: BaseDatabaseWrapper) -> None:
    """Delete every row a test may have written, append-only tables included."""
    tables = [
        connection.ops.quote_name(name)
        for name in connection.introspection.table_names()
        if name not in KEPT
    ]
    if not tables:
        return
    filled = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(filled)
        found = [name for (name,) in cursor.fetchall()]
        if found:
            deletes = "".join(f"DELETE FROM {name};" for name in found)
            cursor.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {deletes} COMMIT")
