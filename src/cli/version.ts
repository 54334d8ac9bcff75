// The version of this program, from the package that it was installed with.

import { readFileSync } from 'node:fs';

/** The `version` of package.json. This file is built to dist/src/cli. */
export function version(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const found: unknown = (JSON.parse(text) as { version?: unknown }).version;
  return typeof found === 'string' ? found : 'unknown';
}
