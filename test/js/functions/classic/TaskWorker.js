'use strict';

const AWS = require('aws-sdk');

const SQS = new AWS.SQS();
const QueueUrl = 'https://sqs.us-east-1.amazonaws.com/000000000000/MyFirstQueue';

exports.handler = (event, context, callback) => {
  console.log('working on', event.body, 'in', event.colour);
  SQS.deleteMessage({ QueueUrl, ReceiptHandle: event.handle }).promise()
    .then(() => {
      console.log('done with', event.body);
      callback(null, 'done');
    })
    .catch((error) => {
      console.error('refused', error.code, error.message);
      callback(error);
    });
};
