"""The tasks of test_celery, and their application: it is told by the environment where Naru and the results are."""

import os
import pathlib
import time

from celery import Celery
from celery.backends.filesystem import FilesystemBackend
from kombu.utils.encoding import ensure_bytes


def put(self, key, value):
    """Write a result in one step: a reader would else see half of it."""
    path = pathlib.Path(os.fsdecode(self._filename(key)))
    new = path.with_name(f"{os.getpid()}.new")
    new.write_bytes(ensure_bytes(value))
    new.replace(path)


FilesystemBackend.set = put

app = Celery("naru", broker=os.environ["NARU_BROKER"], backend="file://" + os.environ["NARU_RESULTS"])
app.conf.update(
    broker_transport_options={"region": "us-east-1", "is_secure": False, "queue_name_prefix": "celery-test-", "wait_time_seconds": 1, "visibility_timeout": 600},
    broker_connection_retry_on_startup=True,
    worker_enable_remote_control=False,
    task_acks_late=True,
    task_track_started=True,
)


@app.task
def add(a, b):
    return a + b


@app.task(bind=True, max_retries=3, default_retry_delay=0)
def third_time_lucky(self):
    if self.request.retries < 2:
        raise self.retry()
    return self.request.retries


@app.task
def tell_time():
    return time.time()


@app.task
def wait_for(path):
    """Waits until there is a file."""
    while not pathlib.Path(path).exists():
        time.sleep(0.02)
    return "done"
