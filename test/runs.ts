// How often random tests run: as often as `npm test` has time for, and many times as often in the long forms, which
// load the same tests again.

/** `usual` runs, times MICA_TEST_RUNS. */
export function runs(usual: number): number {
  return usual * Number(process.env['MICA_TEST_RUNS'] ?? 1);
}
