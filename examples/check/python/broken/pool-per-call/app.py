"""Weighs the parts of a shipment in parallel."""
from concurrent.futures import ThreadPoolExecutor

DENSITY = {"steel": 7.85, "oak": 0.72, "glass": 2.5, "cork": 0.24}
pools = []


def weigh(part):
    return round(part["litres"] * DENSITY[part["material"]], 3)


def handler(event, context):
    # Wrong: a new pool for each request that is never shut down; its threads wait for ever.
    pool = ThreadPoolExecutor(max_workers=4)
    pools.append(pool)
    weights = [pool.submit(weigh, part) for part in event["parts"]]
    return {"shipment": event["shipment"], "kilos": round(sum(w.result() for w in weights), 3)}
