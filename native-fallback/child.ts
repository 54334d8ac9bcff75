// The program that `child-process.ts` starts: one job from the command line, one line of JSON on stdout.

import { EIO, FsError, fromText, sys } from '../fs/index.js';
import type { Job, JobResults } from './child-process.js';
import { probeHere } from './probe.js';

function perform(job: Job): JobResults[Job['job']] {
  if (job.job === 'probe') return probeHere(job.folder);
  sys.mount('overlay', fromText(job.target), 'overlay', job.flags, fromText(job.data));
  return {};
}

try {
  process.stdout.write(JSON.stringify({ result: perform(JSON.parse(process.argv[2] ?? '') as Job) }));
} catch (error) {
  const errno = error instanceof FsError ? error.errno : EIO;
  process.stdout.write(
    JSON.stringify({ errno, message: error instanceof Error ? error.message : String(error) }),
  );
}
