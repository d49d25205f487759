# The loop of Naru's runtime for Python: frames, handlers, and what is told of
# errors, worded and shaped as AWS's.
import importlib
import json
import os
import struct
import sys
import time

import naru_logs

# ---------------------------------------------------------------- frames

FD = 3
VERSION, HEADER = 1, 8
NEXT, RESPONSE, FAILURE, INIT_FAILURE = 1, 2, 3, 4


def frame(kind, body=b""):
    return struct.pack(">BBHI", VERSION, kind, 0, len(body)) + body


def short(text):
    encoded = text.encode("utf-8", "replace")[:256]
    return struct.pack(">H", len(encoded)) + encoded


def send(data):
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(FD, view):]
    except OSError:
        os._exit(1)  # Naru is gone


def receive(size):
    """Reads so many bytes, or ends the process if Naru is gone."""
    parts = []
    while size:
        try:
            part = os.read(FD, min(size, 1 << 20))
        except OSError:
            part = b""
        if not part:
            os._exit(1)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Call:
    """An invocation, as it arrives."""

    def __init__(self):
        _, _, _, length = struct.unpack(">BBHI", receive(HEADER))
        body = receive(length)
        self.number, self.deadline = struct.unpack_from(">IQ", body)
        at = 12

        def text(size):
            nonlocal at
            start = at + size
            at = start + int.from_bytes(body[at:start], "big")
            return body[start:at].decode("utf-8")

        self.request_id, self.arn, self.trace = text(2), text(2), text(2)
        self.client_context, self.identity = text(4), text(4)
        self.payload = body[at:]


# ---------------------------------------------------------------- errors

class Fault(Exception):
    """An error of a kind that the platform names."""

    def __init__(self, kind, message, trace=None):
        Exception.__init__(self, message)
        self.kind, self.message, self.trace = kind, message, trace


def description(message, kind, trace, request_id=""):
    return {"errorMessage": message or "", "errorType": kind or "", "requestId": request_id, "stackTrace": trace or []}


def described(error, own, request_id=""):
    """Returns what is told of an error. Frames of the runtime itself, in the
    folder own, are left out."""
    if isinstance(error, Fault):
        return description(error.message, error.kind, error.trace, request_id)
    import traceback
    frames = [(f.filename, f.lineno, f.name, f.line) for f in traceback.extract_tb(error.__traceback__)]
    first = next((i for i, f in enumerate(frames) if os.path.dirname(f[0]) != own), 0)
    return description(str(error), type(error).__name__, traceback.format_list(frames[first:]), request_id)


# ---------------------------------------------------------------- JSON

ASCII = os.environ.get("AWS_EXECUTION_ENV", "") in ["AWS_Lambda_python3.%d" % n for n in range(6, 12)]


class Encoder(json.JSONEncoder):
    """Encodes decimals as numbers, as AWS does: texts stand for them until the
    rest is encoded."""

    def __init__(self):
        json.JSONEncoder.__init__(self, ensure_ascii=ASCII)
        self.numbers = []

    def default(self, value):
        decimal = sys.modules.get("decimal")  # nobody has one who has not imported it
        if decimal is None or not isinstance(value, decimal.Decimal):
            return json.JSONEncoder.default(self, value)
        if value.is_nan():
            return float("nan")
        self.numbers.append(str(value))
        return "\0naru %d\0" % (len(self.numbers) - 1)


def to_json(value):
    encoder = Encoder()
    text = encoder.encode(value)
    for i, number in enumerate(encoder.numbers):
        text = text.replace('"\\u0000naru %d\\u0000"' % i, number, 1)
    return text.encode("utf-8")


# ---------------------------------------------------------------- handlers

def load(handler):
    """Returns the function that a handler such as "folder/file.name" names."""
    module, dot, name = handler.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % handler)
    if module.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module)
    try:
        found = importlib.import_module(module.replace("/", "."))
    except ImportError as e:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module, e))
    except SyntaxError as e:
        trace = ['  File "%s" Line %s\n    %s' % (e.filename, e.lineno, e.text)]
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module, e), trace)
    try:
        return getattr(found, name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (name, module))


class Fields:
    """An object with the attributes that it is given."""

    def __init__(self, kind, names, values):
        self._kind = kind
        for name in names:
            setattr(self, name, values.get(name))

    def __repr__(self):
        shown = ",".join("%s=%s" % (k, v) for k, v in vars(self).items() if k != "_kind")
        return "%s([%s])" % (self._kind, shown)


def document(text, name):
    if not text:
        return None
    try:
        return json.loads(text)
    except Exception as e:
        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse %s JSON: %s" % (name, e))


class LambdaContext:
    """What a handler is told of its invocation."""

    def __init__(self, call):
        variable = os.environ.get
        self.aws_request_id = call.request_id
        self.log_group_name = variable("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = variable("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = variable("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = variable("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = call.arn
        self.tenant_id = None
        client, identity = document(call.client_context, "Client Context"), document(call.identity, "Cognito Identity")
        self.client_context = None
        if client is not None:
            self.client_context = Fields("ClientContext", ["custom", "env", "client"], client)
            if self.client_context.client is not None:
                names = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]
                self.client_context.client = Fields("Client", names, self.client_context.client)
        identity = identity or {}
        self.identity = Fields("CognitoIdentity", ["cognito_identity_id", "cognito_identity_pool_id"], {
            "cognito_identity_id": identity.get("cognitoIdentityId"),
            "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
        })
        self._epoch_deadline_time_in_ms = call.deadline

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message):
        naru_logs.write(str(message))

    def __repr__(self):
        shown = ",".join("%s=%s" % (k, v) for k, v in vars(self).items() if not k.startswith("_"))
        return "LambdaContext([%s])" % shown


def response(handler, call):
    """Runs the handler and returns its response, encoded."""
    context = LambdaContext(call)
    try:
        event = json.loads(call.payload.decode("utf-8"))
    except Exception as e:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % e)
    result = handler(event, context)
    if isinstance(result, bytes):
        return result
    try:
        return to_json(result)
    except Exception as e:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % e)


def answer(handler, call, own):
    number = struct.pack(">I", call.number)
    try:
        return frame(RESPONSE, number + response(handler, call))
    except Exception as e:
        told = described(e, own, call.request_id)
        naru_logs.error(told)
        return frame(FAILURE, number + short(told["errorType"]) + to_json(told))


def run(name, own):
    os.set_inheritable(FD, False)
    naru_logs.install()
    try:
        handler = load(name)
    except Exception as e:
        told = described(e, own)
        naru_logs.warn_of_unhandled()
        naru_logs.error(told)
        send(frame(INIT_FAILURE, short(told["errorType"]) + to_json(told)))
        sys.exit(1)
    last = b""
    while True:
        send(last + frame(NEXT))
        call = Call()
        naru_logs.request_id = call.request_id
        if call.trace:
            os.environ["_X_AMZN_TRACE_ID"] = call.trace
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        last = answer(handler, call, own)
