"""Celery with its SQS transport: real workers work off tasks that come through Naru."""

import datetime
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from naru import until

HERE = pathlib.Path(__file__).parent
WITHIN = 60


class Workers:
    """Starts workers, and sends tasks to them."""

    def __init__(self, naru, directory):
        self.log = directory / "worker.log"
        results = directory / "results"
        results.mkdir()
        os.environ |= {"NARU_BROKER": naru.endpoint.replace("http://", "sqs://any:any@"), "NARU_RESULTS": str(results)}
        import celery_tasks
        self.tasks = celery_tasks
        self.running = None

    def start(self, queues="celery"):
        command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-c", "2", "-Q", queues, "--loglevel", "INFO"]
        with open(self.log, "a", encoding="utf-8") as log:
            self.running = subprocess.Popen(command, cwd=HERE, stdout=log, stderr=log, start_new_session=True)

    def end(self, how=signal.SIGTERM):
        """Ends the worker, and by SIGKILL also its pool."""
        if how == signal.SIGKILL:
            os.killpg(self.running.pid, how)
        else:
            self.running.send_signal(how)
        self.running.wait(timeout=WITHIN)
        self.running = None


@pytest.fixture(name="workers", scope="module")
def make_workers(naru, tmp_path_factory):
    workers = Workers(naru, tmp_path_factory.mktemp("celery"))
    workers.start()
    try:
        yield workers
    finally:
        if workers.running:
            workers.end()
        print(workers.log.read_text(encoding="utf-8"))


def left(naru, name="celery"):
    """Returns how many messages a queue has, whoever holds them."""
    sqs = naru.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=f"celery-test-{name}")["QueueUrl"], AttributeNames=["All"])["Attributes"]
    return sum(int(found[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible", "Delayed"))


def test_tasks_are_worked_off(naru, workers):
    results = [workers.tasks.add.delay(n, n) for n in range(30)]
    assert [result.get(timeout=WITHIN) for result in results] == [2 * n for n in range(30)]
    until("all is acknowledged", lambda: left(naru) == 0)


def test_tasks_are_tried_again(naru, workers):
    assert workers.tasks.third_time_lucky.delay().get(timeout=WITHIN) == 2
    until("all is acknowledged", lambda: left(naru) == 0)


def test_a_task_waits_for_its_time(naru, workers):
    eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    assert workers.tasks.tell_time.apply_async(eta=eta).get(timeout=WITHIN) >= eta.timestamp()
    delayed = workers.tasks.add.apply_async((1, 2), DelaySeconds=900)
    until("only the delayed task is left", lambda: left(naru) == 1)
    assert not delayed.ready()
    naru.advance(900)
    assert delayed.get(timeout=WITHIN) == 3
    until("all is acknowledged", lambda: left(naru) == 0)


def test_the_task_of_a_dead_worker_goes_to_another(naru, workers, tmp_path):
    result = workers.tasks.wait_for.delay(str(tmp_path / "go"))
    until("the task is begun", lambda: result.state == "STARTED", WITHIN)
    workers.end(signal.SIGKILL)
    workers.start()
    (tmp_path / "go").touch()
    assert workers.tasks.add.delay(3, 4).get(timeout=WITHIN) == 7
    assert result.state == "STARTED"
    naru.advance(600)
    assert result.get(timeout=WITHIN) == "done"
    until("all is acknowledged", lambda: left(naru) == 0)


def test_tasks_survive_a_crash_of_naru(naru, workers):
    results = [workers.tasks.add.delay(n, 1) for n in range(10)]
    naru.kill()
    naru.start()
    results += [workers.tasks.add.delay(n, 1) for n in range(10, 20)]
    naru.advance(600)
    assert [result.get(timeout=WITHIN) for result in results] == [n + 1 for n in range(20)]
    until("all is acknowledged", lambda: left(naru) == 0)


def test_a_fifo_queue(naru, workers):
    workers.end()
    workers.start("line.fifo")
    results = [workers.tasks.add.apply_async((n, n), queue="line.fifo", MessageGroupId="g") for n in range(5)]
    assert [result.get(timeout=WITHIN) for result in results] == [0, 2, 4, 6, 8]
    until("all is acknowledged", lambda: left(naru, "line.fifo") == 0)
