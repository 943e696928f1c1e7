"""Checks a coupon and logs with the customer's name in front."""
import logging

COUPONS = {"SPRING10": 10, "VIP25": 25, "WELCOME5": 5}
log = logging.getLogger("coupons")


class Prefix(logging.Filter):
    def __init__(self, customer):
        super().__init__()
        self.customer = customer

    def filter(self, record):
        record.msg = f"{self.customer}: {record.msg}"
        return True


def handler(event, context):
    # Wrong: filters stay on the logger, so each line carries the names of all customers before.
    log.addFilter(Prefix(event["customer"]))
    percent = COUPONS.get(event["coupon"], 0)
    log.warning("coupon %s gives %d percent", event["coupon"], percent)
    return {"customer": event["customer"], "percent": percent}
