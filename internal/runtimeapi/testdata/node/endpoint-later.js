// Loads what it needs when it needs it.
const body = async (response) => {
  let text = '';
  for await (const part of response) text += part;
  return JSON.parse(text);
};
const sent = (get) => new Promise((resolve, reject) => get('https://sqs.us-east-1.amazonaws.com/', (response) => resolve(body(response))).on('error', reject));

exports.required = async () => sent(require('https').get);
exports.imported = async () => sent((await import('node:https')).get);
exports.builtin = async () => sent((process.getBuiltinModule ?? require)('https').get);
