// The SDKs for JavaScript that Naru is tested with, behind one face: the second
// one as it was last, the second one of 2017, which speaks the query protocol
// to SQS, and the third.
import { createRequire } from 'node:module';

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1';
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
const require = createRequire(import.meta.url);

const region = 'us-east-1';
const anybody = { accessKeyId: 'test', secretAccessKey: 'test' };

// An sdk has
//
//	name      for the names of tests
//	client    returns a client of a service ("sqs", "lambda", "events",
//	          "scheduler", "logs", "iam" or "sts") of a Naru: an object with call(operation, input, signal)
//	query     whether it speaks the query protocol to SQS
//	shows     returns which of an error's two names, that of SQS's model and
//	          that of the query protocol, its users see
//	requestID returns the request id of a reply
export const sdks = [second('aws-sdk', 'SDK v2', false), second('aws-sdk-2017', 'SDK v2 of 2017', true), third()];
export const [v2, v2of2017, v3] = sdks;

// A failure is an error of a service, the same for all SDKs.
export class Failure extends Error {
  constructor(code, message, status, cause) {
    super(message, { cause });
    Object.assign(this, { code, status });
  }
}

function second(module, name, query) {
  const classes = { sqs: 'SQS', lambda: 'Lambda', events: 'CloudWatchEvents', scheduler: 'Scheduler', logs: 'CloudWatchLogs', iam: 'IAM', sts: 'STS' };
  return {
    name,
    query,
    shows: (shape, code) => code,
    requestID: (reply) => reply.$response.requestId,
    client(service, endpoint, { credentials = anybody, ...options } = {}) {
      const AWS = require(module);
      const client = new AWS[classes[service]]({
        endpoint, region, maxRetries: 0, credentials: new AWS.Credentials(credentials), httpOptions: { timeout: 60_000 }, ...options,
      });
      return {
        async call(operation, input, signal) {
          const request = client[operation[0].toLowerCase() + operation.slice(1)](input);
          signal?.addEventListener('abort', () => request.abort());
          try {
            return await request.promise();
          } catch (error) {
            throw new Failure(error.code, error.message, error.statusCode, error);
          }
        },
      };
    },
  };
}

function third() {
  const modules = { sqs: 'SQS', lambda: 'Lambda', events: 'EventBridge', scheduler: 'Scheduler', logs: 'CloudWatchLogs', iam: 'IAM', sts: 'STS' };
  const packages = { events: 'eventbridge', logs: 'cloudwatch-logs' };
  return {
    name: 'SDK v3',
    query: false,
    shows: (shape) => shape,
    requestID: (reply) => reply.$metadata.requestId,
    client(service, endpoint, { credentials = anybody, ...options } = {}) {
      const module = require(`@aws-sdk/client-${packages[service] ?? service}`);
      const client = new module[`${modules[service]}Client`]({ endpoint, region, maxAttempts: 1, credentials, ...options });
      return {
        async call(operation, input, signal) {
          try {
            return await client.send(new module[`${operation}Command`](input), { abortSignal: signal });
          } catch (error) {
            throw new Failure(error.name, error.message, error.$metadata?.httpStatusCode, error);
          }
        },
      };
    },
  };
}
