// Long form: every call of every change fails, with each errno and with each kind of marks, and is the last one; and
// every request that a mount makes to a filesystem under its upper.

process.env['MICA_TEST_RUNS'] = '2';
await import('../fs/union/faults.test.js');
await import('../fs/union/killed.test.js');
await import('../mount/failing-filesystem.test.js');

export {};
