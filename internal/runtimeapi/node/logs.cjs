// What a function and its callers get to read: its console, and descriptions
// of errors, worded and shaped as AWS's.
'use strict';

const fs = require('fs');
const util = require('util');

// errorType returns a class of errors that are named Runtime.<name>.
const errorType = (name) => {
  const type = class extends Error {};
  type.prototype.name = `Runtime.${name}`;
  return type;
};
const isError = (value) =>
  util.types.isNativeError(value) ||
  ['name', 'message', 'stack'].every((key) => value?.[key] && typeof value[key] === 'string');

// describe returns what callers are told of an error.
function describe(error) {
  const clean = (text) => text.replace(/\x7F/g, '%7F');
  try {
    if (!isError(error)) {
      return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
    }
    return {
      errorType: error.name && clean(error.name),
      errorMessage: error.message === undefined ? undefined : clean(error.message),
      trace: clean(error.stack).split('\n'),
    };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

// The id of the invocation, where libraries for AWS look for it.
const requestId = Symbol.for('aws.lambda.runtime.requestId');

const stackOf = (error) => (typeof error.stack === 'string' ? error.stack.split('\n') : error.stack);

// writeAll returns when all bytes are written, or nobody reads them any more.
function writeAll(fd, bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += fs.writeSync(fd, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // a millisecond
    }
  }
}

// AWS's ways from nodejs24.x on.
const isModern = Number(/^AWS_Lambda_nodejs(\d+)\.x$/.exec(process.env.AWS_EXECUTION_ENV)?.[1]) >= 24;

const textLine = (level, message, ...more) =>
  `${new Date().toISOString()}\t${globalThis[requestId] ?? (isModern ? '' : undefined)}\t${level}\t${util.format(message, ...more)}`;

function jsonLine(level, ...values) {
  const line = { timestamp: new Date().toISOString(), level, requestId: globalThis[requestId] };
  const told = (error) => ({
    errorType: error?.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: stackOf(error),
  });
  if (values.length === 1) {
    line.message = values[0];
    try {
      return JSON.stringify(line, (_, value) => (value instanceof Error ? { ...told(value), ...value } : value));
    } catch {
      line.message = util.format(line.message);
      return JSON.stringify(line);
    }
  }
  line.message = util.format(...values);
  const error = values.find((value) => value instanceof Error);
  return JSON.stringify(error ? { ...line, ...told(error) } : line);
}

const isJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';

function patchConsole() {
  const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
  const lowest = levels.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase());
  const format = isJson ? jsonLine : textLine;
  levels.forEach((level, rank) => {
    // All is written before the answer, since nothing is left to be written later.
    const log = (message, ...more) => writeAll(1, Buffer.from(format(level, message, ...more).replace(/\n/g, '\r') + '\n'));
    console[level.toLowerCase()] = rank >= lowest || level === 'FATAL' ? log : () => {};
  });
  console.log = console.info;
}

// Whoever writes to process.stdout must not be overtaken by the answer either.
function patchStreams() {
  for (const name of ['stdout', 'stderr']) {
    const property = Object.getOwnPropertyDescriptor(process, name);
    const get = () => {
      Object.defineProperty(process, name, property);
      process[name]._handle?.setBlocking?.(true);
      return process[name];
    };
    Object.defineProperty(process, name, { ...property, get });
  }
}

function textOf(value) {
  try {
    return value === undefined ? '' : String(value);
  } catch {
    return typeof value;
  }
}

// logError logs an error that ends an invocation or the process.
function logError(what, error) {
  if (!(error instanceof Error)) error = new Error(textOf(error));
  if (isJson) {
    console.error(error);
    return;
  }
  const expand = (_, value) => {
    if (!(value instanceof Error)) return value;
    const { name: errorType, message: errorMessage, code, stack } = value;
    const told = { errorType, errorMessage, code, ...value };
    return typeof stack === 'string' ? { ...told, stack: stack.split('\n') } : told;
  };
  let text;
  try {
    text = JSON.stringify(error, expand);
  } catch {
    text = JSON.stringify(describe(error));
  }
  console.error(what, '\t' + text);
}

module.exports = { describe, errorType, isModern, logError, patchConsole, patchStreams, requestId, writeAll };
