"""Says when a parcel leaves, in the time of the customer's place."""
import os
import time

OFFSETS = {"tokyo": "JST-9", "new-york": "EST5", "karachi": "PKT-5", "auckland": "NZST-12"}


def handler(event, context):
    # Wrong: TZ holds for the whole process, and a request without a place gets the last one's.
    if event.get("place"):
        os.environ["TZ"] = OFFSETS[event["place"]]
        time.tzset()
    leaves = time.localtime(event["leaves"])
    return {"parcel": event["parcel"], "leaves": time.strftime("%Y-%m-%d %H:%M", leaves)}
