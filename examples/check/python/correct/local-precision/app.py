"""Splits an amount into shares, as exactly as the caller wants."""
import decimal


def handler(event, context):
    # Right: a context for these lines only.
    with decimal.localcontext() as exact:
        exact.prec = event.get("digits", 28)
        amount = decimal.Decimal(event["amount"])
        share = amount / event["people"]
        rest = amount - share * event["people"]
    return {"invoice": event["invoice"], "share": str(share), "rest": str(rest)}
