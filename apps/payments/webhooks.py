"""What providers post to us: verified, stored once, answered 200; a task does the rest."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.core import clock
from apps.core.api import json_error
from apps.core.errors import DomainError, InvalidRequest
from apps.gateways import inbox


@csrf_exempt
@require_POST
def receive(request: HttpRequest, provider: str) -> HttpResponse:
    """The signature is over the raw bytes, so nothing may read the body before this."""
    try:
        inbox.receive(
            provider=provider, raw_body=request.body, headers=request.headers, now=clock.now()
        )
    except UnreadablePostError:
        # A proxy may still be there to hear it; the provider sends the event again.
        return json_error(request, InvalidRequest("The body ended before its Content-Length."))
    except DomainError as error:
        return json_error(request, error)
    return HttpResponse(status=200)
