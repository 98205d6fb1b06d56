"""Every public route, on one screen."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from paysys import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
]
