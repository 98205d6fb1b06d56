from django.apps import AppConfig


class PaysysConfig(AppConfig):
    name = "paysys"
    label = "paysys"
