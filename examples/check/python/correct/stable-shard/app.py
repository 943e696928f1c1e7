"""Says which of a thousand shards holds a customer's data."""
import zlib

SHARDS = 1000


def shard(customer):
    # Right: a checksum is the same in every process and for ever.
    return zlib.crc32(customer.encode()) % SHARDS


def handler(event, context):
    number = shard(event["customer"])
    return {"customer": event["customer"], "table": f"customers_{number:03}"}
