// Long form: layers written and unpacked again, 15 times as often.

process.env['MICA_TEST_RUNS'] = '15';
await import('../src/diff/round-trip.test.js');

export {};
