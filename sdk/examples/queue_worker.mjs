// A queue worker: one task for each job, each with its own AbortSignal. A cancelled job stops; the
// worker goes on with the next one.
//
//   node queue_worker.mjs [JOBS] [MILLISECONDS_PER_JOB]
import { setTimeout as sleep } from 'node:timers/promises';

import { run } from '../node/quell-task.mjs';

const jobs = Number(process.argv[2] ?? 3);
const millis = Number(process.argv[3] ?? 2000);

await run('queue/worker', { description: `${jobs} jobs` }, async (worker) => {
  for (let job = 1; job <= jobs; ++job) {
    worker.throwIfCancelled();
    try {
      await run('queue/job', { description: `job ${job}` }, async (task) => {
        const signal = AbortSignal.any([task.signal, worker.signal]);
        for (let step = 1; step <= 10; ++step) {
          await sleep(millis / 10, undefined, { signal });
          task.progress(step, 10, 'steps');
        }
      });
      console.log(`job ${job} done`);
    } catch (error) {
      if (error.name !== 'AbortError' && error.name !== 'Cancelled') throw error;
      console.log(`job ${job} stopped`);
    }
    worker.progress(job, jobs, 'jobs');
  }
}).catch((error) => {
  if (error.name !== 'Cancelled') throw error;
  console.log(`worker stopped: ${error.message}`);
  process.exitCode = 3;
});
