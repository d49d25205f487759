# What a function writes to its log: by print, which is left as it is, and by
# logging, whose root logger gets a handler that formats as AWS's does.
import json
import os
import sys
import time

request_id = ""
is_json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
level = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}.get(level, level)

TIME = "%Y-%m-%dT%H:%M:%SZ"
NO_BREAK_SPACE = "\u00a0"

# The attributes that every record has, which are not told again.
reserved = set(
    "name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created msecs "
    "relativeCreated thread threadName processName process taskName aws_request_id tenant_id".split())


def write(text):
    """Writes a message as one line of the log, in which carriage returns stand
    for ends of lines."""
    sys.stdout.write(text.rstrip("\n").replace("\n", "\r") + "\n")


def error(told):
    """Logs the description of an error that ends an invocation."""
    if is_json:
        line = {"timestamp": time.strftime(TIME, time.gmtime()), "level": "ERROR"}
        line.update(told)
        write(json.dumps(line, ensure_ascii=False))
        return
    kind, message = told["errorType"], told["errorMessage"]
    lines = ["[ERROR]" + (" " + kind if kind else "") + (":" if kind and message else "") + (" " + message if message else "")]
    lines.append("Traceback (most recent call last):")
    for element in told["stackTrace"]:
        for line in element.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append(NO_BREAK_SPACE * (len(line) - len(text)) + text)
    write("\n".join(lines))


def warn_of_unhandled():
    import logging
    logging.warning("LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code.")


class Finder:
    """Configures logging when it is imported first: that takes a while, and
    functions that only print never do it."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        import importlib.util
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def configured(module):
            execute(module)
            configure(module)

        spec.loader.exec_module = configured
        return spec


def install():
    if "logging" in sys.modules:
        configure(sys.modules["logging"])
    else:
        sys.meta_path.insert(0, Finder())


def configure(logging):
    """Gives the root logger a handler and AWS's level."""

    class Format(logging.Formatter):
        def format(self, record):
            record.levelno = min(50, max(0, record.levelno)) // 10 * 10
            record.levelname = logging.getLevelName(record.levelno)
            is_dictionary = isinstance(record.msg, dict) and not record.args
            line = {
                "timestamp": time.strftime(TIME, time.gmtime(record.created)),
                "level": record.levelname,
                "message": record.msg if is_dictionary else record.getMessage(),
                "logger": record.name,
            }
            if record.exc_info:
                import traceback
                kind, value, trace = record.exc_info
                line["stackTrace"] = traceback.format_tb(trace)
                line["errorType"] = kind.__name__ if kind else None
                line["errorMessage"] = str(value)
            line["requestId"] = request_id
            if record.exc_info:
                line["location"] = "%s:%s:%s" % (record.pathname, record.funcName, record.lineno)
            for key, value in vars(record).items():
                if key not in reserved and key not in line:
                    line[key] = value
            return json.dumps({k: v for k, v in line.items() if v is not None}, ensure_ascii=False, default=str)

    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record):
            record.aws_request_id = request_id
            write(self.format(record))

    logging.Formatter.converter = time.gmtime
    handler = LambdaLoggerHandler()
    text = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    handler.setFormatter(Format() if is_json else text)
    root = logging.getLogger()
    if isinstance(logging.getLevelName(level), int):
        root.setLevel(level)
    root.addHandler(handler)
