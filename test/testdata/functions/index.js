// The function of the tests, as a CommonJS module.
const fs = require('fs');

exports.handler = async (event, context) => {
  switch (event.do) {
    case 'fail': throw new TypeError('wrong');
    case 'crash': process.exit(3);
    case 'sleep': await new Promise((done) => setTimeout(done, 60e3)); break;
    case 'hog': for (const held = []; ;) held.push(Buffer.alloc(1 << 20, 1));
    case 'layer': return { got: fs.readFileSync('/opt/text.txt', 'utf8') };
    case 'queues': {
      const { SQSClient, ListQueuesCommand } = require('@aws-sdk/client-sqs');
      return { got: (await new SQSClient().send(new ListQueuesCommand({}))).QueueUrls ?? [] };
    }
  }
  console.log('a line of', context.awsRequestId);
  return { got: event.value };
};

exports.stream = awslambda.streamifyResponse(async (event, response) => {
  response.setContentType('text/plain');
  response.write('one ');
  response.end('two');
});
