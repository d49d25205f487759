// The function of the tests, as an ES module.
import { readFileSync } from 'node:fs';
import { SQSClient, ListQueuesCommand } from '@aws-sdk/client-sqs';

export const handler = async (event, context) => {
  switch (event.do) {
    case 'fail': throw new TypeError('wrong');
    case 'crash': process.exit(3);
    case 'sleep': await new Promise((done) => setTimeout(done, 60e3)); break;
    case 'hog': for (const held = []; ;) held.push(Buffer.alloc(1 << 20, 1));
    case 'layer': return { got: readFileSync('/opt/text.txt', 'utf8') };
    case 'queues': return { got: (await new SQSClient().send(new ListQueuesCommand({}))).QueueUrls ?? [] };
  }
  console.log('a line of', context.awsRequestId);
  return { got: event.value };
};
