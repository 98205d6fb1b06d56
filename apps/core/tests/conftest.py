import json

import pytest
from django.test import Client

from apps.core.tests import urls


@pytest.fixture
def seen():
    """What reached a view of urls.py."""
    urls.SEEN.clear()
    return urls.SEEN


@pytest.fixture
def client():
    """A caller who sees answers, also those to bugs."""
    return Client(raise_request_exception=False)


@pytest.fixture
def post(client, seen):
    def send(body, path="/v1/orders", **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(path, raw, content_type="application/json", headers=headers)

    return send
