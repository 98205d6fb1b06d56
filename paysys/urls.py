"""Every public route, on one screen."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from apps.core import schema
from paysys import health

# What Django answers itself has the API's error body too.
handler400 = "apps.core.answers.bad_request"
handler403 = "apps.core.answers.permission_denied"
handler404 = "apps.core.answers.not_found"
handler500 = "apps.core.answers.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("schema", schema.schema, name="schema"),
    path("docs", schema.docs, name="docs"),
    path("admin/", admin.site.urls),
]
