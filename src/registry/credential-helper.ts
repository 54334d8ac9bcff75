// Programs that keep credentials: `docker-credential-NAME get` reads the server from its standard input and prints
// {"Username","Secret"} (docker-credential-helpers). One that is missing or fails does not end a pull: most images
// need no login. What it said comes up if the registry refuses.

import { execFile } from 'node:child_process';
import type { Environment, Found } from './credentials.js';

/** An identity token instead of a password is marked by this user name. */
const TOKEN_USER = '<token>';
const ANSWER_MS = 30_000;

/** Asks the helper `name` about `server`. */
export async function askHelper(name: string, server: string, environment: Environment): Promise<Found> {
  const program = `docker-credential-${name}`;
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return { problem: `${program} is no name of a program` };
  const { answer, problem } = await run(program, server, environment);
  if (answer === undefined) return problem === undefined ? {} : { problem };
  const { Username: username, Secret: secret } = answer;
  if (typeof username !== 'string' || typeof secret !== 'string' || secret === '') {
    return { problem: `${program} gave no credentials for ${server}` };
  }
  return {
    credentials:
      username === TOKEN_USER
        ? { kind: 'identity', token: secret }
        : { kind: 'password', username, password: secret },
  };
}

interface Answered {
  readonly answer?: Readonly<Record<string, unknown>>;
  readonly problem?: string;
}

function run(program: string, server: string, environment: Environment): Promise<Answered> {
  return new Promise((resolve) => {
    const options = { env: { ...environment }, timeout: ANSWER_MS, encoding: 'utf8' } as const;
    const child = execFile(program, ['get'], options, (error, out) => {
      if (error === null) return resolve(parsed(program, out));
      // EACCES, too, where a folder of PATH is closed to this user.
      if (error.code === 'ENOENT' || error.code === 'EACCES')
        return resolve({ problem: `there is no program ${program}, which the file of credentials names` });
      // Helpers say on stdout why they have none (credentials.NewErrCredentialsNotFound).
      const said = out.trim();
      if (/credentials not found/.test(said)) return resolve({});
      resolve({ problem: `${program} failed${said === '' ? '' : `: ${said.slice(0, 200)}`}` });
    });
    // It may end without having read anything.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(server);
  });
}

function parsed(program: string, out: string): Answered {
  try {
    const answer: unknown = JSON.parse(out);
    if (typeof answer === 'object' && answer !== null) return { answer: answer as Record<string, unknown> };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { problem: `${program} did not answer with JSON` };
}
