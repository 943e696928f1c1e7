"""Gives an order its number."""
import itertools

YEAR = 2026
# Wrong: every worker counts for itself, so orders of two workers get the same number.
last = 4000


def next_number():
    global last
    last += 1
    return f"{YEAR}-{last:06}"


def handler(event, context):
    lines = list(itertools.chain.from_iterable([item] * count for item, count in event["items"].items()))
    return {"customer": event["customer"], "number": next_number(), "lines": len(lines)}
