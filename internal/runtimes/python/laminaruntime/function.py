"""The function: its handler, its context, its results."""

import json
import marshal
import os
import sys
import time
from importlib import import_module

from .errors import Fault

# Python 3.11 and before escape what is not ASCII, as AWS's do.
ENSURE_ASCII = sys.version_info < (3, 12)


def load_handler(name):
    """Imports the function's module: its init."""
    try:
        module_name, function = name.rsplit(".", 1)
    except ValueError as e:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {e}") from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = import_module(module_name.replace("/", "."))
    except ImportError as e:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {e}") from None
    except SyntaxError as e:
        trace = [f'  File "{e.filename}" Line {e.lineno}\n    {e.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {e}", trace) from None
    try:
        return getattr(module, function)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'") from None


class Record:
    """Attributes, None where the caller gave none."""

    __slots__ = ()

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return shown(self, self.__slots__)


def shown(record, names):
    return f"{type(record).__name__}([{','.join(f'{n}={getattr(record, n)}' for n in names)}])"


class Client(Record):
    __slots__ = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(Record):
    __slots__ = ("custom", "env", "client")


class CognitoIdentity(Record):
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, identity_id=None, pool_id=None):
        self.cognito_identity_id, self.cognito_identity_pool_id = identity_id, pool_id


# What is the same in all contexts of an environment.
ENVIRONMENT = {name: os.environ.get(variable) for name, variable in (
    ("log_group_name", "AWS_LAMBDA_LOG_GROUP_NAME"),
    ("log_stream_name", "AWS_LAMBDA_LOG_STREAM_NAME"),
    ("function_name", "AWS_LAMBDA_FUNCTION_NAME"),
    ("memory_limit_in_mb", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    ("function_version", "AWS_LAMBDA_FUNCTION_VERSION"),
)}


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        get = headers.get
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.__dict__.update(ENVIRONMENT)
        self.invoked_function_arn = get("lambda-runtime-invoked-function-arn")
        text = get("lambda-runtime-client-context")
        self.client_context = client_context(text) if text else None
        text = get("lambda-runtime-cognito-identity")
        self.identity = identity(text) if text else CognitoIdentity()
        self.tenant_id = get("lambda-runtime-aws-tenant-id") or None
        self._deadline = int(get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, msg):
        sys.stdout.write(str(msg))

    def __repr__(self):
        return shown(self, [name for name in vars(self) if not name.startswith("_")])


def client_context(text):
    values = parse_context(text, "Client Context")
    if values is None:
        return None
    context = ClientContext(values)
    if context.client is not None:
        context.client = Client(context.client)
    return context


def identity(text):
    values = parse_context(text, "Cognito Identity") or {}
    return CognitoIdentity(values.get("cognitoIdentityId"), values.get("cognitoIdentityPoolId"))


def parse_context(text, what):
    try:
        # Headers are Latin-1 on the wire; the JSON inside is UTF-8.
        return json.loads(text.encode("latin-1"))
    except (ValueError, UnicodeError) as e:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse {what} JSON: {e}") from None


scan = json.JSONDecoder().scan_once


def decode_event(content_type, body):
    if content_type != "application/json":
        return body
    try:
        text = body.decode()
        event, end = scan(text, 0)
        if end == len(text):  # no white space around it: most events
            return event
    except (StopIteration, ValueError):
        pass  # as json.loads says it
    try:
        return json.loads(body)
    except ValueError as e:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {e}") from None


class Encoder:
    """Makes JSON of results; decimals come out digit by digit, which the json module can't do."""

    def __init__(self):
        self.mark, self.decimals = "", []
        self.set_up()

    def set_up(self):
        """Makes once what the json module makes for each value; where that is not as known, its way."""
        of_text = json.encoder.encode_basestring_ascii if ENSURE_ASCII else json.encoder.encode_basestring
        try:
            parts = json.encoder.c_make_encoder({}, self.default, of_text, None, ": ", ", ", False, False, True)
            self.encode = lambda value: "".join(parts(value, 0))
            self.encode([])
        except (TypeError, AttributeError):
            self.encode = json.JSONEncoder(ensure_ascii=ENSURE_ASCII, default=self.default).encode

    def default(self, value):
        if type(value).__name__ == "Decimal" and hasattr(value, "is_nan"):
            return self.decimal(value)
        if isinstance(value, bytes):
            return value.decode()
        fields = fields_of(value)
        if fields is None:
            raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
        return plain(fields)

    def decimal(self, value):
        if value.is_nan():
            return float("nan")
        if not self.decimals:
            self.mark = os.urandom(16).hex()  # in no text of the function's
            leaves.add(type(value))
        self.decimals.append(str(value))
        return self.mark

    def result(self, value):
        """The answer's body and content type."""
        if isinstance(value, bytes):
            return value, "application/unknown"
        try:
            try:
                text = self.encode(value)
                again = "[" in text and has_named(value)  # named tuples have come out as arrays
            except TypeError:  # a key of bytes, or in a named tuple what its _asdict() makes encodable
                again = True
                self.set_up()
            if again:
                self.decimals = []
                text = self.encode(plain(value))
            if self.decimals:
                parts = text.split(f'"{self.mark}"')
                text = "".join(p + d for p, d in zip(parts, [*self.decimals, ""]))
            return text.encode("utf-8"), "application/json"
        except Exception as e:
            self.set_up()  # the encoder remembers what it was in the middle of
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {e}") from None
        finally:
            if self.decimals:
                self.decimals = []


# What holds no other values, to pass over at once; grows by the class of decimals when one is met.
leaves = {str, int, float, bool, type(None)}


def has_named(value):
    """True when there are named tuples in what could be encoded."""
    try:
        marshal.dumps(value)  # takes a tenth of the encoder's time, and only what is of exactly the built-in types
        return False
    except ValueError:
        pass
    todo = [value]
    for value in todo:
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, (list, tuple)):
            continue
        elif isinstance(value, tuple) and callable(getattr(value, "_asdict", None)):
            return True
        todo += [v for v in value if type(v) not in leaves]
    return False


def fields_of(value):
    """What an object, such as a named tuple, gives as its fields; None where it gives none."""
    give = getattr(value, "_asdict", None)
    if not callable(give):
        return None
    fields = give()
    if not isinstance(fields, dict):
        raise TypeError(f"_asdict() must return a dict, not {type(fields).__name__}")
    return fields


def plain(value):
    """The value as AWS's encoder takes it: named tuples as dicts, and texts for keys of bytes."""
    if isinstance(value, tuple):
        fields = fields_of(value)
        value = list(value) if fields is None else fields
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k.decode() if isinstance(k, bytes) else k: plain(v) for k, v in value.items()}
    return value


encode_result = Encoder().result
