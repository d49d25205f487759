// Responses that are streamed: what a function sees of them as awslambda, and
// the stream that its handler writes to.
'use strict';

const { Writable } = require('stream');

// How libraries for AWS mark a handler that streams.
const marked = Symbol.for('aws.lambda.runtime.handler.streaming');
const highWaterMark = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

const httpIntegration = 'application/vnd.awslambda.http-integration-response';

// A ResponseStream sends what is written to it. The parts are sent by send,
// which calls back once there is room for more.
class ResponseStream extends Writable {
  #send;
  #begun = false;
  #prelude;

  constructor(send, mark) {
    super({ highWaterMark: mark, decodeStrings: true });
    this.#send = send;
    this.contentType = 'application/octet-stream';
  }

  setContentType(type) {
    this.contentType = String(type);
  }

  // setPrelude has something sent before everything else.
  setPrelude(prelude) {
    this.#prelude = prelude;
  }

  // begin sends the content type, and the prelude.
  begin() {
    if (this.#begun) return;
    this.#begun = true;
    this.#send.begin(this.contentType);
    if (this.#prelude) this.#send.part(this.#prelude, () => {});
  }

  get begun() {
    return this.#begun;
  }

  _write(chunk, encoding, done) {
    this.begin();
    this.#send.part(chunk, done);
  }

  _final(done) {
    this.begin();
    done();
  }
}

// HttpResponseStream gives a stream the status, headers and cookies of an HTTP
// response: JSON and eight zeros before the body.
const HttpResponseStream = {
  from(stream, metadata) {
    stream.setContentType(httpIntegration);
    stream.setPrelude(Buffer.concat([Buffer.from(JSON.stringify(metadata)), Buffer.alloc(8)]));
    return stream;
  },
};

function streamifyResponse(handler, options) {
  handler[marked] = 'response';
  if (options?.highWaterMark !== undefined) handler[highWaterMark] = parseInt(options.highWaterMark, 10);
  return handler;
}

module.exports = {
  ResponseStream,
  awslambda: () => ({ streamifyResponse, HttpResponseStream }),
  isStreaming: (handler) => handler[marked] === 'response',
  markOf: (handler) => handler[highWaterMark],
};
