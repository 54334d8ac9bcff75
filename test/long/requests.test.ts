// Long form: any bytes as FUSE requests, 60 times as often.

process.env['MICA_TEST_RUNS'] = '60';
await import('../wire/hostile.test.js');
await import('../wire/strangers.test.js');

export {};
