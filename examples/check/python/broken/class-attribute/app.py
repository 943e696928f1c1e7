"""Adds up a shopping cart with its discounts."""


class Cart:
    # Wrong: one list for all carts, since it belongs to the class and not to the instance.
    items = []
    currency = "EUR"

    def __init__(self, customer):
        self.customer = customer

    def add(self, name, price, count):
        self.items.append((name, price * count))

    def total(self):
        whole = sum(price for _, price in self.items)
        return whole * 0.9 if whole > 50000 else whole


def handler(event, context):
    cart = Cart(event["customer"])
    for line in event["lines"]:
        cart.add(line["name"], line["price"], line.get("count", 1))
    return {"customer": cart.customer, "items": len(cart.items), "total": cart.total(), "currency": cart.currency}
