"""Looks articles up in a catalogue, each only once."""
import json
import pathlib

CATALOGUE = pathlib.Path(__file__).with_name("catalogue.json")
articles = {}


def article(number):
    # Right: what is kept depends on the number alone and is the same for every caller.
    if number not in articles:
        articles[number] = json.loads(CATALOGUE.read_text())[number]
    return articles[number]


def handler(event, context):
    found = article(event["article"])
    return {"customer": event["customer"], "article": event["article"], "cents": found["cents"] * event["count"], "name": found["name"]}
