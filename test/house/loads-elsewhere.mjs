// Everything that needs no mount must load where there are no system calls of ours: imports each built file with
// the platform said to be macOS and without koffi and fuse-native (lmdb is there on macOS, but its build for it is
// not here, so a stand-in loads). Files that are programs of their own (workers,
// the mount server) run when they are imported, and are left out.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const isProgram = (file) =>
  /^(#!|(await )?main\(|.*(parentPort|workerData|process\.argv\[2\]))/m.test(readFileSync(file, 'utf8'));
const files = builtFiles().filter((file) => !isProgram(file));

function builtFiles() {
  return ['fs', 'native-fallback', 'src'].flatMap((folder) =>
    readdirSync(`dist/${folder}`, { recursive: true })
      .filter((name) => name.endsWith('.js'))
      .map((name) => `dist/${folder}/${name}`),
  );
}

const script = `
  import { register } from 'node:module';
  Object.defineProperty(process, 'platform', { value: 'darwin' });
  const hook = "export async function resolve(name, context, next) { if (name === 'koffi' || name === 'fuse-native') throw new Error(name + ' was loaded'); if (name === 'lmdb') return { url: 'data:text/javascript,export const open = undefined, asBinary = undefined, ABORT = undefined', shortCircuit: true }; return next(name, context); }";
  register('data:text/javascript,' + encodeURIComponent(hook));
  let failed = 0;
  for (const file of ${JSON.stringify(files)}) {
    try {
      await import(${JSON.stringify(`file://${process.cwd()}/`)} + file);
    } catch (error) {
      failed++;
      console.error(file + ': ' + error.message.split('\\n')[0]);
    }
  }
  console.log(${files.length} + ' files loaded, ' + failed + ' failed');
  process.exit(failed === 0 ? 0 : 1);
`;
const done = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
  stdio: 'inherit',
});
process.exit(files.length > 50 && done.status === 0 ? 0 : 1);
