// Long form: programs at work on a mount, with a minute of pgbench, and all of stress-ng's tests of filesystems.

process.env['MICA_TEST_LONG'] = '1';
await import('../image/programs.test.js');

export {};
