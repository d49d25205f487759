import pytest

from naru import Naru


@pytest.fixture(scope="module")
def naru():
    server = Naru("--allow-reset")
    yield server
    server.stop()
