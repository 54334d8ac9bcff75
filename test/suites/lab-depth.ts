// How deep and how long the paths of a lab may be, whatever plays it.

import { expect } from 'vitest';
import type { Lab } from '../../src/web/model.js';

const deep = (name: string, count: number): string => Array(count).fill(name).join('/');

/** Plays on any layers. */
export async function expectBoundedPaths(lab: Lab): Promise<void> {
  const run = async (line: string) => {
    const { output, failed } = await lab.run(line);
    return { output, failed };
  };
  const done = { output: '', failed: false };
  const shown = async () => (await lab.state()).merged.map(({ path }) => path);
  const before = await shown();

  const bytes = deep('é'.repeat(100), 21);
  for (const path of [deep('d', 101), deep('d', 3000), bytes]) {
    const output = expect.stringMatching(/^[dé/]{40}…: a path has at most 100 names and 4,095 bytes here\n$/);
    expect(await run(`mkdir -p ${path}`)).toEqual({ output, failed: true });
    expect(await run(`echo x > ${path}`)).toEqual({ output, failed: true });
    expect(await run(`layer top ${path} x`)).toEqual({ output, failed: true });
  }
  expect(await shown()).toEqual(before);

  expect(await run(`mkdir -p ./${deep('d', 100)}/`)).toEqual(done);
  expect(await run(`mkdir -p ${deep('e', 30)}`)).toEqual(done);
  // What no path that is typed leads to is there all the same.
  expect(await run(`mv e ${deep('d', 80)}`)).toEqual(done);
  expect(await shown()).toContain(`${deep('d', 80)}/${deep('e', 30)}`);
  expect(await run('rm -r d')).toEqual(done);
  expect(await shown()).toEqual(before);
}
