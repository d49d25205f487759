import logging
import sys

logger = logging.getLogger()


def levels(event, context):
    for name in ("debug", "info", "warning", "error", "critical"):
        getattr(logger, name)("a %s", name)


def lowered(event, context):
    logger.setLevel(logging.INFO)
    logging.getLogger("own.name").info("two\nlines")
    logger.info({"a": 1})


def extra(event, context):
    logger.warning("more", extra={"detail": {"n": 1}, "odd": {1, }})


def caught(event, context):
    try:
        raise ValueError("wrong")
    except ValueError:
        logger.exception("it went")


def printed(event, context):
    print("a", "b", end="!\n")
    print("err", file=sys.stderr)
    sys.stdout.write("x" * 300000 + "\n")
    context.log("by the context")
