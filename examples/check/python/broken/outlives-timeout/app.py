"""Waits for a print job to end and answers with its pages."""
import time

SECONDS_PER_PAGE = 0.02


def handler(event, context):
    pages, printed = event["pages"], 0
    # Wrong: never looks at the time that is left; a long job holds its slot far beyond the timeout.
    while printed < pages:
        time.sleep(SECONDS_PER_PAGE)
        printed += 1
    return {"job": event["job"], "pages": printed}
