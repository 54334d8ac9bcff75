// Long form: the server of a mount is killed at every change that it makes on disk.

process.env['MICA_TEST_RUNS'] = '2';
await import('../crash/server.test.js');

export {};
