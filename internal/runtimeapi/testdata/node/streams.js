// Handlers that stream their responses.
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const streaming = (handler) => awslambda.streamifyResponse(handler);

exports.parts = streaming(async (event, stream, context) => {
  stream.setContentType('text/plain');
  stream.write('one ');
  await later(5);
  stream.write(context.awsRequestId === 'no' ? 'no' : 'two ');
  stream.end('three');
});
exports.nothing = streaming(async (event, stream) => stream.end());
exports.http = streaming(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: 'b' } });
  stream.write('body');
  stream.end();
});
exports.piped = streaming(async (event, stream) => {
  await pipeline(Readable.from((function* () {
    for (let i = 0; i < event.parts; i++) yield Buffer.alloc(event.size, 'x');
  })()), stream);
});
exports.throwsFirst = streaming(async () => {
  throw new TypeError('at first');
});
exports.throwsLater = streaming(async (event, stream) => {
  stream.write('some');
  await later(5);
  throw new TypeError('in between');
});
exports.plain = streaming((event, stream) => stream.end());
exports.never = streaming(async (event, stream) => {
  stream.write('some');
});
exports.exits = streaming(async (event, stream) => {
  stream.write('some');
  await later(5);
  process.exit(7);
});
exports.keys = streaming(async (event, stream, context) => stream.end(JSON.stringify(Object.keys(context))));
