// Quell for Node programs: one file, no dependencies, Node 18 or newer.
//
//   import { run } from './quell-task.mjs';
//
//   await run('etl/load', async (task) => {
//     for (const row of rows) {
//       task.throwIfCancelled();
//       await put(row, { signal: task.signal });   // the native token: an AbortSignal
//       task.progress(++done, rows.length, 'rows');
//     }
//   });
//
// The rules of the library hold (sdk/include/quell/quell.h): nothing waits for the network but the
// first start of the process, and that for at most 250 ms; without a node daemon the work goes on
// untracked and is registered late, with its true start time. What the library keeps open never keeps
// the process alive.

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';

export const version = '0.1.0';

const FIRST_START_MS = 250;
const CALL_MS = 5000;
const COALESCE_MS = 100;
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 2000;
// When the program last looked for a cancel travels with other reports; alone, only so often.
const LOOK_MS = 10000;
const LOOK_CANCELLED_MS = 1000;  // Somebody waits for it.
const LOOKS_A_SECOND = 100;
const MEASURE_MS = 1000;  // Figures that travel alone.
const BATCH = 500;
const ENDED_UNTRACKED = 1000;

const TASK_ID = /^[A-Za-z0-9_-]{22}:[1-9][0-9]{0,15}$/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const OUTCOMES = ['success', 'failure', 'cancelled', 'timeout'];

const current = new AsyncLocalStorage();

/** It may be another status the next time. */
const isAway = (status) => status === 408 || status === 429 || status >= 500;

/** What task.signal is aborted with, and what throwIfCancelled() throws. */
export class Cancelled extends Error {
  constructor(cancel) {
    super(`cancelled by ${cancel.by ?? ''}${cancel.reason ? `: ${cancel.reason}` : ''}`);
    this.name = 'Cancelled';
    this.by = cancel.by ?? '';
    this.reason = cancel.reason ?? '';
    this.graceMs = cancel.grace_in_millis ?? 0;
    this.at = new Date(cancel.at_millis ?? 0);
  }
}

/** Where work comes from. What is malformed on the way in is dropped, never an error. */
export class Context {
  static #NAMES = {
    http: ['Quell-Task-Id', 'Quell-Ancestors', 'X-Opaque-Id', 'traceparent'],
    grpc: ['quell-task-id', 'quell-ancestors', 'x-opaque-id', 'traceparent'],
    environment: ['QUELL_TASK_ID', 'QUELL_ANCESTORS', 'QUELL_OPAQUE_ID', 'TRACEPARENT'],
  };

  constructor({ task = '', ancestors = [], opaqueId = '', traceparent = '' } = {}) {
    Object.assign(this, { task, ancestors, opaqueId, traceparent });
  }

  /** From headers (an object, a Map or a Headers), names in any case. */
  static extract(carrier) {
    const entries = typeof carrier.entries === 'function' ? carrier.entries() : Object.entries(carrier);
    const lower = Object.fromEntries([...entries].map(([name, value]) => [String(name).toLowerCase(), value]));
    return Context.#from(Context.#NAMES.grpc, lower);
  }

  static fromEnvironment() {
    return Context.#from(Context.#NAMES.environment, process.env);
  }

  static #from(names, carrier) {
    const [task, ancestors, opaqueId, traceparent] = names.map((name) => String(carrier[name] ?? ''));
    const context = new Context();
    if (TASK_ID.test(task)) {
      context.task = task;
      const chain = ancestors.split(',').filter((id) => id).slice(0, 15);
      if (chain.every((id) => TASK_ID.test(id))) context.ancestors = chain;
    }
    if (TRACEPARENT.test(traceparent)) context.traceparent = traceparent;
    if (/^[ -~]{1,1024}$/.test(opaqueId)) context.opaqueId = opaqueId;
    return context;
  }

  /** As an object, for 'http', 'grpc' or 'environment'. */
  inject(carrier = 'http') {
    const [task, ancestors, opaqueId, traceparent] = Context.#NAMES[carrier];
    const out = {};
    if (this.task) {
      out[task] = this.task;
      if (this.ancestors.length) out[ancestors] = this.ancestors.join(',');
    }
    if (this.opaqueId) out[opaqueId] = this.opaqueId;
    if (this.traceparent) out[traceparent] = this.traceparent;
    return out;
  }
}

// Since this host was started, also while it slept; to the hundredth of a second below, as the kernel tells
// it. Undefined where there is no /proc.
function sinceBootMicros() {
  try {
    return Math.round(Number(readFileSync('/proc/uptime', 'ascii').split(' ')[0]) * 1e6);
  } catch {
    return undefined;
  }
}

function cut(text, bytes) {
  const encoded = Buffer.from(String(text ?? ''));
  return encoded.length <= bytes ? encoded.toString() : encoded.subarray(0, bytes).toString().replace(/\uFFFD$/, '');
}

function cpuNanos() {
  const { user, system } = process.cpuUsage();
  return Math.round((user + system) * 1000);
}

/** What a task has used until now, as a report says it; `undefined`: nothing was measured. */
function figuresOf({ running, figures }) {
  const count = figures.count + running.size;
  if (count === 0) return undefined;
  const now = cpuNanos();
  for (const measure of running) measure.used = now - measure.start;
  const used = [...running].map((measure) => measure.used);
  const out = {
    cpu_time_in_nanos: used.reduce((sum, one) => sum + one, figures.total),
    least_cpu_time_in_nanos: Math.min(...used, ...(figures.count ? [figures.least] : [])),
    most_cpu_time_in_nanos: Math.max(...used, figures.most),
    executions: count, active: running.size,
  };
  if (running.size) out.memory_in_bytes = process.memoryUsage.rss();
  return out;
}

/** One piece of work. */
export class Task {
  #controller = new AbortController();

  constructor(action, { description = '', context, parent, cancellable = true, cancelOnParentLost = false } = {}) {
    this.action = cut(action || 'unnamed', 128);
    this.description = cut(description, 4096);
    this.cancellable = cancellable;
    this.cancelOnParentLost = cancelOnParentLost;
    // For the engine; programs leave these alone.
    this._ = {
      startMs: Date.now(), startBootUs: sinceBootMicros(), origin: context ?? new Context(), parent, id: '', ancestors: [],
      registered: false, refused: false, outcome: undefined, toldEnd: false,
      fields: {}, fieldsDirty: false, fieldsTold: 0, shields: [], cancel: undefined,
      tellDeferred: false, toldStopping: false,
      key: '',  // Names the registration, should its answer be lost.
      knows: false,  // The program has seen that it is cancelled.
      running: new Set(),  // Measures under way.
      figures: { total: 0, least: 0, most: 0, count: 0 },  // Of those that have ended.
      figuresTold: undefined, figuresToldAt: 0,
      signalTaken: false, looked: 0, lookTold: 0, lookToldAt: 0,
    };
  }

  /** "NODE:NUMBER", or "" while untracked. */
  get id() { return this._.id; }
  get tracked() { return this._.id !== ''; }
  /** Aborted, with a Cancelled as its reason, once the task is to stop and no shield holds. */
  get signal() {
    this._.signalTaken = true;  // Whoever has it hears of the abort.
    return this.#look();
  }
  get cancelled() { return this.#look().aborted; }
  get cancelRequest() { return this.cancelled ? this.#controller.signal.reason : undefined; }
  throwIfCancelled() { this.#look().throwIfAborted(); }

  // The node hears that the program has looked.
  #look() {
    const { signal } = this.#controller;
    this._.looked = Date.now();
    if (signal.aborted && !this._.knows) {
      this._.knows = true;
      engine().wake();
    }
    return signal;
  }

  progress(done, total, unit) { this.field('progress', unit ? { done, total, unit } : { done, total }); }
  phase(text) { this.field('phase', String(text)); }

  /** One more member of the status; any JSON value. Only the last one within 100 ms travels. */
  field(name, value) {
    const json = JSON.stringify(value);
    if (json === undefined) throw new TypeError(`status field ${name} is no JSON value`);
    const state = this._;
    if (state.outcome !== undefined || JSON.stringify(state.fields[name]) === json) return;
    if (Object.keys(state.fields).length >= 64 && !(name in state.fields)) return;
    state.fields[name] = value;
    if (!state.fieldsDirty) {
      state.fieldsDirty = true;
      engine().wake();
    }
  }

  child(action, options = {}) {
    const task = new Task(action, { ...options, context: this.context(), parent: this });
    engine().add(task);
    return task;
  }

  context() {
    const { id, ancestors, origin } = this._;
    return id ? new Context({ ...origin, task: id, ancestors }) : origin;
  }

  /** While `work` runs, a cancel is deferred, and everybody sees why. */
  async shield(why, work) {
    const state = this._;
    state.shields.push(cut(why, 256));
    if (state.cancel && !this.#controller.signal.aborted) {
      state.tellDeferred = true;
      engine().wake();
    }
    try {
      return await work();
    } finally {
      state.shields.pop();
      this._deliver();
      engine().wake();
    }
  }

  /**
   * While `work` runs, the CPU time of this process and its resident memory count to the task: what a task uses
   * is shown only where its program measures it. All that the process does meanwhile counts, since JavaScript
   * has no clock for one of the things that take turns in it.
   */
  async measure(work) {
    const state = this._;
    const measure = { start: cpuNanos(), used: 0 };
    state.running.add(measure);
    if (state.running.size === 1) engine().wake();
    try {
      return await work();
    } finally {
      measure.used = cpuNanos() - measure.start;
      state.running.delete(measure);
      const { total, least, most, count } = state.figures;
      state.figures = {
        total: total + measure.used, least: count ? Math.min(least, measure.used) : measure.used,
        most: Math.max(most, measure.used), count: count + 1,
      };
    }
  }

  /** success, failure, cancelled or timeout. The first one counts. */
  finish(outcome = 'success') {
    if (!OUTCOMES.includes(outcome)) throw new RangeError(`outcome ${outcome}: use ${OUTCOMES.join(', ')}`);
    if (this._.outcome !== undefined) return;
    this._.outcome = outcome;
    engine().wake();
  }

  _deliver() {
    const state = this._;
    if (!state.cancel || state.outcome !== undefined || this.#controller.signal.aborted) return;
    if (state.shields.length) {
      state.tellDeferred = true;
      return;
    }
    if (state.signalTaken) {
      state.looked = Date.now();
      state.knows = true;
    }
    this.#controller.abort(new Cancelled(state.cancel));
  }

  _newJson() {
    const { id, key, startMs, startBootUs, origin, parent } = this._;
    const out = { action: this.action, description: this.description, pid: process.pid, start_time_in_millis: startMs };
    if (startBootUs !== undefined) out.start_since_boot_in_micros = startBootUs;
    if (id) out.id = id;
    else out.key = key;
    if (this.cancelOnParentLost) out.on_parent_lost = 'cancel';
    if (!this.cancellable) out.cancellable = false;
    if (parent?.id) {
      out.parent = parent.id;
    } else if (origin.task) {
      out.parent = origin.task;
      if (origin.ancestors.length) out.ancestors = origin.ancestors;
    }
    const headers = {};
    if (origin.opaqueId) headers['X-Opaque-Id'] = origin.opaqueId;
    if (origin.traceparent) headers.traceparent = origin.traceparent;
    if (Object.keys(headers).length) out.headers = headers;
    return out;
  }
}

// Tells the node what the program said, and hears what the node says.
class Engine {
  #path = process.env.QUELL_SOCKET || '/run/quell/node.sock';
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #tasks = new Set();
  #session = '';
  #stream;
  #streamBroken = false;
  #backoff = 0;
  #retryAt = 0;
  #running = false;
  #again = false;
  #timer;
  #waiting = [];
  #firstTry;
  #lookTimer;
  #resourcesRefused = false;  // By a node that does not know them.
  #looksSince = 0;  // The present second of looks that are told for their own sake...
  #looks = 0;  // ...and how many it has had.
  #keyPrefix = randomBytes(12).toString('hex');
  #added = 0;

  add(task) {
    if (!task._.key) task._.key = `${this.#keyPrefix}-${++this.#added}`;
    this.#tasks.add(task);
    this.wake();
  }

  /** Resolves once the first attempt of the process is over, after 250 ms at most. */
  firstTry() {
    this.#firstTry ??= new Promise((resolve) => {
      const timer = setTimeout(resolve, FIRST_START_MS);
      this.#waiting.push(() => { clearTimeout(timer); resolve(); });
    });
    return this.#firstTry;
  }

  wake() {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    queueMicrotask(() => this.#run());
  }

  async flush(timeoutMs) {
    const until = Date.now() + timeoutMs;
    while (this.#running || this.#pending()) {
      if (Date.now() >= until) return false;
      this.wake();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return true;
  }

  #pending() {
    return [...this.#tasks].some(({ _: s }) =>
      !(s.registered || s.refused) || s.fieldsDirty || s.tellDeferred || (s.knows && !s.toldStopping)
      || s.outcome !== undefined);
  }

  async #run() {
    do {
      this.#again = false;
      try {
        await this.#step();
      } catch {
        this.#disconnect();
      }
      for (const done of this.#waiting.splice(0)) done();
    } while (this.#again);
    this.#running = false;
  }

  #later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), ms);
    this.#timer.unref();
  }

  async #step() {
    if (this.#tasks.size === 0) return;
    const left = this.#retryAt - Date.now();
    if (left > 0) {
      this.#later(left);
      return;
    }
    if (this.#streamBroken) throw new Error('away');
    await this.#register();
    for (const task of [...this.#tasks]) await this.#report(task);
    await this.#end();
  }

  #post(target, body) {
    const headers = { 'Content-Type': 'application/json' };
    if (this.#session) headers['Quell-Session'] = this.#session;
    return new Promise((resolve, reject) => {
      const data = JSON.stringify(body);
      headers['Content-Length'] = Buffer.byteLength(data);
      const request = http.request({
        socketPath: this.#path, path: target, method: 'POST', headers, agent: this.#agent, timeout: CALL_MS,
      });
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part) => { text += part; });
        response.on('error', reject);
        response.on('end', () => {
          const status = response.statusCode;
          if (isAway(status)) {
            reject(new Error('away'));
            return;
          }
          try {
            resolve({ status, answer: JSON.parse(text || '{}') });
          } catch (error) {
            reject(error);
          }
        });
      });
      request.end(data);
    });
  }

  async #register() {
    for (;;) {
      const batch = [...this.#tasks].filter(({ _: s }) =>
        !s.registered && !s.refused && (!s.parent || s.parent._.id || s.parent._.refused)).slice(0, BATCH);
      if (batch.length === 0) return;
      await this.#registerBatch(batch);
    }
  }

  async #registerBatch(batch) {
    const { status, answer } = await this.#post('/v1/tasks', batch.map((task) => task._newJson()));
    if (status === 404 && this.#session) throw new Error('away');  // The session is over: begin anew.
    if (status !== 200) {
      // One bad task spoils its batch: find it by asking for each alone.
      if (batch.length > 1) for (const task of batch) await this.#registerBatch([task]);
      else batch[0]._.refused = true;
      return;
    }
    this.#session = answer.session;
    this.#backoff = 0;
    batch.forEach((task, i) => {
      const registered = answer.tasks[i];
      Object.assign(task._, {
        registered: true, id: registered.id, ancestors: registered.ancestors ?? [],
        fieldsDirty: Object.keys(task._.fields).length > 0, fieldsTold: 0,
        toldStopping: false, figuresTold: undefined, figuresToldAt: Date.now(), lookTold: 0, lookToldAt: Date.now(),
      });
      if (registered.cancel) task._.cancel = registered.cancel;
      task._deliver();
    });
    if (!this.#stream) this.#listen();
  }

  async #report(task) {
    const state = task._;
    if (!state.registered || state.toldEnd) return;
    const body = {};
    if (state.fieldsDirty) {
      const due = state.fieldsTold + COALESCE_MS - Date.now();
      if (due <= 0 || state.outcome !== undefined) {
        body.status = { ...state.fields };
        state.fieldsDirty = false;
        state.fieldsTold = Date.now();
      } else {
        this.#later(due);
      }
    }
    if (state.tellDeferred && state.shields.length) body.deferred = state.shields.at(-1);
    if (state.knows && !state.toldStopping) body.stopping = state.toldStopping = true;
    state.tellDeferred = false;
    if (this.#isLookDue(state, Object.keys(body).length > 0)) {
      body.last_check_millis = state.looked;
      state.lookTold = state.looked;
      state.lookToldAt = Date.now();
    }
    const resources = this.#newFigures(state, Object.keys(body).length > 0);
    await this.#sendReport(`/v1/tasks/${state.id}/report`, body, resources);
  }

  // An older node refuses a report with what it does not know: the rest must get through.
  async #sendReport(target, body, resources) {
    if (resources && !this.#resourcesRefused) {
      const { status } = await this.#post(target, { ...body, resources });
      if (status !== 400) return;
      this.#resourcesRefused = true;
    }
    if (Object.keys(body).length) await this.#post(target, body);
  }

  // What is to be told now of what the task uses: with something else, or for its own sake. The last figures go
  // with the end.
  #newFigures(state, together) {
    if (state.outcome !== undefined) return undefined;
    const told = state.figuresTold;
    const ended = told ? told.executions - told.active : 0;
    if (state.running.size === 0 && state.figures.count === ended) return undefined;
    const left = state.figuresToldAt + MEASURE_MS - Date.now();
    if (left > 0 && !together) {
      this.#lookLater(left);
      return undefined;
    }
    state.figuresToldAt = Date.now();
    state.figuresTold = figuresOf(state);
    if (state.running.size) this.#lookLater(MEASURE_MS);
    return state.figuresTold;
  }

  // Whether the last look, if it is new, is to be told now: with something else, or for its own sake.
  #isLookDue(state, together) {
    const now = Date.now();
    if (now - this.#looksSince >= 1000) {
      this.#looksSince = now;
      this.#looks = 0;
    }
    const awaited = state.cancel !== undefined;
    const pause = awaited ? LOOK_CANCELLED_MS : LOOK_MS;
    const isNew = state.looked !== state.lookTold;
    let again = now + pause;
    let tell = isNew && together;
    if (isNew && !together) {
      const crowded = !awaited && this.#looks >= LOOKS_A_SECOND;
      tell = state.lookToldAt + pause <= now && !crowded;
      if (tell) this.#looks += 1;
      else again = crowded ? this.#looksSince + 1000 : state.lookToldAt + pause;
    }
    if (state.outcome === undefined) this.#lookLater(again - now);
    return tell;
  }

  #lookLater(ms) {
    const at = Date.now() + ms;
    if (this.#lookTimer && this.#lookTimer.at <= at) return;
    clearTimeout(this.#lookTimer?.timer);
    const timer = setTimeout(() => {
      this.#lookTimer = undefined;
      this.wake();
    }, ms);
    timer.unref();
    this.#lookTimer = { at, timer };
  }

  async #end() {
    const ended = [...this.#tasks].filter(({ _: s }) => s.outcome !== undefined && (s.registered || s.refused));
    for (const task of ended.filter(({ _: s }) => s.refused)) this.#over(task);
    const told = ended.filter(({ _: s }) => !s.refused);
    for (let i = 0; i < told.length; i += BATCH) await this.#endBatch(told.slice(i, i + BATCH));
  }

  async #endBatch(batch) {
    const { status, answer } = await this.#post('/v1/tasks/finish',
      batch.map(({ _: s }) => ({ id: s.id, outcome: s.outcome, resources: figuresOf(s) })));
    if (status !== 200) throw new Error('away');
    batch.forEach((task, i) => {
      if (isAway(answer.tasks[i].status ?? 200)) this.#later(BACKOFF_MAX_MS);  // Its disk is full, say.
      else this.#over(task);
    });
  }

  #over(task) {
    task._.toldEnd = true;
    this.#tasks.delete(task);
  }

  #listen() {
    const request = http.request({
      socketPath: this.#path, path: `/v1/sessions/${this.#session}/commands`, agent: false,
      headers: { 'Quell-Session': this.#session },
    });
    this.#stream = request;
    const broken = () => {
      if (this.#stream !== request) return;
      this.#streamBroken = true;
      this.wake();
    };
    request.on('socket', (socket) => socket.unref());
    request.on('error', broken);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('error', broken);
      response.on('end', broken);
      response.on('data', (part) => {
        text += part;
        const lines = text.split('\n');
        text = lines.pop();
        for (const line of lines) this.#command(line);
      });
    });
    request.end();
  }

  #command(line) {
    if (!line.trim()) return;
    let command;
    try {
      command = JSON.parse(line);
    } catch {
      return;  // Of a newer node.
    }
    for (const task of this.#tasks) {
      if (command.cancel && task.id === command.cancel.task) {
        task._.cancel = command.cancel;
        task._deliver();
        this.wake();
      }
    }
  }

  #disconnect() {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#streamBroken = false;
    stream?.destroy();
    this.#session = '';  // A daemon that was restarted does not know it.
    this.#resourcesRefused = false;
    this.#backoff = Math.min(Math.max(this.#backoff * 2, BACKOFF_MIN_MS), BACKOFF_MAX_MS);
    this.#retryAt = Date.now() + this.#backoff;
    this.#later(this.#backoff);
    const ended = [];
    for (const task of this.#tasks) {
      task._.registered = false;
      if (task._.outcome !== undefined && !task._.id) ended.push(task);
    }
    for (const task of ended.slice(0, -ENDED_UNTRACKED)) this.#tasks.delete(task);
  }
}

let theEngine;
function engine() {
  theEngine ??= new Engine();
  return theEngine;
}

/** Begins a task: a child of `options.context`, else of the current task, else of the environment's. */
export async function start(action, options = {}) {
  const parent = options.context ? undefined : current.getStore();
  const task = parent && parent._.outcome === undefined
    ? parent.child(action, options)
    : new Task(action, { ...options, context: options.context ?? Context.fromEnvironment() });
  engine().add(task);
  await engine().firstTry();
  return task;
}

/**
 * Runs `work(task)` as a task and ends it: as success; as cancelled if what `work` throws is the cancel
 * (or an AbortError while it is cancelled); else as failure. Throws what `work` throws.
 */
export async function run(action, options, work) {
  if (typeof options === 'function') [options, work] = [{}, options];
  const task = await start(action, options);
  try {
    const result = await current.run(task, () => work(task));
    task.finish('success');
    return result;
  } catch (error) {
    const byCancel = task.cancelled && (error instanceof Cancelled || error?.name === 'AbortError');
    task.finish(byCancel ? 'cancelled' : 'failure');
    throw error;
  } finally {
    await engine().flush(FIRST_START_MS);
  }
}

/** The task in whose run() this code is. */
export function currentTask() { return current.getStore(); }

/** Waits until all that was said is told, `timeoutMs` at most. */
export function flush(timeoutMs = 5000) { return engine().flush(timeoutMs); }
