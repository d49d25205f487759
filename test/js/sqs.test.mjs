// SQS by the SDKs for JavaScript. Time passes by Naru's clock being moved,
// except where a test says so.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Naru } from './naru.mjs';
import { sdks } from './sdks.mjs';
import { until } from './until.mjs';

const accountID = '000000000000';
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const badCharacters = 'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF';
const MiB = 1 << 20;

describe('SQS', { concurrency: true }, () => {
  for (const sdk of sdks) describe(`by ${sdk.name}`, { concurrency: 1 }, () => suite(sdk));
});

function suite(sdk) {
  let naru, sqs, queues = 0;

  before(async () => {
    naru = await Naru.start('--allow-reset');
    sqs = client();
  });
  after(() => naru.stop());

  const client = (options) => sdk.client('sqs', naru.endpoint, options);
  const newName = () => `queue-${++queues}`;

  // newQueue makes a queue of a name of its own and returns its URL.
  async function newQueue(Attributes = {}) {
    return (await sqs.call('CreateQueue', { QueueName: newName(), Attributes })).QueueUrl;
  }

  const send = (QueueUrl, MessageBody, more) => sqs.call('SendMessage', { QueueUrl, MessageBody, ...more });

  // receive receives up to ten messages.
  async function receive(QueueUrl, more) {
    return (await sqs.call('ReceiveMessage', { QueueUrl, MaxNumberOfMessages: 10, ...more })).Messages ?? [];
  }

  // receiveOne receives a message, which must be there.
  async function receiveOne(QueueUrl, more) {
    const messages = await receive(QueueUrl, more);
    assert.equal(messages.length, 1);
    return messages[0];
  }

  const bodies = (messages) => messages.map((message) => message.Body).sort();
  const remove = (QueueUrl, { ReceiptHandle }) => sqs.call('DeleteMessage', { QueueUrl, ReceiptHandle });

  async function attributes(QueueUrl, ...AttributeNames) {
    return (await sqs.call('GetQueueAttributes', { QueueUrl, AttributeNames })).Attributes ?? {};
  }

  // counts returns how many messages are visible, in flight and delayed.
  async function counts(queue) {
    const all = await attributes(queue, 'All');
    return ['', 'NotVisible', 'Delayed'].map((which) => Number(all[`ApproximateNumberOfMessages${which}`]));
  }

  const arnOf = async (queue) => (await attributes(queue, 'QueueArn')).QueueArn;

  // refuses finds that a call is refused with an error, given by its names in
  // SQS's model and in the query protocol, its message and status.
  async function refuses(call, shape, code, message, status = 400) {
    await assert.rejects(call, (error) => {
      assert.deepEqual(
        { code: error.code, message: error.message, status: error.status },
        { code: sdk.shows(shape, code), message, status },
      );
      return true;
    });
  }

  const refusesParameter = (call, message) => refuses(call, 'InvalidParameterValue', 'InvalidParameterValue', message);

  const isGone = (call) => refuses(
    call, 'QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue',
    sdk.query ? 'The specified queue does not exist for this wsdl version.' : 'The specified queue does not exist.',
  );

  describe('queues', () => {
    test('the URL is at the address by which Naru was called', async () => {
      const name = newName();
      const { QueueUrl } = await sqs.call('CreateQueue', { QueueName: name });
      assert.equal(QueueUrl, `${naru.endpoint}/${accountID}/${name}`);
      assert.equal((await sqs.call('GetQueueUrl', { QueueName: name })).QueueUrl, QueueUrl);
    });

    test('a new queue has the attributes that AWS gives it, and those it was made with', async () => {
      const queue = await newQueue({ VisibilityTimeout: '45', ReceiveMessageWaitTimeSeconds: '3' });
      const { CreatedTimestamp, LastModifiedTimestamp, ...rest } = await attributes(queue, 'All');
      assert.equal(LastModifiedTimestamp, CreatedTimestamp);
      assert.match(CreatedTimestamp, /^\d{10}$/);
      assert.deepEqual(rest, {
        ApproximateNumberOfMessages: '0', ApproximateNumberOfMessagesDelayed: '0', ApproximateNumberOfMessagesNotVisible: '0',
        DelaySeconds: '0', MaximumMessageSize: '1048576', MessageRetentionPeriod: '345600', ReceiveMessageWaitTimeSeconds: '3',
        QueueArn: `arn:aws:sqs:us-east-1:${accountID}:queue-${queues}`, SqsManagedSseEnabled: 'true', VisibilityTimeout: '45',
      });
    });

    test('to make a queue again is to get it, if no attribute differs', async () => {
      const QueueName = newName();
      const make = (Attributes) => sqs.call('CreateQueue', { QueueName, Attributes });
      const { QueueUrl } = await make({ DelaySeconds: '5' });
      assert.equal((await make({ DelaySeconds: '5' })).QueueUrl, QueueUrl);
      assert.equal((await make({})).QueueUrl, QueueUrl);
      assert.equal((await make({ VisibilityTimeout: '30' })).QueueUrl, QueueUrl, 'a default counts as given');
      await refuses(make({ DelaySeconds: '6' }), 'QueueNameExists', 'QueueAlreadyExists',
        'A queue already exists with the same name and a different value for attribute DelaySeconds');
      assert.equal((await attributes(QueueUrl, 'DelaySeconds')).DelaySeconds, '5');
    });

    test('names are of letters, digits, hyphens and underscores', async () => {
      for (const QueueName of ['', 'a b', 'a.b', 'a'.repeat(81), 'naïve']) {
        await refusesParameter(sqs.call('CreateQueue', { QueueName }), 'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length');
      }
      await sqs.call('CreateQueue', { QueueName: 'A-z_0'.padEnd(80, '9') });
    });

    test('queues are listed by prefix, in order', async () => {
      for (const QueueName of ['listed-b', 'listed-a', 'listed-c', 'liste']) await sqs.call('CreateQueue', { QueueName });
      const list = async (QueueNamePrefix) => (await sqs.call('ListQueues', { QueueNamePrefix })).QueueUrls;
      assert.deepEqual(await list('listed-'), ['a', 'b', 'c'].map((end) => `${naru.endpoint}/${accountID}/listed-${end}`));
      assert.deepEqual(await list('unlisted-') ?? [], []);
      assert.ok((await list()).length >= 4);
    });

    if (!sdk.query) {
      test('a list has pages', async () => {
        for (const n of [1, 2, 3, 4, 5]) await sqs.call('CreateQueue', { QueueName: `paged-${n}` });
        const pages = [];
        let NextToken;
        do {
          const page = await sqs.call('ListQueues', { QueueNamePrefix: 'paged-', MaxResults: 2, NextToken });
          pages.push(page.QueueUrls.map((url) => url.slice(-1)));
          ({ NextToken } = page);
        } while (NextToken);
        assert.deepEqual(pages, [['1', '2'], ['3', '4'], ['5']]);
      });
    }

    test('a queue that is not there is refused by its code', async () => {
      const QueueUrl = `${naru.endpoint}/${accountID}/nowhere`;
      await isGone(sqs.call('GetQueueUrl', { QueueName: 'nowhere' }));
      await isGone(send(QueueUrl, 'body'));
      await isGone(receive(QueueUrl));
      await isGone(attributes(QueueUrl, 'All'));
      await isGone(sqs.call('PurgeQueue', { QueueUrl }));
      await isGone(sqs.call('DeleteQueue', { QueueUrl }));
    });

    test('of a URL the account and name count, not the host', async () => {
      const queue = await newQueue();
      const other = client({ useQueueUrlAsEndpoint: false });
      const QueueUrl = queue.replace('127.0.0.1', 'localhost');
      await other.call('SendMessage', { QueueUrl, MessageBody: 'by another host' });
      assert.deepEqual(bodies(await receive(queue)), ['by another host']);
    });

    test('attributes can be set', async () => {
      const queue = await newQueue();
      await sqs.call('SetQueueAttributes', { QueueUrl: queue, Attributes: { VisibilityTimeout: '7', MessageRetentionPeriod: '120' } });
      assert.deepEqual(await attributes(queue, 'VisibilityTimeout', 'MessageRetentionPeriod', 'DelaySeconds'),
        { VisibilityTimeout: '7', MessageRetentionPeriod: '120', DelaySeconds: '0' });
      assert.deepEqual(await attributes(queue), {}, 'none are told if none are asked for');
    });

    test('a bad attribute is refused, and nothing is changed', async () => {
      const queue = await newQueue();
      const set = (Attributes) => sqs.call('SetQueueAttributes', { QueueUrl: queue, Attributes });
      await refuses(set({ Colour: 'red' }), 'InvalidAttributeName', 'InvalidAttributeName', 'Unknown Attribute Colour.');
      await refuses(set({ DelaySeconds: '3', VisibilityTimeout: '43201' }), 'InvalidAttributeValue', 'InvalidAttributeValue', 'Invalid value for the parameter VisibilityTimeout.');
      await refuses(set({ DelaySeconds: 'x' }), 'InvalidAttributeValue', 'InvalidAttributeValue', 'Invalid value for the parameter DelaySeconds.');
      await refuses(attributes(queue, 'Colour'), 'InvalidAttributeName', 'InvalidAttributeName', 'Unknown Attribute Colour.');
      assert.deepEqual(await attributes(queue, 'DelaySeconds', 'VisibilityTimeout'), { DelaySeconds: '0', VisibilityTimeout: '30' });
    });

    test('a deleted queue is gone, and can be made anew after a minute, empty', async () => {
      const QueueName = newName();
      const make = () => sqs.call('CreateQueue', { QueueName });
      const { QueueUrl } = await make();
      await send(QueueUrl, 'of the old queue');
      await sqs.call('DeleteQueue', { QueueUrl });
      await isGone(receive(QueueUrl));
      await isGone(sqs.call('GetQueueUrl', { QueueName }));
      await refuses(make(), 'QueueDeletedRecently', 'AWS.SimpleQueueService.QueueDeletedRecently',
        'You must wait 60 seconds after deleting a queue before you can create another with the same name.');
      await naru.advance(60);
      await make();
      assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
      assert.deepEqual(await receive(QueueUrl), []);
    });

    test('a purge removes all messages that were sent before it', async () => {
      const queue = await newQueue({ VisibilityTimeout: '30' });
      await send(queue, 'in flight');
      const inFlight = await receiveOne(queue);
      await send(queue, 'visible');
      await send(queue, 'delayed', { DelaySeconds: 30 });
      assert.deepEqual(await counts(queue), [1, 1, 1]);
      await sqs.call('PurgeQueue', { QueueUrl: queue });
      assert.deepEqual(await counts(queue), [0, 0, 0]);
      await refuses(sqs.call('PurgeQueue', { QueueUrl: queue }), 'PurgeQueueInProgress', 'AWS.SimpleQueueService.PurgeQueueInProgress',
        `Only one PurgeQueue operation on queue-${queues} is allowed every 60 seconds.`, 403);
      await send(queue, 'after it');
      await naru.advance(60);
      assert.deepEqual(bodies(await receive(queue)), ['after it']);
      await remove(queue, inFlight);
      await sqs.call('PurgeQueue', { QueueUrl: queue });
      assert.deepEqual(await counts(queue), [0, 0, 0]);
    });

    test('accounts and regions have queues of their own', async () => {
      const of = (accessKeyId, region) => client({ credentials: { accessKeyId, secretAccessKey: 'any' }, ...region });
      const QueueName = newName();
      const places = [of('111111111111'), of('222222222222'), of('222222222222', { region: 'eu-west-1' })];
      const urls = [];
      for (const place of places) urls.push((await place.call('CreateQueue', { QueueName })).QueueUrl);
      for (const [n, place] of places.entries()) await place.call('SendMessage', { QueueUrl: urls[n], MessageBody: `in place ${n}` });
      for (const [n, place] of places.entries()) {
        const { Messages } = await place.call('ReceiveMessage', { QueueUrl: urls[n], MaxNumberOfMessages: 10 });
        assert.deepEqual(bodies(Messages), [`in place ${n}`]);
      }
      await isGone(sqs.call('GetQueueUrl', { QueueName }));
      await assert.rejects(places[0].call('DeleteQueue', { QueueUrl: urls[1] }), { status: 403 });
      assert.deepEqual((await places[1].call('ListQueues', {})).QueueUrls, [urls[1]]);
    });
  });

  describe('messages', () => {
    test('a message is received as it was sent', async () => {
      const queue = await newQueue();
      const sent = await send(queue, 'a body', { MessageAttributes: everyKind });
      assert.match(sent.MessageId, uuid);
      assert.equal(sent.MD5OfMessageBody, md5('a body'));
      assert.equal(sent.MD5OfMessageAttributes, attributesMD5(everyKind));
      const message = await receiveOne(queue, { MessageAttributeNames: ['All'] });
      assert.equal(message.MessageId, sent.MessageId);
      assert.equal(message.Body, 'a body');
      assert.equal(message.MD5OfBody, md5('a body'));
      assert.equal(message.MD5OfMessageAttributes, attributesMD5(everyKind));
      assert.deepEqual(plain(message.MessageAttributes), plain(everyKind));
      assert.equal(message.Attributes, undefined);
    });

    test('attributes are told as far as they are asked for', async () => {
      const queue = await newQueue({ VisibilityTimeout: '0' });
      const text = (StringValue) => ({ DataType: 'String', StringValue });
      const given = { 'colour.hull': text('red'), 'colour.deck': text('grey'), colour: text('white'), weight: { DataType: 'Number', StringValue: '12.5' } };
      await send(queue, 'a boat', { MessageAttributes: given });
      for (const [asked, told] of [
        [[], []],
        [['weight'], ['weight']],
        [['weight', 'height'], ['weight']],
        [['colour.*'], ['colour', 'colour.deck', 'colour.hull']],
        [['col.*'], ['colour', 'colour.deck', 'colour.hull']],
        [['colour.h.*'], ['colour.hull']],
        [['.*'], Object.keys(given)],
        [['All'], Object.keys(given)],
      ]) {
        const message = await receiveOne(queue, { MessageAttributeNames: asked });
        const got = Object.keys(message.MessageAttributes ?? {});
        assert.deepEqual(got.sort(), told.sort(), `asked for ${asked}`);
        const shown = Object.fromEntries(got.map((name) => [name, given[name]]));
        assert.equal(message.MD5OfMessageAttributes, got.length > 0 ? attributesMD5(shown) : undefined, 'the sum is that of what is told');
      }
    });

    test('system attributes are told as far as they are asked for', async () => {
      const queue = await newQueue({ VisibilityTimeout: '0' });
      const earliest = Date.now();
      await send(queue, 'body');
      const some = await receiveOne(queue, { AttributeNames: ['ApproximateReceiveCount'] });
      assert.deepEqual(some.Attributes, { ApproximateReceiveCount: '1' });
      const { Attributes } = await receiveOne(queue, { AttributeNames: ['All'] });
      assert.deepEqual(Object.keys(Attributes).sort(), ['ApproximateFirstReceiveTimestamp', 'ApproximateReceiveCount', 'SenderId', 'SentTimestamp']);
      assert.equal(Attributes.ApproximateReceiveCount, '2');
      assert.equal(Attributes.SenderId, accountID);
      assert.ok(Number(Attributes.SentTimestamp) >= earliest, `it was sent at ${Attributes.SentTimestamp}`);
      assert.ok(Number(Attributes.ApproximateFirstReceiveTimestamp) >= Number(Attributes.SentTimestamp));
    });

    test('attributes that AWS refuses are refused', async () => {
      const queue = await newQueue();
      const sendWith = (name, value) => send(queue, 'body', { MessageAttributes: { [name]: value } });
      for (const [name, value, code = 'InvalidParameterValue'] of [
        ['AWS.own', { DataType: 'String', StringValue: 'x' }],
        ['Amazon.own', { DataType: 'String', StringValue: 'x' }],
        ['.first', { DataType: 'String', StringValue: 'x' }],
        ['last.', { DataType: 'String', StringValue: 'x' }],
        ['with space', { DataType: 'String', StringValue: 'x' }],
        ['a'.repeat(257), { DataType: 'String', StringValue: 'x' }],
        ['kind', { DataType: 'Text', StringValue: 'x' }],
        ['number', { DataType: 'Number', StringValue: 'twelve' }],
        ['digits', { DataType: 'Number', StringValue: '1'.repeat(39) }],
        ['character', { DataType: 'String', StringValue: 'a\u0001b' }, 'InvalidMessageContents'],
      ]) {
        await assert.rejects(sendWith(name, value), { code, status: 400 }, `${name} is no good`);
      }
      await refusesParameter(sendWith('empty', { DataType: 'String', StringValue: '' }), "Message (user) attribute 'empty' must contain a non-empty value of type 'String'.");
      const many = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`a${n}`, { DataType: 'Number', StringValue: `${n}` }]));
      await refusesParameter(send(queue, 'body', { MessageAttributes: many }), 'Number of message attributes [11] exceeds the allowed maximum [10].');
      assert.deepEqual(await counts(queue), [0, 0, 0]);
    });

    for (const [what, body] of Object.entries({
      'emoji and other characters beyond the first plane': '🚢 ⛴️ 👩‍🚀 𝔫𝔞𝔯𝔲 \u{10ffff}',
      'letters of many scripts': '나루 ferry 渡し場 переправа عبّارة נמל Überfahrt',
      'tabs, new lines and carriage returns': 'a\tb\nc\r\nd\re\r',
      'what XML, JSON and forms have to escape': '<a b="c">&amp; \'d\' %20+~*() {"e":"\\u00e9 \\n"}]]>',
      'spaces at both ends': '  in the middle  ',
      'the last characters of the first plane': '\ud7ff\ue000\ufffd',
    })) {
      test(`a body may have ${what}`, async () => {
        const queue = await newQueue();
        const attribute = { DataType: 'String', StringValue: body };
        const sent = await send(queue, body, { MessageAttributes: { same: attribute } });
        assert.equal(sent.MD5OfMessageBody, md5(body));
        const message = await receiveOne(queue, { MessageAttributeNames: ['All'] });
        assert.equal(message.Body, body);
        assert.equal(message.MessageAttributes.same.StringValue, body);
        assert.equal(message.MD5OfMessageAttributes, attributesMD5({ same: attribute }));
      });
    }

    test('control characters are refused', async () => {
      const queue = await newQueue();
      for (const character of ['\u0000', '\u0001', '\u0008', '\u000b', '\u000c', '\u001f', '\ufffe', '\uffff']) {
        await refuses(send(queue, `a${character}b`), 'InvalidMessageContents', 'InvalidMessageContents', badCharacters);
      }
      assert.deepEqual(await counts(queue), [0, 0, 0]);
    });

    test('half a character is never made into another one', async () => {
      const queue = await newQueue();
      await assert.rejects(send(queue, 'half a ship: \ud83d'), sdk.query ? { code: 'URIError' } : { code: 'MalformedInput', status: 400 });
      assert.deepEqual(await counts(queue), [0, 0, 0]);
    });

    test('an empty body is refused', async () => {
      const queue = await newQueue();
      await refuses(send(queue, ''), 'MissingParameter', 'MissingParameter', 'The request must contain the parameter MessageBody.');
      assert.deepEqual(await counts(queue), [0, 0, 0]);
    });

    test('a message may have a mebibyte and not a byte more', async () => {
      const queue = await newQueue();
      const tooLong = 'One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.';
      const big = 'ä'.repeat(MiB / 2);
      await send(queue, big);
      assert.equal((await receiveOne(queue)).Body, big);
      await refusesParameter(send(queue, `${big}x`), tooLong);
      const MessageAttributes = { n: { DataType: 'String', StringValue: 'v' } };
      await refusesParameter(send(queue, 'x'.repeat(MiB - 7), { MessageAttributes }), tooLong);
      await send(queue, 'x'.repeat(MiB - 8), { MessageAttributes });
      assert.deepEqual(await counts(queue), [1, 1, 0]);
    });

    test('a queue may allow less', async () => {
      const queue = await newQueue({ MaximumMessageSize: '1024' });
      await send(queue, 'x'.repeat(1024));
      await refusesParameter(send(queue, 'x'.repeat(1025)), 'One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.');
    });

    test('every message is received once, however many there are', async () => {
      const queue = await newQueue();
      const sent = Array.from({ length: 25 }, (_, n) => `message ${n}`);
      await Promise.all(sent.map((body) => send(queue, body)));
      const got = [];
      for (let page; (page = await receive(queue)).length > 0;) got.push(...bodies(page));
      assert.deepEqual(got.sort(), sent.sort());
      assert.deepEqual(await counts(queue), [0, 25, 0]);
    });

    test('numbers out of their ranges are refused', async () => {
      const queue = await newQueue();
      await refusesParameter(receive(queue, { MaxNumberOfMessages: 11 }), 'Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.');
      await refusesParameter(receive(queue, { MaxNumberOfMessages: 0 }), 'Value 0 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.');
      await refusesParameter(receive(queue, { WaitTimeSeconds: 21 }), 'Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.');
      await refusesParameter(send(queue, 'body', { DelaySeconds: 901 }), 'Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.');
      await assert.rejects(receive(queue, { VisibilityTimeout: 43201 }), { code: 'InvalidParameterValue' });
    });
  });

  describe('visibility', () => {
    test('a delayed message is not received before its delay', async () => {
      const queue = await newQueue({ DelaySeconds: '60' });
      await send(queue, 'by the queue');
      await send(queue, 'by the message', { DelaySeconds: 900 });
      await send(queue, 'not at all', { DelaySeconds: 0 });
      assert.deepEqual(await counts(queue), [1, 0, 2]);
      assert.deepEqual(bodies(await receive(queue, { VisibilityTimeout: 2000 })), ['not at all']);
      await naru.advance(59);
      assert.deepEqual(await receive(queue), []);
      await naru.advance(1);
      assert.deepEqual(bodies(await receive(queue, { VisibilityTimeout: 2000 })), ['by the queue']);
      await naru.advance(840);
      assert.deepEqual(bodies(await receive(queue)), ['by the message']);
    });

    test('a message that was not deleted returns after its visibility timeout', async () => {
      const queue = await newQueue({ VisibilityTimeout: '30' });
      const { MessageId } = await send(queue, 'body');
      const first = await receiveOne(queue);
      assert.deepEqual(await receive(queue), []);
      assert.deepEqual(await counts(queue), [0, 1, 0]);
      await naru.advance(30);
      const second = await receiveOne(queue, { AttributeNames: ['ApproximateReceiveCount'] });
      assert.equal(second.MessageId, MessageId);
      assert.equal(second.Attributes.ApproximateReceiveCount, '2');
      assert.notEqual(second.ReceiptHandle, first.ReceiptHandle);
    });

    test('delays and visibility timeouts pass by themselves, in real time', async () => {
      const queue = await newQueue({ VisibilityTimeout: '1' });
      const start = Date.now();
      await send(queue, 'body', { DelaySeconds: 1 });
      await receiveOne(queue, { WaitTimeSeconds: 10 });
      const first = Date.now() - start;
      await receiveOne(queue, { WaitTimeSeconds: 10 });
      const second = Date.now() - start;
      assert.ok(first >= 990 && first < 8000, `it was received after ${first} ms`);
      assert.ok(second >= 1980 && second < 12_000, `it was received again after ${second} ms`);
    });

    test('a visibility timeout can be changed while it runs', async () => {
      const queue = await newQueue({ VisibilityTimeout: '30' });
      await send(queue, 'body');
      const { ReceiptHandle } = await receiveOne(queue);
      const change = (VisibilityTimeout) => sqs.call('ChangeMessageVisibility', { QueueUrl: queue, ReceiptHandle, VisibilityTimeout });
      await change(100);
      await naru.advance(99);
      assert.deepEqual(await receive(queue), []);
      await change(0);
      await receiveOne(queue);
    });

    test('what is not there cannot be hidden', async () => {
      const queue = await newQueue();
      await send(queue, 'body');
      const message = await receiveOne(queue);
      const change = (ReceiptHandle, VisibilityTimeout) => sqs.call('ChangeMessageVisibility', { QueueUrl: queue, ReceiptHandle, VisibilityTimeout });
      await assert.rejects(change(message.ReceiptHandle, 43201), { code: 'InvalidParameterValue' });
      await refuses(change('no handle', 5), 'ReceiptHandleIsInvalid', 'ReceiptHandleIsInvalid', 'The input receipt handle "no handle" is not a valid receipt handle.', 404);
      await remove(queue, message);
      await refusesParameter(change(message.ReceiptHandle, 5),
        `Value ${message.ReceiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`);
    });

    test('a deleted message does not return', async () => {
      const queue = await newQueue();
      await send(queue, 'body');
      const message = await receiveOne(queue);
      await remove(queue, message);
      await remove(queue, message); // twice does no harm
      await naru.advance(60);
      assert.deepEqual(await receive(queue), []);
      assert.deepEqual(await counts(queue), [0, 0, 0]);
      await refuses(remove(queue, { ReceiptHandle: 'no handle' }), 'ReceiptHandleIsInvalid', 'ReceiptHandleIsInvalid', 'The input receipt handle "no handle" is not a valid receipt handle.', 404);
    });

    test('a message can be deleted after its visibility timeout', async () => {
      const queue = await newQueue({ VisibilityTimeout: '1' });
      await send(queue, 'body');
      const message = await receiveOne(queue);
      await naru.advance(5);
      await remove(queue, message);
      assert.deepEqual(await receive(queue), []);
    });

    test('a message older than the retention period is gone', async () => {
      const queue = await newQueue({ MessageRetentionPeriod: '60' });
      await send(queue, 'old');
      await naru.advance(40);
      await send(queue, 'new');
      await naru.advance(20);
      assert.deepEqual(bodies(await receive(queue)), ['new']);
      assert.deepEqual(await counts(queue), [0, 1, 0]);
    });
  });

  describe('long polls', () => {
    const requests = () => naru.count('api_requests', { service: 'sqs', operation: 'ReceiveMessage' });

    test('a receive that waits is answered by a later send', async () => {
      const queue = await newQueue();
      const start = Date.now();
      const waiting = receive(queue, { WaitTimeSeconds: 20 });
      assert.deepEqual(await counts(queue), [0, 0, 0]); // by now the receive waits
      await send(queue, 'at last');
      assert.deepEqual(bodies(await waiting), ['at last']);
      assert.ok(Date.now() - start < 10_000, 'it did not wait for the end');
    });

    test('a receive that finds nothing ends after its time', async () => {
      const queue = await newQueue({ ReceiveMessageWaitTimeSeconds: '1' });
      const start = Date.now();
      assert.deepEqual(await receive(queue), []);
      const took = Date.now() - start;
      assert.ok(took >= 900 && took < 8000, `it took ${took} ms`);
      assert.deepEqual(await receive(queue, { WaitTimeSeconds: 0 }), []);
    });

    test('one message answers one of those who wait', async () => {
      const queue = await newQueue();
      const answers = [];
      const waiting = [1, 2, 3].map(async () => answers.push(...bodies(await receive(queue, { WaitTimeSeconds: 20 }))));
      await counts(queue);
      for (const body of ['a', 'b', 'c']) await send(queue, body);
      await Promise.all(waiting);
      assert.deepEqual(answers.sort(), ['a', 'b', 'c']);
    });

    test('a receive whose client has gone takes no message', async () => {
      const queue = await newQueue();
      const before = await requests();
      const gone = new AbortController();
      const waiting = [1, 2, 3].map(() => sqs.call('ReceiveMessage', { QueueUrl: queue, WaitTimeSeconds: 20 }, gone.signal));
      const ends = Promise.allSettled(waiting);
      await counts(queue); // by now they wait
      gone.abort();
      assert.deepEqual((await ends).map((end) => end.status), ['rejected', 'rejected', 'rejected']);
      await until('Naru has noticed', async () => await requests() === before + 3);
      await send(queue, 'for who is there');
      assert.deepEqual(bodies(await receive(queue)), ['for who is there']);
    });

    test('a receive that waits is answered when the queue is deleted', async () => {
      const queue = await newQueue();
      const start = Date.now();
      const waiting = receive(queue, { WaitTimeSeconds: 20 }).then(() => 'empty', (error) => error.code);
      await counts(queue);
      await sqs.call('DeleteQueue', { QueueUrl: queue });
      assert.ok(['empty', sdk.shows('QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue')].includes(await waiting));
      assert.ok(Date.now() - start < 10_000, 'it did not wait for the end');
    });
  });

  describe('batches', () => {
    const sendBatch = (QueueUrl, Entries) => sqs.call('SendMessageBatch', { QueueUrl, Entries });
    const ids = (entries) => (entries ?? []).map((entry) => entry.Id).sort();

    test('what is wrong with an entry fails that entry', async () => {
      const queue = await newQueue({ MaximumMessageSize: '1024' });
      const { Successful, Failed } = await sendBatch(queue, [
        { Id: 'good', MessageBody: 'good', MessageAttributes: everyKind },
        { Id: 'empty', MessageBody: '' },
        { Id: 'bell', MessageBody: 'a\u0007b' },
        { Id: 'large', MessageBody: 'x'.repeat(1025) },
        { Id: 'late', MessageBody: 'late', DelaySeconds: 10 },
      ]);
      assert.deepEqual(ids(Successful), ['good', 'late']);
      const good = Successful.find((entry) => entry.Id === 'good');
      assert.match(good.MessageId, uuid);
      assert.equal(good.MD5OfMessageBody, md5('good'));
      assert.equal(good.MD5OfMessageAttributes, attributesMD5(everyKind));
      assert.deepEqual(Failed.map(({ Id, Code, SenderFault }) => ({ Id, Code, SenderFault })).sort((a, b) => a.Id.localeCompare(b.Id)), [
        { Id: 'bell', Code: 'InvalidMessageContents', SenderFault: true },
        { Id: 'empty', Code: 'MissingParameter', SenderFault: true },
        { Id: 'large', Code: 'InvalidParameterValue', SenderFault: true },
      ]);
      assert.equal(Failed.find((entry) => entry.Id === 'large').Message, 'One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.');
      assert.deepEqual(await counts(queue), [1, 0, 1]);
    });

    test('what is wrong with a batch refuses all of it', async () => {
      const queue = await newQueue();
      const entries = (...names) => names.map((Id) => ({ Id, MessageBody: 'body' }));
      const refusesBatch = (batch, shape, message) => refuses(sendBatch(queue, batch), shape, `AWS.SimpleQueueService.${shape}`, message);
      await refusesBatch(entries(), 'EmptyBatchRequest', 'There should be at least one SendMessageBatchRequestEntry in the request.');
      await refusesBatch(entries(...'abcdefghijk'), 'TooManyEntriesInBatchRequest', 'Maximum number of entries per request are 10. You have sent 11.');
      await refusesBatch(entries('a', 'b', 'a'), 'BatchEntryIdsNotDistinct', 'Id a repeated.');
      await refusesBatch(entries('a', 'b c'), 'InvalidBatchEntryId', 'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.');
      await refusesBatch([{ Id: 'a', MessageBody: 'x'.repeat(MiB / 2) }, { Id: 'b', MessageBody: 'x'.repeat(MiB / 2 + 1) }],
        'BatchRequestTooLong', 'Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.');
      assert.deepEqual(await counts(queue), [0, 0, 0]);
    });

    test('ten messages are sent, received and deleted at a time', async () => {
      const queue = await newQueue();
      const names = Array.from({ length: 10 }, (_, n) => `n${n}`);
      assert.deepEqual(ids((await sendBatch(queue, names.map((Id) => ({ Id, MessageBody: Id })))).Successful), names);
      const messages = await receive(queue);
      assert.deepEqual(bodies(messages), names);
      const { Successful, Failed } = await sqs.call('DeleteMessageBatch', {
        QueueUrl: queue, Entries: [...messages.slice(1).map(({ Body, ReceiptHandle }) => ({ Id: Body, ReceiptHandle })), { Id: 'bad', ReceiptHandle: 'no handle' }],
      });
      assert.deepEqual(ids(Successful), bodies(messages.slice(1)));
      assert.deepEqual(Failed.map(({ Id, Code, SenderFault }) => ({ Id, Code, SenderFault })), [{ Id: 'bad', Code: 'ReceiptHandleIsInvalid', SenderFault: true }]);
      assert.deepEqual(await counts(queue), [0, 1, 0]);
    });

    test('visibility is changed of several messages, each by itself', async () => {
      const queue = await newQueue();
      await sendBatch(queue, ['a', 'b', 'c'].map((Id) => ({ Id, MessageBody: Id })));
      const handles = Object.fromEntries((await receive(queue)).map(({ Body, ReceiptHandle }) => [Body, ReceiptHandle]));
      await remove(queue, { ReceiptHandle: handles.c });
      const { Successful, Failed } = await sqs.call('ChangeMessageVisibilityBatch', {
        QueueUrl: queue, Entries: [
          { Id: 'now', ReceiptHandle: handles.a, VisibilityTimeout: 0 },
          { Id: 'later', ReceiptHandle: handles.b, VisibilityTimeout: 300 },
          { Id: 'deleted', ReceiptHandle: handles.c, VisibilityTimeout: 5 },
          { Id: 'bad', ReceiptHandle: 'no handle', VisibilityTimeout: 5 },
          { Id: 'toolong', ReceiptHandle: handles.b, VisibilityTimeout: 43201 },
        ],
      });
      assert.deepEqual(ids(Successful), ['later', 'now']);
      assert.deepEqual(Object.fromEntries(Failed.map((entry) => [entry.Id, entry.Code])),
        { bad: 'ReceiptHandleIsInvalid', deleted: 'InvalidParameterValue', toolong: 'InvalidParameterValue' });
      assert.deepEqual(bodies(await receive(queue, { VisibilityTimeout: 500 })), ['a']);
      await naru.advance(299);
      assert.deepEqual(await receive(queue), []);
      await naru.advance(1);
      assert.deepEqual(bodies(await receive(queue)), ['b']);
    });
  });

  describe('dead-letter queues', () => {
    const redrive = (deadLetterTargetArn, maxReceiveCount) => ({ RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount }) });

    test('a message that was received too often moves on', async () => {
      const dead = await newQueue();
      const queue = await newQueue({ VisibilityTimeout: '0', ...redrive(await arnOf(dead), 2) });
      const sent = await send(queue, 'poison', { MessageAttributes: everyKind });
      const first = await receiveOne(queue, { AttributeNames: ['All'] });
      await receiveOne(queue);
      assert.deepEqual(await receive(queue), []);
      const message = await receiveOne(dead, { AttributeNames: ['All'], MessageAttributeNames: ['All'], WaitTimeSeconds: 10 });
      assert.equal(message.MessageId, sent.MessageId);
      assert.equal(message.Body, 'poison');
      assert.deepEqual(plain(message.MessageAttributes), plain(everyKind));
      assert.equal(message.Attributes.DeadLetterQueueSourceArn, await arnOf(queue));
      assert.equal(message.Attributes.SentTimestamp, first.Attributes.SentTimestamp);
      assert.equal(message.Attributes.ApproximateReceiveCount, '3');
      assert.deepEqual(await counts(queue), [0, 0, 0]);
      assert.deepEqual(await counts(dead), [0, 1, 0]);
    });

    test('a message that is deleted in time stays', async () => {
      const dead = await newQueue();
      const queue = await newQueue(redrive(await arnOf(dead), 1));
      await send(queue, 'fine');
      await remove(queue, await receiveOne(queue));
      await naru.advance(60);
      assert.deepEqual(await receive(queue), []);
      assert.deepEqual(await counts(dead), [0, 0, 0]);
    });

    test('the policy is told as it was meant, and can be removed', async () => {
      const dead = await newQueue();
      const target = await arnOf(dead);
      const queue = await newQueue(redrive(target, '5'));
      assert.deepEqual(JSON.parse((await attributes(queue, 'RedrivePolicy')).RedrivePolicy), { deadLetterTargetArn: target, maxReceiveCount: 5 });
      await sqs.call('SetQueueAttributes', { QueueUrl: queue, Attributes: { RedrivePolicy: '' } });
      assert.deepEqual(await attributes(queue, 'RedrivePolicy'), {});
    });

    test('a policy that cannot work is refused', async () => {
      const queue = await newQueue();
      const target = await arnOf(queue);
      for (const policy of [redrive(target, 0), redrive(target, 1001), redrive(`${target}-of-nobody`, 3), redrive(undefined, 3), redrive(target), { RedrivePolicy: 'no JSON' }]) {
        await assert.rejects(newQueue(policy), { code: 'InvalidParameterValue', status: 400 }, policy.RedrivePolicy);
      }
      const locked = await newQueue({ RedriveAllowPolicy: '{"redrivePermission":"denyAll"}' });
      await assert.rejects(newQueue(redrive(await arnOf(locked), 3)), { code: 'InvalidParameterValue' });
    });
  });
}

// everyKind has an attribute of each kind.
const everyKind = {
  text: { DataType: 'String', StringValue: 'naïve ⛵' },
  labelled: { DataType: 'String.note', StringValue: 'x' },
  number: { DataType: 'Number', StringValue: '-273.15' },
  bytes: { DataType: 'Binary', BinaryValue: Buffer.from([0, 1, 127, 128, 254, 255]) },
  picture: { DataType: 'Binary.png', BinaryValue: Buffer.from('\x89PNG', 'latin1') },
};

// plain returns attributes in a form that can be compared.
function plain(attributes) {
  return Object.fromEntries(Object.entries(attributes).map(([name, { DataType, StringValue, BinaryValue }]) => [
    name, [DataType, BinaryValue === undefined ? StringValue : Buffer.from(BinaryValue).toString('hex')],
  ]));
}

function md5(text) { return createHash('md5').update(text).digest('hex'); }

// attributesMD5 is the sum of attributes as AWS documents it: of each, in the
// order of their names, the name, the type, the kind of value and the value.
function attributesMD5(attributes) {
  const hash = createHash('md5');
  const add = (bytes) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(bytes.length);
    hash.update(size).update(bytes);
  };
  for (const name of Object.keys(attributes).sort()) {
    const { DataType, StringValue, BinaryValue } = attributes[name];
    add(Buffer.from(name));
    add(Buffer.from(DataType));
    hash.update(Buffer.of(BinaryValue === undefined ? 1 : 2));
    add(BinaryValue ?? Buffer.from(StringValue));
  }
  return hash.digest('hex');
}
