// The tutorial's role loses one action at a time: that breaks what needs the
// action, and nothing else.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { logLines } from './loglines.mjs';
import { Naru } from './naru.mjs';
import { v3 } from './sdks.mjs';
import { until } from './until.mjs';
import { zip } from './zip.mjs';

const account = '000000000000';
const RoleName = 'TaskRole';
const actions = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'lambda:InvokeFunction', 'logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'];

describe('the role of the tutorial, tightened one action at a time', { concurrency: 1 }, () => {
  let naru, sqs, iam, lambda, logs, QueueUrl;

  before(async () => {
    naru = await Naru.start('--allow-reset');
    [sqs, iam, lambda, logs] = ['sqs', 'iam', 'lambda', 'logs'].map((service) => v3.client(service, naru.endpoint));
    ({ QueueUrl } = await sqs.call('CreateQueue', { QueueName: 'Tasks', Attributes: { VisibilityTimeout: '30' } }));
    const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }] };
    await iam.call('CreateRole', { RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) });
    await allow(...actions);
    for (const FunctionName of ['TaskConsumer', 'TaskWorker']) {
      const code = fs.readFileSync(new URL(`functions/commonjs/${FunctionName}.js`, import.meta.url));
      await lambda.call('CreateFunction', {
        FunctionName, Runtime: 'nodejs20.x', Handler: 'index.handler', Role: `arn:aws:iam::${account}:role/${RoleName}`, Timeout: 30,
        Code: { ZipFile: zip({ 'index.js': code }) }, Environment: { Variables: { QUEUE_URL: QueueUrl } },
      });
    }
  });
  after(() => naru.stop());

  async function allow(...Action) {
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });
    await iam.call('PutRolePolicy', { RoleName, PolicyName: 'Tasks', PolicyDocument });
  }

  // counts returns how many messages are visible and in flight.
  async function counts() {
    const { Attributes } = await sqs.call('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
    return [Attributes.ApproximateNumberOfMessages, Attributes.ApproximateNumberOfMessagesNotVisible].map(Number);
  }

  // play sends a task and has the Consumer see to it; it returns what the
  // Consumer's reply is.
  async function play(task) {
    await sqs.call('SendMessage', { QueueUrl, MessageBody: task, MessageAttributes: { colour: { DataType: 'String', StringValue: 'blue' } } });
    const { FunctionError, Payload } = await lambda.call('Invoke', { FunctionName: 'TaskConsumer', Payload: '{}' });
    return { FunctionError, reply: JSON.parse(Buffer.from(Payload)) };
  }

  const done = () => until('the task is done', async () => (await counts()).every((n) => n === 0));

  const worked = (task) => until('the Worker has tried', async () => (await logLines(logs, 'TaskWorker')).find((line) => line.includes(`working on ${task} `)));

  const refused = (action, resource) => new RegExp(`User: arn:aws:sts::${account}:assumed-role/${RoleName}/Task(Consumer|Worker) is not authorized to perform: ${action} ` +
    `on resource: ${resource} because no identity-based policy allows the ${action} action`);

  // again makes what is in flight visible, lets the role do everything and has
  // the tasks done.
  async function again() {
    await allow(...actions);
    await naru.advance(30);
    await lambda.call('Invoke', { FunctionName: 'TaskConsumer', Payload: '{}' });
    await done();
  }

  const without = (...lost) => allow(...actions.filter((action) => !lost.includes(action)));

  test('with all of them a task is done', async () => {
    const { FunctionError, reply } = await play('first');
    assert.equal(FunctionError, undefined, JSON.stringify(reply));
    await worked('first');
    await done();
  });

  test('without sqs:ReceiveMessage the Consumer fails and the task waits', async () => {
    await without('sqs:ReceiveMessage');
    const { FunctionError, reply } = await play('unreceived');
    assert.equal(FunctionError, 'Unhandled');
    assert.match(reply.errorMessage, refused('sqs:receivemessage', `arn:aws:sqs:us-east-1:${account}:Tasks`));
    assert.deepEqual(await counts(), [1, 0]);
    await again();
  });

  test('without lambda:InvokeFunction the Consumer receives, and hands nothing on', async () => {
    await without('lambda:InvokeFunction');
    const { FunctionError, reply } = await play('kept');
    assert.equal(FunctionError, 'Unhandled');
    assert.match(reply.errorMessage, refused('lambda:InvokeFunction', `arn:aws:lambda:us-east-1:${account}:function:TaskWorker`));
    assert.deepEqual(await counts(), [0, 1]);
    await again();
  });

  test('without sqs:DeleteMessage the Worker works, and the task comes again', async () => {
    await without('sqs:DeleteMessage');
    const { FunctionError, reply } = await play('undeleted');
    assert.deepEqual({ FunctionError, tasks: reply.tasks }, { FunctionError: undefined, tasks: 1 });
    const line = await until('the Worker was refused', async () => (await logLines(logs, 'TaskWorker')).find((l) => /ERROR\trefused/.test(l)));
    assert.match(line, refused('sqs:deletemessage', `arn:aws:sqs:us-east-1:${account}:Tasks`));
    assert.deepEqual(await counts(), [0, 1]);
    await again();
  });

  for (const action of ['logs:CreateLogStream', 'logs:PutLogEvents']) {
    test(`without ${action} the task is done, and nothing is logged`, async () => {
      await without(action);
      const lines = (await logLines(logs, 'TaskConsumer')).length;
      assert.equal((await play(`unlogged by ${action}`)).FunctionError, undefined);
      await done();
      assert.equal((await logLines(logs, 'TaskConsumer')).length, lines);
      await allow(...actions);
    });
  }

  test('without logs:CreateLogGroup the task is done, and a log group that is there is written to', async () => {
    await without('logs:CreateLogGroup');
    const lines = (await logLines(logs, 'TaskConsumer')).length;
    assert.equal((await play('logged')).FunctionError, undefined);
    await done();
    assert.ok((await logLines(logs, 'TaskConsumer')).length > lines);
  });

  test('but one that is not there is not made', async () => {
    await logs.call('DeleteLogGroup', { logGroupName: '/aws/lambda/TaskConsumer' });
    assert.equal((await play('without a group')).FunctionError, undefined);
    await done();
    const groups = async () => (await logs.call('DescribeLogGroups', { logGroupNamePrefix: '/aws/lambda/TaskConsumer' })).logGroups.length;
    assert.equal(await groups(), 0);
    await allow(...actions);
    assert.equal((await play('with a group')).FunctionError, undefined);
    await done();
    assert.equal(await groups(), 1);
  });

  test('with a trust policy that does not name Lambda nothing runs', async () => {
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sts:AssumeRole' }] });
    await iam.call('UpdateAssumeRolePolicy', { RoleName, PolicyDocument });
    await lambda.call('UpdateFunctionConfiguration', { FunctionName: 'TaskConsumer', Timeout: 29 }); // an environment of its own
    await assert.rejects(play('untrusted'), { code: 'AccessDeniedException', message: 'The role defined for the function cannot be assumed by Lambda.' });
    assert.deepEqual(await counts(), [1, 0]);
  });
});
