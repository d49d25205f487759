// Naru's runtime for Node.js: it loads a function's handler and runs it for
// each invocation, as AWS's runtimes do. What goes over descriptor 3 is
// described in Naru's package runtimeapi.
//
// AWS has two ways. Up to nodejs22.x a handler may call back or return a
// promise; one that called back is done when the event loop is empty, which
// 'beforeExit' tells, so nothing here may keep it alive meanwhile. From
// nodejs24.x on, here called modern, what a handler returns is the response,
// callbacks are refused, and nobody catches what the handler does not.
'use strict';

const fs = require('fs');
const net = require('net');
const path = require('path');
const { pathToFileURL } = require('url');
const logs = require('./logs.cjs');
const streams = require('./stream.cjs');

const ImportModuleError = logs.errorType('ImportModuleError');
const HandlerNotFound = logs.errorType('HandlerNotFound');
const MalformedHandlerName = logs.errorType('MalformedHandlerName');
const UserCodeSyntaxError = logs.errorType('UserCodeSyntaxError');
const NodeJsExit = logs.errorType('NodeJsExit');
const UnhandledPromiseRejection = logs.errorType('UnhandledPromiseRejection');
const CallbackHandlerDeprecated = logs.errorType('CallbackHandlerDeprecated');
const JSONStringifyError = logs.errorType('JSONStringifyError');

const { isModern } = logs;

// ---------------------------------------------------------------- frames

const VERSION = 1, HEADER = 8;
const NEXT = 1, RESPONSE = 2, FAILURE = 3, INIT_FAILURE = 4, BEGIN = 5, PART = 6, END = 7;
const next = Buffer.from([VERSION, NEXT, 0, 0, 0, 0, 0, 0]);

// header writes the header of a frame, and returns where its body begins.
function header(buffer, at, kind, length) {
  return buffer.writeUInt32BE(length, buffer.writeUInt32BE((VERSION << 24) | (kind << 16), at));
}

// What is small is sent from here, and soon.
const page = Buffer.allocUnsafeSlow(64 << 10);

// answerFrame returns a buffer with the frame of an answer, and how long that is.
// An answer is { kind, number, type, text }: the number is that of the invocation,
// and missing in one of init; failures have a type.
function answerFrame({ kind, number, type, text }, hasNext) {
  const rest = 2 * HEADER + 6 + 3 * (type?.length ?? 0); // or less
  const buffer = rest + 3 * text.length <= page.length ? page : Buffer.allocUnsafe(rest + Buffer.byteLength(text));
  let at = HEADER;
  if (number !== undefined) at = buffer.writeUInt32BE(number, at);
  if (type !== undefined) {
    const length = buffer.write(type, at + 2);
    at = buffer.writeUInt16BE(length, at) + length;
  }
  at += buffer.write(text, at);
  header(buffer, 0, kind, at - HEADER);
  return { buffer, length: hasNext ? header(buffer, at, NEXT, 0) : at };
}

// alone returns the frame of an answer without a Next; nothing of none.
function alone(answer) {
  if (!answer) return Buffer.alloc(0);
  const { buffer, length } = answerFrame(answer, false);
  return buffer.subarray(0, length);
}

// streamFrame returns a frame of a streamed response.
function streamFrame(kind, number, body) {
  const frame = Buffer.allocUnsafe(HEADER + 4 + body.length);
  body.copy(frame, frame.writeUInt32BE(number, header(frame, 0, kind, 4 + body.length)));
  return frame;
}

function failure(number, error) {
  const description = logs.describe(error);
  const type = String(description.errorType ?? '').slice(0, 256);
  return { kind: number === undefined ? INIT_FAILURE : FAILURE, number, type, text: JSON.stringify(description) };
}

// callOf returns the invocation in a frame, which begins a buffer.
function callOf(frame, length) {
  let at = HEADER + 12;
  const text = (size) => {
    const length = frame.readUIntBE(at, size);
    at += size + length;
    return length === 0 ? '' : frame.toString('utf8', at - length, at);
  };
  return {
    number: frame.readUInt32BE(HEADER),
    deadline: frame.readUInt32BE(HEADER + 4) * 2 ** 32 + frame.readUInt32BE(HEADER + 8),
    requestId: text(2), functionArn: text(2), traceId: text(2),
    clientContext: text(4), identity: text(4),
    payload: frame.toString('utf8', at, length),
  };
}

// A Link is our end of the connection. It keeps the process alive while it
// waits for an invocation, and only then.
class Link {
  constructor(fd, onCall) {
    this.fd = fd;
    this.onCall = onCall;
    this.parts = []; // of a frame that has not arrived as a whole
    this.held = 0; // their length
    this.needed = HEADER; // the length of the frame, as far as it is known
    const onread = { buffer: Buffer.alloc(64 << 10), callback: (n, buffer) => this.receive(buffer, n) };
    this.socket = new net.Socket({ fd, readable: true, writable: true, onread });
    this.socket.unref();
    for (const end of ['end', 'error']) this.socket.on(end, () => process.exit(1)); // Naru is gone
  }

  // await sends what a buffer begins with, and waits for the next invocation.
  await(buffer, length) {
    let sent = 0;
    try {
      if (this.socket.writableLength === 0) sent = fs.writeSync(this.fd, buffer, 0, length); // most of the time that is all
    } catch (error) {
      if (error.code !== 'EAGAIN') process.exit(1);
    }
    if (sent < length) {
      const rest = buffer.subarray(sent, length);
      this.socket.write(buffer === page ? Buffer.from(rest) : rest);
    }
    this.socket.ref();
  }

  // send sends a frame of a response that goes on, and calls done when it is
  // through.
  send(frame, done) {
    this.socket.write(frame, () => done());
  }

  // exit sends an answer, if there is one, and ends the process.
  exit(code, answer) {
    if (this.socket.writableLength > 0) {
      this.socket.end(alone(answer), () => process.exit(code)); // the answer before is not through yet
      return;
    }
    this.last(answer);
    process.exit(code);
  }

  // last sends an answer, if there is one, at once.
  last(answer) {
    logs.writeAll(this.fd, alone(answer));
  }

  // receive takes the first n bytes of a buffer.
  receive(buffer, n) {
    if (this.held > 0 || n < HEADER || n < HEADER + buffer.readUInt32BE(4)) {
      buffer = this.assemble(buffer.subarray(0, n));
      n = buffer?.length;
    }
    if (buffer) {
      this.socket.unref();
      this.onCall(callOf(buffer, n));
    }
    return true; // go on reading
  }

  // assemble returns the frame that the bytes complete, if they do.
  assemble(bytes) {
    this.parts.push(Buffer.from(bytes)); // the buffer is used again
    this.held += bytes.length;
    if (this.needed === HEADER && this.held >= HEADER) {
      this.parts = [Buffer.concat(this.parts)];
      this.needed += this.parts[0].readUInt32BE(4);
    }
    if (this.held < this.needed) return undefined;
    const frame = Buffer.concat(this.parts);
    [this.parts, this.held, this.needed] = [[], 0, HEADER];
    return frame;
  }
}

// ---------------------------------------------------------------- handlers

// inModule reports whether package.json says that a folder has ES modules.
function inModule(folder) {
  if (folder.endsWith('/node_modules')) return false;
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      const description = JSON.parse(fs.readFileSync(file));
      if (description) return description.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder !== '/' && inModule(path.dirname(folder));
}

async function loadModule(root, folder, name) {
  const base = path.resolve(root, folder, name);
  const load = (suffix) => fs.existsSync(base + suffix) && require(base + suffix);
  const importIt = async (suffix) => {
    if (!fs.existsSync(base + suffix)) return undefined;
    return import(pathToFileURL(base + suffix).href);
  };
  const plain = load('');
  if (plain) return plain;
  const ofModules = fs.existsSync(base + '.js') && inModule(path.dirname(base));
  return (
    (ofModules ? await importIt('.js') : load('.js')) ||
    (await importIt('.mjs')) ||
    load('.cjs') ||
    require(require.resolve(name, { paths: [root, folder] }))
  );
}

// loadHandler returns the function that a handler such as "folder/file.a.b"
// names.
async function loadHandler(root, handler) {
  if (handler.includes('..')) {
    throw new MalformedHandlerName(`'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const last = path.basename(handler);
  const folder = handler.substring(0, handler.indexOf(last));
  const match = last.match(/^([^.]*)\.(.*)$/);
  if (!match) throw new MalformedHandlerName('Bad handler');
  let found;
  try {
    found = await loadModule(root, folder, match[1]);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserCodeSyntaxError(error);
    if (error?.code === 'MODULE_NOT_FOUND') {
      throw new ImportModuleError(String(error).replaceAll(__filename, '/var/runtime/index.mjs'));
    }
    throw error;
  }
  const find = (module) => match[2].split('.').reduce((found, key) => found && found[key], module);
  found = find(found) || (isModern && found?.default && find(found.default));
  if (!found) throw new HandlerNotFound(`${handler} is undefined or not exported`);
  if (typeof found !== 'function') throw new HandlerNotFound(`${handler} is not a function`);
  if (isModern && found.length >= 3 && !streams.isStreaming(found)) {
    throw new CallbackHandlerDeprecated('ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
  }
  return found;
}

// ---------------------------------------------------------------- invocations

// What to do when the event loop is empty, where libraries for AWS look for it.
const onEmptyLoop = Symbol.for('aws.lambda.beforeExit');
const nothing = () => {};

// What the environment says of the function, as of init: to ask it is slow.
const told = { ...process.env };

// Whether the callback of the invocation at hand waits for the event loop to be
// empty, as its context shows it. Every context has the same two functions, since
// others in each are slow.
let waits = true;
const waiting = { get: () => waits, set: (value) => { waits = value; }, enumerable: true, configurable: true };

// parse returns the value of an optional JSON document.
function parse(text, name) {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error.toString()}`);
  }
}

class Invocation {
  constructor(link, call) {
    this.link = link;
    this.call = call;
    this.finished = false; // the handler has called back
    this.answer = undefined;
    this.sent = false; // so is the answer
  }

  run(handler) {
    const { call } = this;
    waits = true;
    globalThis[logs.requestId] = call.requestId;
    if (call.traceId) process.env._X_AMZN_TRACE_ID = call.traceId;
    else delete process.env._X_AMZN_TRACE_ID;
    if (streams.isStreaming(handler)) {
      this.stream(handler);
      return;
    }
    if (isModern) {
      this.await(handler);
      return;
    }
    const callback = this.once((error, result) => this.callBack(error, result));
    const succeed = this.once((result) => this.done(null, result));
    const fail = this.once((error) => this.done(error ?? 'handled'));
    const done = this.once((error, result) => this.done(error, result));
    globalThis[onEmptyLoop] = () => this.leave(handler);
    try {
      const result = handler(JSON.parse(call.payload), this.context({ succeed, fail, done }), callback);
      if (typeof result?.then === 'function') result.then(succeed, fail).catch(fail);
    } catch (error) {
      callback(error);
    }
  }

  // await runs a handler whose result is the response.
  async await(handler) {
    globalThis[onEmptyLoop] = () => process.exit(13); // as Node.js does if what it awaits never comes
    try {
      this.complete(await handler(JSON.parse(this.call.payload), this.context()));
    } catch (error) {
      this.fail(error);
    }
    globalThis[onEmptyLoop] = nothing;
  }

  // stream runs a handler that writes its response to a stream.
  stream(handler) {
    const { number } = this.call;
    const response = new streams.ResponseStream({
      begin: (type) => this.link.send(streamFrame(BEGIN, number, Buffer.from(type.slice(0, 1024))), nothing),
      part: (chunk, done) => this.link.send(streamFrame(PART, number, chunk), done),
    }, streams.markOf(handler));
    const fail = this.once((error) => {
      globalThis[onEmptyLoop] = nothing;
      if (!this.answer) this.fail(error ?? 'handled');
    });
    response.on('error', fail);
    response.on('finish', this.once(() => {
      globalThis[onEmptyLoop] = nothing;
      if (!this.answer) this.send({ kind: END, number, text: '' });
    }));
    globalThis[onEmptyLoop] = () => this.leave(handler);
    try {
      const result = handler(JSON.parse(this.call.payload), response, this.context());
      if (typeof result?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
      result.then(nothing, fail);
    } catch (error) {
      fail(error);
    }
  }

  // once lets a handler finish in one way only. A function that throws has not
  // finished.
  once(finish) {
    return (first, second) => {
      if (this.finished) return;
      finish(first, second);
      this.finished = true;
    };
  }

  // context returns what a handler gets to know. Up to nodejs22.x that begins
  // with whether its callback waits, and the calls given.
  context(calls) {
    const { call } = this;
    const context = {};
    if (!isModern) Object.assign(Object.defineProperty(context, 'callbackWaitsForEmptyEventLoop', waiting), calls);
    context.functionVersion = told.AWS_LAMBDA_FUNCTION_VERSION;
    context.functionName = told.AWS_LAMBDA_FUNCTION_NAME;
    context.memoryLimitInMB = told.AWS_LAMBDA_FUNCTION_MEMORY_SIZE;
    context.logGroupName = told.AWS_LAMBDA_LOG_GROUP_NAME;
    context.logStreamName = told.AWS_LAMBDA_LOG_STREAM_NAME;
    context.clientContext = parse(call.clientContext, 'ClientContext');
    context.identity = parse(call.identity, 'CognitoIdentity');
    context.invokedFunctionArn = call.functionArn;
    context.awsRequestId = call.requestId;
    context.getRemainingTimeInMillis = () => call.deadline - Date.now();
    if (isModern) {
      context.tenantId = undefined;
      context.xRayTraceId = call.traceId || undefined;
    }
    return context;
  }

  callBack(error, result) {
    if (!waits || (error !== undefined && error !== null)) {
      this.done(error, result);
    } else if (!this.isOver()) {
      globalThis[onEmptyLoop] = () => setImmediate(() => this.complete(result));
    }
  }

  done(error, result) {
    if (this.isOver()) return;
    globalThis[onEmptyLoop] = nothing;
    if (error === undefined || error === null) this.complete(result);
    else this.fail(error);
  }

  // leave ends an invocation whose handler has nothing left to do.
  leave(handler) {
    globalThis[onEmptyLoop] = nothing;
    if (handler.constructor?.name === 'AsyncFunction') {
      this.fail(new NodeJsExit('The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes'));
    } else {
      this.complete(null);
    }
  }

  isOver() {
    if (this.answer) {
      console.error('Invocation has already been reported as done. Cannot call complete more than once per invocation.');
    }
    return Boolean(this.answer);
  }

  complete(result) {
    let text;
    try {
      text = JSON.stringify(result) ?? 'null';
    } catch {
      throw new (isModern ? JSONStringifyError : Error)('Unable to stringify response body');
    }
    this.send({ kind: RESPONSE, number: this.call.number, text });
  }

  fail(error) {
    logs.logError('Invoke Error', error);
    this.send(failure(this.call.number, error));
  }

  // send sends the answer, and that we wait for the next invocation with it,
  // after what is still to do in this turn of the event loop: if that ends the
  // process, the answer goes alone.
  send(answer) {
    this.answer = answer;
    setImmediate(goOn, this);
  }

  // last returns the answer if it is still to be sent as the process ends now.
  last() {
    if (this.sent || !this.answer) return undefined;
    this.sent = true;
    return this.answer;
  }
}

function goOn(invocation) {
  const answer = invocation.last();
  if (!answer) return;
  const { buffer, length } = answerFrame(answer, true);
  invocation.link.await(buffer, length);
}

// ---------------------------------------------------------------- main

async function main() {
  let handler, invocation;
  let isReady = false;
  const link = new Link(3, (call) => {
    invocation = new Invocation(link, call);
    invocation.run(handler);
  });
  // fatal reports an error that ends the process.
  const fatal = (what, error, code) => {
    logs.logError(what, error);
    if (!isReady) {
      link.exit(code, failure(undefined, error));
      return;
    }
    if (invocation) invocation.answer ??= failure(invocation.call.number, error);
    link.exit(code, invocation?.last());
  };
  if (!isModern) {
    process.on('uncaughtException', (error) => fatal('Uncaught Exception', error, 129));
    process.on('unhandledRejection', (reason, promise) => {
      fatal('Unhandled Promise Rejection', Object.assign(new UnhandledPromiseRejection(reason), { reason, promise }), 128);
    });
  }
  process.on('exit', () => link.last(invocation?.last())); // by the function itself, which has answered
  process.on('beforeExit', () => globalThis[onEmptyLoop]());
  globalThis[onEmptyLoop] = () => process.exit(13); // as Node.js does if a module never ends
  if (!/^(1|true)$/.test(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) globalThis.awslambda = streams.awslambda();
  process.mainModule = undefined; // as on AWS, no module of the function is the main one
  if (process.env.NARU_ENDPOINT) require('./endpoints.cjs').install(process.env);
  try {
    handler = await loadHandler(process.cwd(), process.env._HANDLER ?? '');
  } catch (error) {
    if (isModern) fatal('Init Error', error, 1);
    else fatal('Uncaught Exception', error, 129);
    return;
  }
  globalThis[onEmptyLoop] = nothing;
  setImmediate(() => { // when no promise of init is left that was rejected
    isReady = true;
    link.await(next, next.length);
  });
}

logs.patchConsole();
logs.patchStreams();
main();
