// Sends what it was invoked with to a queue.
const SQS = require('aws-sdk/clients/sqs');

const sqs = new SQS();

exports.handler = async ({ id }) => {
  await sqs.sendMessage({ QueueUrl: process.env.QUEUE_URL, MessageBody: id }).promise();
};
