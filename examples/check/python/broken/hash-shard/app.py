"""Says which of a thousand shards holds a customer's data."""

SHARDS = 1000


def shard(customer):
    # Wrong: hash() of a text differs from process start to process start, so environments disagree.
    return hash(customer) % SHARDS


def handler(event, context):
    number = shard(event["customer"])
    return {"customer": event["customer"], "table": f"customers_{number:03}"}
