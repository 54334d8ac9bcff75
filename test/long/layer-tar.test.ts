// Long form: damaged layer tars, 150 times as often.

process.env['MICA_TEST_RUNS'] = '150';
await import('../src/diff/gnu-tar.test.js');

export {};
