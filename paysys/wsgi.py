import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paysys.settings")
application = get_wsgi_application()

from apps.core import checks  # noqa: E402 - needs the settings

checks.refuse_to_start()
