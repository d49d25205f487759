# Leads requests for AWS services that Naru has back to Naru: SDKs find it
# without an endpoint, also those that know no AWS_ENDPOINT_URL. What connects
# to a host of AWS by http.client or urllib3, which botocore and requests use,
# is connected to NARU_ENDPOINT instead, over plain HTTP; the Host header stays
# that of AWS, since that is what was signed. Connections for services that Naru
# does not have fail and say so.
import re
import sys

of_aws = re.compile(r"^(.+)\.(amazonaws\.com(\.cn)?|api\.aws)\.?$", re.I)
of_place = re.compile(r"^([a-z]{2,4}(-[a-z]+)+-\d+|vpce|dualstack|fips)$")


class ServiceNotInNaru(Exception):
    """A request is for a service that Naru does not have."""


def service_of(host):
    """Returns the service of a host name of AWS; of others None."""
    match = of_aws.match(host)
    if not match:
        return None
    parts = match.group(1).lower().split(".")
    named = [part for part in parts if not of_place.match(part)] or parts[:1]
    name = re.sub("-fips$", "", named[-1])
    return "sqs" if name == "queue" else name


class Redirect:
    def __init__(self, env):
        host, _, port = env["NARU_ENDPOINT"].partition("://")[2].strip("/").rpartition(":")
        self.address = (host.strip("[]"), int(port))
        self.services = set(env.get("NARU_SERVICES", "").split(","))
        self.passing = set(filter(None, (name.strip() for name in env.get("NARU_PASSTHROUGH", "").split(","))))

    def address_of(self, host):
        """Returns Naru's address if it has the service of a host, and None if
        the host is none of its business."""
        service = service_of(host)
        if service is None or service in self.passing:
            return None
        if service in self.services:
            return self.address
        raise ServiceNotInNaru(
            'Naru does not have the AWS service "%s" (host %s). To let requests for it through to AWS, start Naru with --passthrough %s.'
            % (service, host, service))

    def lead(self, kind):
        """Leads the connections of a class back."""
        connect = kind.connect

        def connect_or_lead(connection):
            address = None
            if not getattr(connection, "_tunnel_host", None):
                address = self.address_of(connection.host)
            if address is None:
                return connect(connection)
            import socket
            connection.sock = socket.create_connection(address, connection.timeout)
            connection.is_verified = True  # urllib3 would warn
            return None

        kind.connect = connect_or_lead


class Finder:
    """Patches modules when they are imported, since many functions never do."""

    names = ("http.client", "urllib3.connection")

    def __init__(self, redirect):
        self.redirect = redirect
        self.asking = False

    def find_spec(self, name, path=None, target=None):
        if name not in self.names or self.asking:
            return None
        import importlib.util
        self.asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.asking = False
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def patched(module):
            execute(module)
            for kind in ("HTTPConnection", "HTTPSConnection"):
                if hasattr(module, kind) and "connect" in vars(getattr(module, kind)):
                    self.redirect.lead(getattr(module, kind))

        spec.loader.exec_module = patched
        return spec


def install(env):
    sys.meta_path.insert(0, Finder(Redirect(env)))
