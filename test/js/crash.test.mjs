// Nothing that Naru acknowledged is lost or undone when it is killed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Naru } from './naru.mjs';
import { sdks } from './sdks.mjs';
import { until } from './until.mjs';
import { zip } from './zip.mjs';

const rounds = 4;
const accountID = '000000000000';

describe('kill -9', { concurrency: 2 }, () => {
  for (const sdk of sdks) describe(`under ${sdk.name}`, { concurrency: 1 }, () => suite(sdk));
});

function suite(sdk) {
  let naru, sqs, lambda, events, iam;

  before(async () => {
    naru = await Naru.start('--allow-reset');
    [sqs, lambda, events, iam] = ['sqs', 'lambda', 'events', 'iam'].map((service) => sdk.client(service, naru.endpoint));
  });
  after(() => naru.stop());

  const newQueue = async (QueueName, Attributes = {}) => (await sqs.call('CreateQueue', { QueueName, Attributes })).QueueUrl;
  const send = (QueueUrl, MessageBody) => sqs.call('SendMessage', { QueueUrl, MessageBody });
  const remove = (QueueUrl, { ReceiptHandle }) => sqs.call('DeleteMessage', { QueueUrl, ReceiptHandle });

  async function receive(QueueUrl, more) {
    return (await sqs.call('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 10, ...more })).Messages ?? [];
  }

  // receiveAll receives and deletes messages until there are none, and returns
  // their bodies.
  async function receiveAll(queue) {
    const bodies = [];
    for (let page; (page = await receive(queue)).length > 0;) {
      bodies.push(...page.map((message) => message.Body));
      const Entries = page.map(({ ReceiptHandle }, n) => ({ Id: `${n}`, ReceiptHandle }));
      assert.deepEqual((await sqs.call('DeleteMessageBatch', { QueueUrl: queue, Entries })).Failed ?? [], []);
    }
    return bodies;
  }

  // newFunction makes the function Recorder, which records in a queue what it
  // is invoked with.
  async function newFunction(queue) {
    const document = (Statement) => JSON.stringify({ Version: '2012-10-17', Statement });
    await iam.call('CreateRole', {
      RoleName: 'Recorder', AssumeRolePolicyDocument: document({ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }),
    });
    await iam.call('PutRolePolicy', {
      RoleName: 'Recorder', PolicyName: 'send', PolicyDocument: document({ Effect: 'Allow', Action: 'sqs:SendMessage', Resource: '*' }),
    });
    await lambda.call('CreateFunction', {
      FunctionName: 'Recorder', Runtime: 'nodejs20.x', Handler: 'index.handler', Role: `arn:aws:iam::${accountID}:role/Recorder`, Timeout: 60,
      Code: { ZipFile: zip({ 'index.js': fs.readFileSync(new URL('functions/Recorder.js', import.meta.url)) }) },
      Environment: { Variables: { QUEUE_URL: queue } },
    });
  }

  test('nothing acknowledged is gone, however often and whenever it happens', async () => {
    const tasks = await newQueue('tasks', { VisibilityTimeout: '600' });
    const records = await newQueue('records');
    await newFunction(records);
    const ledger = {
      tried: new Set(), sent: new Set(), deleting: new Set(), deleted: new Set(), returned: [],
      events: new Set(), queues: new Set(), rules: new Set(), roles: new Set(),
    };

    // repeat calls what it is given again and again until it fails.
    const repeat = async (work) => {
      for (let goesOn = true; goesOn;) goesOn = await work().then(() => true, () => false);
    };

    for (let round = 0; round < rounds; round++) {
      let n = 0, m = 0;
      const sending = () => repeat(async () => {
        const body = `${round}-${n++}`;
        ledger.tried.add(body);
        await send(tasks, body);
        ledger.sent.add(body);
      });
      const working = () => repeat(async () => {
        for (const message of await receive(tasks, { MaxNumberOfMessages: 3, WaitTimeSeconds: 20 })) {
          if (ledger.deleted.has(message.Body)) ledger.returned.push(message.Body);
          ledger.deleting.add(message.Body);
          await remove(tasks, message);
          ledger.deleted.add(message.Body);
        }
      });
      const making = () => repeat(async () => {
        const name = `made-${round}-${m++}`;
        await newQueue(name);
        ledger.queues.add(name);
        await events.call('PutRule', { Name: name, ScheduleExpression: 'rate(1 day)' });
        ledger.rules.add(name);
        await iam.call('CreateRole', { RoleName: name, AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}' });
        ledger.roles.add(name);
      });
      const invoking = async () => {
        for (const k of [1, 2, 3]) {
          const id = `${round}-${k}`;
          await lambda.call('Invoke', { FunctionName: 'Recorder', InvocationType: 'Event', Payload: JSON.stringify({ id }) });
          ledger.events.add(id);
        }
      };
      const load = Promise.allSettled([sending(), sending(), sending(), working(), making(), invoking()]);
      await until('something was acknowledged', () => ledger.sent.size > 0 && ledger.events.size > 0);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 400)); // any moment is as good as another
      await naru.kill();
      await load;
      await naru.restart();
    }

    await naru.advance(600);
    const left = await receiveAll(tasks);
    assert.deepEqual(ledger.returned, [], 'what was deleted does not return');
    assert.deepEqual(left.filter((body) => ledger.deleted.has(body)), [], 'what was deleted does not return');
    assert.deepEqual([...ledger.sent].filter((body) => !ledger.deleting.has(body) && !left.includes(body)), [], 'what was sent is received');
    assert.deepEqual(left.filter((body) => !ledger.tried.has(body)), [], 'what is received was sent');
    assert.equal(new Set(left).size, left.length, 'what was deleted is not received again');
    assert.ok(ledger.sent.size > 2 * rounds, `only ${ledger.sent.size} messages were sent`);

    const urls = (await sqs.call('ListQueues', { QueueNamePrefix: 'made-' })).QueueUrls ?? [];
    const kept = {
      queues: urls.map((url) => url.split('/').pop()),
      rules: (await events.call('ListRules', { NamePrefix: 'made-' })).Rules.map((rule) => rule.Name),
      roles: (await iam.call('ListRoles', { MaxItems: 1000 })).Roles.map((role) => role.RoleName),
    };
    for (const [what, names] of Object.entries(kept)) {
      assert.deepEqual([...ledger[what]].filter((name) => !names.includes(name)), [], `all ${what} are there`);
    }

    const recorded = new Set();
    await until('every event that was acknowledged has been worked off', async () => {
      for (const id of await receiveAll(records)) recorded.add(id);
      return [...ledger.events].every((id) => recorded.has(id));
    }, { within: 40_000, every: 100 });
  });

  test('a message in flight stays in flight, and its receipt handle good', async () => {
    const queue = await newQueue('in-flight', { VisibilityTimeout: '100' });
    await send(queue, 'body');
    const [message] = await receive(queue);
    await naru.kill();
    await naru.restart();
    assert.deepEqual(await receive(queue), []);
    await remove(queue, message);
    await naru.advance(100);
    assert.deepEqual(await receive(queue), []);
  });

  test('a delay and the count of receives go on where they were', async () => {
    const queue = await newQueue('delayed', { DelaySeconds: '100', VisibilityTimeout: '10' });
    await send(queue, 'body');
    await naru.kill();
    await naru.restart();
    assert.deepEqual(await receive(queue), []);
    await naru.advance(100);
    assert.equal((await receive(queue)).length, 1);
    await naru.kill();
    await naru.restart();
    await naru.advance(10);
    const [message] = await receive(queue, { AttributeNames: ['ApproximateReceiveCount'] });
    assert.equal(message.Attributes.ApproximateReceiveCount, '2');
  });

  test('functions end with Naru', async () => {
    const running = lambda.call('Invoke', { FunctionName: 'Recorder', Payload: '{"id":"last"}' });
    await running;
    assert.ok(naru.outlived().length > 0, 'the function has a process');
    await naru.kill();
    await naru.nothingIsLeft();
    await naru.restart();
    assert.equal((await lambda.call('Invoke', { FunctionName: 'Recorder', Payload: '{"id":"again"}' })).FunctionError, undefined);
  });

  test('a Naru that is told to stop answers those who wait, and keeps everything', async () => {
    const queue = await newQueue('kept');
    const others = await naru.gauge('queue_waiting'); // functions wait for events
    const waiting = receive(queue, { WaitTimeSeconds: 20 });
    await until('it waits', async () => await naru.gauge('queue_waiting') === others + 1);
    await naru.end();
    assert.deepEqual(await waiting, []);
    await naru.restart();
    await send(queue, 'body');
    await naru.end();
    await naru.nothingIsLeft();
    await naru.restart();
    assert.equal((await receive(queue))[0]?.Body, 'body');
  });
}
