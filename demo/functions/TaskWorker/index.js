// TaskWorker works on one task and then deletes its message.
const AWS = require("aws-sdk");

const sqs = new AWS.SQS();

exports.handler = (event, context, callback) => {
  const { Body, ReceiptHandle, MessageAttributes = {} } = event.Message;
  const priority = MessageAttributes.priority ? MessageAttributes.priority.StringValue : "none";
  console.log("working on task", Body, "of priority", priority);
  sqs.deleteMessage({ QueueUrl: event.QueueUrl, ReceiptHandle }).promise()
    .then(() => callback(null, `done: ${Body}`))
    .catch((err) => {
      console.error("could not delete the message of task", Body, err.code, err.message);
      callback(err);
    });
};
