"""Resizes pictures by the numbers, and counts for the environment's own metrics."""
import threading
import time

lock = threading.Lock()
handled = 0
busy_seconds = 0.0


def count(seconds):
    global handled, busy_seconds
    # Right: counts of this worker, under a lock, for its log only; no answer depends on them.
    with lock:
        handled += 1
        busy_seconds += seconds


def handler(event, context):
    start = time.perf_counter()
    width, height = event["width"], event["height"]
    scale = min(event["max"] / width, event["max"] / height, 1)
    answer = {"picture": event["picture"], "width": int(width * scale), "height": int(height * scale)}
    count(time.perf_counter() - start)
    return answer
