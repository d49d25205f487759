// TaskConsumer takes up to ten tasks from the queue and has a TaskWorker work
// on each of them.
const AWS = require("aws-sdk");

const sqs = new AWS.SQS();
const lambda = new AWS.Lambda();

exports.handler = (event, context, callback) => {
  const queue = process.env.QUEUE_URL;
  sqs.receiveMessage({
    QueueUrl: queue,
    MaxNumberOfMessages: 10,
    AttributeNames: ["All"],
    MessageAttributeNames: ["All"],
  }).promise()
    .then(({ Messages = [] }) => Promise.all(Messages.map((message) => {
      console.log("handing on task", message.Body);
      return lambda.invoke({
        FunctionName: "TaskWorker",
        InvocationType: "Event",
        Payload: JSON.stringify({ QueueUrl: queue, Message: message }),
      }).promise();
    })))
    .then((invoked) => callback(null, `handed on ${invoked.length} tasks`))
    .catch(callback);
};
