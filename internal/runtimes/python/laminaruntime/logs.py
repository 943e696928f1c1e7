"""The logging module's lines, as AWS formats them."""

import logging
import os
import time
import traceback

from .output import JSON_LOGS, Current, encode_line, timestamp

LEVELS = {"TRACE": "DEBUG", "FATAL": "CRITICAL"}
# AWS's words, which alarms and dashboards look for.
INIT_WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. "
    "However, in rare cases, a Lambda runtime update can cause unexpected function behavior. "
    "For functions using managed runtimes, runtime updates can be triggered by a function change, or can be applied automatically. "
    "To determine if the runtime has been updated, check the runtime version in the INIT_START log entry. "
    "If this error correlates with a change in the runtime version, you may be able to mitigate this error "
    "by temporarily rolling back to the previous runtime version. "
    "For more information, see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)
RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    "message", "asctime", "taskName", "aws_request_id", "tenant_id",
}


class JSONFormatter(logging.Formatter):
    def format(self, record):
        # A level of the function's own counts as the next lower of the known ones.
        level = logging.getLevelName(min(50, max(0, record.levelno)) // 10 * 10)
        line = {
            "timestamp": timestamp(record.created),
            "level": level,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            kind, value, tb = record.exc_info
            line["stackTrace"] = traceback.format_tb(tb)
            line["errorType"] = kind.__name__
            line["errorMessage"] = str(value)
        line["requestId"] = record.aws_request_id
        if record.exc_info and record.exc_info[0]:
            line["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        if record.tenant_id is not None:
            line["tenantId"] = record.tenant_id
        for key, value in vars(record).items():
            if key not in RECORD_ATTRIBUTES and key not in line and value is not None:
                line[key] = value
        return encode_line(line)


def one_event(text):
    """Bytes without a line's end, since each line of the output is an event: it is a byte
    that no UTF-8 has, of which the agent makes a line's end again."""
    return text.encode("utf-8", "backslashreplace").replace(b"\n", b"\xff")


class TextFormatter(logging.Formatter):
    def format(self, record):
        text = super().format(record)
        stamp = timestamp(record.created)[:-1]
        line = f"[{record.levelname}]\t{stamp}.{int(record.msecs):03d}Z\t{record.aws_request_id}\t{text}"
        return one_event(line.rstrip("\n"))


class LogHandler(logging.Handler):
    def __init__(self, output):
        super().__init__()
        self.output = output
        self.setFormatter(JSONFormatter() if JSON_LOGS else TextFormatter())
        self.addFilter(self.add_invocation)

    @staticmethod
    def add_invocation(record):
        record.aws_request_id, record.tenant_id = Current.request_id, Current.tenant_id
        return True

    def emit(self, record):
        try:
            self.output.put(self.format(record))
        except Exception:
            self.handleError(record)


def set_up(output):
    logging.Formatter.converter = time.gmtime
    root = logging.getLogger()
    root.addHandler(LogHandler(output))
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = LEVELS.get(level, level)
    if JSON_LOGS and level in logging.getLevelNamesMapping():
        root.setLevel(level)


def warn_of_init():
    """Logs what AWS logs before the error of a failed init; the function's own level and handlers hold for it."""
    logging.warning(INIT_WARNING)


def log_error(output, error):
    """Logs an unhandled error as one line."""
    if JSON_LOGS:
        output.put(encode_line({"timestamp": timestamp(time.time()), "log_level": "ERROR", **error}))
        return
    lines = [f"[ERROR] {error['errorType']}: {error['errorMessage']}"]
    if error.get("stackTrace") is not None:
        lines.append("Traceback (most recent call last):")
        for frame in error["stackTrace"]:
            lines += [no_break(line) for line in frame.splitlines()]
    output.put(one_event("\n".join(lines)))


def no_break(line):
    """AWS keeps the indentation by spaces that do not break."""
    bare = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(bare)) + bare
