import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// One project a part of `npm test`: `bin/dev.mjs` runs them in order and adds up what they counted.
// A FUSE server must never share the thread that makes file calls on its own mount, so tests run in
// forked processes, and everything that mounts runs one file at a time.
const mounting = {
  fileParallelism: false,
  pool: 'forks',
  testTimeout: 120_000,
  hookTimeout: 120_000,
} as const;

// A file for each core. Vitest by itself leaves one to its main process, which takes little; of two cores that is half.
const maxWorkers = availableParallelism();

// The same random numbers at every run; the long forms draw new ones.
const seeded = { setupFiles: ['test/seed.ts'] };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{mount,image,registry,engines,browser,crash,demo,long,mutants}/**'],
          pool: 'forks',
          maxWorkers,
          testTimeout: 30_000,
          ...seeded,
        },
      },
      { test: { name: 'mount', include: ['test/mount/**/*.test.ts'], ...mounting, ...seeded } },
      {
        test: {
          name: 'image',
          include: ['test/image/**/*.test.ts'],
          ...mounting,
          testTimeout: 600_000,
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          name: 'registry',
          include: ['test/registry/**/*.test.ts'],
          ...mounting,
          ...seeded,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          ...mounting,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'engines',
          include: ['test/engines/**/*.test.ts'],
          ...mounting,
          ...seeded,
          testTimeout: 300_000,
          hookTimeout: 900_000,
        },
      },
      { test: { name: 'demo', include: ['test/demo/**/*.test.ts'], ...mounting, testTimeout: 300_000 } },
      {
        test: {
          name: 'crash',
          include: ['test/crash/**/*.test.ts'],
          ...mounting,
          ...seeded,
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'mutants',
          include: ['test/mutants/**/*.test.ts'],
          ...mounting,
          testTimeout: 300_000,
        },
      },
      { test: { name: 'long', include: ['test/long/**/*.test.ts'], ...mounting, testTimeout: 3_600_000 } },
    ],
  },
});
