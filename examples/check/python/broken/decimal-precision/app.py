"""Splits an amount into shares, as exactly as the caller wants."""
import decimal


def handler(event, context):
    # Wrong: this is the thread's context, which the next request finds as it is left here.
    if "digits" in event:
        decimal.getcontext().prec = event["digits"]
    amount = decimal.Decimal(event["amount"])
    share = amount / event["people"]
    rest = amount - share * event["people"]
    return {"invoice": event["invoice"], "share": str(share), "rest": str(rest)}
