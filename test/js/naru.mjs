// A Naru that a test starts: on free ports of loopback, with a data directory
// of its own, which is removed when it stops.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from './until.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const program = path.resolve(here, process.env.NARU_BIN ?? '../../bin/naru');
const sdks = path.resolve(here, '../../.tools/sdk');

const running = new Set();
const killAll = () => running.forEach((child) => child.kill('SIGKILL'));
process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });
}

export class Naru {
  // start starts Naru with flags besides the usual ones, and returns it once
  // it is ready.
  static async start(...flags) {
    const naru = new Naru();
    naru.flags = flags;
    naru.started = new Map(); // processes, and when they started, by id
    naru.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'naru-js-'));
    naru.listen = '127.0.0.1:0';
    naru.ahead = 0; // seconds
    try {
      await naru.launch();
    } catch (error) {
      fs.rmSync(naru.dir, { recursive: true, force: true });
      throw error;
    }
    return naru;
  }

  get data() { return path.join(this.dir, 'data'); }

  // log is what Naru wrote to its standard error, over all its starts.
  get log() { return fs.readFileSync(path.join(this.dir, 'naru.log'), 'utf8'); }

  async launch() {
    const log = fs.openSync(path.join(this.dir, 'naru.log'), 'a');
    const args = ['serve', '--listen', this.listen, '--admin', '127.0.0.1:0', '--data', this.data, '--sdk-dir', sdks, ...this.flags];
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', log], detached: true });
    fs.closeSync(log);
    running.add(this.child);
    this.ended = once(this.child, 'exit').finally(() => running.delete(this.child));
    const lines = createInterface({ input: this.child.stdout });
    let ready = false;
    for await (const line of lines) {
      const [key, value] = line.trim().split(/\s+/);
      if (key === 'endpoint') this.endpoint = value;
      if (key === 'operators') this.metricsURL = value;
      if (key === 'account') {
        ready = true;
        break;
      }
    }
    if (!ready) {
      await this.ended;
      throw new Error(`Naru did not start:\n${this.log}`);
    }
    this.child.stdout.resume();
    this.listen = new URL(this.endpoint).host; // the same after a restart
  }

  // kill ends Naru as a power cut would: it does not get to do anything.
  async kill() {
    this.outlived();
    this.child.kill('SIGKILL');
    await this.ended;
  }

  // restart starts a Naru that was ended or killed on the same data and port, with its clock as
  // far ahead as it was.
  async restart() {
    await this.launch();
    const { ahead } = this;
    this.ahead = 0;
    if (ahead > 0) await this.advance(ahead);
  }

  // end ends Naru in good order. It can be restarted.
  async end() {
    this.outlived();
    this.child.kill('SIGTERM');
    const [code, signal] = await this.ended;
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `Naru did not stop in good order:\n${this.log}`);
  }

  // stop ends Naru for good, and finds that its log tells of no fault.
  async stop() {
    try {
      await this.end();
      assert.doesNotMatch(this.log, /level=ERROR|panic:|DATA RACE/);
    } finally {
      fs.rmSync(this.dir, { recursive: true, force: true });
    }
  }

  // advance moves Naru's clock forward. It needs the flag --allow-reset.
  async advance(seconds) {
    const response = await fetch(`${this.endpoint}/_naru/clock`, { method: 'POST', body: JSON.stringify({ advance: seconds }) });
    assert.equal(response.status, 200, await response.text());
    this.ahead += seconds;
  }

  // count returns the sum of the counters of a name whose labels are the given
  // ones, others being whatever they are.
  async count(name, labels = {}) {
    const response = await fetch(this.metricsURL);
    const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    return (await response.text()).split('\n')
      .filter((line) => line.startsWith(`naru_${name}_total{`) && wanted.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  // gauge returns the value of a gauge without labels.
  async gauge(name) {
    const response = await fetch(this.metricsURL);
    const line = (await response.text()).split('\n').find((text) => text.startsWith(`naru_${name} `));
    return Number(line?.slice(line.lastIndexOf(' ')));
  }

  // outlived returns the processes that this Naru has started and that live, as far
  // as it was looked for them while it ran.
  outlived() {
    const parents = new Map(); // and starts, by id
    for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const field = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
        if (field[0] !== 'Z') parents.set(Number(pid), { parent: Number(field[1]), start: field[19] });
      } catch {
        // it has just ended
      }
    }
    for (let grown = true; grown;) {
      grown = false;
      for (const [pid, { parent, start }] of parents) {
        const ours = parent === this.child.pid || (this.started.has(parent) && this.started.get(parent) === parents.get(parent)?.start);
        if (ours && this.started.get(pid) !== start) {
          this.started.set(pid, start);
          grown = true;
        }
      }
    }
    return [...this.started].filter(([pid, start]) => parents.get(pid)?.start === start);
  }

  // nothingIsLeft waits until no process of a killed Naru is there any more.
  async nothingIsLeft() {
    await until('everything that Naru started has ended', () => this.outlived().length === 0);
  }
}
