"""Greets whoever calls."""

import os


def handler(event, context):
    print(f"greeting {event.get('name', 'nobody')}")
    return {"hello": event.get("name", "world"), "version": context.function_version, "process": os.getpid()}
