// The third SDK in CommonJS.
const { LambdaClient, InvokeCommand } = require('@aws-sdk/client-lambda');
const { SQSClient, ReceiveMessageCommand } = require('@aws-sdk/client-sqs');

const sqs = new SQSClient();
const lambda = new LambdaClient();

exports.handler = async (event) => {
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({
    QueueUrl: process.env.QUEUE_URL, MaxNumberOfMessages: 10, MessageAttributeNames: ['colour'],
  }));
  const replies = await Promise.all(Messages.map(({ Body, ReceiptHandle, MessageAttributes }) => {
    console.log('task', Body);
    const task = { body: Body, handle: ReceiptHandle, colour: MessageAttributes.colour.StringValue };
    return lambda.send(new InvokeCommand({ FunctionName: 'TaskWorker', InvocationType: 'Event', Payload: JSON.stringify(task) }));
  }));
  return { tasks: replies.filter((reply) => reply.StatusCode === 202).length, from: event.source };
};
