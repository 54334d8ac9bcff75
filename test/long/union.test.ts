// Long form: the union against its model, 40 times as often.

process.env['MICA_TEST_RUNS'] = '40';
await import('../fs/union/model.test.js');

export {};
