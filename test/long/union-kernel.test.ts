// Long form: what the kernel's overlayfs shows of what the union wrote, 5 times as often.

process.env['MICA_TEST_RUNS'] = '5';
await import('../mount/union-kernel.test.js');

export {};
