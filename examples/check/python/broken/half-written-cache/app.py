"""Converts amounts with a day's exchange rates, which it keeps in a file."""
import json
import os

PATH = "/tmp/rates.json"


def download():
    return {f"X{i:03}": 1 + i / 100 for i in range(400)} | {"EUR": 1.0, "USD": 1.08, "JPY": 162.5, "CHF": 0.94}


def rates():
    # Wrong: another worker sees the file as soon as it exists, while it is still being written.
    if not os.path.exists(PATH):
        with open(PATH, "w") as f:
            for chunk in json.JSONEncoder(indent=1).iterencode(download()):
                f.write(chunk)
    with open(PATH) as f:
        return json.load(f)


def handler(event, context):
    rate = rates()[event["currency"]]
    return {"order": event["order"], "amount": round(event["euros"] * rate, 2), "currency": event["currency"]}
