// Handlers that don't return promises.
const later = (what) => setTimeout(() => console.log(what), 30);
const circle = {};
circle.circle = circle;

exports.value = (event, context, callback) => callback(null, { got: event });
exports.nothing = (event, context, callback) => callback();
exports.error = (event, context, callback) => callback(new TypeError('wrong'));
exports.errorAtOnce = (event, context, callback) => {
  setTimeout(() => {}, 60000);
  callback(new TypeError('wrong'));
};
exports.text = (event, context, callback) => callback('just text');
exports.number = (event, context, callback) => callback(42);
exports.object = (event, context, callback) => callback({ a: 1 });
exports.like = (event, context, callback) => callback({ name: 'Like', message: 'an error', stack: 'Like: an error\n    at home' });
exports.unreadable = (event, context, callback) => callback(Object.create(null));
exports.unprintable = (event, context, callback) => callback(Object.assign(new Error('a\x7Fb'), { name: 'De\x7Fl', stack: 'De\x7Fl: a\x7Fb' }));

exports.waits = (event, context, callback) => {
  later('later');
  callback(null, 'waited');
};
exports.atOnce = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => console.log('never seen'), 60000);
  callback(null, 'at once');
};
exports.twice = (event, context, callback) => {
  callback(null, 'first');
  callback(null, 'second');
  context.succeed('third');
};
exports.never = () => {};
exports.neverButWorks = () => {
  later('worked');
};
exports.returned = () => 'ignored';
exports.late = (event, context, callback) => {
  if (event.late) setTimeout(() => callback(null, 'too late'), 30).unref();
  else setTimeout(() => callback(null, 'in time'), 60);
};
exports.unref = (event, context, callback) => {
  setInterval(() => {}, 10).unref();
  callback(null, 'unref');
};
exports.circle = (event, context, callback) => callback(null, circle);

exports.throws = () => {
  throw new RangeError('out');
};
exports.throwsText = () => {
  throw 'text';
};
exports.throwsAfterCallback = (event, context, callback) => {
  callback(null, 'kept');
  throw new Error('ignored');
};

exports.done = (event, context) => context.done(null, 'done');
exports.doneWithError = (event, context) => context.done(new Error('undone'));
exports.succeed = (event, context) => {
  setTimeout(() => {}, 60000);
  context.succeed({ by: 'succeed' });
};
exports.fail = (event, context) => context.fail(new Error('failed'));
exports.failWithNothing = (event, context) => context.fail();
exports.succeedWithCircle = (event, context) => context.succeed(circle);
