exports.levels = async () => {
  console.trace('a trace');
  console.debug('a debug');
  console.info('an info');
  console.log('a log');
  console.warn('a warning');
  console.error('an error');
  console.fatal('a fatal one');
};
exports.formats = async () => {
  console.log('two\nlines');
  console.log('%s is %d', 'six', 6, { a: { b: { c: {} } } });
  console.log({ a: 1 });
  console.log();
  console.log('é✓');
};
exports.values = async () => {
  console.log('text');
  console.log({ a: 1 });
  console.log('%s', 'formatted');
  console.log(7);
  const circle = {};
  circle.circle = circle;
  console.log(circle);
  console.error(new TypeError('wrong'));
  console.error('it is', new TypeError('wrong'), 'indeed');
};
exports.raw = async () => {
  process.stdout.write('out\n');
  process.stderr.write('err\n');
  process.stdout.write('x'.repeat(300000) + '\n');
};
exports.flood = async () => {
  for (let i = 0; i < 5000; i++) console.log(i);
};
exports.fails = async () => {
  throw new TypeError('wrong');
};
console.log('during init');
