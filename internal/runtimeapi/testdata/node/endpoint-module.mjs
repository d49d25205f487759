import https, { get } from 'https';
import * as all from 'node:http';

const body = async (response) => {
  let text = '';
  for await (const part of response) text += part;
  return JSON.parse(text);
};
const sent = (how, url) => new Promise((resolve, reject) => how(url, (response) => resolve(body(response))).on('error', reject));

export const handler = async () => [
  await sent(get, 'https://sqs.us-east-1.amazonaws.com/1'),
  await sent(https.get, 'https://sqs.us-east-1.amazonaws.com/2'),
  await sent(all.get, 'http://sqs.us-east-1.amazonaws.com/3'),
];
