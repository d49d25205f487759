// The third SDK in ES modules, by its aggregated clients.
import { Lambda } from '@aws-sdk/client-lambda';
import { SQS } from '@aws-sdk/client-sqs';

const sqs = new SQS({});
const lambda = new Lambda({});
const QueueUrl = process.env.QUEUE_URL;

export async function handler(event) {
  const { Messages } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] });
  let tasks = 0;
  for (const { Body, ReceiptHandle, MessageAttributes } of Messages ?? []) {
    console.log('task', Body);
    const Payload = JSON.stringify({ body: Body, handle: ReceiptHandle, colour: MessageAttributes.colour.StringValue });
    const { StatusCode } = await lambda.invoke({ FunctionName: 'TaskWorker', InvocationType: 'Event', Payload });
    if (StatusCode === 202) tasks++;
  }
  return { tasks, from: event.source };
}
