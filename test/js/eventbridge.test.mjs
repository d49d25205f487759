// EventBridge's buses and Scheduler, by the SDKs for JavaScript: all that there
// is is made, listed, changed and deleted, and delivers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Naru } from './naru.mjs';
import { v2, v3 } from './sdks.mjs';
import { until } from './until.mjs';

describe('EventBridge and Scheduler', { concurrency: true }, () => {
  for (const sdk of [v2, v3]) describe(`by ${sdk.name}`, { concurrency: 1 }, () => suite(sdk));
});

const arn = (service, resource) => `arn:aws:${service}:us-east-1:000000000000:${resource}`;
const minute = 60;

function suite(sdk) {
  let naru, sqs, events, scheduler, iam;

  before(async () => {
    naru = await Naru.start('--allow-reset');
    [sqs, events, scheduler, iam] = ['sqs', 'events', 'scheduler', 'iam'].map((service) => sdk.client(service, naru.endpoint));
  });
  after(() => naru.stop());

  const refused = (call, code, message) => assert.rejects(call, (error) => {
    assert.deepEqual([error.code, error.message], [code, message]);
    return true;
  });

  // queue makes a queue that EventBridge may send to.
  async function queue(QueueName) {
    const Statement = { Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*' };
    await sqs.call('CreateQueue', { QueueName, Attributes: { Policy: JSON.stringify({ Version: '2012-10-17', Statement }) } });
    return arn('sqs', QueueName);
  }

  // receive receives and deletes messages of a queue, waiting if there are none.
  async function receive(name, WaitTimeSeconds = 10) {
    const QueueUrl = `${naru.endpoint}/000000000000/${name}`;
    const { Messages = [] } = await sqs.call('ReceiveMessage', { QueueUrl, WaitTimeSeconds, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] });
    for (const { ReceiptHandle } of Messages) await sqs.call('DeleteMessage', { QueueUrl, ReceiptHandle });
    return Messages;
  }

  test('buses and rules', async () => {
    const { EventBusArn } = await events.call('CreateEventBus', { Name: 'orders', Tags: [{ Key: 'k', Value: 'v' }] });
    assert.equal(EventBusArn, arn('events', 'event-bus/orders'));
    await refused(events.call('CreateEventBus', { Name: 'orders' }), 'ResourceAlreadyExistsException', 'Event bus orders already exists.');
    assert.deepEqual((await events.call('ListTagsForResource', { ResourceARN: EventBusArn })).Tags, [{ Key: 'k', Value: 'v' }]);
    assert.deepEqual((await events.call('ListEventBuses', {})).EventBuses.map((bus) => bus.Name), ['default', 'orders']);
    await events.call('PutPermission', { EventBusName: 'orders', Action: 'events:PutEvents', Principal: '111122223333', StatementId: 'one' });
    const { Policy } = await events.call('DescribeEventBus', { Name: 'orders' });
    assert.equal(JSON.parse(Policy).Statement[0].Principal.AWS, 'arn:aws:iam::111122223333:root');
    await refused(events.call('RemovePermission', { EventBusName: 'orders', StatementId: 'two' }), 'ResourceNotFoundException', 'Statement with the provided id does not exist.');
    await events.call('RemovePermission', { EventBusName: 'orders', RemoveAllPermissions: true });

    const pattern = JSON.stringify({ source: ['shop'], detail: { total: [{ numeric: ['>', 100] }], state: [{ 'anything-but': 'void' }] } });
    const { RuleArn } = await events.call('PutRule', { Name: 'large', EventBusName: 'orders', EventPattern: pattern });
    assert.equal(RuleArn, arn('events', 'rule/orders/large'));
    const target = { Id: 'q', Arn: await queue('large'), InputTransformer: { InputPathsMap: { id: '$.detail.id', total: '$.detail.total' }, InputTemplate: '{"order": <id>, "text": "<total> by <aws.events.rule-name>"}' } };
    await events.call('PutTargets', { Rule: 'large', EventBusName: 'orders', Targets: [target] });
    assert.deepEqual((await events.call('ListTargetsByRule', { Rule: 'large', EventBusName: 'orders' })).Targets, [target]);
    assert.deepEqual((await events.call('ListRuleNamesByTarget', { TargetArn: target.Arn, EventBusName: 'orders' })).RuleNames, ['large']);

    const entry = (detail) => ({ EventBusName: 'orders', Source: 'shop', DetailType: 'order', Detail: JSON.stringify(detail) });
    const put = await events.call('PutEvents', { Entries: [entry({ id: 1, total: 150, state: 'open' }), entry({ id: 2, total: 100, state: 'open' }), entry({ id: 3, total: 200, state: 'void' }), { ...entry({}), Detail: '[]' }] });
    assert.equal(put.FailedEntryCount, 1);
    assert.equal(put.Entries[3].ErrorCode, 'MalformedDetail');
    assert.deepEqual((await receive('large')).map((m) => m.Body), ['{"order": 1, "text": "150 by large"}']);
    assert.deepEqual(await receive('large', 0), []);

    await refused(events.call('PutRule', { Name: 'bad', EventPattern: '{"a": []}' }), 'InvalidEventPatternException',
      'Event pattern is not valid. Reason: Empty arrays are not allowed\n at [Source: (String)"{"a": []}"; line: 1, column: 9]');
    await refused(events.call('DeleteRule', { Name: 'large', EventBusName: 'orders' }), 'ValidationException', "Rule can't be deleted since it has targets.");
    await events.call('RemoveTargets', { Rule: 'large', EventBusName: 'orders', Ids: ['q'] });
    await events.call('DeleteRule', { Name: 'large', EventBusName: 'orders' });
    await events.call('DeleteEventBus', { Name: 'orders' });
    await refused(events.call('DescribeEventBus', { Name: 'orders' }), 'ResourceNotFoundException', 'Event bus orders does not exist.');
  });

  test('what cannot be delivered is dead-lettered', async () => {
    await events.call('PutRule', { Name: 'r', EventPattern: '{"source": ["app"]}' });
    await events.call('PutTargets', { Rule: 'r', Targets: [{ Id: 't', Arn: arn('sqs', 'nowhere'), DeadLetterConfig: { Arn: await queue('dead') } }] });
    await events.call('PutEvents', { Entries: [{ Source: 'app', DetailType: 't', Detail: '{}' }] });
    const [{ MessageAttributes }] = await receive('dead');
    assert.equal(MessageAttributes.ERROR_CODE.StringValue, 'NO_RESOURCE');
    assert.equal(MessageAttributes.RULE_ARN.StringValue, arn('events', 'rule/r'));
  });

  test('schedules and groups', async () => {
    const trust = { Version: '2012-10-17', Statement: { Effect: 'Allow', Principal: { Service: 'scheduler.amazonaws.com' }, Action: 'sts:AssumeRole' } };
    const { Role: { Arn: RoleArn } } = await iam.call('CreateRole', { RoleName: 'sender', AssumeRolePolicyDocument: JSON.stringify(trust) });
    const allow = { Version: '2012-10-17', Statement: { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: '*' } };
    await iam.call('PutRolePolicy', { RoleName: 'sender', PolicyName: 'p', PolicyDocument: JSON.stringify(allow) });
    await sqs.call('CreateQueue', { QueueName: 'scheduled' });
    const { ScheduleGroupArn } = await scheduler.call('CreateScheduleGroup', { Name: 'night', Tags: [{ Key: 'k', Value: 'v' }] });
    assert.equal(ScheduleGroupArn, arn('scheduler', 'schedule-group/night'));
    assert.deepEqual((await scheduler.call('ListTagsForResource', { ResourceArn: ScheduleGroupArn })).Tags, [{ Key: 'k', Value: 'v' }]);
    assert.equal((await scheduler.call('GetScheduleGroup', { Name: 'night' })).State, 'ACTIVE');

    const schedule = {
      Name: 'often', GroupName: 'night', ScheduleExpression: 'rate(10 minutes)', FlexibleTimeWindow: { Mode: 'OFF' },
      Target: { Arn: arn('sqs', 'scheduled'), RoleArn, Input: 'first' },
    };
    const { ScheduleArn } = await scheduler.call('CreateSchedule', schedule);
    assert.equal(ScheduleArn, arn('scheduler', 'schedule/night/often'));
    assert.deepEqual((await receive('scheduled')).map((m) => m.Body), ['first']); // at once
    const universal = { Arn: 'arn:aws:scheduler:::aws-sdk:sqs:sendMessage', RoleArn, Input: JSON.stringify({ QueueUrl: `/000000000000/scheduled`, MessageBody: 'second' }) };
    await scheduler.call('UpdateSchedule', { ...schedule, Target: universal });
    await naru.advance(10 * minute);
    assert.deepEqual((await receive('scheduled')).map((m) => m.Body), ['second']);
    const got = await scheduler.call('GetSchedule', { Name: 'often', GroupName: 'night' });
    assert.equal(got.ScheduleExpressionTimezone, 'UTC');
    assert.ok(got.CreationDate instanceof Date);
    assert.deepEqual(got.Target.RetryPolicy, { MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185 });

    const at = new Date(Date.now() + 40 * minute * 1000).toISOString().slice(0, 19);
    await scheduler.call('CreateSchedule', { ...schedule, Name: 'once', ScheduleExpression: `at(${at})`, ActionAfterCompletion: 'DELETE', Target: { ...schedule.Target, Input: 'third' } });
    assert.deepEqual((await scheduler.call('ListSchedules', { GroupName: 'night' })).Schedules.map((s) => s.Name), ['often', 'once']);
    await scheduler.call('UpdateSchedule', { ...schedule, State: 'DISABLED' });
    await naru.advance(60 * minute);
    assert.deepEqual((await receive('scheduled')).map((m) => m.Body), ['third']);
    await until('the schedule is gone', async () => (await scheduler.call('ListSchedules', { GroupName: 'night' })).Schedules.length === 1);

    await refused(scheduler.call('CreateSchedule', { ...schedule, Name: 'bad', ScheduleExpression: 'rate(10 years)' }), 'ValidationException', 'Invalid Schedule Expression rate(10 years).');
    await refused(scheduler.call('CreateSchedule', schedule), 'ConflictException', 'Schedule often already exists.');
    await scheduler.call('DeleteSchedule', { Name: 'often', GroupName: 'night' });
    await refused(scheduler.call('GetSchedule', { Name: 'often', GroupName: 'night' }), 'ResourceNotFoundException', 'Schedule often does not exist.');
    await scheduler.call('DeleteScheduleGroup', { Name: 'night' });
    assert.deepEqual((await scheduler.call('ListScheduleGroups', {})).ScheduleGroups.map((g) => g.Name), ['default']);
  });
}
