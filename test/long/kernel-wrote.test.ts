// Long form: kernel and mount take turns under every row of options, of which `npm test` tries some.

process.env['MICA_TEST_RUNS'] = '2';
await import('../mount/format/kernel-wrote.test.js');

export {};
