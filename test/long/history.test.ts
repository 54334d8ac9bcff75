// Long form: random histories of file calls on a mount, 15 times as often.

process.env['MICA_TEST_RUNS'] = '15';
await import('../mount/history.test.js');

export {};
