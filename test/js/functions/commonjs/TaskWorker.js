const { SQSClient, DeleteMessageCommand } = require('@aws-sdk/client-sqs');

const sqs = new SQSClient();

exports.handler = async ({ body, handle, colour }) => {
  console.log('working on', body, 'in', colour);
  try {
    await sqs.send(new DeleteMessageCommand({ QueueUrl: process.env.QUEUE_URL, ReceiptHandle: handle }));
  } catch (error) {
    console.error('refused', error.name, error.message);
    throw error;
  }
  console.log('done with', body);
  return 'done';
};
