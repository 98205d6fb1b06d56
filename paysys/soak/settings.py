"""What a soak's processes run with when something is changed in them: a planted bug, short leases.

No other process ever does: the module refuses a live deployment, and nothing else names it.
"""

from django.core.exceptions import ImproperlyConfigured

from paysys.settings import *  # noqa: F403
from paysys.settings import INSTALLED_APPS, PAYSYS_MODE, env

if PAYSYS_MODE != "test":
    raise ImproperlyConfigured("the settings of a soak are for test mode alone")

PAYSYS_SOAK_MUTANT = env.str("PAYSYS_SOAK_MUTANT", "")
PAYSYS_SOAK_LEASE_SECONDS = env.float("PAYSYS_SOAK_LEASE_SECONDS", 0.0)
INSTALLED_APPS = [*INSTALLED_APPS, "paysys.soak.apps.SoakConfig"]
