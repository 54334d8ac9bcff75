// A workload as an ordinary user. The kernel shows a user's mount to nobody else, not even to root, so the workload
// runs in a process of that user: this file, which reads on stdin what it runs on and prints its values.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { must } from './measure.mjs';

const own = fileURLToPath(import.meta.url);

/** Runs a workload as `user`, `{ uid, gid }`; `place` as in workloads.mjs, `merged` as the file of JSON `mergedFile`. */
export function asUser(user, { name }, place) {
  const input = JSON.stringify({ ...place, workload: name });
  return JSON.parse(must(process.execPath, [own], { cwd: '/', user, input, env: { HOME: '/nonexistent' } }));
}

async function run({ workload, mergedFile, ...place }) {
  const { WORKLOADS } = await import('./workloads.mjs');
  const merged = new Map(JSON.parse(readFileSync(mergedFile, 'utf8')));
  return WORKLOADS.find(({ name }) => name === workload).run({ ...place, merged });
}

if (process.argv[1] === own) {
  run(JSON.parse(readFileSync(0, 'utf8'))).then(
    (values) => process.stdout.write(JSON.stringify(values)),
    (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    },
  );
}
