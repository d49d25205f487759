// Scheduled rules and what they send, by the SDKs for JavaScript.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Naru } from './naru.mjs';
import { sdks } from './sdks.mjs';
import { until } from './until.mjs';

describe('rules', { concurrency: true }, () => {
  for (const sdk of sdks) describe(`by ${sdk.name}`, { concurrency: 1 }, () => suite(sdk));
});

const accountID = '000000000000';
const minute = 60, hour = 60 * minute, day = 24 * hour;

function suite(sdk) {
  let naru, sqs, events, rules = 0;

  before(async () => {
    naru = await Naru.start('--allow-reset');
    [sqs, events] = ['sqs', 'events'].map((service) => sdk.client(service, naru.endpoint));
  });
  after(() => naru.stop());

  // newRule makes a rule and a queue as its target, which lets it send unless
  // it is told to be closed.
  async function newRule(ScheduleExpression, { closed, target, ...more } = {}) {
    const Name = `rule-${++rules}`;
    const { RuleArn } = await events.call('PutRule', { Name, ScheduleExpression, ...more });
    const Statement = { Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*', Condition: { ArnEquals: { 'aws:SourceArn': RuleArn } } };
    const Attributes = closed ? {} : { Policy: JSON.stringify({ Version: '2012-10-17', Statement }) };
    const { QueueUrl } = await sqs.call('CreateQueue', { QueueName: Name, Attributes });
    const { FailedEntryCount } = await events.call('PutTargets', { Rule: Name, Targets: [{ Id: 'queue', Arn: `arn:aws:sqs:us-east-1:${accountID}:${Name}`, ...target }] });
    assert.equal(FailedEntryCount, 0);
    return { Name, RuleArn, QueueUrl };
  }

  // receive receives and deletes what a rule sent, waiting if there is nothing.
  async function receive({ QueueUrl }, WaitTimeSeconds = 10) {
    const { Messages = [] } = await sqs.call('ReceiveMessage', { QueueUrl, WaitTimeSeconds, MaxNumberOfMessages: 10 });
    for (const { ReceiptHandle } of Messages) await sqs.call('DeleteMessage', { QueueUrl, ReceiptHandle });
    return Messages.map((message) => message.Body);
  }

  const fired = ({ Name }, n) => until(`${Name} has fired ${n} times`, async () => await naru.count('events_triggered_rules', { rule: Name }) === n);

  // now is what Naru's clock shows, in milliseconds.
  async function now() {
    return Date.parse((await (await fetch(`${naru.endpoint}/_naru/clock`)).json()).now);
  }

  test('a rule sends a scheduled event, member by member as AWS does', async () => {
    const rule = await newRule('rate(1 minute)');
    const made = await now();
    await naru.advance(minute);
    const [body, ...more] = await receive(rule);
    assert.deepEqual(more, []);
    const event = JSON.parse(body);
    assert.deepEqual(Object.keys(event), ['version', 'id', 'detail-type', 'source', 'account', 'time', 'region', 'resources', 'detail']);
    const { id, time, ...rest } = event;
    assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(Math.abs(Date.parse(time) - made - minute * 1000) < 10_000, `it is of ${time}`);
    assert.deepEqual(rest, { version: '0', 'detail-type': 'Scheduled Event', source: 'aws.events', account: accountID, region: 'us-east-1', resources: [rule.RuleArn], detail: {} });
  });

  test('a rule sends its target\'s input in place of the event', async () => {
    const rule = await newRule('rate(5 minutes)', { target: { Input: '{"take": ["in", "the", "sails"]}' } });
    await naru.advance(5 * minute);
    assert.deepEqual(await receive(rule), ['{"take": ["in", "the", "sails"]}']);
  });

  test('a queue that does not let a rule send gets nothing', async () => {
    const rule = await newRule('rate(1 minute)', { closed: true });
    await naru.advance(minute);
    await until('the rule was refused', async () => await naru.count('events_failed_invocations', { rule: rule.Name }) === 1);
    assert.deepEqual(await receive(rule, 0), []);
  });

  test('a disabled rule does not fire, and counts anew from when it is enabled', async () => {
    const idle = await newRule('rate(1 hour)', { State: 'DISABLED' });
    const busy = await newRule('rate(1 hour)');
    await naru.advance(90 * minute);
    assert.equal((await receive(busy)).length, 1);
    assert.deepEqual(await receive(idle, 0), []);
    await events.call('EnableRule', { Name: idle.Name });
    await naru.advance(40 * minute);
    await fired(busy, 2);
    assert.deepEqual(await receive(idle, 0), []);
    await naru.advance(20 * minute);
    assert.equal((await receive(idle)).length, 1);
    await events.call('DisableRule', { Name: idle.Name });
    assert.equal((await events.call('DescribeRule', { Name: idle.Name })).State, 'DISABLED');
  });

  test('a cron expression fires at its time', async () => {
    const rule = await newRule('cron(30 12 * * ? *)');
    await naru.advance(day);
    const [body] = await receive(rule);
    const { time } = JSON.parse(body);
    assert.match(time, /T12:30:00Z$/);
    await naru.advance(day);
    const [next] = await receive(rule);
    assert.equal(Date.parse(JSON.parse(next).time) - Date.parse(time), day * 1000);
  });

  test('a clock that jumps over many times makes a rule fire once', async () => {
    const rule = await newRule('rate(1 minute)');
    await naru.advance(hour);
    await fired(rule, 1);
    assert.equal((await receive(rule)).length, 1);
    await naru.advance(minute);
    await fired(rule, 2);
    assert.equal((await receive(rule)).length, 1);
  });

  test('a deleted rule does not fire', async () => {
    const rule = await newRule('rate(10 minutes)');
    const other = await newRule('rate(10 minutes)');
    await events.call('RemoveTargets', { Rule: rule.Name, Ids: ['queue'] });
    await events.call('DeleteRule', { Name: rule.Name });
    await naru.advance(10 * minute);
    assert.equal((await receive(other)).length, 1);
    assert.equal(await naru.count('events_triggered_rules', { rule: rule.Name }), 0);
    assert.deepEqual(await receive(rule, 0), []);
  });
}
