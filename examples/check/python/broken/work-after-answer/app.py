"""Takes an order and writes its receipt in the background."""
import json
import threading
import time


def write_receipt(order, customer):
    time.sleep(0.15)  # what rendering takes
    with open(f"/tmp/receipt-{order}.json", "w") as f:
        json.dump({"order": order, "customer": customer}, f)


def handler(event, context):
    # Wrong: nothing waits for the thread, so it runs on while the worker has its next request.
    threading.Thread(target=write_receipt, args=(event["order"], event["customer"])).start()
    return {"order": event["order"], "accepted": True}
