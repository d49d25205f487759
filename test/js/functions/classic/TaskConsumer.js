// The way it was written in 2017: the second SDK, promises, and a callback. The
// queue is called by its address at AWS.
'use strict';

const AWS = require('aws-sdk');

const SQS = new AWS.SQS();
const Lambda = new AWS.Lambda();
const QueueUrl = 'https://sqs.us-east-1.amazonaws.com/000000000000/MyFirstQueue';

function handOn(task) {
  console.log('task', task.Body);
  const Payload = JSON.stringify({ body: task.Body, handle: task.ReceiptHandle, colour: task.MessageAttributes.colour.StringValue });
  return Lambda.invoke({ FunctionName: 'TaskWorker', InvocationType: 'Event', Payload }).promise();
}

exports.handler = (event, context, callback) => {
  SQS.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] }).promise()
    .then((received) => Promise.all((received.Messages || []).map(handOn)))
    .then((replies) => replies.filter((reply) => reply.StatusCode === 202).length)
    .then((tasks) => callback(null, { tasks, from: event.source }))
    .catch((error) => callback(error));
};
