# Naru's runtime for Python: it loads a function's handler and runs it for each
# invocation, as AWS's runtimes for python3.x do. What goes over descriptor 3 is
# described in Naru's package runtimeapi.
#
# It is started with the folder of the SDKs as its argument, and without the
# machine's own site-packages: functions see what they bring along, their layers
# and the SDKs.
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))


def find_modules(sdks):
    """Has imports look where AWS's runtime looks, in the same order."""
    task = os.environ.get("LAMBDA_TASK_ROOT", os.getcwd())
    opt = os.environ.get("NARU_OPT", "/opt")
    version = "python%d.%d" % sys.version_info[:2]
    layers = [opt + "/python/lib/" + version + "/site-packages", opt + "/python"]
    if sdks:
        of_python = next((i for i, p in enumerate(sys.path) if p.endswith(".zip")), len(sys.path))
        sys.path.insert(of_python, sdks)
    sys.path[:1] = [task] + layers  # the first was this folder


def main():
    sys.path.insert(0, here)
    import naru_loop
    import naru_endpoints
    del sys.path[0]
    find_modules(sys.argv[1] if len(sys.argv) > 1 else "")
    sys.argv = ["bootstrap", os.environ.get("_HANDLER", "")]
    import site  # for exit, quit and help, which scripts have
    site.setquit()
    site.sethelper()
    if os.environ.get("NARU_ENDPOINT"):
        naru_endpoints.install(os.environ)
    del sys.modules["__main__"].main
    naru_loop.run(os.environ.get("_HANDLER", ""), here)


if __name__ == "__main__":
    main()
