// Handlers that call AWS as its SDKs do.
const http = require('http');
const https = require('node:https');
const { request, get } = https; // as libraries capture them

const body = (response) =>
  new Promise((resolve, reject) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part) => (text += part));
    response.on('end', () => resolve(JSON.parse(text)));
    response.on('error', reject);
  });
// sent resolves to the response to a request.
const sent = (start, content) =>
  new Promise((resolve, reject) => {
    const req = start((response) => resolve(body(response)));
    req.on('error', reject);
    if (content !== undefined) req.end(content);
  });
const told = (error) => {
  error.retryable = true; // as SDK v2 does
  return { name: error.name, code: error.code, message: error.message, retryable: error.retryable };
};

const forms = {
  'get by text': () => sent((done) => https.get('https://sqs.us-east-1.amazonaws.com/queue?a=1', done)),
  'get by URL, with options': () => sent((done) => get(new URL('https://sqs.us-east-1.amazonaws.com/queue'), { headers: { a: 'b' } }, done)),
  'request by options': () =>
    sent((done) => request({ hostname: 'sqs.us-east-1.amazonaws.com', path: '/p', method: 'PUT', headers: { host: 'signed.amazonaws.com' } }, done), 'content'),
  'plain http': () => sent((done) => http.get('http://sqs.us-east-1.amazonaws.com/', done)),
  'another port': () => sent((done) => https.get('https://sqs.us-east-1.amazonaws.com:8443/', done)),
  'no agent': () => sent((done) => https.get('https://sqs.us-east-1.amazonaws.com/', { agent: false }, done)),
  'no callback': () =>
    new Promise((resolve, reject) => {
      const req = https.request('https://sqs.us-east-1.amazonaws.com/');
      req.on('response', (response) => resolve(body(response)));
      req.on('error', reject);
      req.end();
    }),
  'SDK v2': () => {
    const agent = new https.Agent({ keepAlive: false, rejectUnauthorized: true, maxSockets: 50 });
    agent.setMaxListeners(0);
    const options = {
      protocol: 'https:', host: 'sqs.us-east-1.amazonaws.com', port: 443, method: 'POST', path: '/', agent,
      headers: { 'X-Amz-Target': 'AmazonSQS.SendMessage', Host: 'sqs.us-east-1.amazonaws.com', 'Content-Length': 2 },
    };
    return sent((done) => {
      const req = https.request(options, done);
      req.on('socket', (socket) => socket.connecting && socket.on('connect', () => {}));
      req.setTimeout(120000, () => {});
      return req;
    }, '{}');
  },
  'SDK v3': () => {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 50 });
    const options = {
      headers: { host: 'sqs.us-east-1.amazonaws.com', 'x-amz-target': 'AmazonSQS.SendMessage', 'content-length': '2' },
      host: 'sqs.us-east-1.amazonaws.com', method: 'POST', path: '/', port: undefined, agent, auth: undefined,
    };
    return sent((done) => https.request(options, done), '{}');
  },
  'elsewhere': () => sent((done) => http.get(process.env.NARU_ENDPOINT + '/elsewhere', { headers: { host: 'example.com' } }, done)),
  'fetch of text': () => fetch('https://sqs.us-east-1.amazonaws.com/queue?a=1').then((r) => r.json()),
  'fetch of URL': () =>
    fetch(new URL('https://sqs.us-east-1.amazonaws.com/'), { method: 'POST', body: 'content', headers: { 'x-amz-target': 'T' } }).then((r) => r.json()),
  'fetch of Request': () =>
    fetch(new Request('https://sqs.us-east-1.amazonaws.com/', { method: 'POST', body: 'content', headers: { 'x-amz-target': 'T' } })).then((r) => r.json()),
  'fetch elsewhere': () => fetch(new Request(process.env.NARU_ENDPOINT + '/elsewhere', { method: 'POST', body: 'content' })).then((r) => r.json()),
  'through import': async () => {
    const imported = await import('https');
    return sent((done) => imported.get('https://sqs.us-east-1.amazonaws.com/', done));
  },
};
exports.form = async (event) => forms[event.form]();
exports.forms = async () => Object.keys(forms);

exports.refused = (event, context, callback) => {
  https.request('https://dynamodb.eu-west-1.amazonaws.com/', { method: 'POST' }).on('error', (error) => callback(null, told(error))).end('{}');
};
exports.refusedFetch = async () => fetch('https://dynamodb.eu-west-1.amazonaws.com/').then(() => 'fine', told);

exports.fetched = async () => {
  const response = await fetch('https://sqs.us-east-1.amazonaws.com/a?b');
  return [response.status, response.ok, response.url, response.headers.get('content-type'), (await response.text()).length > 0];
};

// reach tells for each host where a request goes.
exports.reach = async (event) => {
  const lookup = (host, options, done) => done(new Error('looked up'));
  const reach = (host) => sent((done) => https.get({ host, lookup }, done)).then(() => 'Naru', (e) => (e.message === 'looked up' ? 'out' : e.message.split('"')[1]));
  const found = {};
  for (const host of event.hosts) found[host] = await reach(host);
  return found;
};

// twice makes two requests one after the other with a callback.
exports.twice = (event, context, callback) => {
  const once = () => sent((done) => https.get('https://sqs.us-east-1.amazonaws.com/', done));
  once().then(once).then((last) => callback(null, last), callback);
};
