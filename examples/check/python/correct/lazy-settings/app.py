"""Calculates the postage by a table that it loads when it is first needed."""
import functools
import json
import pathlib

settings = None


def load():
    global settings
    # Right: whoever comes first loads it, with the same result for all; it is never changed afterwards.
    if settings is None:
        settings = json.loads(pathlib.Path(__file__).with_name("postage.json").read_text())
    return settings


@functools.lru_cache(maxsize=64)
def rate(country, kilos):
    zone = load()["zones"].get(country, "world")
    return load()["rates"][zone] * kilos + load()["base"]


def handler(event, context):
    kilos = -(-event["grams"] // 1000)
    return {"parcel": event["parcel"], "cents": rate(event["country"], kilos), "currency": load()["currency"]}
