"""Makes an invoice as CSV and answers with its lines and their sum."""
import csv
import os

# Wrong: all workers of an environment share /tmp, so two invoices write the same file.
PATH = "/tmp/invoice.csv"


def handler(event, context):
    with open(PATH, "w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["customer", "item", "price"])
        for item, price in event["items"].items():
            rows.writerow([event["customer"], item, price])
    with open(PATH, newline="") as f:
        rows = list(csv.DictReader(f))
    size = os.path.getsize(PATH)
    return {
        "customer": event["customer"],
        "lines": [f"{r['customer']}: {r['item']}" for r in rows],
        "sum": sum(int(r["price"]) for r in rows),
        "bytes": size,
    }
