"""Says when a parcel leaves, in the time of the customer's place."""
from datetime import datetime, timedelta, timezone

# Right: zones are values that are given along, not a setting of the process.
ZONES = {
    "tokyo": timezone(timedelta(hours=9), "JST"),
    "new-york": timezone(timedelta(hours=-5), "EST"),
    "karachi": timezone(timedelta(hours=5), "PKT"),
}


def handler(event, context):
    zone = ZONES.get(event.get("place"), timezone.utc)
    leaves = datetime.fromtimestamp(event["leaves"], zone)
    return {"parcel": event["parcel"], "leaves": leaves.strftime("%Y-%m-%d %H:%M %Z")}
