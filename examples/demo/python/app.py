"""Says where and when it ran: the demo's handler."""

import os
import time


def handler(event, context):
    started = time.time()
    time.sleep(event.get("sleep", 0.3))
    return {
        "n": event.get("n"),
        "request": context.aws_request_id,
        "environment": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
        "process": os.getpid(),
        "started": started,
        "ended": time.time(),
    }
