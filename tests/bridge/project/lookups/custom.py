"""Lookups of a config."""

from runway.lookups.handlers.base import LookupHandler


class Echo(LookupHandler):
    TYPE_NAME = "echo"

    @classmethod
    def handle(cls, value, context=None, provider=None, **kwargs):
        query, args = cls.parse(value)
        if query == "bad":
            raise ValueError("there is nothing called bad")
        return {"query": query, "args": args, "namespace": context.namespace, "region": provider.region}


def old_style(value, **kwargs):
    return value
