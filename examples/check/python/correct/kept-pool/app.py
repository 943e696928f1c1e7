"""Weighs the parts of a shipment in parallel."""
from concurrent.futures import ThreadPoolExecutor

DENSITY = {"steel": 7.85, "oak": 0.72, "glass": 2.5, "cork": 0.24}
# Right: one pool for the worker's life, and each request waits for all of its own work.
pool = ThreadPoolExecutor(max_workers=4)


def weigh(part):
    return round(part["litres"] * DENSITY[part["material"]], 3)


def handler(event, context):
    return {"shipment": event["shipment"], "kilos": round(sum(pool.map(weigh, event["parts"])), 3)}
