exports.all = async (event, context) => {
  const left = context.getRemainingTimeInMillis();
  return { ...context, left: left > 50000 && left <= 60000 };
};
exports.keys = async (event, context) => Object.keys(context);
exports.trace = async () => process.env._X_AMZN_TRACE_ID ?? 'none';
exports.main = async () => [typeof require.main, typeof globalThis.awslambda, process.argv.length];
