// Long form: the rules of POSIX on the mounts of the store and of mica-overlayfs, as everybody who may mount, and
// on those that show owners by a map, collect writes or have lowers that may change.

process.env['MICA_TEST_LONG'] = '1';
await import('../mount/posix/elsewhere.test.js');
await import('../mount/posix/mapped.test.js');
await import('../mount/posix/caching.test.js');

export {};
