import { SQS } from '@aws-sdk/client-sqs';

const sqs = new SQS({});
const QueueUrl = process.env.QUEUE_URL;

export const handler = async ({ body, handle, colour }) => {
  console.log('working on', body, 'in', colour);
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: handle }).catch((error) => {
    console.error('refused', error.name, error.message);
    throw error;
  });
  console.log('done with', body);
  return 'done';
};
