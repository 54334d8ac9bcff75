// Long form: the rules of POSIX on the mounts of the store and of mica-overlayfs, as everybody who may mount.

process.env['MICA_TEST_LONG'] = '1';
await import('../mount/posix/elsewhere.test.js');

export {};
