// A function of many ways: the event says which.
'use strict';

let invocations = 0; // of this environment

class TideError extends Error {
  constructor(message) {
    super(message);
    this.name = 'TideError';
  }
}

const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const ways = {
  // ways to reply
  callback: ({ value }, context, callback) => callback(null, value),
  laterCallback: ({ value }, context, callback) => setTimeout(callback, 20, undefined, value),
  async: async ({ value }) => value,
  laterAsync: ({ value }) => later(20).then(() => value),
  succeed: ({ value }, context) => context.succeed(value),
  done: ({ value }, context) => context.done(null, value),
  laterDone: ({ value }, context) => setTimeout(() => context.done(null, value), 20),
  nothing: () => undefined,
  asyncNothing: async () => undefined,

  // ways to fail
  throw: ({ message }) => { throw new Error(message); },
  throwOwn: ({ message }) => { throw new TideError(message); },
  throwText: ({ message }) => { throw message; },
  reject: async ({ message }) => { throw new RangeError(message); },
  callbackError: ({ message }, context, callback) => callback(new Error(message)),
  callbackText: ({ message }, context, callback) => callback(message),
  fail: ({ message }, context) => context.fail(new TypeError(message)),
  doneError: ({ message }, context) => context.done(new Error(message)),
  uncaught: ({ message }) => void setTimeout(() => { throw new Error(message); }, 10),
  unhandled: ({ message }) => {
    Promise.reject(new Error(message));
    return later(5000);
  },
  exit: ({ code }) => process.exit(code),
  laterExit: ({ code }) => void setTimeout(() => process.exit(code), 10),
  failUnlessFixed: async () => {
    if (!process.env.FIXED) throw new Error('not fixed yet');
  },
  hang: () => void setInterval(() => {}, 1000),
  spin: () => { for (;;); },
  large: ({ size }, context, callback) => callback(null, 'x'.repeat(size)),
  circular: async () => {
    const value = {};
    value.value = value;
    return value;
  },

  // the event loop
  waits: (event, context, callback) => {
    callback(null, 'replied');
    setTimeout(() => console.log('after the callback'), 50);
  },
  doesNotWait: (event, context, callback) => {
    context.callbackWaitsForEmptyEventLoop = false;
    setTimeout(() => {}, 20_000);
    callback(null, 'replied');
  },

  // what a function can tell
  context: async (event, context) => ({
    ...Object.fromEntries(['functionName', 'functionVersion', 'invokedFunctionArn', 'memoryLimitInMB', 'awsRequestId', 'logGroupName', 'logStreamName', 'clientContext']
      .map((name) => [name, context[name]])),
    remaining: context.getRemainingTimeInMillis(),
  }),
  environment: async ({ names }) => Object.fromEntries(names.map((name) => [name, process.env[name]])),
  count: async () => ({ invocations: ++invocations, stream: process.env.AWS_LAMBDA_LOG_STREAM_NAME }),
  hold: async ({ milliseconds }) => {
    await later(milliseconds);
    return process.env.AWS_LAMBDA_LOG_STREAM_NAME;
  },
  log: async () => {
    console.log('a line with %s and %d', 'text', 7, { an: 'object' });
    console.info('info');
    console.warn('warn');
    console.error('error');
    console.debug('debug');
    console.log('two\nlines');
    process.stdout.write('written, not logged\n');
    console.log('나루 ⛴️');
  },
  who: async () => {
    const AWS = require('aws-sdk');
    return (await new AWS.STS().getCallerIdentity().promise()).Arn;
  },
  call: async ({ service, operation, params }) => {
    const AWS = require('aws-sdk');
    const start = Date.now();
    try {
      return { reply: await new AWS[service]()[operation](params).promise() };
    } catch ({ code, message }) {
      return { code, message, took: Date.now() - start };
    }
  },
  fetch: async ({ url }) => fetch(url).then((response) => response.status, ({ name, code, message }) => ({ name, code, message })),
};

exports.handler = (event, context, callback) => ways[event.do](event, context, callback);

exports.never = async () => new Promise(() => {});
exports.notAFunction = 7;
