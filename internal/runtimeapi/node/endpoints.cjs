// Leads requests for AWS services that Naru has back to Naru: SDKs find it
// without an endpoint, also those that know no AWS_ENDPOINT_URL. What goes to
// a host of AWS by http, https or fetch goes to NARU_ENDPOINT instead, over
// plain HTTP, with the Host header of AWS, since that is what was signed.
// Requests for services that Naru does not have fail and say so.
'use strict';

const Module = require('module');
const { Readable, pipeline } = require('stream');
const { urlToHttpOptions } = require('url');

// Options of requests that are about reaching AWS.
const ofConnections = ['createConnection', 'socketPath', 'defaultPort', '_defaultAgent', 'lookup', 'family', 'localAddress'];

const redirect = {
  services: new Set(),
  passthrough: new Set(),
  noAgent: {}, // stands for the agent of those who name none
  agents: new WeakMap(), // from those of callers to ours

  install(env) {
    const list = (text) => (text ?? '').split(',').map((name) => name.trim()).filter(Boolean);
    this.endpoint = new URL(env.NARU_ENDPOINT);
    this.services = new Set(list(env.NARU_SERVICES));
    this.passthrough = new Set(list(env.NARU_PASSTHROUGH));
    this.patchFetch();
    if (Module.registerHooks) this.watchModules();
    else this.patchModules(); // before Node.js 22.15
  },

  // watchModules patches the modules when they are first asked for, since to
  // load them takes a while and many functions never do.
  watchModules() {
    const get = process.getBuiltinModule;
    const see = (name) => {
      if (!/^(node:)?https?$/.test(name)) return;
      hooks.deregister();
      process.getBuiltinModule = get;
      this.patchModules();
    };
    const hooks = Module.registerHooks({
      resolve(name, context, resolve) {
        see(name);
        return resolve(name, context);
      },
    });
    process.getBuiltinModule = (name) => {
      see(name);
      return get(name);
    };
  },

  // serviceOf returns the service of a host name of AWS; of others nothing.
  serviceOf(host) {
    const match = /^(.+)\.(amazonaws\.com(\.cn)?|api\.aws)\.?$/i.exec(host);
    if (!match) return undefined;
    const parts = match[1].toLowerCase().split('.');
    const place = /^([a-z]{2,4}(-[a-z]+)+-\d+|vpce|dualstack|fips)$/;
    const name = (parts.filter((part) => !place.test(part)).pop() ?? parts[0]).replace(/-fips$/, '');
    return name === 'queue' ? 'sqs' : name;
  },

  // targetOf returns Naru's endpoint if it has the service of a host, and
  // nothing if the host is none of its business. It throws if it is a service
  // that can't be had.
  targetOf(host) {
    const service = this.serviceOf(host);
    if (service === undefined || this.passthrough.has(service)) return undefined;
    if (this.services.has(service)) return this.endpoint;
    const error = new Error(`Naru does not have the AWS service "${service}" (host ${host}). To let requests for it through to AWS, start Naru with --passthrough ${service}.`);
    // The second SDK marks every error of a request as one to try again after.
    Object.defineProperty(error, 'retryable', { get: () => false, set() {} });
    throw Object.assign(error, { name: 'ServiceNotInNaru', code: 'ServiceNotInNaru' });
  },

  patchModules() {
    const http = require('http');
    const https = require('https');
    const plain = http.request;
    for (const [module, protocol] of [[http, 'http:'], [https, 'https:']]) {
      const original = module.request;
      module.request = (...args) => this.request(http, plain, original, protocol, args);
      module.get = (...args) => {
        const request = module.request(...args);
        request.end();
        return request;
      };
    }
    Module.syncBuiltinESMExports();
  },

  // request is http.request and https.request.
  request(http, plain, original, protocol, args) {
    const callback = args.find((arg) => typeof arg === 'function');
    const options = {};
    for (const arg of args.slice(0, 2)) {
      if (typeof arg === 'string') Object.assign(options, urlToHttpOptions(new URL(arg)));
      else if (arg instanceof URL) Object.assign(options, urlToHttpOptions(arg));
      else if (arg && typeof arg === 'object') Object.assign(options, arg);
    }
    const host = String(options.hostname || options.host || 'localhost');
    let target;
    try {
      target = this.targetOf(host);
    } catch (error) {
      return this.failing(plain, options, error, callback);
    }
    if (!target) return original(...args);
    for (const key of ofConnections) delete options[key];
    const usual = protocol === 'https:' ? 443 : 80;
    const shown = options.port && Number(options.port) !== usual ? `${host}:${options.port}` : host;
    return plain({
      ...options,
      protocol: 'http:',
      host: undefined,
      hostname: target.hostname.replace(/^\[|\]$/g, ''),
      port: target.port || 80,
      agent: this.agentFor(http, options.agent),
      headers: withHost(options.headers, shown),
    }, callback);
  },

  // failing returns a request that fails with an error.
  failing(plain, options, error, callback) {
    const { method, path: where, signal } = options;
    const createConnection = (_, created) => void created(error);
    return plain({ method, path: where, signal, createConnection }, callback);
  },

  // agentFor returns an agent for plain connections like the one given.
  agentFor(http, agent) {
    if (agent === false) return false;
    const like = agent ?? this.noAgent;
    let ours = this.agents.get(like);
    if (!ours) {
      const { keepAlive = true, maxSockets, maxFreeSockets, maxTotalSockets } = like;
      ours = new http.Agent({ keepAlive, maxSockets, maxFreeSockets, maxTotalSockets });
      this.agents.set(like, ours);
    }
    return ours;
  },

  patchFetch() {
    const original = globalThis.fetch;
    if (!original) return;
    const fetch = async (input, init) => {
      const host = new URL(input instanceof Request ? input.url : input).hostname;
      return this.targetOf(host) ? this.fetch(new Request(input, init)) : original(input, init);
    };
    globalThis.fetch = fetch;
  },

  // fetch is globalThis.fetch for hosts of AWS. It is built on http.request,
  // since Node.js's own fetch chooses the Host header itself.
  async fetch(request) {
    const { method, url, signal } = request;
    const headers = Object.fromEntries(request.headers);
    const response = await new Promise((resolve, reject) => {
      const outgoing = require('https').request(url, { method, headers, signal }, resolve);
      outgoing.on('error', reject);
      if (request.body) pipeline(Readable.fromWeb(request.body), outgoing, (error) => error && reject(error));
      else outgoing.end();
    });
    const { statusCode: status, statusMessage: statusText } = response;
    const told = new Headers();
    for (let i = 0; i < response.rawHeaders.length; i += 2) told.append(response.rawHeaders[i], response.rawHeaders[i + 1]);
    const bodiless = [101, 204, 205, 304].includes(status) || method === 'HEAD';
    return Object.defineProperty(
      new Response(bodiless ? null : Readable.toWeb(response), { status, statusText, headers: told }),
      'url', { value: url },
    );
  },
};

// withHost returns headers that say what the host is, unless they do already.
function withHost(headers, host) {
  if (Array.isArray(headers)) return headers; // all there are, by the meaning of arrays here
  const named = Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'host');
  return named ? headers : { ...headers, Host: host };
}

exports.install = (env) => redirect.install(env);
