"""Books a seat and logs it in the company's own format."""
import json
import sys
import time

SEATS = {"A": 12, "B": 30, "C": 48}


def log(level, message, **fields):
    # Wrong: no request id, so lines of sixteen workers can't be told apart.
    line = {"time": round(time.time(), 3), "level": level, "message": message, **fields}
    sys.stdout.write(json.dumps(line) + "\n")


def handler(event, context):
    log("info", "booking", row=event["row"], seat=event["seat"])
    free = event["seat"] <= SEATS[event["row"]]
    if not free:
        log("warning", "no such seat", row=event["row"], seat=event["seat"])
    return {"guest": event["guest"], "booked": free}
