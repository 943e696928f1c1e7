"""Counts visits for the environment's own statistics, in a file that all its workers share."""
import fcntl
import json

PATH = "/tmp/visits.json"


def count(page):
    # Right: read, changed and written under a lock that all workers take.
    with open(PATH + ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with open(PATH) as f:
                visits = json.load(f)
        except FileNotFoundError:
            visits = {}
        visits[page] = visits.get(page, 0) + 1
        with open(PATH, "w") as f:
            json.dump(visits, f)
        fcntl.flock(lock, fcntl.LOCK_UN)


def handler(event, context):
    count(event["page"])
    return {"page": event["page"], "title": event["page"].replace("-", " ").title()}
