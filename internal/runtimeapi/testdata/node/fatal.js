// Handlers with which the process ends.
const forever = () => new Promise((resolve) => setTimeout(resolve, 60000));

exports.uncaught = async () => {
  setImmediate(() => {
    throw new RangeError('from nowhere');
  });
  await forever();
};
exports.uncaughtText = async () => {
  setImmediate(() => {
    throw 'text';
  });
  await forever();
};
exports.uncaughtNothing = async () => {
  setImmediate(() => {
    throw undefined;
  });
  await forever();
};
exports.unhandled = async () => {
  Promise.reject(new RangeError('lost'));
  await forever();
};
exports.unhandledText = async () => {
  Promise.reject('text');
  await forever();
};
exports.unhandledBehindTheAnswer = async () => {
  Promise.reject(new Error('lost'));
  return 'fine';
};
exports.uncaughtLater = async () => {
  setTimeout(() => {
    throw new Error('much later');
  }, 50);
  return 'fine';
};
exports.exit = async () => process.exit(3);
exports.exitWell = () => process.exit(0);
exports.exitAfterSucceed = (event, context) => {
  context.succeed('answered');
  process.exit(5);
};
exports.kill = async () => {
  process.kill(process.pid, 'SIGKILL');
  await forever();
};
