// The tutorial's story: tasks wait in a queue; a Consumer, which a rule fires
// every minute, hands each of them to a Worker, which works on it and deletes
// its message. It is told by each SDK, with functions written in several ways.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { logLines } from './loglines.mjs';
import { Naru } from './naru.mjs';
import { v2, v2of2017, v3 } from './sdks.mjs';
import { until } from './until.mjs';
import { zip } from './zip.mjs';

describe('the tutorial', { concurrency: 2 }, () => {
  for (const [sdk, way, file, runtime] of [
    [v2, 'classic', 'js', 'nodejs6.10'],
    [v2of2017, 'classic', 'js', 'nodejs8.10'],
    [v3, 'commonjs', 'js', 'nodejs20.x'],
    [v3, 'module', 'mjs', 'nodejs22.x'],
  ]) {
    describe(`by ${sdk.name}, with functions in the ${way} way`, { concurrency: 1 }, () => tell(sdk, way, file, runtime));
  }
});

const account = '000000000000';
const scheduled = {
  version: '0', id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa', 'detail-type': 'Scheduled Event', source: 'aws.events', account,
  time: '2026-01-01T00:00:00Z', region: 'us-east-1', resources: [`arn:aws:events:us-east-1:${account}:rule/by-hand`], detail: {},
};

function tell(sdk, way, file, runtime) {
  let naru, sqs, iam, lambda, events, logs, QueueUrl, RuleArn;
  const functionARN = (name) => `arn:aws:lambda:us-east-1:${account}:function:${name}`;
  const RoleName = 'TaskRole';

  before(async () => {
    naru = await Naru.start('--allow-reset');
    [sqs, iam, lambda, events, logs] = ['sqs', 'iam', 'lambda', 'events', 'logs'].map((service) => sdk.client(service, naru.endpoint));
  });
  after(() => naru.stop());

  async function send(...tasks) {
    for (const MessageBody of tasks) {
      await sqs.call('SendMessage', { QueueUrl, MessageBody, MessageAttributes: { colour: { DataType: 'String', StringValue: 'blue' } } });
    }
  }

  // counts returns how many messages are visible and in flight.
  async function counts() {
    const { Attributes } = await sqs.call('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
    return [Attributes.ApproximateNumberOfMessages, Attributes.ApproximateNumberOfMessagesNotVisible].map(Number);
  }

  const drained = () => until('the queue is drained', async () => (await counts()).every((n) => n === 0));

  // allow sets what the role may do with the queue.
  async function allow(...actions) {
    const Statement = [
      { Effect: 'Allow', Action: actions, Resource: '*' },
      { Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource: '*' },
      { Effect: 'Allow', Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'], Resource: 'arn:aws:logs:*:*:*' },
    ];
    await iam.call('PutRolePolicy', { RoleName, PolicyName: 'Tasks', PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement }) });
  }

  async function invokeConsumer(more) {
    return lambda.call('Invoke', { FunctionName: 'TaskConsumer', Payload: JSON.stringify(scheduled), ...more });
  }

  const logged = (name, pattern) => until(`the log of ${name} has ${pattern}`, async () => (await logLines(logs, name)).find((line) => pattern.test(line)));

  test('1. tasks are sent to a queue', async () => {
    ({ QueueUrl } = await sqs.call('CreateQueue', { QueueName: 'MyFirstQueue', Attributes: { VisibilityTimeout: '30' } }));
    await send('wash the deck', 'paint the hull', 'mend the net');
    assert.deepEqual(await counts(), [3, 0]);
  });

  test('2. a role may do what the tasks need', async () => {
    const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }] };
    const { Role } = await iam.call('CreateRole', { RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) });
    assert.equal(Role.Arn, `arn:aws:iam::${account}:role/${RoleName}`);
    await allow('sqs:ReceiveMessage', 'sqs:DeleteMessage');
    const { PolicyNames } = await iam.call('ListRolePolicies', { RoleName });
    assert.deepEqual(PolicyNames, ['Tasks']);
  });

  test('3. a Consumer and a Worker are made, without an SDK or endpoint in them', async () => {
    for (const FunctionName of ['TaskConsumer', 'TaskWorker']) {
      const code = fs.readFileSync(new URL(`functions/${way}/${FunctionName}.${file}`, import.meta.url));
      const made = await lambda.call('CreateFunction', {
        FunctionName, Runtime: runtime, Handler: 'index.handler', Role: `arn:aws:iam::${account}:role/${RoleName}`, Timeout: 30,
        Code: { ZipFile: zip({ [`index.${file}`]: code }) }, Environment: { Variables: { QUEUE_URL: QueueUrl } },
      });
      assert.equal(made.FunctionArn, functionARN(FunctionName));
      const { Configuration, Code } = await lambda.call('GetFunction', { FunctionName });
      assert.equal(Configuration.CodeSha256, made.CodeSha256);
      const download = await fetch(Code.Location);
      assert.deepEqual(Buffer.from(await download.arrayBuffer()), zip({ [`index.${file}`]: code }), 'the code can be had again');
    }
  });

  test('4. the Consumer, invoked by hand, replies and logs, and the tasks are done', async () => {
    const reply = await invokeConsumer({ LogType: 'Tail' });
    assert.equal(reply.StatusCode, 200);
    assert.equal(reply.FunctionError, undefined, Buffer.from(reply.Payload).toString());
    assert.deepEqual(JSON.parse(Buffer.from(reply.Payload)), { tasks: 3, from: 'aws.events' });
    const tail = Buffer.from(reply.LogResult, 'base64').toString();
    const id = /START RequestId: (\S+) Version: \$LATEST\n/.exec(tail)?.[1];
    for (const task of ['wash the deck', 'paint the hull', 'mend the net']) assert.match(tail, new RegExp(`\\t${id}\\tINFO\\ttask ${task}\n`));
    assert.match(tail, new RegExp(`\nEND RequestId: ${id}\nREPORT RequestId: ${id}\tDuration: [\\d.]+ ms\tBilled Duration: \\d+ ms\tMemory Size: 128 MB\tMax Memory Used: \\d+ MB\tInit Duration: [\\d.]+ ms`));
    await drained();
    const { logStreams } = await logs.call('DescribeLogStreams', { logGroupName: '/aws/lambda/TaskConsumer' });
    assert.equal(logStreams.length, 1);
    assert.match(logStreams[0].logStreamName, /^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
    const { events: lines } = await logs.call('GetLogEvents', { logGroupName: '/aws/lambda/TaskConsumer', logStreamName: logStreams[0].logStreamName, startFromHead: true });
    assert.ok(lines.some((line) => line.message.startsWith(`END RequestId: ${id}`)));
    for (const task of ['wash the deck', 'paint the hull', 'mend the net']) await logged('TaskWorker', new RegExp(`INFO\tdone with ${task}`));
  });

  test('5. a rule fires the Consumer every minute, once it may', async () => {
    ({ RuleArn } = await events.call('PutRule', { Name: 'EveryMinute', ScheduleExpression: 'rate(1 minute)' }));
    await events.call('PutTargets', { Rule: 'EveryMinute', Targets: [{ Id: 'consumer', Arn: functionARN('TaskConsumer') }] });
    const permit = (StatementId, SourceArn) => lambda.call('AddPermission', {
      FunctionName: 'TaskConsumer', StatementId, Action: 'lambda:InvokeFunction', Principal: 'events.amazonaws.com', SourceArn,
    });
    const refused = (n) => until('the rule was refused', async () => await naru.count('events_failed_invocations', { rule: 'EveryMinute' }) === n);
    const invocations = () => naru.count('lambda_invocations', { function: 'TaskConsumer' });
    await send('count the passengers', 'cast off');
    const invoked = await invocations();

    await naru.advance(60);
    await refused(1);
    await permit('another-rule', `${RuleArn}-of-others`);
    await naru.advance(60);
    await refused(2);
    assert.equal(await invocations(), invoked);
    assert.deepEqual(await counts(), [2, 0]);

    await permit('this-rule', RuleArn);
    await naru.advance(60);
    await drained();
    assert.equal(await invocations(), invoked + 1);
    await logged('TaskWorker', /INFO\tdone with cast off/);
    await events.call('DisableRule', { Name: 'EveryMinute' });
  });

  test('6. without sqs:DeleteMessage the Worker is refused, and with it the task is done', async () => {
    await allow('sqs:ReceiveMessage');
    await send('a task that cannot be finished yet');
    await invokeConsumer();
    const line = await logged('TaskWorker', /ERROR\trefused/);
    assert.match(line, new RegExp('\tERROR\trefused AccessDenied(Exception)? ' +
      `User: arn:aws:sts::${account}:assumed-role/TaskRole/TaskWorker is not authorized to perform: sqs:deletemessage ` +
      `on resource: arn:aws:sqs:us-east-1:${account}:MyFirstQueue because no identity-based policy allows the sqs:deletemessage action$`));
    assert.deepEqual(await counts(), [0, 1]);
    await naru.advance(30);
    assert.deepEqual(await counts(), [1, 0]);
    await allow('sqs:ReceiveMessage', 'sqs:DeleteMessage');
    await invokeConsumer();
    await drained();
    await logged('TaskWorker', /INFO\tdone with a task that cannot be finished yet/);
  });

  test('7. after kill -9 in the middle of it everything is still there and is done', async () => {
    await events.call('EnableRule', { Name: 'EveryMinute' });
    await send('survive', 'a', 'crash');
    const invoked = await invokeConsumer({ InvocationType: 'Event' });
    assert.equal(invoked.StatusCode, 202);
    await naru.kill();
    await naru.nothingIsLeft();
    await naru.restart();

    const { Functions } = await lambda.call('ListFunctions', {});
    assert.deepEqual(Functions.map((f) => f.FunctionName), ['TaskConsumer', 'TaskWorker']);
    const { Policy } = await lambda.call('GetPolicy', { FunctionName: 'TaskConsumer' });
    assert.deepEqual(JSON.parse(Policy).Statement.map((statement) => statement.Sid), ['another-rule', 'this-rule']);
    const { Rules } = await events.call('ListRules', {});
    assert.deepEqual(Rules.map((rule) => [rule.Arn, rule.ScheduleExpression, rule.State]), [[RuleArn, 'rate(1 minute)', 'ENABLED']]);
    const { Targets } = await events.call('ListTargetsByRule', { Rule: 'EveryMinute' });
    assert.deepEqual(Targets.map((target) => target.Arn), [functionARN('TaskConsumer')]);
    const { PolicyDocument } = await iam.call('GetRolePolicy', { RoleName, PolicyName: 'Tasks' });
    assert.match(decodeURIComponent(PolicyDocument), /sqs:DeleteMessage/);
    assert.ok((await logLines(logs, 'TaskWorker')).some((line) => line.includes('done with wash the deck')));

    // What the Consumer had received when it was killed returns after its
    // visibility timeout, and the rule fires.
    await naru.advance(60);
    await drained();

    // What a Worker that was done when Naru was killed had to log may be lost,
    // but not what is logged from now on.
    await send('sail on');
    await naru.advance(60);
    await logged('TaskWorker', /INFO\tdone with sail on/);
  });
}
