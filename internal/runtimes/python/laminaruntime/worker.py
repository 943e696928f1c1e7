"""Runs the function's init, polls for events and runs them, one after the other."""

import os

from .api import Disconnected
from .errors import encode_error, error_body
from .function import LambdaContext, decode_event, encode_result, load_handler
from .logs import log_error, warn_of_init
from .output import Current

class NoSlot:
    """For the one worker that nobody watches."""

    def nothing(self, *_):
        pass

    imported = failed = begin = end = await_others = finish_raw = nothing


class Worker:
    def __init__(self, client, output, slot):
        self.client, self.output, self.slot = client, output, slot

    def run(self):
        check = os.environ.pop("LAMINA_CHECK", "")
        try:
            handler = load_handler(os.environ.get("_HANDLER", ""))
            if check:
                from .check import watched

                handler = watched(handler, check)
        except Exception as e:  # what else is raised ends the process, as on AWS
            self.init_failed(error_body(e, ""))
            return 1
        self.finish_output()
        try:
            self.client.connect()
            self.slot.imported()
            self.slot.await_others()
            self.client.send(self.client.poll)
            while True:
                self.one(handler)
        except (Disconnected, ConnectionError):
            return 1  # the environment is being torn down, or will get a new worker

    def one(self, handler):
        """Awaits one event and answers it; the answer and the next poll go out together."""
        client = self.client
        status, headers, body = client.read()
        if status != 200:
            raise Disconnected(f"poll answered {status}")
        request_id = headers["lambda-runtime-aws-request-id"]
        self.slot.begin(request_id)
        Current.request_id, Current.tenant_id = request_id, headers.get("lambda-runtime-aws-tenant-id") or None
        self.set_trace(headers.get("lambda-runtime-trace-id"))
        answer = self.answer(handler, request_id, headers, body)
        self.finish_output()
        client.send(answer + client.poll)
        status, text = client.read_status()
        self.slot.end()
        if status >= 300:
            log_error(self.output, {
                "errorType": "Runtime.AnswerRefused", "requestId": request_id,
                "errorMessage": f"the Runtime API answered {status}: {text.decode('utf-8', 'replace').strip()}",
            })
        if not client.sock:
            # The answer was refused with its body half read: the poll sent along is lost.
            client.send(client.poll)

    @staticmethod
    def set_trace(trace_id):
        if trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = trace_id
        elif "_X_AMZN_TRACE_ID" in os.environ:
            del os.environ["_X_AMZN_TRACE_ID"]

    def answer(self, handler, request_id, headers, body):
        post = self.client.post
        invocation_id = headers.get("lambda-runtime-invocation-id")
        echo = invocation_id and {"Lambda-Runtime-Invocation-Id": invocation_id}
        path = f"invocation/{request_id}/"
        try:
            context = LambdaContext(headers)
            event = decode_event(headers.get("content-type", "application/json"), body)
            result, kind = encode_result(handler(event, context))
            return post(path + "response", result, kind, echo)
        except Exception as e:
            error = error_body(e, request_id)
            log_error(self.output, error)
            # The error's own type stays in the body: AWS's Python client sends no type header.
            return post(path + "error", encode_error(error), "application/json", echo)

    def init_failed(self, error):
        warn_of_init()
        log_error(self.output, error)
        self.finish_output()
        self.slot.failed(f"{error['errorType']}: {error['errorMessage']}")
        headers = {"Lambda-Runtime-Function-Error-Type": error["errorType"]}
        try:
            self.client.send(self.client.post("init/error", encode_error(error), "application/json", headers))
            self.client.read()  # 403 when another worker was first: no matter
        except (Disconnected, OSError):
            pass

    def finish_output(self):
        self.output.finish()
        self.slot.finish_raw()
