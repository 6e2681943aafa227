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
// the process alive. What goes wrong is never an exception in the program: it is a warning
// (`process.on('warning')`) of the type QuellWarning, once.
//
// process.exit() within run() ends that task, and those around it: as success with code 0, else as
// failure. A task that is open when its program ends in another way is lost.

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { isMainThread } from 'node:worker_threads';

export const version = '0.1.0';

const FIRST_START_MS = 250;
const EXIT_MS = 250;
const CALL_MS = 5000;
const COALESCE_MS = 100;
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 2000;
// When the program last looked for a cancel travels with other reports; alone, only so often.
const LOOK_MS = 10000;
const LOOK_CANCELLED_MS = 1000;  // Somebody waits for it.
const LOOKS_A_SECOND = 100;
const MEASURE_MS = 1000;  // Figures that travel alone.
const BUSY_MS = 2000;  // The node has no room now.
const NO_ROOM = 429;
const BATCH = 500;
const BATCH_BYTES = 512 * 1024;
const STATUS_BYTES = 16 * 1024;
const STATUS_MEMBERS = 64;
const ENDED_UNTRACKED = 1000;

const TASK_ID = /^(?!-|A{22})[A-Za-z0-9_-]{21}[AQgw]:[1-9][0-9]{0,15}$/;
/** As the node has it: whatever it would refuse must not cost the program its tasks. */
const isTaskId = (text) => TASK_ID.test(text) && Number(text.slice(23)) <= Number.MAX_SAFE_INTEGER;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const OUTCOMES = ['success', 'failure', 'cancelled', 'timeout'];

const current = new AsyncLocalStorage();

/** The daemon has no room for this now; all that it knows already it still knows. */
const isBusy = (status) => status === 429 || status === 507;
/** It may be another status the next time. */
const isAway = (status) => status === 408 || (status >= 500 && !isBusy(status));

class Busy extends Error {}

// A clock that nobody sets.
const monotonic = () => performance.now();

const said = new Set();
function warnOnce(key, text) {
  if (said.has(key) || said.size >= 1000) return;
  said.add(key);
  process.emitWarning(text, 'QuellWarning');
}

const bytesOf = (text) => Buffer.byteLength(text);

/** An object of members that are JSON already. */
const objectOf = (members) => `{${Object.entries(members).map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;

/** JSON.stringify() that throws where it would write something else: for NaN, functions and the like. */
function jsonOf(value) {
  const json = JSON.stringify(value, (_, part) => {
    if (typeof part === 'number' && !Number.isFinite(part)) throw new RangeError(`${part} is no number in JSON`);
    return typeof part === 'string' ? Buffer.from(part).toString() : part;  // Half a surrogate is no Unicode.
  });
  if (json === undefined) throw new TypeError(`${typeof value} is no JSON value`);
  return json;
}

/** What a text means as JSON, if it means something. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

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
    this.task = isTaskId(task) ? task : '';
    const chain = ancestors.slice(0, 16);
    this.ancestors = this.task && chain.every(isTaskId) ? chain : [];
    this.opaqueId = /^[ -~]{1,1024}$/.test(opaqueId) ? opaqueId : '';
    this.traceparent = TRACEPARENT.test(traceparent) ? traceparent : '';
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
    return new Context({ task, ancestors: ancestors.split(',').filter((id) => id), opaqueId, traceparent });
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
    return Math.round(Number(fs.readFileSync('/proc/uptime', 'ascii').split(' ')[0]) * 1e6);
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
    this.action = cut(String(action || 'unnamed').replace(CONTROL, ' '), 128);
    this.description = cut(description, 4096);
    this.cancellable = cancellable;
    this.cancelOnParentLost = cancelOnParentLost;
    // For the engine; programs leave these alone.
    this._ = {
      startMs: Date.now(), startBootUs: sinceBootMicros(), origin: context ?? new Context(), parent, id: '', ancestors: [],
      registered: false, refused: false, outcome: undefined, toldEnd: false,
      fields: Object.create(null),  // As JSON.
      fieldsDirty: false, fieldsTold: -COALESCE_MS, shields: [], cancel: undefined,
      tellDeferred: false, toldStopping: false,
      key: '',  // Names the registration, should its answer be lost.
      knows: false,  // The program has seen that it is cancelled.
      running: new Set(),  // Measures under way.
      figures: { total: 0, least: 0, most: 0, count: 0 },  // Of those that have ended.
      figuresTold: undefined, figuresToldAt: 0,
      inRun: false,  // Of run().
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

  progress(done, total, unit) { this.field('progress', unit ? { done, total, unit: cut(unit, 64) } : { done, total }); }
  phase(text) { this.field('phase', cut(text, 1024)); }

  /**
   * One more member of the status; any JSON value. Only the last one within 100 ms travels. A value that is no
   * JSON (NaN, say), and one for which the status has no room (64 members, 16 KiB in all), leaves the status
   * without this member; a warning names it.
   */
  field(name, value) {
    const state = this._;
    if (state.outcome !== undefined) return;
    const before = state.fields[name];
    let json;
    try {
      json = jsonOf(value);
      if (json === before) return;
      this.#checkRoom(name, json);
    } catch (error) {
      json = undefined;
      this._warnOfMember(name, error.message);
    }
    if (json !== undefined) state.fields[name] = json;
    else delete state.fields[name];
    if (json !== before && !state.fieldsDirty) {
      state.fieldsDirty = true;
      engine().wake();
    }
  }

  #checkRoom(name, json) {
    const { fields } = this._;
    const names = Object.keys(fields);
    if (!(name in fields) && names.length >= STATUS_MEMBERS) {
      throw new RangeError(`a status has at most ${STATUS_MEMBERS} members`);
    }
    const rough = names.reduce((sum, one) => sum + one.length + fields[one].length + 4, name.length + json.length);
    if (rough > 2000 && bytesOf(objectOf({ ...fields, [name]: json })) > STATUS_BYTES) {
      throw new RangeError(`the status would have more than ${STATUS_BYTES} bytes`);
    }
  }

  _warnOfMember(name, why) {
    warnOnce(`member ${this.action} ${name}`, `the status of the task ${this.action} has no member ${cut(name, 128)}: ${why}`);
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
    const out = { action: this.action, description: this.description };
    if (isMainThread) out.pid = process.pid;  // The process may outlive its worker: that one lives by its stream.
    out.start_time_in_millis = Math.min(startMs, Date.now());  // The clock may have been set back.
    if (startBootUs !== undefined) out.start_since_boot_in_micros = startBootUs;
    if (id) out.id = id;
    else out.key = key;
    if (this.cancelOnParentLost) out.on_parent_lost = 'cancel';
    if (!this.cancellable) out.cancellable = false;
    if (parent?.id) {
      out.parent = parent.id;
    } else if (TASK_ID.test(origin.task)) {
      out.parent = origin.task;
      if (origin.ancestors.length) out.ancestors = origin.ancestors.slice(0, 15);  // With the parent a whole chain.
    }
    const headers = {};
    if (origin.opaqueId) headers['X-Opaque-Id'] = cut(origin.opaqueId, 1024);
    if (origin.traceparent) headers.traceparent = cut(origin.traceparent, 1024);
    if (Object.keys(headers).length) out.headers = headers;
    return JSON.stringify(out);
  }
}

// Tells the node what the program said, and hears what the node says.
class Engine {
  #path = process.env.QUELL_SOCKET || '/run/quell/node.sock';
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #socket;  // That the calls use...
  #call;  // ...and the one under way.
  #tasks = new Set();
  #session = '';
  #stream;
  #streamBroken = false;
  #streamPause = BACKOFF_MIN_MS;
  #backoff = 0;
  #retryAt = 0;
  #fullUntil = 0;  // No room for more tasks.
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

  constructor() {
    process.on('exit', (code) => this.#atExit(code));
  }

  add(task) {
    if (!task._.key) task._.key = this.#newKey();
    this.#tasks.add(task);
    this.wake();
  }

  #newKey() { return `${this.#keyPrefix}-${++this.#added}`; }

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
    const until = monotonic() + timeoutMs;
    while (this.#running || this.#pending()) {
      if (monotonic() >= until) return false;
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
      } catch (error) {
        if (error instanceof Busy) this.#later(BUSY_MS);
        else this.#disconnect();
      }
      for (const done of this.#waiting.splice(0)) done();
    } while (this.#again);
    this.#running = false;
  }

  #later(ms) { this.#timer = this.#sooner(this.#timer, ms, () => { this.#timer = undefined; }); }
  #lookLater(ms) { this.#lookTimer = this.#sooner(this.#lookTimer, ms, () => { this.#lookTimer = undefined; }); }

  // The one that rings first: `set`, or a new one after `ms`.
  #sooner(set, ms, rung) {
    const at = monotonic() + ms;
    if (set && set.at <= at) return set;
    clearTimeout(set?.timer);
    const timer = setTimeout(() => {
      rung();
      this.wake();
    }, ms);
    timer.unref();
    return { at, timer };
  }

  async #step() {
    if (this.#tasks.size === 0) return;
    const left = this.#retryAt - monotonic();
    if (left > 0) {
      this.#later(left);
      return;
    }
    if (this.#streamBroken) throw new Error('away');
    await this.#register();
    for (const task of [...this.#tasks]) await this.#report(task);
    await this.#end();
  }

  // `batch`: what is registered by it.
  #post(target, data, batch) {
    const headers = { 'Content-Type': 'application/json' };
    if (this.#session) headers['Quell-Session'] = this.#session;
    return new Promise((resolve, reject) => {
      headers['Content-Length'] = bytesOf(data);
      const request = http.request({
        socketPath: this.#path, path: target, method: 'POST', headers, agent: this.#agent, timeout: CALL_MS,
      });
      request.on('socket', (socket) => { this.#socket = socket; });
      this.#call = { request, batch };
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part) => { text += part; });
        response.on('error', reject);
        response.on('end', () => {
          this.#call = undefined;
          const isDraining = parsed(text)?.error?.type === 'draining';  // No room for new tasks, and for them alone.
          const status = isDraining ? NO_ROOM : response.statusCode;
          if (isAway(status)) {
            reject(new Error('away'));
            return;
          }
          try {
            const answer = JSON.parse(text || '{}');
            resolve({ status, answer, type: answer?.error?.type, reason: answer?.error?.reason ?? `status ${status}` });
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
      const left = this.#fullUntil - monotonic();
      if (left > 0) {
        this.#later(left);
        return;
      }
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      await this.#registerBatch(batch);
    }
  }

  #nextBatch() {
    const settled = ({ _: s }) => s.registered || s.refused || s.toldEnd;
    const waiting = [...this.#tasks].filter(({ _: s }) => !s.registered && !s.refused && (!s.parent || settled(s.parent)));
    // What the node knows, or should know, comes back first.
    waiting.sort((a, b) => Number(b.tracked) - Number(a.tracked));
    const batch = [];
    let size = 0;
    for (const task of waiting) {
      const json = task._newJson();
      size += bytesOf(json);
      const full = size > BATCH_BYTES || batch.length === BATCH;
      if (batch.length && (full || task.tracked !== batch[0].task.tracked)) break;
      batch.push({ task, json });
    }
    return batch;
  }

  async #registerBatch(batch) {
    const { status, answer, type, reason } = await this.#post('/v1/tasks', `[${batch.map(({ json }) => json).join()}]`, batch);
    if (type === 'session_not_found') throw new Error('away');  // Begin anew.
    if (status !== 200 && batch.length > 1) {
      // One bad task makes its whole batch fail; some may have room where all have none.
      const half = batch.length >> 1;
      await this.#registerBatch(batch.slice(0, half));
      if (monotonic() >= this.#fullUntil) await this.#registerBatch(batch.slice(half));
    } else if (isBusy(status)) {
      this.#fullUntil = monotonic() + BUSY_MS;
      warnOnce(`full ${reason}`, `the node takes no more tasks now: ${reason}`);
    } else if (status !== 200) {
      this.#refuse(batch[0].task, reason);
    } else {
      this.#backoff = 0;
      this.#takeAnswer(batch, { status, answer });
      if (!this.#stream) this.#listen();
    }
  }

  #take(task, registered) {
    Object.assign(task._, {
      registered: true, id: registered.id, ancestors: registered.ancestors ?? [],
      fieldsDirty: Object.keys(task._.fields).length > 0, fieldsTold: -COALESCE_MS,
      toldStopping: false, figuresTold: undefined, figuresToldAt: monotonic(), lookTold: 0, lookToldAt: monotonic(),
    });
    const { warning } = registered;
    if (warning) warnOnce(`${warning.type} ${task.action}`, `task ${task.action}: ${warning.reason}`);
    if (registered.cancel) task._.cancel = registered.cancel;
    task._deliver();
  }

  // What it does not take: a context from elsewhere, an id of before. Else the task stays untracked.
  #refuse(task, reason) {
    const state = task._;
    const { task: parent, opaqueId, traceparent } = state.origin;
    let what;
    if (state.id && state.outcome !== undefined) {
      state.refused = true;  // It has heard of the end, and its answer was lost.
      return;
    }
    if (state.id) {
      what = `the node does not give the task ${task.action} its id back, it gets another one`;
      Object.assign(state, { id: '', ancestors: [], key: this.#newKey() });
    } else if (parent || opaqueId || traceparent) {
      what = `the task ${task.action} is registered without its context`;
      state.origin = new Context();
    } else {
      what = `the node refuses the task ${task.action}, it stays untracked`;
      state.refused = true;
    }
    warnOnce(what, `${what}: ${reason}`);
  }

  async #report(task) {
    const state = task._;
    if (!state.registered || state.toldEnd) return;
    const body = {};
    if (state.fieldsDirty) {
      const due = state.fieldsTold + COALESCE_MS - monotonic();
      if (due <= 0 || state.outcome !== undefined) {
        body.status = objectOf(state.fields);
        state.fieldsDirty = false;
        state.fieldsTold = monotonic();
      } else {
        this.#later(due);
      }
    }
    const { tellDeferred } = state;
    if (tellDeferred && state.shields.length) body.deferred = jsonOf(state.shields.at(-1));
    state.tellDeferred = false;
    const stopping = state.knows && !state.toldStopping;
    if (stopping) {
      body.stopping = 'true';
      state.toldStopping = true;
    }
    if (this.#isLookDue(state, Object.keys(body).length > 0)) {
      body.last_check_millis = String(state.looked);
      state.lookTold = state.looked;
      state.lookToldAt = monotonic();
    }
    const resources = this.#newFigures(state, Object.keys(body).length > 0);
    if (resources && !this.#resourcesRefused) body.resources = JSON.stringify(resources);
    try {
      await this.#sendReport(task, body);
    } catch (error) {
      if (error instanceof Busy) {  // All of it once more.
        state.fieldsDirty ||= body.status !== undefined;
        state.tellDeferred ||= tellDeferred;
        if (stopping) state.toldStopping = false;
      }
      throw error;
    }
  }

  async #sendReport(task, body) {
    if (!Object.keys(body).length || await this.#reportRefused(task, body) === undefined) return;
    // Something of it is bad: that must cost itself and nothing else.
    const { status, resources, ...others } = body;
    for (const [name, json] of Object.entries(others)) await this.#reportRefused(task, { [name]: json });
    if (status) await this.#sendMembers(task);
    if (resources && await this.#reportRefused(task, { resources }) !== undefined) this.#resourcesRefused = true;
  }

  // One by one: those that the node does not take leave the status.
  async #sendMembers(task) {
    const { fields } = task._;
    const kept = {};
    for (const [name, json] of Object.entries(fields)) {
      const reason = await this.#reportRefused(task, { status: objectOf({ ...kept, [name]: json }) });
      if (reason === undefined) {
        kept[name] = json;
        continue;
      }
      if (fields[name] === json) delete fields[name];
      task._warnOfMember(name, reason);
    }
    await this.#reportRefused(task, { status: objectOf(kept) });
  }

  // Why the node does not take it, if it is malformed.
  async #reportRefused(task, body) {
    const { status, answer, reason } = await this.#post(`/v1/tasks/${task.id}/report`, objectOf(body));
    if (isBusy(status)) throw new Busy();
    if (status === 200 && answer.cancel && !task._.cancel) {
      task._.cancel = answer.cancel;
      task._deliver();
    }
    return status === 400 || status === 413 ? reason : undefined;
  }

  // What is to be told now of what the task uses: with something else, or for its own sake. The last figures go
  // with the end.
  #newFigures(state, together) {
    if (state.outcome !== undefined) return undefined;
    const told = state.figuresTold;
    const ended = told ? told.executions - told.active : 0;
    if (state.running.size === 0 && state.figures.count === ended) return undefined;
    const left = state.figuresToldAt + MEASURE_MS - monotonic();
    if (left > 0 && !together) {
      this.#lookLater(left);
      return undefined;
    }
    state.figuresToldAt = monotonic();
    state.figuresTold = figuresOf(state);
    if (state.running.size) this.#lookLater(MEASURE_MS);
    return state.figuresTold;
  }

  // Whether the last look, if it is new, is to be told now: with something else, or for its own sake.
  #isLookDue(state, together) {
    const now = monotonic();
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

  async #end() {
    const ended = [...this.#tasks].filter(({ _: s }) => s.outcome !== undefined && (s.registered || s.refused));
    for (const task of ended.filter(({ _: s }) => s.refused)) this.#over(task);
    const told = ended.filter(({ _: s }) => !s.refused);
    for (let i = 0; i < told.length; i += BATCH) await this.#endBatch(told.slice(i, i + BATCH));
  }

  #endOf({ _: s }, bare = this.#resourcesRefused) {
    return { id: s.id, outcome: s.outcome, resources: bare ? undefined : figuresOf(s) };
  }

  async #endBatch(batch, bare) {
    const body = JSON.stringify(batch.map((task) => this.#endOf(task, bare)));
    const { status, answer, reason } = await this.#post('/v1/tasks/finish', body);
    if (isBusy(status)) throw new Busy();
    if (status !== 200 && batch.length > 1) {
      for (const task of batch) await this.#endBatch([task]);  // One bad end makes its whole batch fail.
    } else if (status !== 200 && !bare) {
      await this.#endBatch(batch, true);  // An older node does not know the figures, say.
    } else if (status !== 200) {
      const [task] = batch;
      warnOnce(`end ${task.action}`, `the node does not take the end of the task ${task.action}: ${reason}`);
      this.#over(task);
    } else {
      batch.forEach((task, i) => {
        const again = answer.tasks[i].status ?? 200;
        if (isBusy(again) || isAway(again)) this.#later(BUSY_MS);  // Its disk is full, say.
        else this.#over(task);
      });
    }
  }

  #over(task) {
    task._.toldEnd = true;
    this.#tasks.delete(task);
  }

  // Nothing asynchronous happens any more: what has ended is told over the open connection.
  #atExit(code) {
    for (let task = current.getStore(); task; task = task._.parent) {
      if (task._.inRun && task._.outcome === undefined) task._.outcome = code ? 'failure' : 'success';
    }
    const socket = this.#socket;
    const fd = socket?._handle?.fd;
    const ended = [...this.#tasks].filter(({ _: s }) => s.outcome !== undefined && !s.refused);
    if (ended.length === 0 || !(fd >= 0) || socket.destroyed || socket.connecting) return;
    try {
      const words = new LastWords(fd);
      if (this.#call?.request.socket) this.#takeAnswer(this.#call.batch, words.hear());
      while (this.#takeBatch(ended, words));
      const told = ended.filter(({ _: s }) => s.registered);
      if (told.length) words.say('/v1/tasks/finish', this.#session, JSON.stringify(told.map((task) => this.#endOf(task))));
    } catch {
      // The node is away, or slow: nobody hears how they went.
    }
  }

  // Registers those that can be; whether there were any.
  #takeBatch(tasks, words) {
    const settled = ({ _: s }) => s.registered || s.refused || s.toldEnd;
    const batch = tasks.filter(({ _: s }) => !s.registered && (!s.parent || settled(s.parent))).slice(0, BATCH)
      .map((task) => ({ task, json: task._newJson() }));
    if (batch.length === 0) return false;
    words.say('/v1/tasks', this.#session, `[${batch.map(({ json }) => json).join()}]`);
    return this.#takeAnswer(batch, words.hear());
  }

  #takeAnswer(batch, { status, answer }) {
    if (!batch || status !== 200) return false;
    this.#session = answer.session;
    batch.forEach(({ task }, i) => this.#take(task, answer.tasks[i]));
    return true;
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
    // The session is not over: only this request was refused.
    const refused = () => {
      const timer = setTimeout(() => { if (this.#stream === request) this.#listen(); }, this.#streamPause);
      timer.unref();
      this.#streamPause = Math.min(this.#streamPause * 2, BACKOFF_MAX_MS);
    };
    request.on('socket', (socket) => socket.unref());
    request.on('error', broken);
    request.on('response', (response) => {
      const isStream = response.statusCode === 200;
      if (isStream) this.#streamPause = BACKOFF_MIN_MS;
      let text = '';
      response.setEncoding('utf8');
      response.on('error', broken);
      response.on('end', () => {
        if (isStream || parsed(text)?.error?.type === 'session_not_found') broken();
        else refused();
      });
      response.on('data', (part) => {
        text += part;
        if (!isStream) return;
        const lines = text.split('\n');
        text = lines.pop();
        for (const line of lines) this.#command(parsed(line)?.cancel);
      });
    });
    request.end();
  }

  #command(cancel) {
    if (!cancel) return;  // Of a newer node, or a sign of life.
    for (const task of this.#tasks) {
      if (task.id && task.id === cancel.task) {
        task._.cancel = cancel;
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
    this.#fullUntil = 0;
    this.#backoff = Math.min(Math.max(this.#backoff * 2, BACKOFF_MIN_MS), BACKOFF_MAX_MS);
    this.#retryAt = monotonic() + this.#backoff;
    this.#later(this.#backoff);
    const ended = [];
    for (const task of this.#tasks) {
      task._.registered = false;
      if (task._.outcome !== undefined && !task._.id) ended.push(task);
    }
    for (const task of ended.slice(0, -ENDED_UNTRACKED)) {
      task._.refused = true;  // Its children wait for it no longer.
      this.#tasks.delete(task);
    }
  }
}

// Calls that wait, over a connection that is open already: for the end of the process.
class LastWords {
  #fd;
  #until = monotonic() + EXIT_MS;

  constructor(fd) { this.#fd = fd; }

  say(target, session, body) {
    let left = Buffer.from(`POST ${target} HTTP/1.1\r\nHost: quell\r\nContent-Type: application/json\r\n`
      + `${session ? `Quell-Session: ${session}\r\n` : ''}Content-Length: ${bytesOf(body)}\r\n\r\n${body}`);
    while (left.length) left = left.subarray(this.#once(() => fs.writeSync(this.#fd, left)));
  }

  hear() {
    let bytes = Buffer.alloc(0);
    const part = Buffer.alloc(64 * 1024);
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n');
      const head = bytes.subarray(0, Math.max(end, 0)).toString();
      const length = Number(/^content-length: *([0-9]+)$/im.exec(head)?.[1] ?? 0);
      if (end >= 0 && bytes.length >= end + 4 + length) {
        const body = bytes.subarray(end + 4, end + 4 + length).toString();
        return { status: Number(head.slice(9, 12)), answer: JSON.parse(body || '{}') };
      }
      const got = this.#once(() => fs.readSync(this.#fd, part, 0, part.length, null));
      if (got === 0) throw new Error('the node hung up');
      bytes = Buffer.concat([bytes, part.subarray(0, got)]);
    }
  }

  // Until the socket is ready for it.
  #once(work) {
    const clock = new Int32Array(new SharedArrayBuffer(4));
    for (;;) {
      try {
        return work();
      } catch (error) {
        if (error.code !== 'EAGAIN' || monotonic() > this.#until) throw error;
        Atomics.wait(clock, 0, 0, 1);
      }
    }
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
  task._.inRun = true;
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
