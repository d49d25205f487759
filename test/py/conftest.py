import pytest

from naru import Naru


def pytest_addoption(parser):
    parser.addoption("--query", action="store_true", help="this boto3 speaks the query protocol to SQS")


@pytest.fixture(scope="module")
def naru():
    server = Naru("--allow-reset")
    yield server
    server.stop()
