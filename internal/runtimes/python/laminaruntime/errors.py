"""What went wrong, as the Runtime API is told."""

import json
import os
import traceback

OWN_FILES = (os.path.dirname(__file__), "<frozen importlib", os.path.dirname(os.__file__) + "/importlib/")


class Fault(Exception):
    """An error that is the platform's to name."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind, self.message, self.trace = kind, message, trace


def error_body(exc, request_id):
    if isinstance(exc, Fault):
        kind, message, trace = exc.kind, exc.message, exc.trace or []
    else:
        kind, message = type(exc).__name__, str(exc)
        frames = traceback.extract_tb(exc.__traceback__)
        while frames and frames[0].filename.startswith(OWN_FILES):
            del frames[0]
        trace = traceback.format_list(frames)
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def encode_error(error):
    return json.dumps(error, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")
