// Handlers that return promises.
const circle = {};
circle.circle = circle;

exports.value = async (event) => ({ got: event });
exports.nothing = async () => {};
exports.atOnce = async () => {
  setTimeout(() => console.log('never seen'), 60000);
  return 'at once';
};
exports.unicode = async (event) => `${event.text} ✓`;
exports.size = async (event) => event.text.length;
exports.repeat = async (event) => 'x'.repeat(event.n);
exports.notJson = async () => () => {};
exports.big = async () => 1n;
exports.circle = async () => circle;
exports.toJson = async () => ({ toJSON: () => 'its own way' });
exports.thenable = () => ({ then: (succeed) => succeed('thenable') });
exports.rejects = async () => {
  throw Object.assign(new TypeError('wrong'), { code: 'E_WRONG', detail: { more: [1, 2] } });
};
exports.rejectsText = () => Promise.reject('just text');
exports.rejectsNothing = () => Promise.reject();
exports.failure = async () => {
  throw new Error('x'.repeat(7 << 20));
};
exports.never = async () => new Promise(() => {});
exports.neverPlain = () => new Promise(() => {});
exports.both = async (event, context, callback) => {
  callback(null, 'of the callback');
  return 'of the promise';
};
class OwnError extends Error {
  constructor(message) {
    super(message);
    this.name = 'OwnError';
  }
}
exports.own = async () => {
  throw new OwnError('mine');
};
