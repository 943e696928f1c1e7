"""Converts amounts with a day's exchange rates, which it keeps in a file."""
import json
import os
import tempfile

PATH = "/tmp/rates.json"


def download():
    return {f"X{i:03}": 1 + i / 100 for i in range(400)} | {"EUR": 1.0, "USD": 1.08, "JPY": 162.5, "CHF": 0.94}


def rates():
    try:
        with open(PATH) as f:
            return json.load(f)
    except FileNotFoundError:
        pass
    # Right: written under another name and moved into place whole; whoever is second puts the same there.
    with tempfile.NamedTemporaryFile("w", dir="/tmp", delete=False) as f:
        json.dump(download(), f)
    os.replace(f.name, PATH)
    return rates()


def handler(event, context):
    rate = rates()[event["currency"]]
    return {"order": event["order"], "amount": round(event["euros"] * rate, 2), "currency": event["currency"]}
