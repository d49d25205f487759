// Functions and their invocation, by the SDKs for JavaScript.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { logEvents, logLines } from './loglines.mjs';
import { Naru } from './naru.mjs';
import { sdks } from './sdks.mjs';
import { until } from './until.mjs';
import { zip } from './zip.mjs';

describe('Lambda', { concurrency: 2 }, () => {
  for (const sdk of sdks) describe(`by ${sdk.name}`, { concurrency: 1 }, () => suite(sdk));
});

const accountID = '000000000000';
const role = `arn:aws:iam::${accountID}:role/Function`;
const many = zip({ 'index.js': fs.readFileSync(new URL('functions/Many.js', import.meta.url)) });
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function suite(sdk) {
  let naru, lambda, logs, iam;

  before(async () => {
    naru = await Naru.start('--allow-reset');
    [lambda, logs, iam] = ['lambda', 'logs', 'iam'].map((service) => sdk.client(service, naru.endpoint));
    const document = (Statement) => JSON.stringify({ Version: '2012-10-17', Statement });
    await iam.call('CreateRole', {
      RoleName: 'Function', AssumeRolePolicyDocument: document({ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }),
    });
    await iam.call('PutRolePolicy', { RoleName: 'Function', PolicyName: 'log', PolicyDocument: document({ Effect: 'Allow', Action: 'logs:*', Resource: '*' }) });
    await create('Many');
  });
  after(() => naru.stop());

  const arnOf = (name) => `arn:aws:lambda:us-east-1:${accountID}:function:${name}`;

  function create(FunctionName, { code = many, ...more } = {}) {
    return lambda.call('CreateFunction', {
      FunctionName, Runtime: 'nodejs20.x', Handler: 'index.handler', Role: role, Timeout: 10, Code: { ZipFile: code }, ...more,
    });
  }

  // source returns code whose handler is an expression.
  const source = (handler) => zip({ 'index.js': `exports.handler = ${handler};` });

  // invoke invokes a function, and returns what came back: the reply's payload
  // as a value, its error, and the tail of the log.
  async function invoke(FunctionName, event, more) {
    const reply = await lambda.call('Invoke', { FunctionName, LogType: 'Tail', Payload: JSON.stringify(event), ...more });
    assert.equal(reply.StatusCode, 200);
    const tail = Buffer.from(reply.LogResult, 'base64').toString();
    return { value: JSON.parse(Buffer.from(reply.Payload)), error: reply.FunctionError, tail, id: /START RequestId: (\S+)/.exec(tail)?.[1], requestID: sdk.requestID(reply) };
  }

  // valueOf invokes a function that must not fail, and returns its reply.
  async function valueOf(FunctionName, event) {
    const { value, error } = await invoke(FunctionName, event);
    assert.equal(error, undefined, JSON.stringify(value));
    return value;
  }

  const sendEvent = (FunctionName, event) => lambda.call('Invoke', { FunctionName, InvocationType: 'Event', Payload: JSON.stringify(event) });

  // refuses finds that a call is refused with an error.
  async function refuses(call, code, message, status) {
    await assert.rejects(call, (error) => {
      assert.equal(error.code, code);
      if (message instanceof RegExp) assert.match(error.message, message);
      else assert.equal(error.message, message);
      assert.equal(error.status, status);
      return true;
    });
  }

  const isUnknown = (call, name) => refuses(call, 'ResourceNotFoundException', `Function not found: ${arnOf(name)}`, 404);

  describe('replies', () => {
    for (const way of ['callback', 'laterCallback', 'async', 'laterAsync', 'succeed', 'done', 'laterDone']) {
      test(`a handler may reply by ${way}`, async () => {
        const value = { text: 'naïve ⛴️ \u0000', list: [1, 2.5, -1e300, null, true], nested: { empty: {} } };
        assert.deepEqual(await valueOf('Many', { do: way, value }), value);
      });
    }

    test('a reply may be any value', async () => {
      for (const value of ['text', 7, true, null, [], {}]) assert.deepEqual(await valueOf('Many', { do: 'async', value }), value);
    });

    test('no reply is null', async () => {
      assert.equal(await valueOf('Many', { do: 'nothing' }), null);
      assert.equal(await valueOf('Many', { do: 'asyncNothing' }), null);
    });

    test('a callback waits for the event loop, unless it is told not to', async () => {
      const waits = await invoke('Many', { do: 'waits' });
      assert.equal(waits.value, 'replied');
      assert.match(waits.tail, /after the callback/);
      await create('Impatient'); // its timer would keep other invocations waiting
      const start = Date.now();
      assert.equal(await valueOf('Impatient', { do: 'doesNotWait' }), 'replied');
      assert.ok(Date.now() - start < 8000);
    });

    test('an environment is used again, and not by two invocations at a time', async () => {
      await create('Counter');
      const first = await valueOf('Counter', { do: 'count' });
      assert.deepEqual(await valueOf('Counter', { do: 'count' }), { ...first, invocations: first.invocations + 1 });
      const streams = await Promise.all([1, 2, 3].map(() => valueOf('Counter', { do: 'hold', milliseconds: 300 })));
      assert.equal(new Set(streams).size, 3);
      assert.ok(streams.includes(first.stream));
    });

    test('an empty payload is an empty object', async () => {
      await create('Echo', { code: source('async (event) => event') });
      const reply = await lambda.call('Invoke', { FunctionName: 'Echo' });
      assert.deepEqual(JSON.parse(Buffer.from(reply.Payload)), {});
      assert.equal(reply.LogResult, undefined, 'the tail is for those who ask');
    });
  });

  describe('the context', () => {
    test('tells a function about itself and the invocation', async () => {
      const ClientContext = Buffer.from(JSON.stringify({ custom: { from: 'a test' } })).toString('base64');
      const { value, id, requestID } = await invoke('Many', { do: 'context' }, { ClientContext });
      const { remaining, logStreamName, ...rest } = value;
      assert.deepEqual(rest, {
        functionName: 'Many', functionVersion: '$LATEST', invokedFunctionArn: arnOf('Many'), memoryLimitInMB: '128', awsRequestId: id,
        logGroupName: '/aws/lambda/Many', clientContext: { custom: { from: 'a test' } },
      });
      assert.equal(id, requestID);
      assert.match(id, uuid);
      assert.match(logStreamName, /^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
      assert.ok(remaining > 0 && remaining <= 10_000, `${remaining} ms remain`);
    });

    test('the environment has AWS\'s variables and its own', async () => {
      await create('Environment', { MemorySize: 256, Environment: { Variables: { COLOUR: 'blue', EMPTY: '', TEXT: 'naïve = ⛴️\n"x"' } } });
      const names = ['COLOUR', 'EMPTY', 'TEXT', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_EXECUTION_ENV', 'AWS_LAMBDA_FUNCTION_NAME', 'AWS_LAMBDA_FUNCTION_VERSION',
        'AWS_LAMBDA_FUNCTION_MEMORY_SIZE', 'AWS_LAMBDA_LOG_GROUP_NAME', 'AWS_LAMBDA_INITIALIZATION_TYPE', '_HANDLER', 'TZ', 'LANG'];
      assert.deepEqual(await valueOf('Environment', { do: 'environment', names }), {
        COLOUR: 'blue', EMPTY: '', TEXT: 'naïve = ⛴️\n"x"', AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-east-1', AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs20.x',
        AWS_LAMBDA_FUNCTION_NAME: 'Environment', AWS_LAMBDA_FUNCTION_VERSION: '$LATEST', AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
        AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/Environment', AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand', _HANDLER: 'index.handler', TZ: ':UTC', LANG: 'en_US.UTF-8',
      });
      const secret = await valueOf('Environment', { do: 'environment', names: ['AWS_ACCESS_KEY_ID', '_X_AMZN_TRACE_ID', 'LAMBDA_TASK_ROOT'] });
      assert.match(secret.AWS_ACCESS_KEY_ID, /^ASIA[A-Z2-7]{16}$/);
      assert.match(secret._X_AMZN_TRACE_ID, /^Root=1-[0-9a-f]{8}-[0-9a-f]{24}/);
      assert.ok(secret.LAMBDA_TASK_ROOT);
    });

    test('a function acts as its role', async () => {
      assert.equal(await valueOf('Many', { do: 'who' }), `arn:aws:sts::${accountID}:assumed-role/Function/Many`);
      const { code, message } = await valueOf('Many', { do: 'call', service: 'SQS', operation: 'createQueue', params: { QueueName: 'mine' } });
      assert.deepEqual({ code, message }, {
        code: 'AccessDenied',
        message: `User: arn:aws:sts::${accountID}:assumed-role/Function/Many is not authorized to perform: sqs:createqueue ` +
          `on resource: arn:aws:sqs:us-east-1:${accountID}:mine because no identity-based policy allows the sqs:createqueue action`,
      });
    });

    for (const [service, operation, params, name] of [
      ['S3', 'listBuckets', {}, 's3'],
      ['DynamoDB', 'listTables', {}, 'dynamodb'],
      ['S3', 'getObject', { Bucket: 'bucket', Key: 'key' }, 's3'],
    ]) {
      test(`${service}.${operation}, which Naru does not have, fails at once and says so`, async () => {
        const { code, message, took } = await valueOf('Many', { do: 'call', service, operation, params });
        assert.ok(code, 'there is an error');
        assert.match(message, new RegExp(`Naru does not have the AWS service "${name}"`));
        assert.ok(took < 5000, `it took ${took} ms`);
      });
    }

    test('a fetch of such a service fails and says so', async () => {
      const { message } = await valueOf('Many', { do: 'fetch', url: 'https://s3.us-east-1.amazonaws.com/bucket' });
      assert.match(message, /Naru does not have the AWS service "s3"/);
    });
  });

  describe('errors', () => {
    for (const [way, errorType] of [
      ['throw', 'Error'], ['throwOwn', 'TideError'], ['throwText', 'string'], ['reject', 'RangeError'], ['callbackError', 'Error'],
      ['callbackText', 'string'], ['fail', 'TypeError'], ['doneError', 'Error'],
    ]) {
      test(`a handler may fail by ${way}`, async () => {
        const { value, error, tail, id } = await invoke('Many', { do: way, message: 'ran aground ⛴️' });
        assert.equal(error, 'Unhandled');
        const { trace, ...rest } = value;
        assert.deepEqual(rest, { errorType, errorMessage: 'ran aground ⛴️' });
        assert.ok(Array.isArray(trace));
        if (errorType !== 'string') assert.equal(trace[0], `${errorType}: ran aground ⛴️`);
        assert.match(tail, new RegExp(`\t${id}\tERROR\tInvoke Error \t\\{.*"ran aground ⛴️"`));
        assert.equal(await valueOf('Many', { do: 'async', value: 'goes on' }), 'goes on');
      });
    }

    for (const [way, errorType, errorMessage, logged] of [
      ['uncaught', 'Error', 'adrift', 'Uncaught Exception'],
      ['unhandled', 'Runtime.UnhandledPromiseRejection', 'Error: adrift', 'Unhandled Promise Rejection'],
    ]) {
      test(`an error that is ${way} fails the invocation, and the next has a new environment`, async () => {
        await create(`Crashing-${way}`);
        for (let n = 1; n <= 5; n++) {
          const { value, error, tail, id } = await invoke(`Crashing-${way}`, { do: way, message: 'adrift' });
          assert.equal(error, 'Unhandled');
          assert.deepEqual({ ...value, trace: undefined }, { errorType, errorMessage, trace: undefined });
          assert.match(tail, new RegExp(`\t${id}\tERROR\t${logged} \t\\{.*adrift`));
          assert.equal((await valueOf(`Crashing-${way}`, { do: 'count' })).invocations, 1);
        }
      });
    }

    test('a reply that is no JSON fails the invocation', async () => {
      const { value, error } = await invoke('Many', { do: 'circular' });
      assert.equal(error, 'Unhandled');
      assert.equal(value.errorMessage, 'Unable to stringify response body');
    });

    test('an async handler that never ends, with nothing left to do, fails', async () => {
      await create('Never', { Handler: 'index.never' });
      const { value, error } = await invoke('Never', {});
      assert.equal(error, 'Unhandled');
      assert.equal(value.errorType, 'Runtime.NodeJsExit');
    });

    test('a function is ended when its time is up', async () => {
      await create('Slow', { Timeout: 1 });
      await Promise.all(['hang', 'spin'].map(async (way) => {
        const start = Date.now();
        const { value, error, tail, id } = await invoke('Slow', { do: way });
        const took = Date.now() - start;
        assert.equal(error, 'Unhandled');
        assert.deepEqual(value, { errorType: 'Sandbox.Timedout', errorMessage: `RequestId: ${id} Error: Task timed out after 1.00 seconds` });
        assert.match(tail, new RegExp(`\n\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z ${id} Task timed out after 1\\.00 seconds\n`));
        assert.match(tail, new RegExp(`\nREPORT RequestId: ${id}\t.*\tStatus: timeout`));
        assert.ok(took >= 950 && took < 9000, `it took ${took} ms`);
      }));
      assert.deepEqual((await valueOf('Slow', { do: 'count' })).invocations, 1, 'the environment is a new one');
    });

    // With one environment at a time there is no spare one, which the next
    // invocation could find. The oldest SDK does not know the operation.
    before(async () => {
      await create('Exits');
      await sdks[0].client('lambda', naru.endpoint).call('PutFunctionConcurrency', { FunctionName: 'Exits', ReservedConcurrentExecutions: 1 });
    });

    for (const [way, code, reason] of [
      ['exit', 0, 'Runtime exited without providing a reason'],
      ['exit', 7, 'Runtime exited with error: exit status 7'],
      ['laterExit', 1, 'Runtime exited with error: exit status 1'],
    ]) {
      test(`${way} with ${code} fails the invocation, and the next has a new environment`, async () => {
        const { value, error, id } = await invoke('Exits', { do: way, code });
        assert.equal(error, 'Unhandled');
        assert.deepEqual(value, { errorType: 'Runtime.ExitError', errorMessage: `RequestId: ${id} Error: ${reason}` });
        assert.equal((await valueOf('Exits', { do: 'count' })).invocations, 1);
      });
    }

    test('a reply may have 6 MiB and a hundred bytes', async () => {
      const most = 6_291_556 - 2; // the quotes
      assert.equal((await valueOf('Many', { do: 'large', size: most })).length, most);
      const { value, error } = await invoke('Many', { do: 'large', size: most + 1 });
      assert.equal(error, 'Unhandled');
      assert.equal(value.errorType, 'Function.ResponseSizeTooLarge');
      assert.equal(value.errorMessage, 'Response payload size exceeded maximum allowed payload size (6291556 bytes).');
      assert.equal(await valueOf('Many', { do: 'async', value: 'goes on' }), 'goes on');
    });

    for (const [what, files, handler, errorType, message] of [
      ['no handler of the name', { 'index.js': '' }, 'index.handler', 'Runtime.HandlerNotFound', /index\.handler is undefined or not exported/],
      ['a handler that is no function', { 'index.js': 'exports.handler = 7' }, 'index.handler', 'Runtime.HandlerNotFound', /index\.handler is not a function/],
      ['no file of the name', { 'main.js': '' }, 'index.handler', 'Runtime.ImportModuleError', /Error: Cannot find module 'index'/],
      ['a module that is not there', { 'index.js': 'require("nothing-of-the-kind")' }, 'index.handler', 'Runtime.ImportModuleError', /Cannot find module 'nothing-of-the-kind'/],
      ['a syntax error', { 'index.js': 'exports.handler = async () => {' }, 'index.handler', 'Runtime.UserCodeSyntaxError', /SyntaxError/],
      ['an error while it is loaded', { 'index.js': 'throw new RangeError("out of soundings")' }, 'index.handler', 'RangeError', /out of soundings/],
      ['a malformed handler', { 'index.js': '' }, 'handler', 'Runtime.MalformedHandlerName', /Bad handler/],
    ]) {
      test(`code with ${what} fails the invocation`, async () => {
        const FunctionName = `Bad-${what.replaceAll(' ', '-')}`;
        await create(FunctionName, { code: zip(files), Handler: handler });
        const { value, error } = await invoke(FunctionName, {});
        assert.equal(error, 'Unhandled');
        assert.equal(value.errorType, errorType);
        assert.match(value.errorMessage, message);
      });
    }
  });

  describe('the log', () => {
    test('has what a function prints, with the id of the request', async () => {
      await create('Talker');
      const { id, tail } = await invoke('Talker', { do: 'log' });
      const all = await until('all is logged', async () => {
        const lines = await logLines(logs, 'Talker');
        return lines.some((line) => line.startsWith('REPORT')) && lines;
      });
      const lines = all.filter((line) => !/^(INIT_START|REPORT) /.test(line)).map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t/, '<time>\t'));
      assert.deepEqual(lines, [
        `START RequestId: ${id} Version: $LATEST`,
        `<time>\t${id}\tINFO\ta line with text and 7 { an: 'object' }`,
        `<time>\t${id}\tINFO\tinfo`,
        `<time>\t${id}\tWARN\twarn`,
        `<time>\t${id}\tERROR\terror`,
        `<time>\t${id}\tDEBUG\tdebug`,
        `<time>\t${id}\tINFO\ttwo\rlines`,
        'written, not logged',
        `<time>\t${id}\tINFO\t나루 ⛴️`,
        `END RequestId: ${id}`,
      ]);
      assert.match(all[0], /^INIT_START Runtime Version: /);
      for (const line of all.slice(1)) assert.ok(tail.includes(line), `the tail has ${line}`);
    });

    test('the tail has the last 4 KiB', async () => {
      await create('Loud', { code: source('async () => { for (let n = 0; n < 500; n++) console.log("line", n); }') });
      const { tail, id } = await invoke('Loud', {});
      assert.ok(Buffer.byteLength(tail) <= 4096 && Buffer.byteLength(tail) > 3900, `it has ${Buffer.byteLength(tail)} bytes`);
      assert.equal(id, undefined, 'the beginning is cut off');
      assert.match(tail, /line 499\nEND RequestId: /);
      await until('all 500 lines are logged', async () => (await logLines(logs, 'Loud')).filter((line) => /\tINFO\tline \d+$/.test(line)).length === 500);
    });

    test('is dropped if the role may not write it', async () => {
      const document = (Statement) => JSON.stringify({ Version: '2012-10-17', Statement });
      await iam.call('CreateRole', {
        RoleName: 'Mute', AssumeRolePolicyDocument: document({ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }),
      });
      await create('Mute', { Role: `arn:aws:iam::${accountID}:role/Mute` });
      const { tail } = await invoke('Mute', { do: 'log' });
      assert.match(tail, /나루/, 'but it is in the tail');
      const { logGroups } = await logs.call('DescribeLogGroups', { logGroupNamePrefix: '/aws/lambda/Mute' });
      assert.deepEqual(logGroups, []);
    });
  });

  describe('asynchronous invocation', () => {
    // attempts returns when the function was run for a request.
    const attempts = async (name, id) => (await logEvents(logs, name)).filter((event) => event.message.startsWith(`START RequestId: ${id} `)).map((event) => event.timestamp);
    const reports = async (name, id) => (await logLines(logs, name)).filter((line) => line.startsWith(`REPORT RequestId: ${id}`)).length;
    const done = (name, id, n) => until(`attempt ${n} is done`, async () => await reports(name, id) === n);

    test('an event is worked off after the reply, once', async () => {
      await create('Events');
      const replies = await Promise.all([1, 2, 3].map((n) => sendEvent('Events', { do: 'async', value: n })));
      const ids = replies.map((reply) => sdk.requestID(reply));
      assert.equal(new Set(ids).size, 3);
      for (const [n, reply] of replies.entries()) {
        assert.equal(reply.StatusCode, 202);
        assert.equal(Buffer.from(reply.Payload ?? '').length, 0);
        await done('Events', ids[n], 1);
      }
      await naru.advance(600);
      await valueOf('Events', { do: 'async', value: 'the last' });
      for (const id of ids) assert.equal((await attempts('Events', id)).length, 1);
    });

    test('a failed event is tried again after one minute and after two more, and then no more', async () => {
      await create('Failing');
      const id = sdk.requestID(await sendEvent('Failing', { do: 'throw', message: 'again' }));
      await done('Failing', id, 1);
      await naru.advance(60);
      await done('Failing', id, 2);
      await naru.advance(120);
      await done('Failing', id, 3);
      await until('it is given up', async () => await naru.count('lambda_async_dropped', { function: 'Failing' }) === 1);
      await naru.advance(3600);
      await invoke('Failing', { do: 'throw', message: 'another' });
      const times = await attempts('Failing', id);
      assert.equal(times.length, 3);
      assert.ok(times[1] - times[0] >= 60_000 && times[1] - times[0] < 90_000, `the second came after ${times[1] - times[0]} ms`);
      assert.ok(times[2] - times[1] >= 120_000 && times[2] - times[1] < 150_000, `the third came after ${times[2] - times[1]} ms`);
    });

    test('an event that succeeds when it is tried again is done', async () => {
      await create('Mended');
      const id = sdk.requestID(await sendEvent('Mended', { do: 'failUnlessFixed' }));
      await done('Mended', id, 1);
      await lambda.call('UpdateFunctionConfiguration', { FunctionName: 'Mended', Environment: { Variables: { FIXED: 'yes' } } });
      await naru.advance(60);
      await done('Mended', id, 2);
      await naru.advance(3600);
      await valueOf('Mended', { do: 'async', value: 'the last' });
      assert.equal((await attempts('Mended', id)).length, 2);
      assert.equal(await naru.count('lambda_errors', { function: 'Mended' }), 1);
      assert.equal(await naru.count('lambda_async_dropped', { function: 'Mended' }), 0);
    });

    test('an event may have a mebibyte', async () => {
      const payload = (size) => JSON.stringify({ do: 'nothing', filler: '' }).replace('""', `"${'x'.repeat(size - 28)}"`);
      const sendPayload = (Payload) => lambda.call('Invoke', { FunctionName: 'Many', InvocationType: 'Event', Payload });
      assert.equal(payload(1 << 20).length, 1 << 20);
      const id = sdk.requestID(await sendPayload(payload(1 << 20)));
      await done('Many', id, 1);
      await refuses(sendPayload(payload((1 << 20) + 1)), 'RequestTooLargeException', '1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)', 413);
    });
  });

  describe('invocation', () => {
    test('a function is known by its name, its ARN, and a part of that', async () => {
      for (const name of ['Many', 'Many:$LATEST', `${accountID}:function:Many`, arnOf('Many'), `${arnOf('Many')}:$LATEST`]) {
        assert.equal(await valueOf(name, { do: 'async', value: name }), name);
      }
      assert.equal((await invoke('Many', { do: 'async', value: 'qualified' }, { Qualifier: '$LATEST' })).value, 'qualified');
    });

    test('a function that is not there is refused', async () => {
      const call = (FunctionName, more) => lambda.call('Invoke', { FunctionName, Payload: '{}', ...more });
      await isUnknown(call('Nobody'), 'Nobody:$LATEST');
      await isUnknown(call('Nobody', { InvocationType: 'Event' }), 'Nobody:$LATEST');
      await isUnknown(call('Nobody', { InvocationType: 'DryRun' }), 'Nobody:$LATEST');
      await isUnknown(call(arnOf('Nobody')), 'Nobody:$LATEST');
      await isUnknown(call('Many:7'), 'Many:7');
      await refuses(call(arnOf('Many').replace('us-east-1', 'eu-west-1')), 'ResourceNotFoundException', "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')", 404);
      await assert.rejects(call('no such name'), { code: 'ValidationException', status: 400 });
    });

    test('a dry run does not run it', async () => {
      const before = await naru.count('lambda_invocations', { function: 'Many' });
      const reply = await lambda.call('Invoke', { FunctionName: 'Many', InvocationType: 'DryRun', Payload: '{"do":"async"}' });
      assert.equal(reply.StatusCode, 204);
      assert.equal(await naru.count('lambda_invocations', { function: 'Many' }), before);
    });

    test('a payload that is no JSON is refused', async () => {
      for (const Payload of ['{', 'text', '{"a":1}x', "{'a':1}", '{"a":}', '\u0000']) {
        await refuses(lambda.call('Invoke', { FunctionName: 'Many', Payload }), 'InvalidRequestContentException', /^Could not parse request body into json: /, 400);
      }
    });

    test('a payload may have 6 MiB', async () => {
      const event = JSON.stringify({ do: 'nothing', filler: '' });
      const payload = (size) => event.replace('""', `"${'x'.repeat(size - event.length)}"`);
      const call = (Payload) => lambda.call('Invoke', { FunctionName: 'Many', Payload });
      assert.equal(Buffer.from((await call(payload(6_291_456))).Payload).toString(), 'null');
      await refuses(call(payload(6_291_457)), 'RequestTooLargeException', 'Request must be smaller than 6291456 bytes for the InvokeFunction operation', 413);
    });
  });

  describe('functions', () => {
    test('a new function has the configuration that it was made with', async () => {
      const code = source('async () => "one"');
      const made = await create('Configured', { code, Description: 'a function', Timeout: 7, MemorySize: 192, Environment: { Variables: { COLOUR: 'blue' } } });
      const got = await lambda.call('GetFunctionConfiguration', { FunctionName: 'Configured' });
      for (const configuration of [made, got]) {
        const { FunctionName, FunctionArn, Runtime, Role, Handler, CodeSize, Description, Timeout, MemorySize, CodeSha256, Version, Environment } = configuration;
        assert.deepEqual({ FunctionName, FunctionArn, Runtime, Role, Handler, CodeSize, Description, Timeout, MemorySize, CodeSha256, Version, Environment }, {
          FunctionName: 'Configured', FunctionArn: arnOf('Configured'), Runtime: 'nodejs20.x', Role: role, Handler: 'index.handler', CodeSize: code.length,
          Description: 'a function', Timeout: 7, MemorySize: 192, CodeSha256: createHash('sha256').update(code).digest('base64'), Version: '$LATEST',
          Environment: { Variables: { COLOUR: 'blue' } },
        });
      }
    });

    test('new code is what the next invocation runs', async () => {
      await create('Updated', { code: source('async () => "one"') });
      assert.equal(await valueOf('Updated', {}), 'one');
      for (const n of ['two', 'three']) {
        const code = source(`async () => "${n}"`);
        const updated = await lambda.call('UpdateFunctionCode', { FunctionName: 'Updated', ZipFile: code });
        assert.equal(updated.CodeSha256, createHash('sha256').update(code).digest('base64'));
        assert.equal(await valueOf('Updated', {}), n);
      }
    });

    test('an invocation that runs while the code is updated ends with the code it began with', async () => {
      await create('Overlapped', { code: source('() => new Promise((resolve) => setTimeout(resolve, 400, "old"))') });
      await valueOf('Overlapped', {});
      const running = valueOf('Overlapped', {});
      await until('it runs', async () => await naru.count('lambda_invocations', { function: 'Overlapped' }) === 2);
      await lambda.call('UpdateFunctionCode', { FunctionName: 'Overlapped', ZipFile: source('async () => "new"') });
      assert.equal(await valueOf('Overlapped', {}), 'new');
      assert.equal(await running, 'old');
    });

    test('a new configuration is what the next invocation has', async () => {
      await create('Changed', { Environment: { Variables: { COLOUR: 'blue', GONE: 'soon' } } });
      const environment = () => valueOf('Changed', { do: 'environment', names: ['COLOUR', 'GONE', 'AWS_LAMBDA_FUNCTION_MEMORY_SIZE'] });
      assert.deepEqual(await environment(), { COLOUR: 'blue', GONE: 'soon', AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128' });
      await lambda.call('UpdateFunctionConfiguration', { FunctionName: 'Changed', MemorySize: 256, Environment: { Variables: { COLOUR: 'red' } } });
      assert.deepEqual(await environment(), { COLOUR: 'red', AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256' });
      await lambda.call('UpdateFunctionConfiguration', { FunctionName: 'Changed', Handler: 'index.notAFunction' });
      assert.equal((await invoke('Changed', {})).value.errorType, 'Runtime.HandlerNotFound');
      const { Timeout, Environment } = await lambda.call('GetFunctionConfiguration', { FunctionName: 'Changed' });
      assert.deepEqual({ Timeout, Environment }, { Timeout: 10, Environment: { Variables: { COLOUR: 'red' } } }, 'what was not given stays');
    });

    test('a deleted function is gone', async () => {
      await create('Deleted');
      await lambda.call('DeleteFunction', { FunctionName: 'Deleted' });
      await isUnknown(lambda.call('GetFunction', { FunctionName: 'Deleted' }), 'Deleted');
      await isUnknown(lambda.call('Invoke', { FunctionName: 'Deleted' }), 'Deleted:$LATEST');
      await isUnknown(lambda.call('DeleteFunction', { FunctionName: 'Deleted' }), 'Deleted');
      await create('Deleted', { code: source('async () => "anew"') });
      assert.equal(await valueOf('Deleted', {}), 'anew');
    });

    test('what AWS refuses is refused, and nothing is made', async () => {
      await refuses(create('Many'), 'ResourceConflictException', 'Function already exist: Many', 409);
      await refuses(create('Refused', { code: Buffer.from('no zip') }), 'InvalidParameterValueException', 'Could not unzip uploaded file. Please check your file, then try to upload again.', 400);
      await assert.rejects(create('Refused', { Runtime: 'nodejs99.x' }), { code: 'InvalidParameterValueException' });
      await assert.rejects(create('Refused', { Timeout: 901 }), { code: 'ValidationException' });
      await assert.rejects(create('Refused', { MemorySize: 64 }), { code: 'ValidationException' });
      await assert.rejects(create('Refused', { Role: 'no role' }), { code: 'ValidationException' });
      await assert.rejects(create('a'.repeat(65)), { code: 'InvalidParameterValueException' });
      await assert.rejects(create('Refused', { Environment: { Variables: { AWS_REGION: 'here' } } }), { code: 'InvalidParameterValueException' });
      await assert.rejects(create('Refused', { Environment: { Variables: { LONG: 'x'.repeat(4096) } } }), { code: 'InvalidParameterValueException' });
      await isUnknown(lambda.call('GetFunction', { FunctionName: 'Refused' }), 'Refused');
    });

    test('permissions are added, told and removed', async () => {
      await create('Shared');
      const grant = { FunctionName: 'Shared', StatementId: 'events', Action: 'lambda:InvokeFunction', Principal: 'events.amazonaws.com', SourceArn: `arn:aws:events:us-east-1:${accountID}:rule/r` };
      const policy = async () => JSON.parse((await lambda.call('GetPolicy', { FunctionName: 'Shared' })).Policy);
      await refuses(policy(), 'ResourceNotFoundException', 'The resource you requested does not exist.', 404);
      const { Statement } = await lambda.call('AddPermission', grant);
      const expected = {
        Sid: 'events', Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'lambda:InvokeFunction', Resource: arnOf('Shared'),
        Condition: { ArnLike: { 'AWS:SourceArn': grant.SourceArn } },
      };
      assert.deepEqual(JSON.parse(Statement), expected);
      assert.deepEqual(await policy(), { Version: '2012-10-17', Id: 'default', Statement: [expected] });
      await refuses(lambda.call('AddPermission', grant), 'ResourceConflictException', /The statement id \(\w+\) provided already exists\. Please provide a new statement id, or remove the existing statement\.$/, 409);
      await lambda.call('RemovePermission', { FunctionName: 'Shared', StatementId: 'events' });
      await refuses(policy(), 'ResourceNotFoundException', 'The resource you requested does not exist.', 404);
    });

    test('functions are listed by name, in pages', async () => {
      const names = [];
      let Marker;
      do {
        const page = await lambda.call('ListFunctions', { MaxItems: 5, Marker });
        assert.ok(page.Functions.length <= 5);
        names.push(...page.Functions.map((f) => f.FunctionName));
        Marker = page.NextMarker;
      } while (Marker);
      assert.deepEqual(names, [...names].sort());
      assert.ok(names.includes('Many') && names.length > 10);
    });
  });
}
