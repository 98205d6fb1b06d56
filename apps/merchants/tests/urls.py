"""A view of the tests' own, behind the door."""

from django.http import HttpResponse
from django.urls import path
from rest_framework.response import Response

from apps.core import ids
from apps.core.api import ApiView


class Bell(ApiView):
    scopes = {"GET": "payments:read", "POST": "payments:write"}

    def get(self, request):
        caller = request.auth
        return Response({"book": ids.encode("merchant", caller.book_id), "actor": caller.actor})

    def post(self, request):
        return Response({}, status=201)


class Forgotten(ApiView):
    """A view whose author forgot to name a scope."""

    def get(self, request):
        return Response({})


class Everybody(ApiView):
    permission_classes = []

    def get(self, request):
        return HttpResponse("hello")


urlpatterns = [
    path("v1/bell", Bell.as_view()),
    path("v1/forgotten", Forgotten.as_view()),
    path("v1/everybody", Everybody.as_view()),
]
