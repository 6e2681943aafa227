// The Node probe: see README.md.
import readline from 'node:readline';

import { Context, flush, start } from '../../../sdk/node/quell-task.mjs';

const tasks = new Map();
const shields = new Map();
const said = [];

process.on('warning', ({ message }) => said.push(message));
process.on('uncaughtException', () => {});  // Of the command "throws".

function waitFor(signal, millis) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(true);
    const timer = setTimeout(() => resolve(false), millis);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(true); });
  });
}

async function onTask(task, name, command, rest) {
  switch (command) {
    case 'id': return task.id || '-';
    case 'cancelled': return task.cancelled ? '1' : '0';
    case 'wait': {
      if (!await waitFor(task.signal, 20000)) return 'no';
      return `cancelled ${task.cancelRequest.by} ${task.cancelRequest.reason}`;
    }
    case 'progress': {
      const [done, total, unit] = rest.split(' ');
      task.progress(Number(done), Number(total), unit);
      return 'ok';
    }
    case 'phase': task.phase(rest); return 'ok';
    case 'field': {
      const [member, value] = rest.split(' ');
      if (value === 'nan') task.field(member, NaN);
      else if (value === 'long') task.field(member, 'x'.repeat(20000));
      else task.field(member, JSON.parse(value));
      return 'ok';
    }
    case 'throws':
      task.signal.addEventListener('abort', () => { throw new Error('of a callback'); });
      return 'ok';
    case 'shield': {
      const held = new Promise((release) => {
        if (!shields.has(name)) shields.set(name, []);
        shields.get(name).push(release);
      });
      task.shield(rest, () => held);
      return 'ok';
    }
    case 'unshield': shields.get(name).pop()(); return 'ok';
    case 'burn':
      await task.measure(() => {
        const start = process.cpuUsage();
        for (;;) {
          const { user, system } = process.cpuUsage(start);
          if (user + system >= Number(rest) * 1000) return;
        }
      });
      return 'ok';
    case 'finish': task.finish(rest); return 'ok';
    case 'inject':
      return Object.entries(task.context().inject(rest)).map(([key, value]) => `${key}=${value}`).join(' ');
    default: return `unknown command ${command}`;
  }
}

async function answer(line) {
  const [command, name, ...words] = line.split(' ');
  const rest = words.join(' ');
  if (command === 'said') return said.join('; ');
  if (command === 'flush') return await flush(10000) ? '1' : '0';
  if (command === 'start') tasks.set(name, await start(rest, { description: 'of the probe' }));
  else if (command === 'child') tasks.set(name, tasks.get(words[0]).child(words[1]));
  else if (command === 'extract') {
    const headers = Object.fromEntries(words.slice(1).map((pair) => {
      const equals = pair.indexOf('=');
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    }));
    const cancelOnParentLost = 'on_parent_lost' in headers;
    tasks.set(name, await start(words[0], { context: Context.extract(headers), cancelOnParentLost }));
  } else if (!tasks.has(name)) return `unknown task ${name}`;
  else return onTask(tasks.get(name), name, command, rest);
  return 'ok';
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(await answer(line));
}
await flush(250);
